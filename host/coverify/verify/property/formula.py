"""What is said of a network's outputs? Linear relations of integers, the class, and how they are joined.

A formula is plain data over the elements of the output tensor (flat, C order, integer codes). `holds` is its
meaning, on outputs wherever they come from (the reference, a device); the class is the index of the first
maximum, as a user of the device computes it. `negated` is exact, because outputs are integers.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coverify.verify.query import BoolArray, IntArray

IndexArray = NDArray[np.int64]

MAX_CLAUSES = 256
"""A formula of more clauses of several relations is not written as such."""
MAX_ALTERNATIVES = 1 << 12
"""Nor one of more relations in all of these."""
MAX_CELLS = 1 << 20
"""Nor one whose clauses, each as long as the longest one, are more than these."""


@dataclass(frozen=True)
class Relation:
    """Σ coefficient · y[element] <= bound; terms: (element, coefficient), ascending, no coefficient 0."""

    terms: tuple[tuple[int, int], ...]
    bound: int


@dataclass(frozen=True)
class ClassIs:
    """The index of the first maximum of all outputs is `index` (`wanted`), or is not."""

    index: int
    wanted: bool = True


@dataclass(frozen=True)
class AllOf:
    """Every part holds."""

    parts: tuple[Formula, ...]


@dataclass(frozen=True)
class AnyOf:
    """Some part holds."""

    parts: tuple[Formula, ...]


@dataclass(frozen=True)
class FewFalse:
    """At most `limit` parts are false."""

    limit: int
    parts: tuple[Formula, ...]


Formula = Relation | ClassIs | AllOf | AnyOf | FewFalse


def relation(coefficients: Mapping[int, int], bound: int) -> Relation:
    """Σ coefficient · y[element] <= bound."""
    return Relation(tuple((i, c) for i, c in sorted(coefficients.items()) if c), bound)


def not_above(a: int, b: int, by: int = 0) -> Relation:
    """y[a] − y[b] <= by."""
    return relation({a: 1, b: -1}, by)


def holds(formula: Formula, outputs: IntArray) -> BoolArray:
    """On which rows does it hold?  outputs: int [N, n] → [N]."""
    match formula:
        case Relation(terms, bound):
            total = np.zeros(len(outputs), object)  # Python integers: no overflow
            for element, coefficient in terms:
                total = total + coefficient * outputs[:, element].astype(object)
            return np.array([value <= bound for value in total], bool)
        case ClassIs(index, wanted):
            is_it: BoolArray = outputs.argmax(axis=1) == index
            return is_it if wanted else ~is_it
        case AllOf(parts):
            return _few_false(0, parts, outputs)
        case AnyOf(parts):
            return _few_false(len(parts) - 1, parts, outputs)
        case FewFalse(limit, parts):
            return _few_false(limit, parts, outputs)


def _few_false(limit: int, parts: tuple[Formula, ...], outputs: IntArray) -> BoolArray:
    """On which rows are at most `limit` parts false?"""
    total = np.zeros(len(outputs), np.int64)
    for part in parts:
        total += ~holds(part, outputs)
    few: BoolArray = total <= limit
    return few


def negated(formula: Formula) -> Formula:
    """The formula that holds exactly where this one does not."""
    match formula:
        case Relation(terms, bound):
            return Relation(tuple((i, -c) for i, c in terms), -bound - 1)
        case ClassIs(index, wanted):
            return ClassIs(index, not wanted)
        case AllOf(parts):
            return AnyOf(tuple(negated(part) for part in parts))
        case AnyOf(parts):
            return AllOf(tuple(negated(part) for part in parts))
        case FewFalse(limit, parts):
            return FewFalse(len(parts) - limit - 1, tuple(negated(part) for part in parts))


def conjuncts(formula: Formula) -> Iterator[Formula]:
    """The formulas that must all hold: those of nested conjunctions and of single alternatives, or itself."""
    match formula:
        case AllOf(parts):
            for part in parts:
                yield from conjuncts(part)
        case AnyOf((only,)):
            yield from conjuncts(only)
        case _:
            yield formula


def elements(formula: Formula) -> set[int]:
    """The outputs that the formula names."""
    match formula:
        case Relation(terms, _):
            return {i for i, _ in terms}
        case ClassIs(index, _):
            return {index}
        case AllOf(parts) | AnyOf(parts) | FewFalse(_, parts):
            return set[int]().union(*map(elements, parts))


def names_a_class(formula: Formula) -> bool:
    """Is it about the class, in some part?"""
    match formula:
        case Relation():
            return False
        case ClassIs():
            return True
        case AllOf(parts) | AnyOf(parts) | FewFalse(_, parts):
            return any(map(names_a_class, parts))


def relations(formula: Formula) -> Iterator[Relation]:
    """The relations in it."""
    match formula:
        case Relation():
            yield formula
        case AllOf(parts) | AnyOf(parts) | FewFalse(_, parts):
            for part in parts:
                yield from relations(part)


def class_as_relations(formula: ClassIs, n: int) -> AllOf | AnyOf:
    """The class among n outputs said by comparisons: earlier outputs are below, later ones not above."""
    t = formula.index
    stays = AllOf(tuple(not_above(j, t, -1 if j < t else 0) for j in range(n) if j != t))
    if formula.wanted:
        return stays
    return AnyOf(tuple(negated(part) for part in stays.parts))


Clause = tuple[Relation, ...]
"""Relations of which one holds; of none none does."""


def clauses(formula: Formula, n: int) -> list[Clause] | None:
    """The formula of n outputs as clauses that all hold, or None where these would be too many."""
    match formula:
        case Relation():
            return [(formula,)]
        case ClassIs():
            return clauses(class_as_relations(formula, n), n)
        case AllOf(parts):
            return _all_of([clauses(part, n) for part in parts])
        case AnyOf(parts):
            return _any_of([clauses(part, n) for part in parts])
        case FewFalse():
            return None


def spelled(formula: Formula) -> Formula:
    """The same where "at most k are false" is said without counting: of every k + 1 parts one holds.

    What would be too many clauses stays as it is.
    """
    match formula:
        case AllOf(parts):
            return AllOf(tuple(map(spelled, parts)))
        case AnyOf(parts):
            return AnyOf(tuple(map(spelled, parts)))
        case FewFalse(limit, parts) if limit >= 0 and math.comb(len(parts), limit + 1) <= MAX_CLAUSES:
            own = tuple(map(spelled, parts))
            return AllOf(tuple(AnyOf(some) for some in itertools.combinations(own, limit + 1)))
        case _:
            return formula


def _all_of(parts: Sequence[list[Clause] | None]) -> list[Clause] | None:
    found = list[Clause]()
    for part in parts:
        if part is None:
            return None
        found += part
    many = [clause for clause in found if len(clause) > 1]
    cells = len(found) * max(map(len, many), default=0)  # of `numbered`
    fit = len(many) <= MAX_CLAUSES and sum(map(len, many)) <= MAX_ALTERNATIVES and cells <= MAX_CELLS
    return found if fit else None


def _any_of(parts: Sequence[list[Clause] | None]) -> list[Clause] | None:
    found: list[Clause] = [()]
    for part in parts:
        if part is None or len(found) * len(part) > MAX_CLAUSES:
            return None
        found = [(*clause, *more) for clause in found for more in part]
        if sum(map(len, found)) > MAX_ALTERNATIVES:
            return None
    return found


def numbered(found: Sequence[Clause]) -> tuple[list[Relation], IndexArray | None]:
    """The relations [k] of clauses, none of which is empty, and those that each clause names: int64
    [clauses, w], the first again where it names fewer than w; None where each is one of the k, in order.
    """
    if all(len(clause) == 1 for clause in found):
        return [row for (row,) in found], None
    rows = list(dict.fromkeys(row for clause in found for row in clause))
    at, most = {row: k for k, row in enumerate(rows)}, max(map(len, found))
    return rows, np.array(
        [[at[row] for row in (*clause, *clause[:1] * (most - len(clause)))] for clause in found]
    )
