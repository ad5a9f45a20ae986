"""Tables of 256 entries that a runtime fills in float32 with the C library's functions (expf, tanhf).

Such a function is any float32 near the true one (glibc's and newlib's expf state 0.502 units in the last
place, tanhf two); a table in which that choice would show is refused.
Source: TFLM micro/kernels/elu.cc, TFLite kernels/internal/common.h (LUTPopulate).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tflm_int8.fixedpoint import INT32_MAX, I64Array
from tflm_int8.kernels.lookup import CODES
from tflm_int8.node import Node

F32Array = NDArray[np.float32]

ULP: Final = 2.0**-23
"""A unit in the last place of a float32, relative (at most)."""
_SLACKS: Final = (-1.0, 0.0, 1.0)


def filled(node: Node, function: Callable[[F32Array, float], F32Array]) -> I64Array:
    """int64 [256]: round(function(scale · (x − zero_point)) / scale') + zero_point', every step in float32.

    function(x, slack): its values when the C library errs by `slack` (−1…1) of its bound. Refuses a table
    that depends on slack.
    """
    x, out = node.int8(node.input(0)), node.int8(node.output)
    with np.errstate(all="ignore"):
        real = x.scale * (CODES - x.zero_point).astype(np.float32)
        tables = [_quantized(node, function(real, s), out.scale, out.zero_point) for s in _SLACKS]
    if any(np.any(table != tables[0]) for table in tables):
        node.refuse("an entry of its table depends on the last bit of the C library's function")
    return tables[0]


def expf(x: F32Array, slack: float) -> F32Array:
    """float32 exponentials, off by slack · 0.01 units beyond the nearest float."""
    return nearby(np.exp(x.astype(np.float64)), 0.02 * slack)


def nearby(exact: NDArray[np.float64], units: float) -> F32Array:
    """The values moved away from 0 by units in the last place (towards it if negative), as float32."""
    moved: F32Array = (exact * (1 + units * ULP)).astype(np.float32)
    return moved


def _quantized(node: Node, values: F32Array, scale: np.float32, zero_point: int) -> I64Array:
    rescaled: NDArray[Any] = (values * (np.float32(1) / scale)).astype(np.float64)
    rounded = np.copysign(np.floor(np.abs(rescaled) + 0.5), rescaled).astype(np.float32)
    shifted = rounded + np.float32(zero_point)
    if not np.all(np.abs(shifted) < INT32_MAX):
        node.overflow("an entry of its table leaves int32")
    entries: I64Array = np.clip(shifted.astype(np.int64), -128, 127)
    return entries
