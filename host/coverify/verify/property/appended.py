"""How does a property become a question about the label? By primitives appended to the network's program.

The appended program's output is [0, v1, v2, …], one v for each conjunct, and the label is 0: v <= 0 exactly
where its conjunct holds, so that the property holds exactly where 0 stays the index of the first maximum. A
relation is a row of an `Affine`. Clauses of several relations are one `Affine` of all d − c · y, a `Max` of
what each names, and its negation, as in a certificate. Where these were too many, "some part" is a `Max` of
its own, and "at most k are false" counts `Staircase`s with one edge. Every engine works on the program
unchanged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from coverify.verify.errors import BadQuery
from coverify.verify.property.formula import (
    AllOf,
    AnyOf,
    ClassIs,
    FewFalse,
    Formula,
    Relation,
    class_as_relations,
    clauses,
    conjuncts,
    elements,
    negated,
    numbered,
    relations,
)
from coverify.verify.query import I64Array
from tflm_int8.fixedpoint import INT32_MAX, INT32_MIN
from tflm_int8.program.linear import Dense
from tflm_int8.program.primitives import (
    Affine,
    Exact,
    HalfUpShift,
    Max,
    Product,
    Program,
    Select,
    Softmax,
    Staircase,
    Step,
    Table,
    Term,
)
from tflm_int8.program.sparse import Sparse

MAX_VALUE = 1 << 30
"""No appended value may be larger in magnitude."""
MAX_CELLS = 1 << 24
"""Most coefficients of all appended steps."""
FEW_CELLS = 1 << 16
"""A matrix of no more is written as such, however many of its coefficients are 0."""

_INDICATOR = HalfUpShift(np.zeros(1, np.int64), 0, 1)
"""0 for values <= 0, 1 for those above: integers."""


def appended(program: Program, formula: Formula, wire: int | None = None) -> Program:
    """The program whose label 0 stays exactly where the formula holds of the elements of `wire`.

    wire: the output by default.  Raises BadQuery (an output that is not there, coefficients too large).
    """
    building = _Appending(program, program.output if wire is None else wire)
    return building.finished(formula)


def ended(program: Program, steps: Sequence[Step], wire: int) -> Program:
    """A program that ends at a wire, of steps that take the place of the last one."""
    tensors = {w: t for w, t in program.tensors.items() if w < program.output}
    operators = (program.operators + (0,) * len(steps))[: len(steps)] if program.operators else ()
    return replace(program, steps=tuple(steps), output=wire, tensors=tensors, operators=operators)


@dataclass(eq=False)
class _Appending:
    program: Program
    basis: int
    steps: list[Step] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    reaches: list[int] = field(default_factory=list)
    cells: int = 0

    def __post_init__(self) -> None:
        self.steps = list(self.program.steps)
        self.sizes = list(self.program.sizes())
        self.reaches = reaches(self.program)

    def finished(self, formula: Formula) -> Program:
        n = self.sizes[self.basis]
        beyond = max(elements(formula), default=0)
        if beyond >= n:
            raise BadQuery(f"output {beyond} is not an output of the network (0..{n - 1})")
        found = clauses(formula, n)
        if found is not None and all(found):
            self._clauses(*numbered(found))
        else:
            parts = [part for whole in conjuncts(formula) for part in conjuncts(self._without_class(whole))]
            rows = [self._row(part) for part in parts]
            self._sum([{}, *rows], [0, *(self._bias(part) for part in parts)])
        operators = self.program.operators
        more = (max(operators, default=-1) + 1,) * (len(self.steps) - len(operators)) if operators else ()
        return replace(
            self.program, steps=tuple(self.steps), output=len(self.steps), operators=operators + more
        )

    def _clauses(self, rows: list[Relation], some: I64Array | None) -> None:
        """All rows hold, or of those that each of `some` names one does."""
        if some is None:
            self._sum([{}, *map(self._row, rows)], [0, *map(self._bias, rows)])
            return
        slack = self._sum(
            [{(self.basis, i): -c for i, c in row.terms} for row in rows], [row.bound for row in rows]
        )
        greatest = self._add(Max(slack, some, INT32_MIN, INT32_MAX), len(some), self.reaches[slack])
        self._sum([{}, *({(greatest, k): -1} for k in range(len(some)))], [0] * (len(some) + 1))

    def _without_class(self, formula: Formula) -> Formula:
        match formula:
            case ClassIs():
                return class_as_relations(formula, self.sizes[self.basis])
            case AllOf(parts):
                return AllOf(tuple(map(self._without_class, parts)))
            case AnyOf(parts):
                return AnyOf(tuple(map(self._without_class, parts)))
            case FewFalse(limit, parts):
                return FewFalse(limit, tuple(map(self._without_class, parts)))
            case Relation():
                return formula

    def _bias(self, formula: Formula) -> int:
        return -formula.bound if isinstance(formula, Relation) else 0

    def _row(self, formula: Formula) -> dict[tuple[int, int], int]:
        """(wire, element) → coefficient: with the bias a value that is <= 0 where the formula holds."""
        match formula:
            case Relation(terms, _):
                return {(self.basis, i): c for i, c in terms}
            case AllOf(parts):
                return {(self._greatest(parts), 0): 1}
            case AnyOf(parts):
                return {(self._greatest([negated(part) for part in parts], bar=1), 0): -1}
            case FewFalse(limit, parts):
                return {(self._counted(parts, limit), 0): 1}
            case ClassIs():
                raise AssertionError

    def _gathered(self, parts: Sequence[Formula], bar: int = 0) -> int:
        """The wire of the parts' values, each lowered by `bar`."""
        rows = [self._row(part) for part in parts]
        return self._sum(rows, [self._bias(part) - bar for part in parts])

    def _greatest(self, parts: Sequence[Formula], bar: int = 0) -> int:
        """The wire of the greatest of the parts' values, each lowered by `bar`."""
        if not parts:  # of no parts all hold
            return self._sum([{}], [-1])
        wire = self._gathered(parts, bar)
        windows = np.arange(len(parts), dtype=np.int64)[None]
        return self._add(Max(wire, windows, INT32_MIN, INT32_MAX), 1, self.reaches[wire])

    def _counted(self, parts: Sequence[Formula], limit: int) -> int:
        """The wire of the number of parts that are false, less the limit."""
        if not parts:  # a network of one output has no other that could be before it
            return self._sum([{}], [-limit])
        wire = self._gathered(parts)
        false = self._add(Staircase(wire, _INDICATOR, np.zeros(len(parts), np.int64)), len(parts), 1)
        return self._sum([{(false, i): 1 for i in range(len(parts))}], [-limit])

    def _sum(self, rows: Sequence[dict[tuple[int, int], int]], bias: Sequence[int]) -> int:
        """The wire of linear forms of elements."""
        reach = [
            abs(b) + sum(abs(c) * self.reaches[w] for (w, _), c in row.items())
            for row, b in zip(rows, bias, strict=True)
        ]
        _bounded(max(reach))
        wires = sorted({w for row in rows for w, _ in row})
        terms = tuple(Term(w, self._map(rows, w), 0) for w in wires or [self.basis])
        return self._add(Affine(terms, np.array(bias, np.int64)), len(rows), max(reach))

    def _map(self, rows: Sequence[dict[tuple[int, int], int]], wire: int) -> Dense | Sparse:
        n = self.sizes[wire]
        own = [[(i, c) for (w, i), c in row.items() if w == wire] for row in rows]
        widest = max(map(len, own))
        self.cells += len(rows) * min(n, max(widest, 1))
        if self.cells > MAX_CELLS:
            raise BadQuery(f"the property has too many parts; one of them {len(rows)}, of {n} outputs")
        if len(rows) * n <= FEW_CELLS or widest > n // 4:
            matrix = np.zeros((len(rows), n), np.int64)
            for k, terms in enumerate(own):
                for i, c in terms:
                    matrix[k, i] = c
            return Dense(matrix)
        columns, weights = np.full((len(rows), widest), n), np.zeros((len(rows), widest), np.int64)
        for k, terms in enumerate(own):
            for at, (i, c) in enumerate(terms):
                columns[k, at], weights[k, at] = i, c
        return Sparse(n, columns, weights)

    def _add(self, step: Step, n: int, reach: int) -> int:
        self.steps.append(step)
        self.sizes.append(n)
        self.reaches.append(reach)
        return len(self.steps)


def refuse_large(program: Program, formula: Formula) -> None:
    """Raises BadQuery where a relation's values may be larger than those that are appended may be."""
    largest = reaches(program)[program.output]
    for part in relations(formula):
        _bounded(abs(part.bound) + sum(abs(c) for _, c in part.terms) * largest)


def _bounded(reach: int) -> None:
    if reach > MAX_VALUE:
        raise BadQuery(
            f"a relation of the outputs may reach {reach}, more than {MAX_VALUE}: "
            "its coefficients are too large"
        )


def reaches(program: Program) -> list[int]:
    """For every wire, what no magnitude of its elements exceeds, whatever the input; Python integers."""
    found = [max(abs(program.input_lo), abs(program.input_hi))]
    for step in program.steps:
        found.append(_reach(step, found))
    return found


def _reach(step: Step, before: list[int]) -> int:
    match step:
        case Affine():
            total = int(np.abs(step.bias).max(initial=0))
            for term in step.terms:
                ones = np.ones(term.map.n_in, np.int64)
                most = int(term.map.interval(-ones, ones)[1].max(initial=0))
                total += most * (before[term.source] + abs(term.offset))
            return total
        case Staircase():
            return max(abs(step.rule.lo), abs(step.rule.hi))
        case Table():
            return int(np.abs(step.values).max())
        case Max():
            ends = max(abs(step.lo), abs(step.hi))
            return min(before[step.source], ends) if step.lo <= 0 <= step.hi else ends
        case Select():
            return before[step.source]
        case Product():
            return (before[step.left] + abs(step.left_offset)) * (before[step.right] + abs(step.right_offset))
        case Softmax():
            return 128
        case Exact():
            return max(abs(step.lo), abs(step.hi))
