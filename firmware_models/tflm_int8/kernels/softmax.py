"""SOFTMAX, int8 → int8 or int16, in TFLM's fixed point: exponentials in Q0.31, their sum in Q12.19.

An output depends on its distance d = 0…255 from the row's maximum and on the row's sum alone, so the
exponential is a table of 256 entries.  Source: TFLM micro/kernels/softmax_common.cc, reference/softmax.h,
gemmlowp fixedpoint.h (exp_on_negative_values, one_over_one_plus_x_for_x_in_0_1), common.cc (GetReciprocal).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tflm_int8.errors import MalformedModel
from tflm_int8.fixedpoint import (
    INT32_MAX,
    INT32_MIN,
    I64Array,
    Multiplier,
    Rounding,
    multiply_by_quantized_multiplier,
    rounding_divide_by_pot,
    srdhm,
)
from tflm_int8.flatbuffer import Damaged
from tflm_int8.kernels.requantize import Int8Array
from tflm_int8.kernels.softmax_wide import WideSoftmax, nearly
from tflm_int8.kernels.softmax_wide import prepare as prepare_wide
from tflm_int8.node import Node

_OPTIONS = 9
_DIFF_INTEGER_BITS = 5
SUM_INTEGER_BITS = 12
MAX_DEPTH = (1 << SUM_INTEGER_BITS) - 1
SURE_DEPTH = 511
"""A longer row may reach a sum of 512 exponentials, at which TFLM aborts (its check of the exponent)."""

_BLOCK = 1 << 14
"""Elements at a time: their int64 stay in the second-level cache."""
_ABORTING_SUM = 512 << (31 - SUM_INTEGER_BITS)


@dataclass(frozen=True)
class SoftmaxFunction:
    """One row's arithmetic: `multiplier` scales differences to Q5.26; those beyond `radius` are skipped.

    bits: of the output, 8 or 16.
    """

    multiplier: Multiplier
    radius: int
    bits: int = 8

    @cached_property
    def raw_exponentials(self) -> I64Array:
        """int64 [256]: exp(−d · scale) in Q0.31; 0 where d is skipped."""
        d = np.arange(256, dtype=np.int64)
        kept = d <= self.radius
        scaled = multiply_by_quantized_multiplier(
            -d[kept], self.multiplier.value, self.multiplier.shift, Rounding.DOUBLE
        )
        raw = np.zeros(256, np.int64)
        raw[kept] = exp_on_negative_values(scaled)
        return raw

    def exponentials(self) -> I64Array:
        """int64 [256]: what an element d below its row's maximum adds to the sum, Q12.19."""
        return self._exponentials

    @cached_property
    def _exponentials(self) -> I64Array:
        return rounding_divide_by_pot(self.raw_exponentials, SUM_INTEGER_BITS)

    def output(self, total: I64Array, d: int | I64Array) -> I64Array:
        """The output (as int64) of an element d below the maximum, given the row's sum; they broadcast."""
        scale, exponent = reciprocal(np.asarray(total, np.int64))
        value = rounding_divide_by_pot(srdhm(scale, self.raw_exponentials[d]), exponent + 31 - self.bits)
        half = 1 << (self.bits - 1)
        return np.where(d <= self.radius, np.minimum(np.maximum(value - half, -half), half - 1), -half)

    def falls(self, total: I64Array) -> bool:
        """Does no output rise with the distance, nor along these ascending sums?"""
        if np.any(np.diff(self.raw_exponentials) > 0):
            return False
        scale, exponent = reciprocal(total)
        shifts = np.diff(exponent) > 0
        if np.any(np.diff(scale)[~shifts] > 0):
            return False
        d = np.arange(256)[:, None]
        return not np.any(self.output(total[1:][shifts], d) > self.output(total[:-1][shifts], d))

    def apply(self, x: NDArray[np.int8]) -> NDArray[Any]:
        """int8 [..., depth] → int8 (or int16) [..., depth]."""
        rows = x.reshape(-1, x.shape[-1])
        out = np.empty(rows.shape, f"i{self.bits // 8}")
        step = max(1, _BLOCK // rows.shape[1])
        for i in range(0, len(rows), step):
            d = _distances(rows[i : i + step])
            out[i : i + step] = self.output(self._row_sums(d), d)
        return out.reshape(x.shape)

    def total(self, x: NDArray[np.int8]) -> I64Array:
        """The sum of every row's exponentials, Q12.19: int8 [..., depth] → int64 [..., 1]."""
        return self._row_sums(_distances(x))

    def _row_sums(self, d: I64Array) -> I64Array:
        row_sum: I64Array = self._exponentials.take(d).sum(axis=-1, keepdims=True)
        return row_sum


def _distances(x: NDArray[np.int8]) -> I64Array:
    """How far every element lies below its row's maximum, 0…255."""
    below: I64Array = np.subtract(x.max(axis=-1, keepdims=True), x, dtype=np.int64)
    return below


def _saturated_shift(x: I64Array, left: int) -> I64Array:
    """SaturatingRoundingMultiplyByPOT for a left shift."""
    kept: I64Array = np.minimum(np.maximum(x << left, INT32_MIN), INT32_MAX)  # np.clip takes thrice as long
    return kept


def exp_on_negative_values(a: I64Array, integer_bits: int = _DIFF_INTEGER_BITS) -> I64Array:
    """exp(a) in Q0.31 for a ≤ 0 with `integer_bits` (4 or 5) before the point.

    Source: gemmlowp fixedpoint.h.
    """
    one = 31 - integer_bits
    quarter = np.int64(1) << (one - 2)
    offset = (a & (quarter - 1)) - quarter
    result = _exp_near_zero(_saturated_shift(offset, integer_bits))
    remainder = offset - a
    factors = (1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242)
    for exponent, factor in enumerate(factors[: integer_bits + 2], start=-2):
        bit = np.int64(1) << (one + exponent)
        result = np.where(remainder & bit, srdhm(result, factor), result)
    return np.where(a == 0, INT32_MAX, result)


def _exp_near_zero(a: I64Array) -> I64Array:
    """exp(a) for −1/4 ≤ a < 0, both Q0.31: a Taylor series around −1/8."""
    x = a + (1 << 28)
    x2 = srdhm(x, x)
    x3 = srdhm(x2, x)
    x4_over_4 = rounding_divide_by_pot(srdhm(x2, x2), 2)
    tail = rounding_divide_by_pot(srdhm(x4_over_4 + x3, 715827883) + x2, 1)
    return 1895147668 + srdhm(x + tail, 1895147668)


def reciprocal(total: I64Array) -> tuple[I64Array, I64Array]:
    """1 / total (Q12.19) as a Q0.31 scale and a right shift.  Source: GetReciprocal, common.cc."""
    leading_zeros = 32 - np.frexp(total.astype(np.float64))[1].astype(np.int64)
    shifted = (total << leading_zeros) - (np.int64(1) << 31)
    return one_over_one_plus(shifted), SUM_INTEGER_BITS - leading_zeros


def one_over_one_plus(a: I64Array) -> I64Array:
    """1 / (1 + a) for a in [0, 1), Q0.31.  Source: gemmlowp fixedpoint.h."""
    return _saturated_shift(_two_over_one_plus(a), 1)


def one_minus_over_one_plus(a: I64Array) -> I64Array:
    """(1 − a) / (1 + a) for a in [0, 1), Q0.31.  Source: gemmlowp fixedpoint.h."""
    return _saturated_shift(_two_over_one_plus(a) - (1 << 29), 2)


def _two_over_one_plus(a: I64Array) -> I64Array:
    """2 / (1 + a) in Q2.29, by three Newton steps."""
    half_denominator = (a + INT32_MAX + 1) >> 1
    x = 1515870810 + srdhm(half_denominator, -1010580540)
    for _ in range(3):
        error = (1 << 29) - srdhm(half_denominator, x)
        x = x + _saturated_shift(srdhm(x, error), 2)
    return x


@dataclass(frozen=True)
class Softmax:
    """Rows of `depth` along the last axis."""

    node: Node
    function: SoftmaxFunction
    depth: int

    def run(self, inputs: list[Int8Array]) -> list[NDArray[Any]]:
        """int8 [N, shape] → int8 or int16 [N, shape]."""
        x = inputs[0]
        long = self.function.bits == 8 and self.depth > SURE_DEPTH
        if long and np.any(self.function.total(x) >= _ABORTING_SUM):
            self.node.overflow("a row's exponentials add up to 512 or more, where TFLM aborts")
        return [self.function.apply(x)]


def prepare(node: Node) -> Softmax | WideSoftmax:
    """Check the operator and compute its integers."""
    node.arity(range(1, 2))
    x, out = node.input(0), node.output
    try:
        beta = node.options(_OPTIONS).float32(0)
    except Damaged as error:
        raise MalformedModel(node.model.name, f"op {node.op.index}: {error}") from error
    if x.dtype == "int16":
        return prepare_wide(node, beta)
    quantization = node.int8(x)
    if x.shape != out.shape or not x.shape:
        node.refuse(f"shapes {list(x.shape)} → {list(out.shape)}")
    bits = _output_bits(node)
    if x.shape[-1] > MAX_DEPTH:
        node.refuse(f"a row of {x.shape[-1]} elements overflows the sum; at most {MAX_DEPTH}")
    return Softmax(node, replace(function(node, beta, float(quantization.scale)), bits=bits), x.shape[-1])


def _output_bits(node: Node) -> int:
    """8 or 16; refuses another quantization than that of all of 0…1."""
    out = node.quantized(node.output, "int8", "int16")
    bits = 8 * np.dtype(node.output.dtype).itemsize
    exact = out.scale == np.float32(2.0**-bits)
    if out.zero_point != -(1 << (bits - 1)) or not (exact or (bits == 16 and nearly(out.scale, 2.0**-16))):
        node.refuse(f"the output must have the scale 1/{1 << bits} and the zero point {-(1 << (bits - 1))}")
    return bits


def function(node: Node, beta: float, scale: float) -> SoftmaxFunction:
    """The arithmetic of a softmax of the given beta and input scale."""
    real = beta * scale * (1 << (31 - _DIFF_INTEGER_BITS)) if math.isfinite(beta) else -1.0
    real = min(real, (1 << 31) - 1.0)
    if real <= 1.0:
        node.refuse(f"beta {beta} times the input's scale {scale} is too small")
    multiplier = node.multiplier(real)
    top = ((1 << _DIFF_INTEGER_BITS) - 1) * (1 << (31 - _DIFF_INTEGER_BITS))
    return SoftmaxFunction(multiplier, top // (1 << multiplier.shift))
