"""How is a formula of a last softmax's outputs said of its logits, exactly?

With M the greatest logit, d_i = M − x_i and S the row's sum, an output is at least v exactly where
d_i < D_v(S), D_v(S) being the least d whose output is below v; and the class is the first index with
d_i < D(S) (see decision.py). D is found for every sum that the region reaches. Where it is one number there
the formula becomes relations of [x, M]; where it varies, S is computed in full by a table and D is the
difference of two staircases. A relation of two outputs is said value by value of the first. What none of this
covers (relations of more outputs, too many sums) stays a formula of the softmax's outputs, which only
`enumerate`, `attack` and `interval` look at, or is shown by what says more (`surer`): outputs keep the order
of the logits, and differ where these are a run of equal outputs apart.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from coverify.verify.bounds import Box, wire_bounds
from coverify.verify.deadline import Deadline
from coverify.verify.decision import Pieces, decision, logits_wire
from coverify.verify.errors import CannotDecide
from coverify.verify.property.appended import appended, ended
from coverify.verify.property.distances import Distances, Gap
from coverify.verify.property.formula import (
    AllOf,
    AnyOf,
    ClassIs,
    FewFalse,
    Formula,
    Relation,
    elements,
    negated,
    not_above,
    relation,
    relations,
)
from coverify.verify.property.ranking import Ranking, compared, rankings
from coverify.verify.query import I64Array, Robustness
from tflm_int8.fixedpoint import INT32_MAX, INT32_MIN
from tflm_int8.program.concrete import run
from tflm_int8.program.linear import Dense, Scaling
from tflm_int8.program.primitives import (
    MAX_STAIRS,
    Affine,
    Max,
    Program,
    Softmax,
    Staircase,
    Step,
    Table,
    Term,
)
from tflm_int8.program.rules import Steps

MAX_VALUES = 128
"""How many values of an output are told apart in a relation with another one."""


def reduced(program: Program, formula: Formula, query: Robustness, deadline: Deadline) -> Program:
    """`appended`, exact on the query's region: the label 0 stays where the formula holds of the outputs.

    Raises BadQuery, OutOfTime.
    """
    found = _said_of_logits(_Lowering, program, formula, query, deadline)
    return appended(program, formula) if found is None else found


def surer(program: Program, formula: Formula, query: Robustness, deadline: Deadline) -> Program | None:
    """A program whose label 0 stays only where the formula holds of the outputs, for engines that cannot see
    through a softmax; None where none is known, or `reduced` is such a program.

    Raises BadQuery, OutOfTime.
    """
    if not any(len(part.terms) > 1 for part in relations(formula)):
        return None
    return _said_of_logits(_Surer, program, formula, query, deadline)


def _said_of_logits(
    kind: type[_Lowering], program: Program, formula: Formula, query: Robustness, deadline: Deadline
) -> Program | None:
    """The formula of the logits, appended; None where there is no softmax, or no such formula."""
    n = program.sizes()[program.output]
    if logits_wire(program) == program.output or max(elements(formula), default=0) >= n:
        return None
    try:
        lowering = kind(program, query, wire_bounds(program, query.lo, query.hi, deadline), deadline)
        return lowering.program(lowering.said(formula))
    except CannotDecide:
        return None


@dataclass(eq=False)
class _Lowering:
    """The elements that relations may name: n logits, then their maximum, then the gaps that vary."""

    base: Program
    query: Robustness
    boxes: list[Box]
    deadline: Deadline
    varying: list[Pieces] = field(default_factory=list)
    levels: dict[int, tuple[dict[int, int], int]] = field(default_factory=dict)

    @cached_property
    def softmax(self) -> Softmax:
        """The program's last step."""
        step = self.base.steps[self.base.output - 1]
        assert isinstance(step, Softmax)
        return step

    @cached_property
    def distances(self) -> Distances:
        """What its outputs are."""
        return Distances(self.softmax.function, self.boxes[self.softmax.source], self.deadline)

    @property
    def n(self) -> int:
        """How many there are."""
        return self.softmax.depth

    def _ties(self) -> Gap:
        """The gap at which outputs tie with the greatest one."""
        last = decision(self.base, self.boxes, self.deadline)
        if last.constant:
            return last.least_gap
        if last.pieces is None:
            raise CannotDecide("the gap at which the softmax's outputs tie varies too much")
        return last.pieces

    def program(self, formula: Formula) -> Program:
        """The logits' program with the elements that the formula names, and the formula appended."""
        n, steps = self.n, list(self.base.steps[: self.base.output - 1])
        logits = self.softmax.source
        if max(elements(formula), default=0) < n:
            return appended(ended(self.base, steps, logits), formula, logits)
        greatest = _add(steps, Max(logits, np.arange(n)[None], INT32_MIN, INT32_MAX))
        parts = [(logits, n), (greatest, 1)]
        if self.varying:
            row_sum = self._row_sum(steps, logits, greatest)
            parts += [(_step_function(steps, row_sum, pieces), 1) for pieces in self.varying]
        basis = _add(steps, _joined(parts))
        return appended(ended(self.base, steps, basis), formula, basis)

    def _row_sum(self, steps: list[Step], logits: int, greatest: int) -> int:
        """The wire of Σ exponentials of M − x_i."""
        n = self.n
        everywhere = Dense(np.ones((n, 1), np.int64))
        below = Affine((Term(greatest, everywhere, 0), Term(logits, Scaling(n, -1), 0)), np.full(n, -128))
        wire = _add(steps, below)
        int8 = _add(steps, Max(wire, np.arange(n)[:, None], -128, 127))  # true of it; intervals do not see it
        added = _add(steps, Table(int8, self.softmax.function.exponentials()))
        return _add(steps, Affine((Term(added, Dense(np.ones((1, n), np.int64)), 0),), np.zeros(1, np.int64)))

    def said(self, formula: Formula) -> Formula:
        """The formula over logits, their maximum and gaps.  Raises CannotDecide."""
        match formula:
            case ClassIs(index, wanted):
                stays = self._class(index)
                return stays if wanted else negated(stays)
            case Relation():
                return self._relation(formula)
            case AllOf():
                found, rest = rankings(formula, self.n)
                return AllOf((*map(self._ranked, found), *map(self.said, rest)))
            case AnyOf():
                found, rest = rankings(negated(formula), self.n)
                ranked = (negated(self._ranked(ranking)) for ranking in found)
                return AnyOf((*ranked, *(self.said(negated(part)) for part in rest)))
            case FewFalse(limit, parts):
                return FewFalse(limit, tuple(map(self.said, parts)))

    def _class(self, t: int) -> Formula:
        return self._ranked(Ranking(self.n, t, frozenset(range(t))))

    def _ranked(self, ranking: Ranking) -> Formula:
        """Output `top` ties with the greatest, and those below it do not."""
        if _CLASS not in self.levels:
            self._keep(_CLASS, self._ties())
        gap, below = self.levels[_CLASS], sorted(ranking.below)
        if gap == ({}, 1):
            return AllOf(ranking.pairs)
        return AllOf((self._nearer(ranking.top, gap), *(negated(self._nearer(i, gap)) for i in below)))

    def _relation(self, formula: Relation) -> Formula:
        if not formula.terms:
            return AllOf(()) if formula.bound >= 0 else AnyOf(())
        if len(formula.terms) > 1:
            return self._several(formula)
        ((i, c),) = formula.terms
        bound = formula.bound // abs(c)
        return negated(self._at_least(i, bound + 1)) if c > 0 else self._at_least(i, -bound)

    def _several(self, formula: Relation) -> Formula:
        """A relation of two outputs, for each value of the first: it is beyond, or the second one is within.

        Raises CannotDecide: of more outputs, or of too many values.
        """
        if len(formula.terms) > 2:
            raise CannotDecide("a relation of more than two outputs of a softmax")
        (a, c), (b, d) = formula.terms
        lo, hi = self.distances.range(a)
        if hi - lo >= MAX_VALUES:
            raise CannotDecide(f"an output of the softmax may take {hi - lo + 1} values")
        sign, parts = int(np.sign(c)), []
        for v in range(lo, hi + 1):
            beyond, within = relation({a: sign}, sign * v - 1), relation({b: d}, formula.bound - c * v)
            parts.append((beyond, within))
        self._find({v for pair in parts for single in pair for v in _named(single)})
        return AllOf(tuple(AnyOf(tuple(map(self._relation, pair))) for pair in parts))

    def _at_least(self, i: int, v: int) -> Formula:
        """Output i is at least v."""
        if v <= -128:
            return AllOf(())
        if v > 127:
            return AnyOf(())
        self._find({v})
        return self._nearer(i, self.levels[v])

    def _nearer(self, i: int, gap: tuple[dict[int, int], int]) -> Relation:
        """M − x_i < gap."""
        elements, constant = gap
        return relation({self.n: 1, i: -1, **{e: -c for e, c in elements.items()}}, constant - 1)

    def _find(self, values: set[int]) -> None:
        """D_v of several values, found at once."""
        wanted = sorted(v for v in values if -128 < v <= 127 and v not in self.levels)
        if wanted:
            for v, gap in zip(wanted, self.distances.below(wanted), strict=True):
                self._keep(v, gap)

    def _keep(self, key: int, gap: Gap) -> None:
        """A gap as a form of elements."""
        if isinstance(gap, int):
            self.levels[key] = {}, gap
        else:
            self.varying.append(gap)
            self.levels[key] = {self.n + len(self.varying): 1}, 0


def _named(formula: Relation) -> Iterator[int]:
    """The values v such that a relation of one output is "at least v", or is not."""
    for _, c in formula.terms:
        bound = formula.bound // abs(c)
        yield bound + 1 if c > 0 else -bound


class _Surer(_Lowering):
    """The same where relations of several outputs are said by logits that imply them."""

    def _several(self, formula: Relation) -> Formula:
        pair = compared(formula)
        if pair is None:
            return self._apart(formula)
        a, b, below = pair
        return self._below(a, b) if below else not_above(a, b)

    def _below(self, a: int, b: int) -> Formula:
        """Output b is at least v, and logit a a run of equal outputs, of v or more, below logit b: for the
        least v that has outputs below it, or for one halfway to what the region's input gives.
        """
        least = self.distances.lowest
        half = max(least, (least + int(self.outputs[b])) // 2)
        far, near = (not_above(a, b, -self.distances.longest_run(v)) for v in (least, half))
        return AllOf((self._at_least(b, least), near, AnyOf((far, self._at_least(b, half)))))

    def _apart(self, formula: Relation) -> Formula:
        """Each output stays on its side of a bound: the slack that the region's input has is shared out."""
        slack = formula.bound - sum(c * int(self.outputs[i]) for i, c in formula.terms)
        share = slack // sum(abs(c) for _, c in formula.terms)
        parts = []
        for i, c in formula.terms:
            v = int(self.outputs[i])
            parts.append(negated(self._at_least(i, v + share + 1)) if c > 0 else self._at_least(i, v - share))
        return AllOf(tuple(parts))

    @cached_property
    def outputs(self) -> I64Array:
        """The softmax's outputs of the region's input: int64 [n]."""
        return run(self.base, self.query.x0[None])[self.base.output].reshape(-1)


_CLASS = 1000
"""The key of the gap at which outputs tie with the greatest: no output has this value."""


def _step_function(steps: list[Step], wire: int, pieces: Pieces) -> int:
    """The wire of gap[i] where the sum is in piece i: its rises less its falls."""
    change = np.diff(pieces.gap)
    starts = pieces.start[1:]
    parts = []
    for sign, rise in ((1, np.maximum(change, 0)), (-1, np.maximum(-change, 0))):
        edges = np.repeat(starts, rise)
        if len(edges) > MAX_STAIRS:
            raise CannotDecide("the gap at which the softmax's outputs tie varies too much")
        if len(edges):
            parts.append((_add(steps, Staircase(wire, Steps(edges[None]), np.zeros(1, np.int64))), sign))
    terms = tuple(Term(part, Scaling(1, sign), 0) for part, sign in parts)
    return _add(steps, Affine(terms, pieces.gap[:1].astype(np.int64)))


def _joined(parts: list[tuple[int, int]]) -> Affine:
    """The elements of several wires, one after another: (wire, size)."""
    total, at, terms = sum(n for _, n in parts), 0, []
    for wire, n in parts:
        matrix = np.zeros((total, n), np.int64)
        matrix[at : at + n] = np.eye(n, dtype=np.int64)
        terms.append(Term(wire, Dense(matrix), 0))
        at += n
    return Affine(tuple(terms), np.zeros(total, np.int64))


def _add(steps: list[Step], step: Step) -> int:
    steps.append(step)
    return len(steps)
