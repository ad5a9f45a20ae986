"""At which accumulators do two requantizations give different values? All of them, by their stair edges.

Both rules are monotone step functions, so that they are constant between the union of their edges: looking at
one point of every piece tells everything. `table` says it per operator and channel of two programs, within
what the region's bounds let the accumulators reach.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from coverify.verify.bounds import Box
from coverify.verify.query import I64Array
from coverify.verify.stairs import edges_of
from tflm_int8.program.primitives import (
    MAX_STAIRS,
    Program,
    Requantize,
    RequantizeReal,
    Rule,
    Staircase,
    Table,
)


@dataclass(frozen=True, eq=False)
class Apart:
    """Accumulators start[i]..end[i] (inclusive), ascending and disjoint; int64 [n]."""

    start: I64Array
    end: I64Array

    @property
    def count(self) -> int:
        """How many accumulators that are."""
        return int((self.end - self.start + 1).sum())

    def within(self, lo: int, hi: int) -> Apart:
        """Those of lo..hi."""
        start, end = np.maximum(self.start, lo), np.minimum(self.end, hi)
        kept = start <= end
        return Apart(start[kept], end[kept])

    def distance(self, acc: I64Array) -> I64Array:
        """How far each accumulator is from the nearest of them, int64 like acc; needs at least one."""
        after = np.searchsorted(self.end, acc)
        above = self.start[np.minimum(after, len(self.start) - 1)] - acc
        below = acc - self.end[np.maximum(after - 1, 0)]
        above = np.where(after < len(self.start), np.maximum(above, 0), np.iinfo(np.int64).max)
        below = np.where(after > 0, below, np.iinfo(np.int64).max)
        nearest: I64Array = np.minimum(above, below)
        return nearest

    def nearest(self, acc: int) -> int:
        """The nearest of them."""
        best = int(np.argmin(np.maximum(self.start - acc, 0) + np.maximum(acc - self.end, 0)))
        return min(max(acc, int(self.start[best])), int(self.end[best]))


def separated(first: Rule, second: Rule, channel: tuple[int, int]) -> Apart:
    """Every accumulator of both rules' domains at which channel[0] of the first and channel[1] of the second
    differ.  Raises CannotDecide for a rule of too many stairs.
    """
    rules = (first, second)
    ends = [rule.domain() for rule in rules]
    lo = max(int(low[c]) for (low, _), c in zip(ends, channel, strict=True))
    hi = min(int(high[c]) for (_, high), c in zip(ends, channel, strict=True))
    inner = [edges_of(_only(rule, c))[0] for rule, c in zip(rules, channel, strict=True)]
    points = np.unique(np.concatenate([np.array([lo], np.int64), *inner]))
    points = points[(points >= lo) & (points <= hi)]
    a, b = (r.apply(points, np.full(len(points), c)) for r, c in zip(rules, channel, strict=True))
    last = np.append(points[1:] - 1, hi)
    differs = a != b
    return _merged(points[differs], last[differs])


def _only(rule: Rule, channel: int) -> Rule:
    """The rule of one channel, where that is easily said: its edges alone are looked for."""
    some = slice(channel, channel + 1)
    match rule:
        case Requantize(m, s, rounding, zero, lo, hi):
            return Requantize(m[some], s[some], rounding, zero, lo, hi)
        case RequantizeReal(scale, zero, lo, hi):
            return RequantizeReal(scale[some], zero, lo, hi)
        case _:
            return _OneChannel(rule, channel)


@dataclass(frozen=True)
class _OneChannel:
    rule: Rule
    number: int

    @property
    def n_channels(self) -> int:
        return 1

    @property
    def lo(self) -> int:
        return self.rule.lo

    @property
    def hi(self) -> int:
        return self.rule.hi

    def apply(self, acc: I64Array, channel: I64Array) -> I64Array:
        return self.rule.apply(acc, channel + self.number)

    def domain(self) -> tuple[I64Array, I64Array]:
        low, high = self.rule.domain()
        return low[self.number : self.number + 1], high[self.number : self.number + 1]


def _merged(start: I64Array, end: I64Array) -> Apart:
    """Pieces that touch become one."""
    if not len(start):
        return Apart(start, end)
    fresh = np.concatenate([[True], start[1:] > end[:-1] + 1])
    last = np.concatenate([np.flatnonzero(fresh)[1:] - 1, [len(end) - 1]])
    return Apart(start[fresh], end[last])


@dataclass(frozen=True, eq=False)
class Row:
    """One channel of one requantization (or one table, whose "accumulators" are its arguments).

    step: of the first program; operator: its index in the graph, −1 where that is not known; rule: what the
    first and the second program multiply by, for people; reach: what the region lets its accumulators be;
    apart: those within reach at which the two differ; everywhere: how many there are in the whole domain.
    """

    step: int
    operator: int
    channel: int
    rules: tuple[str, str]
    reach: tuple[int, int]
    apart: Apart
    everywhere: int
    values: tuple[int, int] | None
    """Of the first and the second rule at the first of them."""


def table(first: Program, second: Program, boxes: list[Box]) -> list[Row]:
    """One row per channel of every pair of requantizations and tables of two programs of the same steps.

    boxes: the wires' bounds of the first program on the region.  Empty where the steps do not correspond.
    """
    if [type(s) for s in first.steps] != [type(s) for s in second.steps]:
        return []
    rows = []
    for k, (one, other) in enumerate(zip(first.steps, second.steps, strict=True)):
        operator = first.operators[k] if k < len(first.operators) else -1
        if isinstance(one, Staircase) and isinstance(other, Staircase):
            rows += list(_channels(k, operator, one, other, boxes[one.source]))
        elif isinstance(one, Table) and isinstance(other, Table):
            rows.append(_entries(k, operator, one, other, boxes[one.source]))
    return rows


def _channels(k: int, operator: int, one: Staircase, other: Staircase, box: Box) -> Iterator[Row]:
    if len(one.channel) != len(other.channel):
        return
    if max(r.hi - r.lo for r in (one.rule, other.rule)) > MAX_STAIRS:
        return
    pairs = np.stack([one.channel, other.channel], axis=1)
    unique, place = np.unique(pairs, axis=0, return_inverse=True)
    place = place.reshape(-1)
    for number, (c, d) in enumerate(unique.tolist()):
        at = place == number
        lo, hi = int(box.lo[at].min()), int(box.hi[at].max())
        every = separated(one.rule, other.rule, (c, d))
        reached = every.within(lo, hi)
        said = said_of(one.rule, c), said_of(other.rule, d)
        values = None
        if reached.count:
            acc = reached.start[:1]
            values = tuple(int(r.apply(acc, np.array([x]))[0]) for r, x in ((one.rule, c), (other.rule, d)))
        yield Row(k, operator, c, said, (lo, hi), reached, every.count, _pair(values))


def _pair(values: tuple[int, ...] | None) -> tuple[int, int] | None:
    return None if values is None else (values[0], values[1])


def _entries(k: int, operator: int, one: Table, other: Table, box: Box) -> Row:
    at = np.flatnonzero(one.values != other.values).astype(np.int64) - 128
    lo, hi = int(box.lo.min()), int(box.hi.max())
    every = _merged(at, at)
    reached = every.within(lo, hi)
    values = None
    if reached.count:
        argument = int(reached.start[0]) + 128
        values = int(one.values[argument]), int(other.values[argument])
    return Row(k, operator, 0, ("table", "table"), (lo, hi), reached, every.count, values)


def said_of(rule: Rule, channel: int) -> str:
    """What a rule multiplies by, in a few words."""
    match rule:
        case Requantize():
            m, s = int(rule.multiplier[channel]), int(rule.shift[channel])
            return f"{m} · 2^{s - 31}, {rule.rounding.value} rounding"
        case RequantizeReal():
            return f"{float(rule.scale[channel])!r} in double"
        case _:
            return type(rule).__name__
