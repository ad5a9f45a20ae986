"""The stairs of some accumulators over their boxes, level by level: how large is nu · y(a) beside a parabola?

Stair k has levels 0..L−1, on level l it is value[k, l] where its accumulator lies in first[k, l]..last[k, l];
stairs with fewer levels repeat their last one. A parabola takes xi · a + curve · (a − centre)² from
nu · y(a), and the maximum over all integers of a level lies at its ends or beside the parabola's vertex.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from coverify.verify.dual.relaxation import F64Array
from coverify.verify.query import I64Array

SHIFT = 24
"""A curve is an integer times 2^-SHIFT."""
DENSE = 16
"""So many levels are looked at one by one; of more, the outer ones and those that lie beside the vertex."""
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


class Smooth:
    """The same in floats: accumulators as (a − centre) / unit, [m] each; nu times `scale`, [m]: at first."""

    def __init__(self, levels: Levels, centre: F64Array, unit: F64Array, scale: float) -> None:
        ends = (levels.first, levels.last)
        self.first, self.last = ((end - centre[:, None]) / unit[:, None] for end in ends)
        self.nu, self.value = scale * levels.nu, levels.value.astype(np.float64)
        n = self.value.shape[1]
        spread = np.linspace(0, n - 1, min(n, DENSE)).astype(np.int64)
        self._some = np.unique(np.concatenate([spread, [min(1, n - 1), max(n - 2, 0)]]))
        inner = slice(1, -1) if n > 3 else slice(0, n)
        run = self.first[:, inner][:, -1] - self.first[:, inner][:, 0]
        rise = self.value[:, inner][:, -1] - self.value[:, inner][:, 0]
        self._slope = rise / np.maximum(run, 1e-9)

    def chords(self) -> F64Array:
        """From the first value to the last, [m]."""
        run = np.maximum(self.last[:, -1] - self.first[:, 0], 1e-9)
        chords: F64Array = self.nu * (self.value[:, -1] - self.value[:, 0]) / run
        return chords

    def greatest(self, nu: F64Array, xi: F64Array, curve: F64Array) -> F64Array:
        """max over a of nu · y − xi · a − curve · a², [m]."""
        best: F64Array = self._gains(nu, xi, curve, np.arange(self.value.shape[1])[None])[0].max(axis=1)
        return best

    def smoothed(
        self, nu: F64Array, xi: F64Array, curve: F64Array, heat: float
    ) -> tuple[F64Array, F64Array, F64Array]:
        """heat · log Σ exp(gain / heat) over the maximum's candidates, [m]; where they weigh in, the means of
        a, a² and y, [3, m]; and the covariances of a and a, a and a², a² and a², a and y, a² and y, y and y,
        [6, m], to which a vertex adds how it moves.
        """
        at = self._some[None]
        if self.value.shape[1] > len(self._some):
            beside = np.clip(
                (nu * self._slope - xi) / (2 * np.maximum(curve, 1e-9)), self.first[:, 0], self.last[:, -1]
            )
            near = (self.first <= beside[:, None]).sum(axis=1)[:, None] + np.arange(-2, 1)
            near = np.clip(near, 0, self.value.shape[1] - 1)
            at = np.concatenate([np.repeat(at, len(xi), axis=0), near], axis=1)
        gain, a, y, first, last = self._gains(nu, xi, curve, at)
        top = gain.max(axis=1, keepdims=True)
        weight = np.exp((gain - top) / heat)
        total = weight.sum(axis=1, keepdims=True)
        weight /= total
        level = (gain.shape[1] // 3) * 2
        inside = (a[:, level:] > first) & (a[:, level:] < last)
        bend = heat * (weight[:, level:] * inside) / (2 * np.maximum(curve, 1e-9))[:, None]
        at_vertex = a[:, level:]
        square = a * a
        means = np.stack([(weight * x).sum(axis=1) for x in (a, square, y)])
        a, square, y = (x - mean[:, None] for x, mean in zip((a, square, y), means, strict=True))
        pairs = ((a, a), (a, square), (square, square), (a, y), (square, y), (y, y))
        both = np.stack([(weight * one * other).sum(axis=1) for one, other in pairs])
        both[:3] += np.stack([(bend * x).sum(axis=1) for x in (1.0, 2 * at_vertex, 4 * at_vertex**2)])
        return top[:, 0] + heat * np.log(total[:, 0]), means, both

    def _gains(
        self, nu: F64Array, xi: F64Array, curve: F64Array, at: I64Array
    ) -> tuple[F64Array, F64Array, F64Array, F64Array, F64Array]:
        """The gains at both ends and beside the vertex of these levels [1 or m, l], a and y: [m, 3 l]; the
        levels' ends [m, l].
        """
        at = np.broadcast_to(at, (len(xi), at.shape[1]))
        first, last, value = (np.take_along_axis(x, at, axis=1) for x in (self.first, self.last, self.value))
        vertex = np.clip((-xi / (2 * np.maximum(curve, 1e-9)))[:, None], first, last)
        a = np.concatenate([first, last, vertex], axis=1)
        y = np.tile(value, 3)
        return nu[:, None] * y - xi[:, None] * a - curve[:, None] * a * a, a, y, first, last
