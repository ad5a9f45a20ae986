"""Stairs two by two: where two sums of the input differ by a constant on the box, they move together.

So it is in two copies of one network whose protected features are fixed: one value t says both sums, t plus
an offset each, and the largest of what both stairs give together is far below the sum of what each gives at
most. The checker finds the same pairs (check/steps.py), and its maximum is over the same points.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from coverify.verify.query import F64Array, I64Array
from tflm_int8.program.primitives import Affine, Staircase, Step

CELLS = 1 << 28
"""Sums, squared, times inputs: of larger layers no pairs are looked for. The checker has dense ones only."""
_CHUNK = 1 << 18
"""Elements of an array over rows, elements and points."""
_NEAR = 2
"""Where stairs are even, so many levels on both sides of every bend hold the maximum."""


@dataclass(frozen=True, eq=False)
class Points:
    """Where the maximum of each pair can be: `at` and `value`, float64 [rows or 1, n, points], the same t in
    one place for elements i and i + n / 2.
    """

    at: F64Array
    value: F64Array

    def greatest(self, nu: F64Array, xi: F64Array) -> tuple[F64Array, F64Array, F64Array]:
        """As relaxation._greatest; the maximum of a pair is at its first element, 0 at its second."""
        step = max(1, _CHUNK // self.value[0].size)
        parts = [self._greatest(nu, xi, slice(i, i + step)) for i in range(0, len(nu), step)]
        best, at, value = (np.concatenate(part) for part in zip(*parts, strict=True))
        return best, at, value

    def gains(self, nu: F64Array) -> list[tuple[int, F64Array, F64Array]]:
        """Of every pair, for coefficients nu [n]: its first element, that one's sums, and the gains of both
        there.  Of a single box.
        """
        gain = np.add(*np.split(nu[:, None] * self.value[0], 2))
        return [(i, self.at[0, i], each) for i, each in enumerate(gain)]

    def _greatest(self, nu: F64Array, xi: F64Array, rows: slice) -> tuple[F64Array, F64Array, F64Array]:
        at, value = (x if len(x) == 1 else x[rows] for x in (self.at, self.value))
        first, second = np.split(nu[rows][:, :, None] * value - xi[rows][:, :, None] * at, 2, axis=1)
        gain = first + second
        pick = gain.argmax(axis=2)[:, :, None]
        best = np.take_along_axis(gain, pick, axis=2)[:, :, 0]
        shape = (len(gain), *value.shape[1:])
        at, value = (np.broadcast_to(x, shape) for x in (at, value))
        both = np.tile(pick, (1, 2, 1))
        at, value = (np.take_along_axis(x, both, axis=2)[:, :, 0] for x in (at, value))
        return np.concatenate([best, np.zeros_like(best)], axis=1), at, value


def forms(step: Affine) -> tuple[I64Array, I64Array]:
    """Of an affine step of the input: sums = weights · x + constant; int64 [n, n_input] and [n]."""
    constant = step.bias.copy()
    weights = np.zeros((len(constant), step.terms[0].map.n_in), np.int64)
    for term in step.terms:
        part = term.map.transposed(np.eye(len(constant))).astype(np.int64)
        weights += part
        constant -= part.sum(axis=1) * term.offset
    return weights, constant


@dataclass(frozen=True, eq=False)
class Pairs:
    """The sums that some stairs read, less `offset`, are equal in partners (i and i + n / 2): int64 [n]."""

    partner: I64Array
    offset: I64Array

    @staticmethod
    def of(steps: tuple[Step, ...], wire: int, lo: I64Array, hi: I64Array) -> Pairs | None:
        """Those of the stairs that write `wire` on inputs lo..hi, int64 [n_input]; None: there are none."""
        stairs = steps[wire - 1]
        affine = steps[stairs.source - 1] if isinstance(stairs, Staircase) and stairs.source else None
        if not isinstance(affine, Affine) or any(term.source for term in affine.terms):
            return None
        n = len(affine.bias)
        if n % 2 or np.all(lo < hi) or n * n * (len(lo) + 1) > CELLS:
            return None
        weights, constant = forms(affine)
        moves = hi > lo
        first, second = np.split(weights[:, moves], 2)
        if not np.array_equal(first, second):
            return None
        return Pairs(np.roll(np.arange(n), n // 2), constant + weights[:, ~moves] @ lo[~moves])

    def common(self, lo: I64Array, hi: I64Array) -> tuple[I64Array, I64Array]:
        """Boxes of the sums, [rows, n], each narrowed by its partner's."""
        lo, hi = lo - self.offset, hi - self.offset
        lo, hi = np.maximum(lo, lo[:, self.partner]), np.minimum(hi, hi[:, self.partner])
        return lo + self.offset, hi + self.offset

    def points(self, step: Staircase, edges: I64Array, lo: I64Array, hi: I64Array, every: bool) -> Points:
        """On the sums' boxes lo..hi, [rows, n]; edges: Relaxation's; not `every`: a guess."""
        lo, hi = self.common(lo, hi)
        hi = np.maximum(lo, hi)  # a pair without a common value: any bound of it holds
        first, last = step.rule.apply(lo, step.channel), step.rule.apply(hi, step.channel)
        if every:
            level = np.minimum(first[:, :, None] + np.arange(int((last - first).max()) + 1), last[:, :, None])
        else:
            own = edges[step.channel][:, [1, -2]] - self.offset[:, None]
            bends = np.concatenate([own, own[self.partner]], axis=1) + self.offset[:, None]
            bends = np.clip(bends, lo[:, :, None], hi[:, :, None])
            middle = step.rule.apply(bends, step.channel[None, :, None])
            middle = np.concatenate([first[:, :, None], last[:, :, None], middle], axis=2)
            around = (middle[:, :, :, None] + np.arange(-_NEAR, _NEAR + 1)).reshape(*first.shape, -1)
            level = np.clip(around, first[:, :, None], last[:, :, None])
        channel = step.channel[None, :, None]
        at = level - step.rule.lo
        ends = np.concatenate([edges[channel, at], edges[channel, at + 1] - 1], axis=2)
        t = ends - self.offset[:, None]
        t = np.tile(np.concatenate(np.split(t, 2, axis=1), axis=2), (1, 2, 1))
        a = np.clip(t + self.offset[:, None], lo[:, :, None], hi[:, :, None])
        value = step.rule.apply(a, channel)
        return Points(a.astype(np.float64), value.astype(np.float64))
