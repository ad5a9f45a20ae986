"""Stairs two by two: where two sums of the input differ by a constant on the box, they move together.

So it is in two copies of one network whose protected features are fixed: one value t says both sums, t plus an
offset each, and the largest of what both stairs give together is far below the sum of what each gives at most.
The checker finds the same pairs (check/proof.py), and its maximum is over the same points.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coverify.verify.query import I64Array
from tflm_int8.program.primitives import Affine, Staircase, Step

F64Array = NDArray[np.float64]

CELLS = 1 << 28
"""Sums, squared, times inputs: of larger layers no pairs are looked for (as in check/steps.py)."""
_CHUNK = 1 << 18
"""Elements of an array over rows, elements and points."""
_NEAR = 2
"""Where stairs are even, so many levels on both sides of every bend hold the maximum."""


@dataclass(frozen=True, eq=False)
class Points:
    """Where the maximum of each pair can be: `at` and `value`, float64 [rows or 1, n, points], the same t in
    one place for both; partner: int64 [n].
    """

    at: F64Array
    value: F64Array
    partner: I64Array

    def greatest(self, nu: F64Array, xi: F64Array) -> tuple[F64Array, F64Array, F64Array]:
        """As relaxation._greatest; the maximum of a pair is at its first element, 0 at its second."""
        step = max(1, _CHUNK // self.value[0].size)
        parts = [self._greatest(nu, xi, slice(i, i + step)) for i in range(0, len(nu), step)]
        best, at, value = (np.concatenate(part) for part in zip(*parts, strict=True))
        return best, at, value

    def gains(self, nu: F64Array) -> list[tuple[int, F64Array, F64Array]]:
        """Of every pair, and of every element without a partner, for coefficients nu [n]: its first element,
        that one's sums, and the gains nu · value there.  Of a single box.
        """
        found = []
        for i, p in enumerate(self.partner.tolist()):
            if i <= p:
                gain = nu[i] * self.value[0, i] + (nu[p] * self.value[0, p] if p > i else 0.0)
                found.append((i, self.at[0, i], gain))
        return found

    def _greatest(self, nu: F64Array, xi: F64Array, rows: slice) -> tuple[F64Array, F64Array, F64Array]:
        at, value = (x if len(x) == 1 else x[rows] for x in (self.at, self.value))
        gain = nu[rows][:, :, None] * value - xi[rows][:, :, None] * at
        own = np.arange(len(self.partner))
        two = np.flatnonzero(self.partner > own)
        gain[:, two] += gain[:, self.partner[two]]
        gain[:, self.partner[two]] = gain[:, two]
        pick = gain.argmax(axis=2)[:, :, None]
        best = np.take_along_axis(gain, pick, axis=2)[:, :, 0]
        best[:, self.partner[two]] = 0.0
        taken = (
            np.take_along_axis(np.broadcast_to(x, gain.shape), pick, axis=2)[:, :, 0] for x in (at, value)
        )
        return best, *taken


@dataclass(frozen=True, eq=False)
class Pairs:
    """The sums that some stairs read, less `offset`, are equal in partners: int64 [n] each; an element without
    one is its own.
    """

    partner: I64Array
    offset: I64Array

    @staticmethod
    def of(steps: tuple[Step, ...], wire: int, lo: I64Array, hi: I64Array) -> Pairs | None:
        """Those of the stairs that write `wire` on inputs lo..hi, int64 [n_input]; None where there are none."""
        stairs = steps[wire - 1]
        affine = steps[stairs.source - 1] if isinstance(stairs, Staircase) and stairs.source else None
        if not isinstance(affine, Affine) or any(term.source for term in affine.terms):
            return None
        n = len(affine.bias)
        if n % 2 or np.all(lo < hi) or n * n * (len(lo) + 1) > CELLS:
            return None
        forms = np.zeros((n, len(lo)), np.int64)
        constant = affine.bias.copy()
        for term in affine.terms:
            part = term.map.transposed(np.eye(n)).astype(np.int64)
            forms += part
            constant -= part.sum(axis=1) * term.offset
        moves = hi > lo
        first, second = np.split(forms[:, moves], 2)
        if not np.array_equal(first, second):
            return None
        return Pairs(np.roll(np.arange(n), n // 2), constant + forms[:, ~moves] @ lo[~moves])

    def common(self, lo: I64Array, hi: I64Array) -> tuple[I64Array, I64Array]:
        """Boxes of the sums, [rows, n], each narrowed by its partner's."""
        lo, hi = lo - self.offset, hi - self.offset
        lo, hi = np.maximum(lo, lo[:, self.partner]), np.minimum(hi, hi[:, self.partner])
        return lo + self.offset, hi + self.offset

    def bends(self, inner: I64Array) -> I64Array:
        """Where an element or its partner begins to rise, or no longer rises: int64 [n, 4], of the element's sum.

        inner: [n, levels − 1], the first sums of all levels but the lowest.
        """
        own = inner[:, [0, -1]] - self.offset[:, None]
        return np.concatenate([own, own[self.partner]], axis=1) + self.offset[:, None]

    def points(self, step: Staircase, edges: I64Array, lo: I64Array, hi: I64Array, every: bool) -> Points:
        """Of the sums' boxes lo..hi, [rows, n]; edges: Relaxation's; not `every`: a guess, unless stairs are even."""
        lo, hi = self.common(lo, hi)
        hi = np.maximum(lo, hi)  # a pair without a common value: any bound of it holds
        first, last = step.rule.apply(lo, step.channel), step.rule.apply(hi, step.channel)
        if every:
            level = np.minimum(first[:, :, None] + np.arange(int((last - first).max()) + 1), last[:, :, None])
        else:
            bends = np.clip(self.bends(edges[step.channel, 1:-1]), lo[:, :, None], hi[:, :, None])
            middle = step.rule.apply(bends, step.channel[None, :, None])
            middle = np.concatenate([first[:, :, None], last[:, :, None], middle], axis=2)
            around = (middle[:, :, :, None] + np.arange(-_NEAR, _NEAR + 1)).reshape(*first.shape, -1)
            level = np.clip(around, first[:, :, None], last[:, :, None])
        channel = step.channel[None, :, None]
        at = level - step.rule.lo
        ends = np.concatenate([edges[channel, at], edges[channel, at + 1] - 1], axis=2)
        t = ends - self.offset[:, None]
        own = np.arange(len(self.partner))
        t = np.concatenate([t[:, np.minimum(own, self.partner)], t[:, np.maximum(own, self.partner)]], axis=2)
        a = np.clip(t + self.offset[:, None], lo[:, :, None], hi[:, :, None])
        value = step.rule.apply(a, channel)
        return Points(a.astype(np.float64), value.astype(np.float64), self.partner)
