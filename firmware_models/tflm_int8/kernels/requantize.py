"""The way from accumulators to int8: shared by every operator that accumulates."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tflm_int8.fixedpoint import I64Array, Rounding
from tflm_int8.node import Node
from tflm_int8.program.primitives import Requantize

Int8Array = NDArray[np.int8]


def per_channel(
    node: Node, scales: list[float], rounding: Rounding, activation: int, channels: int
) -> Requantize:
    """The output stage for the given effective scales (1 or `channels` of them)."""
    multipliers = [node.multiplier(scale) for scale in scales]
    if len(multipliers) == 1:
        multipliers = multipliers * channels
    lo, hi = node.activation_range(activation)
    if lo > hi:
        node.refuse(f"the fused activation leaves no value: {lo}..{hi}")
    return Requantize(
        np.array([m.value for m in multipliers], np.int64),
        np.array([m.shift for m in multipliers], np.int64),
        rounding,
        node.int8(node.output).zero_point,
        lo,
        hi,
    )


def to_int8(node: Node, acc: I64Array, requantize: Requantize) -> Int8Array:
    """int64 [..., channels] → int8 of the same shape; refuses an accumulator that TFLM would overflow."""
    first, last = requantize.domain()
    if int(requantize.shift.max()) > 0 and (np.any(acc < first) or np.any(acc > last)):
        node.overflow("an accumulator times its left shift leaves int32")
    return requantize.apply(acc, np.arange(requantize.n_channels)).astype(np.int8)


def exact_gemm_dtype(reach: int) -> np.dtype[np.floating[Any]]:
    """The narrowest float in which a sum of integer products of total magnitude `reach` is exact."""
    return np.dtype(np.float32 if reach < 1 << 24 else np.float64)
