"""How far can a step of the second network be from its partner in the first? Bounds of (second − first).

`Drift` is a box of the difference, per element, exact integers, outward: no input of the region leaves it.
Where the two steps have the same source and their stairs agree on every accumulator that the region reaches,
the drift is 0 and the elements are equal there. One function per primitive; what has none is bounded by the
difference of the two boxes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from coverify.verify.bounds import Box
from coverify.verify.equivalence.sameness import same
from coverify.verify.errors import CannotDecide
from coverify.verify.query import I64Array
from tflm_int8.program.linear import Convolution, Dense, Repeated
from tflm_int8.program.primitives import (
    MAX_STAIRS,
    Affine,
    LinearMap,
    Max,
    Rule,
    Select,
    Staircase,
    Step,
    Table,
    Term,
    thresholds,
)

_CHUNK = 1 << 21
"""Elements times stairs that are looked at in one piece."""
MOST = 1 << 61
"""Elements beyond have differences, or sums of a few of them, that int64 does not hold."""
_TABLE_SHIFTS = 32
"""So many shifts of a table's argument are looked at one by one."""


@dataclass(frozen=True, eq=False)
class Sides:
    """The boxes of a source in the first and in the second network, and the drift between them."""

    first: Box
    second: Box
    drift: Box


def zero(n: int) -> Box:
    """No drift."""
    return Box(np.zeros(n, np.int64), np.zeros(n, np.int64))


def apart(first: Box, second: Box) -> Box:
    """What the two boxes alone say.  CannotDecide where differences, or sums of a few, may leave int64."""
    for box in (first, second):
        if box.lo.min(initial=0) < -MOST or box.hi.max(initial=0) > MOST:
            raise CannotDecide("elements of 64 bits have differences that leave int64")
    return Box(second.lo - first.hi, second.hi - first.lo)


def step_drift(first: Step, second: Step, sources: list[Sides]) -> Box | None:
    """The drift of two partner steps, whose sources (term by term) are given; None: no function for it."""
    match first, second:
        case Affine(), Affine() if len(first.terms) == len(second.terms):
            return _affine(first, second, sources)
        case Staircase(), Staircase():
            return _staircase(first, second, sources[0])
        case Table(), Table():
            return _table(first, second, sources[0])
        case Max(), Max() if same(first.windows, second.windows):
            return _maximum(first, second, sources[0])
        case Select(), Select() if same(first.index, second.index):
            moved = sources[0].drift
            return Box(moved.lo[first.index], moved.hi[first.index])
        case _:
            return None


def _affine(first: Affine, second: Affine, sources: list[Sides]) -> Box | None:
    """Σ M'·(x' − o') − M·(x − o) = Σ M'·(x' − x) + (M' − M)·x − M'·o' + M·o."""
    lo = second.bias - first.bias
    hi = lo
    for one, other, sides in zip(first.terms, second.terms, sources, strict=True):
        part = _term(one, other, sides)
        if part is None:
            return None
        lo, hi = lo + part.lo, hi + part.hi
    return Box(lo, hi)


def _term(one: Term, other: Term, sides: Sides) -> Box | None:
    if same(one.map, other.map):
        moved = sides.drift.lo - other.offset + one.offset, sides.drift.hi - other.offset + one.offset
        return Box(*other.map.interval(*moved))
    changed = _difference(one.map, other.map)
    if changed is None:
        return None
    n = one.map.n_in
    by_drift = other.map.interval(sides.drift.lo, sides.drift.hi)
    by_weights = changed.interval(sides.first.lo, sides.first.hi)
    offsets = (
        other.map.apply(np.full((1, n), other.offset))[0] - one.map.apply(np.full((1, n), one.offset))[0]
    )
    return Box(by_drift[0] + by_weights[0] - offsets, by_drift[1] + by_weights[1] - offsets)


def _difference(one: LinearMap, other: LinearMap) -> LinearMap | None:
    """other − one, where both have one structure."""
    match one, other:
        case Dense(), Dense() if one.weights.shape == other.weights.shape:
            return Dense(other.weights - one.weights)
        case Convolution(), Convolution() if (
            same(one.window, other.window)
            and one.groups == other.groups
            and one.filters.shape == other.filters.shape
        ):
            return Convolution(one.window, other.filters - one.filters, one.groups)
        case Repeated(), Repeated() if one.times == other.times:
            part = _difference(one.part, other.part)
            return None if part is None else Repeated(part, one.times)
        case _:
            return None


def _staircase(first: Staircase, second: Staircase, sides: Sides) -> Box | None:
    """Exact for each element by itself: the extremes lie at the ends of the first network's stairs.

    Elements of one channel with the same bounds (the inside of an image) are looked at once.
    """
    if max(first.rule.hi - first.rule.lo, second.rule.hi - second.rule.lo) > MAX_STAIRS:
        return None
    bounds = (
        sides.first.lo,
        sides.first.hi,
        sides.second.lo,
        sides.second.hi,
        sides.drift.lo,
        sides.drift.hi,
    )
    rows = np.stack([first.channel, second.channel, *bounds], axis=1)
    unique, place = np.unique(rows, axis=0, return_inverse=True)
    edges = thresholds(first.rule)
    step = max(1, _CHUNK // (edges.shape[1] + 1))
    parts = [
        _some_stairs(first.rule, second.rule, edges, unique[start : start + step].T[:, :, None])
        for start in range(0, len(unique), step)
    ]
    lo, hi = (np.concatenate(ends)[place.reshape(-1)] for ends in zip(*parts, strict=True))
    return Box(lo, hi)


def _some_stairs(first: Rule, second: Rule, edges: I64Array, rows: I64Array) -> tuple[I64Array, I64Array]:
    """rows: channels, boxes and drift as above, int64 [8, n, 1] → least and greatest difference, [n] each."""
    of_a, of_b, a_lo, a_hi, b_lo, b_hi, drift_lo, drift_hi = rows
    inner = edges[of_a[:, 0]]
    starts = np.concatenate([a_lo, np.clip(inner, a_lo, a_hi)], axis=1)
    ends = np.concatenate([np.clip(inner - 1, a_lo, a_hi), a_hi], axis=1)
    up, down = np.clip(ends + drift_hi, b_lo, b_hi), np.clip(starts + drift_lo, b_lo, b_hi)
    rise = _values(second, up, of_b) - _values(first, ends, of_a)
    fall = _values(second, down, of_b) - _values(first, starts, of_a)
    return fall.min(axis=1), rise.max(axis=1)


def _values(rule: Rule, acc: I64Array, channel: I64Array) -> I64Array:
    return rule.apply(acc, np.broadcast_to(channel, acc.shape))


def _table(first: Table, second: Table, sides: Sides) -> Box | None:
    """The entries of every argument and every shift that the bounds allow."""
    drift, lo, hi = sides.drift, sides.first.lo, sides.first.hi
    if int((drift.hi - drift.lo).max(initial=0)) > _TABLE_SHIFTS:
        return None
    least = np.full(len(lo), np.iinfo(np.int64).max)
    most = np.full(len(lo), np.iinfo(np.int64).min)
    for k in range(int((hi - lo).max(initial=0)) + 1):
        x = np.minimum(lo + k, hi)
        for shift in range(int((drift.hi - drift.lo).max(initial=0)) + 1):
            y = x + np.minimum(drift.lo + shift, drift.hi)
            y = np.clip(y, sides.second.lo, sides.second.hi)
            rise = second.values[y + 128] - first.values[x + 128]
            least, most = np.minimum(least, rise), np.maximum(most, rise)
    return Box(least, most)


def _maximum(first: Max, second: Max, sides: Sides) -> Box | None:
    """A maximum moves no further than its elements, a clamp no further than what it clamps."""
    if (first.lo, first.hi) != (second.lo, second.hi):
        return None
    lo, hi = sides.drift.lo[first.windows].min(axis=1), sides.drift.hi[first.windows].max(axis=1)
    return Box(np.minimum(lo, 0), np.maximum(hi, 0))
