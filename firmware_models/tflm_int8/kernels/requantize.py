"""The way from accumulators to int8: shared by every operator that accumulates."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tflm_int8.fixedpoint import I64Array, Multiplier, Rounding, multiply_by_quantized_multiplier
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


def one_channel(node: Node, m: Multiplier, rounding: Rounding, activation: int) -> Requantize:
    """The output stage of one multiplier for all elements, int8 or int16."""
    lo, hi = node.activation_range(activation)
    if lo > hi:
        node.refuse(f"the fused activation leaves no value: {lo}..{hi}")
    value, shift = np.array([m.value], np.int64), np.array([m.shift], np.int64)
    zero_point = node.quantized(node.output, "int8", "int16").zero_point
    return Requantize(value, shift, rounding, zero_point, lo, hi)


def to_output(node: Node, acc: I64Array, requantize: Requantize) -> NDArray[Any]:
    """int64 of any shape through a stage of one channel, in the output's type; refuses as `to_int8`."""
    first, last = requantize.domain()
    if int(requantize.shift[0]) > 0 and (np.any(acc < first) or np.any(acc > last)):
        node.overflow("an accumulator times its left shift leaves int32")
    return requantize.apply(acc[..., None], np.zeros(1, np.int64))[..., 0].astype(node.output.dtype)


def below_one(node: Node, real: float) -> Multiplier:
    """A multiplier that must be in 0..1, both excluded (TFLM aborts otherwise)."""
    if not 0.0 < real < 1.0:
        node.refuse(f"a scale ratio of {real} is not below one")
    m = node.multiplier(real)
    if m.shift > 0:
        node.refuse(f"a scale ratio of {real} is not below one in 31 bits")
    return m


def rescale_int8(centred: I64Array, left_shift: int, m: Multiplier, rounding: Rounding) -> I64Array:
    """centred << left_shift, times a multiplier below one."""
    return multiply_by_quantized_multiplier(centred << left_shift, m.value, m.shift, rounding)
