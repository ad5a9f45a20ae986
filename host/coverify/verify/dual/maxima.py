"""How large can nu · y become on boxes, y being the greatest x of a window, clamped?

For any multipliers xi of the elements, nu · y <= max over the box of (nu · y − xi · x) + xi · x; that maximum
is taken exactly (`greatest`; docs/certificates.md). From below (nu < 0) y is bounded by any mean of its
elements: xi are shares of nu. From above, for any level, it is no more than

    level + Σ over elements of (hi − level)⁺ / (hi − lo) · (x − lo)

at the corners of the box, and so everywhere, as a maximum is convex. What is sought are the shares of each
window, or its level (`Guide`): the least bound of all levels is the concave envelope of the maximum.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from coverify.verify.dual.maps import added_at
from coverify.verify.query import BoolArray, F64Array, I64Array
from tflm_int8.program.primitives import Max

Boxes = Sequence[tuple[I64Array, I64Array]]


@dataclass(frozen=True, eq=False)
class Ends:
    """The boxes of windows' elements: low, high [rows or 1, n, window]; floor, top: the greatest of each
    [rows or 1, n].
    """

    low: F64Array
    high: F64Array
    floor: F64Array
    top: F64Array

    @classmethod
    def of(cls, step: Max, boxes: Boxes) -> Ends:
        low, high = (end[:, step.windows].astype(np.float64) for end in boxes[step.source])
        return cls(low, high, low.max(axis=2), high.max(axis=2))

    @property
    def width(self) -> F64Array:
        return np.maximum(self.high - self.low, 1.0)


@dataclass(frozen=True, eq=False)
class Guide:
    """What multipliers are made from. below [rows, n]: where nu < 0; there share [rows, n, window], 1 in all,
    or 0 where the clamp may cut a mean; elsewhere level [rows, n].
    """

    ends: Ends
    below: BoolArray
    share: F64Array
    level: F64Array

    @classmethod
    def first(cls, step: Max, nu: F64Array, ends: Ends) -> Guide:
        """All of it to the element of the greatest lower end; the second upper end."""
        shape = (*nu.shape, step.windows.shape[1])
        best = ends.low.argmax(axis=2)[:, :, None] == np.arange(shape[2])
        share = best * (ends.top <= step.hi)[:, :, None].astype(np.float64)
        second = np.sort(ends.high, axis=2)[:, :, -min(2, shape[2])]
        level = np.maximum(second, ends.floor) if shape[2] > 1 else ends.floor
        return cls(ends, nu < 0, np.broadcast_to(share, shape), np.broadcast_to(level, nu.shape))

    @classmethod
    def to(cls, step: Max, nu: F64Array, xi: F64Array, ends: Ends) -> Guide:
        """What leads to these multipliers [rows, n, window], if nu was the same; where nothing, the first."""
        guide = cls.first(step, nu, ends)
        down = np.minimum(xi, 0.0)
        total = down.sum(axis=2, keepdims=True)
        kept = (total < 0) & guide.share.any(axis=2, keepdims=True)
        share = np.where(kept, down / np.where(total < 0, total, 1.0), guide.share)
        most = xi.argmax(axis=2)[:, :, None]
        slope, high, width = (
            np.take_along_axis(np.broadcast_to(v, xi.shape), most, axis=2)[:, :, 0]
            for v in (xi, ends.high, ends.width)
        )
        level = np.where(slope > 0, high - slope / np.where(nu > 0, nu, 1.0) * width, ends.top)
        level = np.where(nu > 0, np.clip(level, ends.floor, ends.top), guide.level)
        return replace(guide, share=share, level=level)

    @property
    def slopes(self) -> F64Array:
        """Multipliers per unit of nu, [rows, n, window]."""
        over = np.maximum(self.ends.high - self.level[:, :, None], 0.0) / self.ends.width
        return np.where(self.below[:, :, None], self.share, over)

    def mean(self, x: F64Array, value: F64Array) -> F64Array:
        """What bounds the maximum where its elements are x [rows, n, window]; `value` where no mean does."""
        above = self.level + (self.slopes * (x - self.ends.low)).sum(axis=2)
        mean = np.where(self.share.any(axis=2), (self.share * x).sum(axis=2), value)
        return np.where(self.below, mean, above)

    def moved(self, x: F64Array, rate: float) -> Guide:
        """A step towards smaller bounds, elements being x [rows, n, window] where the steps below have their
        maxima: to shares of the highest, and to the level above which parts of the boxes add up to 1.
        """
        part = (x - self.ends.low) / self.ends.width
        slope = 1.0 - np.where(self.ends.high > self.level[:, :, None], part, 0.0).sum(axis=2)
        level = self.level - rate * np.clip(slope, -1.0, 1.0) * (self.ends.top - self.ends.floor)
        return replace(
            self, share=_moved(self.share, x, rate), level=np.clip(level, self.ends.floor, self.ends.top)
        )


@dataclass(frozen=True, eq=False)
class Bounded:
    """gain, value [rows, n]: the greatest nu · y − xi · x and its y; multipliers [rows, n · window]: xi,
    integers where that was asked for; guide: what they are, or might be, made from; form: what is asked of
    the source; terms: magnitudes of what was added up.
    """

    gain: F64Array
    value: F64Array
    multipliers: F64Array
    guide: Guide
    form: F64Array
    terms: tuple[F64Array, F64Array]


def bounded(step: Max, nu: F64Array, given: F64Array | Guide | None, boxes: Boxes, exact: bool) -> Bounded:
    """nu [rows, n]; given: a guide, of the same boxes, or multipliers, taken as they are if `exact`."""
    xi = None
    if isinstance(given, Guide):
        guide = replace(given, below=nu < 0)
    elif given is None:
        guide = Guide.first(step, nu, Ends.of(step, boxes))
    else:
        xi = given.reshape(*nu.shape, -1)
        guide = Guide.to(step, nu, xi, Ends.of(step, boxes))
    ends = guide.ends
    if xi is None or not exact:
        xi = nu[:, :, None] * guide.slopes
    if exact:
        xi = _whole(nu, xi)
    gain, value = greatest(step, nu, xi, ends)
    flat, size = xi.reshape(len(nu), -1), np.maximum(np.abs(ends.low), np.abs(ends.high))
    form = added_at(step.windows.reshape(-1), flat, boxes[step.source][0].shape[1])
    terms = nu * np.clip(size.max(axis=2), step.lo, step.hi), (np.abs(xi) * size).sum(axis=2)
    return Bounded(gain, value, flat, guide, form, terms)


def greatest(step: Max, nu: F64Array, xi: F64Array, ends: Ends) -> tuple[F64Array, F64Array]:
    """The greatest nu · y − xi · x of every window, and its y: [rows, n].

    Where the greatest element is t, those of xi < 0 are as high as t lets them be, the others at their lower
    ends but for one that reaches t. Up to the next upper end, or the clamp's, what remains is convex in t.
    """
    up, down, (low, high) = np.maximum(xi, 0.0), np.minimum(xi, 0.0), (ends.low, ends.high)
    least, clamp = (up * low).sum(axis=2), np.broadcast_to(np.array([step.lo, step.hi]), (*ends.top.shape, 2))
    bends = np.concatenate([high, ends.floor[:, :, None], clamp], axis=2)
    if np.ptp(every := [ends.floor.min(), ends.top.max()]) < high.shape[2]:  # of wide windows
        bends = np.arange(every[0], every[1] + 1)[None, None]
    gain = value = np.full(nu.shape, -np.inf)
    for t in np.moveaxis(np.clip(bends, ends.floor[:, :, None], ends.top[:, :, None]), 2, 0)[..., None]:
        y = np.clip(t[..., 0], step.lo, step.hi)
        rise = np.where(high >= t, up * (t - low), np.inf).min(axis=2)
        own = nu * y - least - (down * np.minimum(high, t)).sum(axis=2) - rise
        value, gain = np.where(own > gain, y, value), np.maximum(gain, own)
    return gain, value


def _whole(nu: F64Array, xi: F64Array) -> F64Array:
    """Integers; of shares the greatest takes what rounding leaves, so that they add up to nu."""
    total, whole = xi.sum(axis=2), np.rint(xi)
    shares = (nu < 0) & (np.abs(nu - total) <= xi.shape[2]) & xi.any(axis=2)
    rest = np.where(shares, nu - whole.sum(axis=2), 0.0)[:, :, None]
    most = np.abs(xi).argmax(axis=2)[:, :, None]
    np.put_along_axis(whole, most, np.take_along_axis(whole, most, axis=2) + rest, axis=2)
    return whole


def _moved(share: F64Array, height: F64Array, rate: float) -> F64Array:
    """Shares a step towards the highest elements, of which each window has 1 in all, or none."""
    spread = np.ptp(height, axis=2, keepdims=True)
    ahead = share + rate * (height - height.mean(axis=2, keepdims=True)) / np.maximum(spread, 1e-9)
    down = -np.sort(-ahead, axis=2)
    excess = (np.cumsum(down, axis=2) - 1.0) / np.arange(1, share.shape[2] + 1)
    last = np.count_nonzero(down > excess, axis=2)[:, :, None] - 1
    nearest = np.maximum(ahead - np.take_along_axis(excess, last, axis=2), 0.0)
    return np.where(share.any(axis=2, keepdims=True), nearest, 0.0)
