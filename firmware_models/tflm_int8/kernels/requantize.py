"""The way from accumulators to int8: shared by every operator that accumulates."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tflm_int8.fixedpoint import (
    INT32_MAX,
    INT32_MIN,
    I64Array,
    Multiplier,
    multiply_by_quantized_multiplier,
)
from tflm_int8.kernels.staircase import FloatStage, prove
from tflm_int8.kernels.staircase import exact_gemm_dtype as exact_gemm_dtype
from tflm_int8.node import Node
from tflm_int8.program.primitives import Requantize, RequantizeReal
from tflm_int8.variant import Form

Int8Array = NDArray[np.int8]


INT47_MAX: Final = (1 << 47) - 1
"""The greatest accumulator that TFLM's 64-bit requantization takes."""


@dataclass(frozen=True)
class RequantizeWide:
    """A 64-bit accumulator times the highest 16 bits of a multiplier, halves up, clamped to lo..hi.

    multiplier: int64 [channels] below 2**15; shift: int64 [channels], −31…7.
    Source: MultiplyByQuantizedMultiplier(int64_t, …), common.cc.
    """

    multiplier: I64Array
    shift: I64Array
    lo: int
    hi: int

    @property
    def n_channels(self) -> int:
        """The number of channels."""
        return len(self.multiplier)

    def scaled(self, acc: I64Array) -> I64Array:
        """int64 [..., channels], |acc| ≤ INT47_MAX, before the clamp."""
        return self._scaled(acc, slice(None))

    def apply(self, acc: I64Array, channel: NDArray[np.int64]) -> I64Array:
        """As a rule of the integer program: int64 [..., n] of the channels [n]."""
        return np.clip(self._scaled(acc, channel), self.lo, self.hi)

    def _scaled(self, acc: I64Array, channel: NDArray[np.int64] | slice) -> I64Array:
        total = 15 - self.shift[channel]
        product: I64Array = (acc * self.multiplier[channel] + (np.int64(1) << (total - 1))) >> total
        return product

    def domain(self) -> tuple[I64Array, I64Array]:
        """Per channel, the accumulators of at most INT47_MAX whose product fits int32."""
        pairs = list(zip(self.multiplier.tolist(), (15 - self.shift).tolist(), strict=True))
        half = [1 << (total - 1) for _, total in pairs]
        first = [
            -(((1 << 31 + t) + h) // m) if m else -INT47_MAX for (m, t), h in zip(pairs, half, strict=True)
        ]
        last = [
            ((1 << 31 + t) - h - 1) // m if m else INT47_MAX for (m, t), h in zip(pairs, half, strict=True)
        ]
        return (
            np.array([max(v, -INT47_MAX) for v in first], np.int64),
            np.array([min(v, INT47_MAX) for v in last], np.int64),
        )


Stage = Requantize | RequantizeReal | RequantizeWide


def accumulator_type(node: Node, bias_type_option: int) -> str:
    """int32 or int64: with int16 inputs the bias decides, without one the option (a TensorType)."""
    if node.input(0).dtype == "int8":
        return "int32"
    bias = node.optional_input(2)
    if bias is None:
        return "int32" if bias_type_option == 2 else "int64"
    if bias.dtype not in ("int32", "int64"):
        node.refuse(f"the bias is {bias.dtype}")
    return bias.dtype


def accumulator_limit(accumulator: str) -> int:
    """The greatest magnitude of an accumulator of the type."""
    return INT32_MAX if accumulator == "int32" else INT47_MAX


def by_channel(
    node: Node,
    scales: list[float],
    activation: int,
    channels: int,
    accumulator: str,
) -> Stage:
    """The output stage of the given accumulator type, whose zero point is 0 when it is int64."""
    if node.variant.form is Form.FLOAT_STAGE:
        return _real(node, scales, activation, channels)
    stage = per_channel(node, scales, activation, channels)
    return stage if accumulator == "int32" else widened(node, stage)


def widened(node: Node, stage: Requantize) -> RequantizeWide:
    """The same stage, of zero point 0, for accumulators of 64 bits."""
    if np.any(stage.shift > 7) or np.any(stage.shift < -31):
        node.refuse("an effective scale is out of the range of the 64-bit requantization")
    reduced = np.where(stage.multiplier < 0x7FFF0000, (stage.multiplier + (1 << 15)) >> 16, 0x7FFF)
    return RequantizeWide(reduced, stage.shift, stage.lo, stage.hi)


def _real(node: Node, scales: list[float], activation: int, channels: int) -> RequantizeReal:
    """The output stage that multiplies by the effective scales themselves."""
    if not all(0.0 < scale < math.inf for scale in scales):
        node.refuse("an effective scale is not positive and finite")
    lo, hi = node.activation_range(activation)
    if lo > hi:
        node.refuse(f"the fused activation leaves no value: {lo}..{hi}")
    every = np.array(scales * (channels if len(scales) == 1 else 1), np.float64)
    return RequantizeReal(every, node.quantized(node.output, "int8", "int16").zero_point, lo, hi)


def requantized(node: Node, acc: I64Array, stage: Stage) -> NDArray[Any]:
    """int64 [..., channels] → the output's type, same shape; refuses what TFLM would overflow."""
    if isinstance(stage, Requantize):
        return to_output(node, acc, stage)
    if isinstance(stage, RequantizeReal):
        first, last = stage.domain()
        if np.any(acc < first) or np.any(acc > last):
            node.overflow("an accumulator times its scale leaves int32")
        return stage.apply(acc, np.arange(stage.n_channels)).astype(node.output.dtype)
    scaled = stage.scaled(acc)
    if np.any(scaled > INT32_MAX) or np.any(scaled < INT32_MIN):
        node.overflow("a requantized accumulator leaves int32")
    return np.clip(scaled, stage.lo, stage.hi).astype(node.output.dtype)


def sum_reach(weights: I64Array, codes: str) -> int:
    """The greatest Σ|w|·max|x| over the channels: int64 [channels, …]; codes: the type of x."""
    by_channel = np.abs(weights.reshape(len(weights), -1)).sum(axis=1)
    return int(by_channel.max()) * (int(np.iinfo(codes).max) + 1)


def proved_stage(node: Node, stage: Stage, bias: I64Array, reach: int) -> FloatStage | None:
    """The float form of an int8 output stage on sums |sum| ≤ reach; bias: int64 [channels]."""
    if not isinstance(stage, Requantize) or node.output.dtype != "int8":
        return None
    return prove(stage, bias, reach)


def per_channel(node: Node, scales: list[float], activation: int, channels: int) -> Requantize:
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
        node.variant.rounding,
        node.quantized(node.output, "int8", "int16").zero_point,
        lo,
        hi,
    )


def staged(node: Node, acc: I64Array, stage: Requantize) -> I64Array:
    """int64 [..., channels] (any shape for one channel) through a stage; refuses what TFLM would overflow."""
    if int(stage.shift.max()) >= 0:
        first, last = stage.domain()
        if np.any(acc < first) or np.any(acc > last):
            node.overflow(
                "an accumulator times its left shift, or its product plus the zero point, leaves int32"
            )
    if stage.n_channels == 1:
        return stage.apply(acc[..., None], np.zeros(1, np.int64))[..., 0]
    return stage.apply(acc, np.arange(stage.n_channels))


def one_channel(node: Node, m: Multiplier, activation: int) -> Requantize:
    """The output stage of one multiplier for all elements, int8 or int16."""
    lo, hi = node.activation_range(activation)
    if lo > hi:
        node.refuse(f"the fused activation leaves no value: {lo}..{hi}")
    value, shift = np.array([m.value], np.int64), np.array([m.shift], np.int64)
    zero_point = node.quantized(node.output, "int8", "int16").zero_point
    return Requantize(value, shift, node.variant.rounding, zero_point, lo, hi)


def to_output(node: Node, acc: I64Array, requantize: Requantize) -> NDArray[Any]:
    """The same, in the output's type."""
    return staged(node, acc, requantize).astype(node.output.dtype)


def below_one(node: Node, real: float) -> Multiplier:
    """A multiplier that must be in 0..1, both excluded (TFLM aborts otherwise)."""
    if not 0.0 < real < 1.0:
        node.refuse(f"a scale ratio of {real} is not below one")
    m = node.multiplier(real)
    if m.shift > 0:
        node.refuse(f"a scale ratio of {real} is not below one in 31 bits")
    return m


def rescale_int8(node: Node, centred: I64Array, left_shift: int, m: Multiplier) -> I64Array:
    """centred << left_shift, times a multiplier below one."""
    return multiply_by_quantized_multiplier(centred << left_shift, m.value, m.shift, node.variant.rounding)
