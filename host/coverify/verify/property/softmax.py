"""How is a formula of a last softmax's outputs said of its logits, exactly?

With M the greatest logit, d_i = M − x_i and S the row's sum, an output is at least v exactly where
d_i < D_v(S), D_v(S) being the least d whose output is below v; and the class is the first index with
d_i < D(S) (see decision.py). D is found for every sum that the region reaches. Where it is one number there
the formula becomes relations of [x, M]; where it varies, S is computed in full by a table and D is the
difference of two staircases. What neither covers (relations of several outputs, too many sums) stays a
formula of the softmax's outputs, which only `enumerate`, `attack` and `interval` look at.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from coverify.verify.bounds import Box, wire_bounds
from coverify.verify.deadline import Deadline
from coverify.verify.decision import CHUNK, Pieces, decision, logits_wire, sum_bounds
from coverify.verify.errors import CannotDecide
from coverify.verify.property.appended import appended
from coverify.verify.property.formula import (
    AllOf,
    AnyOf,
    ClassIs,
    FewFalse,
    Formula,
    Relation,
    elements,
    negated,
    relation,
)
from coverify.verify.property.ranking import Ranking, rankings
from coverify.verify.query import I64Array, Robustness
from tflm_int8.fixedpoint import INT32_MAX, INT32_MIN
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

MAX_SUMS = 1 << 22
"""How many sums of the row are examined for one bound of an output."""

Gap = int | Pieces


def reduced(program: Program, formula: Formula, query: Robustness, deadline: Deadline) -> Program:
    """`appended`, exact on the query's region: the label 0 stays where the formula holds of the outputs.

    Raises BadQuery, OutOfTime.
    """
    if logits_wire(program) == program.output:
        return appended(program, formula)
    if max(elements(formula), default=0) >= program.sizes()[program.output]:
        return appended(program, formula)  # which refuses it
    try:
        lowering = _Lowering.of(program, query, deadline)
        said = lowering.said(formula)
        return lowering.program(said)
    except CannotDecide:
        return appended(program, formula)


@dataclass(eq=False)
class _Lowering:
    """The elements that relations may name: n logits, then their maximum, then the gaps that vary."""

    base: Program
    softmax: Softmax
    boxes: list[Box]
    deadline: Deadline
    n: int
    classes: Callable[[], Gap]
    varying: list[Pieces]
    levels: dict[int, tuple[dict[int, int], int]]

    @staticmethod
    def of(program: Program, query: Robustness, deadline: Deadline) -> _Lowering:
        boxes = wire_bounds(program, query.lo, query.hi, deadline)
        step = program.steps[program.output - 1]
        assert isinstance(step, Softmax)
        n = len(boxes[step.source].lo)

        def classes() -> Gap:
            last = decision(program, boxes, deadline)
            if last.constant:
                return last.least_gap
            if last.pieces is None:
                raise CannotDecide("the gap at which the softmax's outputs tie varies too much")
            return last.pieces

        return _Lowering(program, step, boxes, deadline, n, classes, [], {})

    def program(self, formula: Formula) -> Program:
        """The logits' program with the elements that the formula names, and the formula appended."""
        n, steps = self.n, list(self.base.steps[: self.base.output - 1])
        logits = self.softmax.source
        if max(elements(formula), default=0) < n:
            return appended(self._ended(steps, logits), formula, logits)
        greatest = _add(steps, Max(logits, np.arange(n)[None], INT32_MIN, INT32_MAX))
        parts = [(logits, n), (greatest, 1)]
        if self.varying:
            row_sum = self._row_sum(steps, logits, greatest)
            parts += [(_step_function(steps, row_sum, pieces), 1) for pieces in self.varying]
        basis = _add(steps, _joined(parts))
        return appended(self._ended(steps, basis), formula, basis)

    def _ended(self, steps: list[Step], wire: int) -> Program:
        """A program that ends at a wire."""
        tensors = {w: t for w, t in self.base.tensors.items() if w < self.base.output}
        operators = (self.base.operators + (0,) * len(steps))[: len(steps)] if self.base.operators else ()
        return replace(self.base, steps=tuple(steps), output=wire, tensors=tensors, operators=operators)

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
                return AnyOf(tuple(map(negated, (*map(self._ranked, found), *map(self.said, rest)))))
            case FewFalse(limit, parts):
                return FewFalse(limit, tuple(map(self.said, parts)))

    def _class(self, t: int) -> Formula:
        return self._ranked(Ranking(self.n, t, frozenset(range(t))))

    def _ranked(self, ranking: Ranking) -> Formula:
        """Output `top` ties with the greatest, and those below it do not."""
        gap, below = self._gap(_CLASS, self.classes), sorted(ranking.below)
        if gap == ({}, 1):
            return AllOf(ranking.pairs)
        return AllOf((self._nearer(ranking.top, gap), *(negated(self._nearer(i, gap)) for i in below)))

    def _relation(self, formula: Relation) -> Formula:
        if not formula.terms:
            return AllOf(()) if formula.bound >= 0 else AnyOf(())
        if len(formula.terms) > 1:
            raise CannotDecide("a relation of several outputs of a softmax")
        ((i, c),) = formula.terms
        bound = formula.bound // abs(c)
        return negated(self._at_least(i, bound + 1)) if c > 0 else self._at_least(i, -bound)

    def _at_least(self, i: int, v: int) -> Formula:
        """Output i is at least v."""
        if v <= -128:
            return AllOf(())
        if v > 127:
            return AnyOf(())
        return self._nearer(i, self._gap(v, lambda: self._level(v)))

    def _nearer(self, i: int, gap: tuple[dict[int, int], int]) -> Relation:
        """M − x_i < gap."""
        elements, constant = gap
        return relation({self.n: 1, i: -1, **{e: -c for e, c in elements.items()}}, constant - 1)

    def _gap(self, key: int, find: Callable[[], Gap]) -> tuple[dict[int, int], int]:
        """A gap as a form of elements, found once."""
        if key not in self.levels:
            found = find()
            if isinstance(found, int):
                self.levels[key] = {}, found
            else:
                self.varying.append(found)
                self.levels[key] = {self.n + len(self.varying): 1}, 0
        return self.levels[key]

    def _level(self, v: int) -> Gap:
        """D_v on every sum that the region reaches."""
        function = self.softmax.function
        table = function.exponentials()
        if table.shape != (256,) or np.any(np.diff(table) > 0) or table[255] < 0:
            raise CannotDecide("the softmax's exponentials are not monotone")
        lo, hi = sum_bounds(table, self.boxes[self.softmax.source])
        if hi - lo >= MAX_SUMS or hi >= 2**31:
            raise CannotDecide(f"the softmax's sum may take {hi - lo + 1} values")
        parts = []
        for first in range(max(lo, 1), hi + 1, CHUNK):
            self.deadline.check()
            sums = np.arange(first, min(first + CHUNK, hi + 1))
            parts.append(_levels(function.output, table, sums, v))
        gap = np.concatenate(parts)
        at = np.concatenate([np.zeros(1, np.int64), np.flatnonzero(np.diff(gap)) + 1])
        if len(at) == 1:
            return int(gap[0])
        return Pieces(max(lo, 1) + at, gap[at], table)


_CLASS = 1000
"""The key of the gap at which outputs tie with the greatest: no output has this value."""


def _levels(output: Callable[[I64Array, int], I64Array], table: I64Array, sums: I64Array, v: int) -> I64Array:
    """The least d whose output is below v, for every sum; CannotDecide where outputs rise with d.

    Once all outputs are below v it is enough to go on until the exponential has fallen (see decision.py).
    """
    gap, before, last = np.full(len(sums), 256, np.int64), None, 256
    for d in range(256):
        if last < 256 and table[d] < table[last]:
            break
        value = output(sums, d)
        if before is not None and np.any(value > before):
            raise CannotDecide("the softmax's outputs are not monotone in the distance from the maximum")
        gap[(value < v) & (gap == 256)] = d
        if last == 256 and gap.max() < 256:
            last = d
        before = value
    return gap


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
