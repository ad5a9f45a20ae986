"""Numbers for the float form of a requantization: where are the stairs, and which line passes between them?

A stair is the least accumulator that reaches a value. The float form is, per channel, a line
trunc((acc + offset) · factor + rise) that must cross each value between two neighbouring integers. In exact
arithmetic the offsets that do so for a given factor are an interval; rounding narrows it. The search takes
the factors near the rule's own whose intervals are widest and tries some offsets in each, in the very
operations of the stage; first without a rise (one pass less), then with offsets further off, whose distance
the rise makes up: each rounds in another way. float32 has some 8 bits more than the accumulators between
the clamps need: nearly all channels whose factor is above 2^−11 have a line.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tflm_int8.fixedpoint import INT32_MAX, I64Array
from tflm_int8.program.primitives import Requantize

F64Array = NDArray[np.float64]
FloatArray = NDArray[np.floating[Any]]
FloatType = np.dtype[np.floating[Any]]
BoolArray = NDArray[np.bool_]
_NEARBY: Final = 8
"""How many units in the last place the factor is moved, both ways."""
_TRIED: Final = 6
"""How many factors are tried, those with the widest intervals."""
_PLACES: Final = (0.5, 0.25, 0.75, 0.375, 0.625, 0.125, 0.875)
"""Where in an interval offsets are tried."""
_DRAWS: Final = 1024
"""How many lines with a rise are tried, drawn at random (always the same)."""
_AT_ONCE: Final = 256
"""Lines that are tried at once, over all channels that have none yet."""
_MAX_LINES: Final = 1 << 13
"""Lines that are tried in all: where many channels have none, a layer is better left to a wider type."""


@dataclass(frozen=True)
class Edges:
    """Where a rule steps, for sums |acc| ≤ reach without the bias; two_sided: also below the zero point.

    values: int64 [stairs], output minus zero point, ascending; at: int64 [channels, stairs], the least acc
    whose output reaches the value; at the ends of −reach…reach, or just beyond them, where no such acc lies
    between. factor: float64 [channels].
    """

    values: I64Array
    at: I64Array
    factor: F64Array
    reach: int
    two_sided: bool

    @cached_property
    def reached(self) -> BoolArray:
        """Some sum reaches the value."""
        return self.at <= self.reach

    @cached_property
    def missed(self) -> BoolArray:
        """Some sum does not."""
        return self.at > -self.reach

    @cached_property
    def first(self) -> I64Array:
        """The least sum that reaches the value (where one does)."""
        return np.maximum(self.at, -self.reach)

    @cached_property
    def before(self) -> I64Array:
        """The greatest sum that does not (where one does not)."""
        return np.minimum(self.at - 1, self.reach)

    def of(self, channels: I64Array) -> Edges:
        """The edges of some channels."""
        return Edges(self.values, self.at[channels], self.factor[channels], self.reach, self.two_sided)

    def points(self) -> I64Array:
        """Both sides of every stair and both ends, ascending: int64 [channels, points]."""
        ends = np.broadcast_to([-self.reach, self.reach], (len(self.at), 2))
        around = np.concatenate([self.at - 1, self.at], axis=1)
        return np.sort(np.concatenate([ends, np.clip(around, -self.reach, self.reach)], axis=1), axis=1)


def edges_of(rule: Requantize, bias: I64Array, reach: int) -> Edges | None:
    """The stairs of rule(acc + bias) for |acc| ≤ reach; None where they are not found.

    A left shift may overflow, a multiplier of 0 has no stairs, and codes beyond int8 have no float form.
    """
    if int(rule.shift.max()) > 0 or int(rule.multiplier.min()) == 0 or rule.lo < -128 or rule.hi > 127:
        return None
    if reach + int(np.abs(bias).max()) > INT32_MAX - 8:
        return None
    values = np.arange(rule.lo + 1, rule.hi + 1) - rule.zero_point
    factor = rule.multiplier * 2.0 ** (rule.shift - 31)
    guess = np.floor((values - 0.5) / factor[:, None]) - bias[:, None]
    probes = np.clip(guess, -reach - 1, reach + 1).astype(np.int64)[:, :, None] + np.arange(-2, 4)
    outputs = rule.apply((probes + bias[:, None, None]).T, np.arange(rule.n_channels)).T - rule.zero_point
    reached = outputs >= values[:, None]
    at = probes[:, :, 0] + np.argmax(reached, axis=2)
    surely_before = ~reached[:, :, 0] | (probes[:, :, 0] <= -reach)
    surely_after = reached[:, :, -1] | (probes[:, :, -1] > reach)
    at = np.where(reached[:, :, -1], at, reach + 1)
    found = Edges(values, at, factor, reach, rule.lo < rule.zero_point)
    return found if np.all(surely_before & surely_after) else None


@dataclass(frozen=True)
class Lines:
    """t = (acc + offset) · factor + rise above the zero point, t − drop below it: one float type, [channels].

    holds: bool [channels], the line passes all of the channel's stairs; drop is 0 where not two-sided.
    """

    offset: FloatArray
    factor: FloatArray
    rise: FloatArray
    drop: FloatArray
    holds: BoolArray


def search(edges: Edges, dtype: FloatType) -> Lines:
    """A line per channel that holds on both sides of every stair, where one is found."""
    n = len(edges.at)
    offset, rise, drop = (np.zeros(n, dtype) for _ in range(3))
    lines = Lines(offset, np.ones(n, dtype), rise, drop, np.zeros(n, bool))
    factors = _factors(edges, dtype)
    above = _interval(edges, edges.values > 0, edges.values, factors)
    below = _interval(edges, edges.values <= 0, edges.values - 1, factors)
    width = np.minimum(above[1] - above[0], below[1] - below[0]) if edges.two_sided else above[1] - above[0]
    order = np.argsort(-width, axis=0, kind="stable")[:_TRIED]
    place, row, shift = _trials(len(order))
    start = tried = 0
    while start < len(place) and tried < _MAX_LINES and not np.all(lines.holds):
        left = np.flatnonzero(~lines.holds)
        some = slice(start, start + (max(1, _AT_ONCE // len(left)) if start else 1))
        start = some.stop
        which, at_once = order[row[some]][:, left].reshape(-1), len(place[some])
        channel = np.tile(left, at_once)
        p, off = np.repeat(place[some], len(left)), np.repeat(shift[some], len(left))
        high, low = (_inside(end[0][which, channel], end[1][which, channel], p) for end in (above, below))
        tried += len(channel)
        f, o = factors[which, channel], np.where(off != 0, np.rint(high) + off, high).astype(dtype)
        r = np.where(off != 0, (high - o) * f, 0.0).astype(dtype)
        d = ((high - low) * f).astype(dtype) if edges.two_sided else np.zeros(len(f), dtype)
        _keep(lines, left, (o, f, r, d), _holds(edges.of(channel), o, f, r, d).reshape(at_once, -1))
    return lines


def _keep(lines: Lines, left: I64Array, tried: tuple[FloatArray, ...], holds: BoolArray) -> None:
    """Take over each channel's first line that holds.  left: [n]; tried: [trials · n]; holds: [trials, n]"""
    first = holds.argmax(axis=0) * len(left) + np.arange(len(left))
    for kept, values in zip((lines.offset, lines.factor, lines.rise, lines.drop), tried, strict=True):
        kept[left] = values[first]
    lines.holds[left] = holds.any(axis=0)


def _trials(n_factors: int) -> tuple[F64Array, I64Array, I64Array]:
    """What is tried: where in the interval, which of the factors, how far off the offset; [trials] each."""
    random = np.random.default_rng(1)
    place = np.concatenate([np.repeat(_PLACES, n_factors), random.random(_DRAWS)])
    row = np.concatenate([np.tile(np.arange(n_factors), len(_PLACES)), random.integers(0, n_factors, _DRAWS)])
    far = random.integers(1, 2000, _DRAWS) * random.choice([-1, 1], _DRAWS)
    return place, row, np.concatenate([np.zeros(len(place) - _DRAWS, np.int64), far])


def _factors(edges: Edges, dtype: FloatType) -> FloatArray:
    """[candidates, channels]: the rule's factor and its neighbours."""
    steps = np.arange(-_NEARBY, _NEARBY + 1) if dtype == np.float32 else np.zeros(1)
    unit = float(np.finfo(dtype).eps)
    return (edges.factor * (1 + steps[:, None] * unit)).astype(dtype)


def _interval(
    edges: Edges, side: BoolArray, values: I64Array, factors: FloatArray
) -> tuple[F64Array, F64Array]:
    """The offsets between which (first + offset) · factor ≥ value > (before + offset) · factor on one side.

    side: bool [stairs]; values: int64 [stairs]; factors: [candidates, channels] → two float64, as many.
    """
    if not np.any(side):
        return np.full(factors.shape, -np.inf), np.full(factors.shape, np.inf)
    at = values[side] / factors.astype(np.float64)[:, :, None]
    least = np.where(edges.reached[:, side], at - edges.first[:, side], -np.inf).max(axis=2)
    most = np.where(edges.missed[:, side], at - edges.before[:, side], np.inf).min(axis=2)
    return least, most


def _inside(least: F64Array, most: F64Array, place: F64Array) -> F64Array:
    """A number between both, [n]; one accumulator inside where an end is infinite."""
    least = np.where(np.isfinite(least), least, np.where(np.isfinite(most), most - 2.0, 0.0))
    most = np.where(np.isfinite(most), most, least + 2.0)
    return least + place * (most - least)


def _holds(
    edges: Edges, offset: FloatArray, factor: FloatArray, rise: FloatArray, drop: FloatArray
) -> BoolArray:
    """bool [channels]: the line passes every stair, in the operations of the stage."""
    values, positive = edges.values.astype(offset.dtype), edges.values > 0
    first, before = (
        (a.astype(offset.dtype) + offset[:, None]) * factor[:, None] + rise[:, None]
        for a in (edges.first, edges.before)
    )
    good = (~edges.reached | (first >= values)) & (~edges.missed | (before < values)) | ~positive
    if edges.two_sided:
        first, before, low = first - drop[:, None], before - drop[:, None], values - values.dtype.type(1)
        good &= (~edges.reached | (first > low)) & (~edges.missed | (before <= low)) | positive
    holds: BoolArray = good.all(axis=1)
    return holds
