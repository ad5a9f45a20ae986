"""How large can nu · (a − p)(b − q) − s · a − t · b become on boxes of a and b, for any slopes s and t?

The function is linear in a and in b, so that its greatest value is at a corner. With both factors the same
wire it is a parabola of one integer. The slopes are those of the tangent in the middle: exact for a square
that bends upwards, half as loose as a corner's elsewhere. Integers stay integers, rounded as the checker
rounds them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from coverify.verify.query import F64Array, I64Array
from tflm_int8.program.primitives import Product

Boxes = Sequence[tuple[I64Array, I64Array]]


def product(step: Product, left: F64Array, right: F64Array) -> F64Array:
    """What the step makes of its factors."""
    made: F64Array = (left - step.left_offset) * (right - step.right_offset)
    return made


def bounded(
    step: Product, nu: F64Array, boxes: Boxes, exact: bool
) -> tuple[F64Array, tuple[F64Array, F64Array]]:
    """The greatest values, and the slopes s and t (integers where `exact`): float64 [rows, n] each."""
    a_lo, a_hi = (end.astype(np.float64) for end in boxes[step.left])
    b_lo, b_hi = (end.astype(np.float64) for end in boxes[step.right])
    s: F64Array = nu * ((b_lo + b_hi) / 2 - step.right_offset)
    t: F64Array = nu * ((a_lo + a_hi) / 2 - step.left_offset)
    if exact:
        s, t = np.floor(s), np.floor(t)

    def value(a: F64Array, b: F64Array) -> F64Array:
        made: F64Array = nu * product(step, a, b) - s * a - t * b
        return made

    if step.left == step.right:
        found = [value(a, a) for a in (a_lo, a_hi, *_near_the_top(step, nu, s + t, a_lo, a_hi))]
    else:
        found = [value(a, b) for a in (a_lo, a_hi) for b in (b_lo, b_hi)]
    return np.max(found, axis=0), (s, t)


def magnitudes(step: Product, nu: F64Array, slopes: tuple[F64Array, F64Array], boxes: Boxes) -> F64Array:
    """What no term of these values exceeds, nor any sum of them: float64 [rows, n]. Floats hold integers up
    to 2^53; terms may be beyond where what they add up to is not.
    """
    a, b = (np.abs(np.stack(boxes[wire])).max(axis=0).astype(np.float64) for wire in (step.left, step.right))
    product = (a + abs(step.left_offset)) * (b + abs(step.right_offset))
    most: F64Array = np.abs(nu) * product + np.abs(slopes[0]) * a + np.abs(slopes[1]) * b
    return most


def _near_the_top(step: Product, nu: F64Array, slope: F64Array, lo: F64Array, hi: F64Array) -> list[F64Array]:
    """The integers of the box beside the vertex of nu · (a − p)(a − q) − slope · a."""
    vertex = (step.left_offset + step.right_offset + slope / np.where(nu == 0, 1.0, nu)) / 2
    return [np.clip(np.floor(vertex) + k, lo, hi) for k in (-1, 0, 1, 2)]
