"""ELU, int8 → int8: a table that TFLM fills in float32 with the C library's expf.

The exponential is taken as any float32 within 0.51 units in the last place of the true one (glibc's and
newlib's expf state 0.502); a table in which that choice would show is refused.
Source: TFLM micro/kernels/elu.cc.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tflm_int8.fixedpoint import INT32_MAX, I64Array
from tflm_int8.kernels.lookup import CODES, Lookup, lookup
from tflm_int8.node import Node

F32Array = NDArray[np.float32]

_EXP_SLACK = 0.02 * 2.0**-23


def prepare(node: Node) -> Lookup:
    """Check an ELU and fill its table."""
    x, out = node.int8(node.input(0)), node.int8(node.output)
    with np.errstate(all="ignore"):
        real = x.scale * (CODES - x.zero_point).astype(np.float32)
        least, most = (
            _table(
                node,
                real,
                np.exp(real.astype(np.float64)) * (1 + sign * _EXP_SLACK),
                out.scale,
                out.zero_point,
            )
            for sign in (-1, 1)
        )
    if np.any(least != most):
        node.refuse("an entry of its table depends on the last bit of the C library's expf")
    return lookup(node, least)


def _table(
    node: Node, real: F32Array, exponential: NDArray[np.float64], scale: np.float32, zero_point: int
) -> I64Array:
    """int64 [256]: round(elu / scale) + zero_point, every step in float32."""
    elu = np.where(real < 0, exponential.astype(np.float32) - np.float32(1), real)
    rescaled: NDArray[Any] = (elu * (np.float32(1) / scale)).astype(np.float64)
    rounded = (np.sign(rescaled) * np.floor(np.abs(rescaled) + 0.5)).astype(np.float32)
    shifted = rounded + np.float32(zero_point)
    if not np.all(np.abs(shifted) < INT32_MAX):
        node.overflow("an entry of its table leaves int32")
    entries: I64Array = np.clip(shifted.astype(np.int64), -128, 127)
    return entries
