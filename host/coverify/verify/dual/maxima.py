"""How large can nu · y become on boxes, y being the greatest x of a window, clamped?

From above y is bounded by its element of the greatest lower end, given the upper ends of the others; from
below by any mean of its elements: mu · (x − y) >= 0 for every mu <= 0. So multipliers of a maximum are xi, of
each y, and then mu, of each x of its window (docs/certificates.md). Shares are mu as parts of what is asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coverify.verify.dual.maps import added_at
from coverify.verify.query import I64Array
from tflm_int8.program.primitives import Max

F64Array = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
Boxes = Sequence[tuple[I64Array, I64Array]]

_NONE = -(2**31)
_INT8_MAX = 127


@dataclass(frozen=True, eq=False)
class Bounded:
    """gain, at, value [rows, n]: the greatest nu · y − xi · a less mu · (x − y), its a and its y; multipliers
    [rows, n + windows]: xi and mu, integers where that was asked for; share [rows, n, window]: 0 where none
    has any; form: what is asked of the source; terms: magnitudes of what was added up.
    """

    gain: F64Array
    at: F64Array
    value: F64Array
    multipliers: F64Array
    share: F64Array
    form: F64Array
    terms: tuple[F64Array, F64Array]


def width(step: Max) -> int:
    """How many multipliers it has."""
    return len(step.windows) + step.windows.size


def bounded(step: Max, nu: F64Array, given: F64Array | None, boxes: Boxes, exact: bool) -> Bounded:
    """nu [rows, n]; given: multipliers, of which mu are proportions, or None."""
    lo, hi = (np.broadcast_to(end, (len(boxes[step.source][0]), end.shape[1])) for end in boxes[step.source])
    n, rows = np.arange(len(step.windows)), np.arange(len(lo))[:, None]
    best = lo[:, step.windows].argmax(axis=2)
    pick = step.windows[n, best]
    a_lo, a_hi = lo[rows, pick], hi[rows, pick]
    other = step.windows[None] != pick[:, :, None]
    others = np.where(other, hi[:, step.windows], _NONE).max(axis=2)
    free = (np.maximum(others, a_hi) <= step.hi) & (step.hi >= _INT8_MAX)  # as the checker demands
    mu, share = _shared(step, nu, given, best, free, exact)
    left, ends = nu - mu.sum(axis=2), {}
    for up, end in ((True, hi), (False, lo)):
        floor = np.maximum(np.where(other, end[:, step.windows], _NONE).max(axis=2), a_lo)
        clamps = np.full_like(floor, step.lo), np.full_like(floor, step.hi)
        bends = np.stack([a_lo, a_hi, floor, *clamps], axis=2)
        a = np.clip(bends, a_lo[:, :, None], a_hi[:, :, None])
        value = np.clip(np.maximum(a, floor[:, :, None]), step.lo, step.hi)
        ends[up] = (a.astype(np.float64), value.astype(np.float64))
    above = (left >= 0)[:, :, None]
    a, value = (np.where(above, up, down) for up, down in zip(ends[True], ends[False], strict=True))
    xi = np.where(others <= a_lo, left, 0.0) if given is None else given[:, : len(n)]
    xi = np.where(nu < 0, left, xi)
    gain = left[:, :, None] * value - xi[:, :, None] * a
    at, flat = gain.argmax(axis=2)[:, :, None], mu.reshape(len(nu), -1)
    form = added_at(step.windows.reshape(-1), flat, lo.shape[1])
    np.add.at(form, (np.arange(len(nu))[:, None], np.broadcast_to(pick, nu.shape)), xi)
    return Bounded(
        np.take_along_axis(gain, at, axis=2)[:, :, 0],
        np.take_along_axis(a, at, axis=2)[:, :, 0],
        np.take_along_axis(value, at, axis=2)[:, :, 0],
        np.concatenate([xi, flat], axis=1), share, form,
        (left * np.abs(value).max(axis=2), xi * np.abs(a).max(axis=2)),
    )  # fmt: skip


def _shared(
    step: Max, nu: F64Array, given: F64Array | None, best: I64Array, free: BoolArray, exact: bool
) -> tuple[F64Array, F64Array]:
    """mu and shares [rows, n, window] of what is asked below 0, in the proportions of the given mu, else all
    of it is the `best` element's; 0 where the maximum is not `free`, as it may be clamped from above.

    exact: mu are integers, none above 0; the greatest share takes what rounding leaves.
    """
    shape = (*nu.shape, step.windows.shape[1])
    share = np.broadcast_to(best[:, :, None] == np.arange(shape[2]), shape).astype(np.float64)
    if given is not None:
        mu = given[:, nu.shape[1] :].reshape(shape)
        total = mu.sum(axis=2, keepdims=True)
        share = np.where(total < 0, mu / np.where(total < 0, total, 1.0), share)
    share = np.where((free & (nu < 0))[:, :, None], share, 0.0)
    mu = share * nu[:, :, None]
    if exact:
        mu = np.trunc(mu)
        most = share.argmax(axis=2)[:, :, None]
        rest = np.where(share.any(axis=2), nu - mu.sum(axis=2), 0.0)[:, :, None]
        np.put_along_axis(mu, most, np.take_along_axis(mu, most, axis=2) + rest, axis=2)
    return mu, share


def mean(step: Max, share: F64Array, source: F64Array, value: F64Array) -> F64Array:
    """What a maximum is where its source takes these values: the mean that bounds it, or `value`."""
    means: F64Array = (share * source[:, step.windows]).sum(axis=2)
    return np.where(share.any(axis=2), means, value)


def moved(share: F64Array, height: F64Array, rate: float) -> F64Array:
    """Shares [rows, n, window] a step towards the highest elements, of which each n has 1 in all, or none."""
    spread = np.ptp(height, axis=2, keepdims=True)
    ahead = share + rate * (height - height.mean(axis=2, keepdims=True)) / np.maximum(spread, 1e-9)
    down = -np.sort(-ahead, axis=2)
    excess = (np.cumsum(down, axis=2) - 1.0) / np.arange(1, share.shape[2] + 1)
    last = np.count_nonzero(down > excess, axis=2)[:, :, None] - 1
    nearest = np.maximum(ahead - np.take_along_axis(excess, last, axis=2), 0.0)
    return np.where(share.any(axis=2, keepdims=True), nearest, 0.0)


def with_shares(multipliers: F64Array, share: F64Array) -> F64Array:
    """Multipliers with mu in these proportions."""
    flat = share.reshape(len(share), -1)
    return np.concatenate([multipliers[:, : multipliers.shape[1] - flat.shape[1]], -flat], axis=1)
