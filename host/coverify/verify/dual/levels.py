"""The stairs of some accumulators over their boxes, level by level: how large is nu · y(a) beside a parabola?

Stair k has levels 0..L−1, on level l it is value[k, l] where its accumulator lies in first[k, l]..last[k, l];
stairs with fewer levels repeat their last one. A parabola takes xi · a + curve · (a − centre)² from
nu · y(a), and the maximum over all integers of a level lies at its ends or beside the parabola's vertex.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from coverify.verify.query import BoolArray, F64Array, I64Array

SHIFT = 24
"""A curve is an integer times 2^-SHIFT."""
DENSE = 16
"""So many levels are looked at one by one; of more, the outer ones and two lines through the others' ends."""
_ROOM = 2.0**61


@dataclass(frozen=True, eq=False)
class Levels:
    """nu [m]; value, first, last: int64 [m, L]."""

    nu: F64Array
    value: I64Array
    first: I64Array
    last: I64Array

    def greatest(self, nu: I64Array, xi: I64Array, curve: I64Array, centre: I64Array) -> I64Array | None:
        """At least max over a of nu · y(a) − xi · a − 2^-SHIFT · curve · (a − centre)², int64 [m], the least
        such integers; None where a product may leave int64.

        nu, xi, curve (0: no parabola), centre: int64 [m].
        """
        f = np.float64
        reach = np.maximum(np.abs(self.first - centre[:, None]), np.abs(self.last - centre[:, None])).max(1)
        size = np.maximum(np.abs(self.first), np.abs(self.last)).max(axis=1).astype(f)
        products = (
            curve * reach.astype(f) ** 2,
            np.abs(nu.astype(f)) * np.abs(self.value).max(axis=1) + np.abs(xi.astype(f)) * size,
            np.abs(xi.astype(f)) * 2.0**SHIFT,
        )
        if max(float(p.max(initial=0)) for p in products) >= _ROOM:
            return None
        vertex = centre + (-xi << (SHIFT - 1)) // np.maximum(curve, 1)
        best = np.full(len(nu), -(2**62))
        for at in (self.first, self.last, vertex[:, None], vertex[:, None] + 1):
            a = np.clip(at, self.first, self.last)
            gain = nu[:, None] * self.value - xi[:, None] * a
            gain -= (curve[:, None] * (a - centre[:, None]) ** 2) >> SHIFT
            best = np.maximum(best, gain.max(axis=1))
        return best


def repeated(first: F64Array) -> BoolArray:
    """Which levels [m, L] are a stair's last one once more, by their first ends: others have more levels."""
    n = (first != first[:, -1:]).sum(axis=1)
    more: BoolArray = np.arange(first.shape[1]) > n[:, None]
    return more


def softened(gain: F64Array, heat: float) -> tuple[F64Array, F64Array]:
    """heat · log Σ exp(gain / heat) of each row, [m], and how much each gain weighs in it, [m, l]; −∞: not at
    all.
    """
    top = gain.max(axis=1, keepdims=True)
    weight = np.exp((gain - top) / heat)
    total = weight.sum(axis=1, keepdims=True)
    return top[:, 0] + heat * np.log(total[:, 0]), weight / total


class Smooth:
    """The same in floats; nu [m]: at first."""

    def __init__(self, nu: F64Array, value: F64Array, first: F64Array, last: F64Array) -> None:
        self.nu, self.value, self.first, self.last = nu, value, first, last
        self._whole = self._alone = _Ends.of(value, first, last)
        self._lines, once = None, ~repeated(first)
        if self.value.shape[1] > DENSE:
            n = once.sum(axis=1) - 1  # the number of the last level
            at = np.stack([np.zeros_like(n), n], axis=1)
            once = np.stack([n >= 0, n > 0], axis=1)
            self._alone = _Ends.of(*(np.take_along_axis(x, at, axis=1) for x in (value, first, last)))
            self._lines = _Lines.of(self.value, self.first, self.last, n)
        self._repeated = ~np.tile(once, 3)

    @staticmethod
    def of(levels: Levels, centre: F64Array, unit: F64Array, scale: float) -> Smooth:
        """Accumulators as (a − centre) / unit, [m] each; nu times `scale`."""
        first, last = ((end - centre[:, None]) / unit[:, None] for end in (levels.first, levels.last))
        return Smooth(scale * levels.nu, levels.value.astype(np.float64), first, last)

    def sides(self, stairs: I64Array, level: I64Array) -> tuple[Smooth, Smooth, Smooth]:
        """Some stairs [c] as they are, with the levels below `level` [c] alone, and with the others."""
        at, level = np.arange(self.value.shape[1])[None], level[:, None]
        kept = (at + 0 * level, np.minimum(at, level - 1), np.minimum(at + level, at[0, -1]))
        whole, below, others = (
            Smooth(self.nu[stairs], *(x[stairs[:, None], k] for x in (self.value, self.first, self.last)))
            for k in kept
        )
        return whole, below, others

    def chords(self) -> F64Array:
        """From the first value to the last, [m]."""
        run = np.maximum(self.last[:, -1] - self.first[:, 0], 1e-9)
        chords: F64Array = self.nu * (self.value[:, -1] - self.value[:, 0]) / run
        return chords

    def greatest(self, nu: F64Array, xi: F64Array, curve: F64Array) -> F64Array:
        """max over a of nu · y − xi · a − curve · a², [m]."""
        best: F64Array = self._whole.gains(nu, xi, curve)[0].max(axis=1)
        return best

    def softest(self, nu: F64Array, xi: F64Array, curve: F64Array, heat: float) -> float:
        """Σ heat · log Σ exp(gain / heat) over the maximum's candidates, as `smoothed` has it."""
        gain, _ = self._alone.gains(nu, xi, curve)
        gain[self._repeated] = -np.inf
        if self._lines:
            gain = np.hstack([gain, self._lines.gains(nu, xi, curve)[0]])
        return float(softened(gain, heat)[0].sum())

    def smoothed(
        self, nu: F64Array, xi: F64Array, curve: F64Array, heat: float
    ) -> tuple[F64Array, F64Array, F64Array]:
        """heat · log Σ exp(gain / heat) over the maximum's candidates, [m]; where they weigh in, the means of
        a, a² and y, [3, m]; and the covariances of a and a, a and a², a² and a², a and y, a² and y, y and y,
        [6, m], to which a vertex adds how it moves.
        """
        gain, a = self._alone.gains(nu, xi, curve)
        gain[self._repeated] = -np.inf
        y, rise, inside = self._alone.values, np.zeros_like(gain), np.zeros(gain.shape, bool)
        inside[:, -len(self._alone.first[0]) :] = self._alone.inside(a)
        if self._lines:
            more = self._lines.gains(nu, xi, curve)
            own = (gain, a, y, inside, rise)
            gain, a, y, inside, rise = (np.hstack(x) for x in zip(own, more, strict=True))
        found, weight = softened(gain, heat)
        bend = heat * weight * inside / (2 * np.maximum(curve, 1e-9))[:, None]
        moves = (np.ones_like(a), 2 * a, rise)  # of a, a² and y with a
        square = a * a
        means = np.stack([(weight * x).sum(axis=1) for x in (a, square, y)])
        off = [x - mean[:, None] for x, mean in zip((a, square, y), means, strict=True)]
        pairs = ((0, 0), (0, 1), (1, 1), (0, 2), (1, 2), (2, 2))
        each = (weight * off[i] * off[j] + bend * moves[i] * moves[j] for i, j in pairs)
        both = np.stack([x.sum(axis=1) for x in each])
        return found, means, both


@dataclass(frozen=True, eq=False)
class _Ends:
    """Some levels, one by one: first, last [m, l]; values [m, 3 l]: at both ends and beside a vertex."""

    first: F64Array
    last: F64Array
    values: F64Array

    @staticmethod
    def of(value: F64Array, first: F64Array, last: F64Array) -> _Ends:
        """Of levels [m, l]."""
        return _Ends(first, last, np.tile(value, 3))

    def gains(self, nu: F64Array, xi: F64Array, curve: F64Array) -> tuple[F64Array, F64Array]:
        """The gains at both ends and beside the vertex of every level, and a there: [m, 3 l]."""
        vertex = np.clip((-xi / (2 * np.maximum(curve, 1e-9)))[:, None], self.first, self.last)
        a = np.concatenate([self.first, self.last, vertex], axis=1)
        gain: F64Array = nu[:, None] * self.values - (xi[:, None] + curve[:, None] * a) * a
        return gain, a

    def inside(self, a: F64Array) -> BoolArray:
        """At which levels does the vertex lie between the ends?  [m, l]"""
        vertex = a[:, -self.first.shape[1] :]
        between: BoolArray = (self.first < vertex) & (vertex < self.last)
        return between


@dataclass(frozen=True, eq=False)
class _Lines:
    """Per stair a line through the first ends of its levels, and one through the last ends: [m, 2] each.

    y = value + rise · (a − start) for start <= a <= end. Candidates at single levels would come and go as a
    vertex passes them, and what is smoothed would jump.
    """

    start: F64Array
    end: F64Array
    value: F64Array
    rise: F64Array

    @staticmethod
    def of(value: F64Array, first: F64Array, last: F64Array, n: I64Array) -> _Lines:
        """Of levels 0..n: first ends from level 1 on, as 0 may begin anywhere; last ones up to n − 1."""
        k, low, high = np.arange(len(n)), np.minimum(n, 1), np.maximum(n - 1, 0)
        start, end = np.stack([first[k, low], last[:, 0]], 1), np.stack([first[k, n], last[k, high]], 1)
        y, top = np.stack([value[k, low], value[:, 0]], 1), np.stack([value[k, n], value[k, high]], 1)
        return _Lines(start, end, y, (top - y) / np.maximum(end - start, 1e-9))

    def gains(
        self, nu: F64Array, xi: F64Array, curve: F64Array
    ) -> tuple[F64Array, F64Array, F64Array, BoolArray, F64Array]:
        """The greatest gains on the lines, where, y there, and does it move with the parabola? the rises."""
        nu, xi, curve = nu[:, None], xi[:, None], np.maximum(curve, 1e-9)[:, None]
        a = np.clip((nu * self.rise - xi) / (2 * curve), self.start, self.end)
        y = self.value + self.rise * (a - self.start)
        inside = (self.start < a) & (a < self.end)
        return nu * y - xi * a - curve * a * a, a, y, inside, self.rise
