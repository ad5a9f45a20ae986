"""LOG_SOFTMAX, int8 → int8, in TFLM's fixed point: the softmax's exponentials, then a logarithm in Q5.26.

Source: TFLM micro/kernels/log_softmax.cc, reference/log_softmax.h, common.h
(log_x_for_x_greater_than_or_equal_to_1_impl), quantization_util.cc (PreprocessLogSoftmaxScalingExp).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
from tflm_int8.kernels.lookup import same_size
from tflm_int8.kernels.requantize import below_one
from tflm_int8.kernels.softmax import MAX_DEPTH, SoftmaxFunction, function, one_over_one_plus
from tflm_int8.node import Node

_SUM_INTEGER_BITS = 12
_SQRT_HALF = 1518500250
_FOURTH_ROOT_HALF = 1805811301


@dataclass(frozen=True)
class LogSoftmaxFunction:
    """The arithmetic of a row; `inverse` turns a logarithm back into a difference of codes.

    An output never rises with the distance from the row's maximum: its parts are monotone, and `below` does
    not wrap around above `least` (it would by distances of 2^31 − log S in Q5.26, hence by steps above 2^22,
    of which half a step is more than all roundings).
    """

    softmax: SoftmaxFunction
    inverse: Multiplier
    rounding: Rounding

    def exponentials(self) -> I64Array:
        """int64 [256]: what an element d below its row's maximum adds to the sum, Q12.19."""
        return self.softmax.exponentials()

    def apply(self, x: NDArray[np.int8]) -> NDArray[np.int8]:
        """int8 [..., depth] → int8 [..., depth]."""
        wide = x.astype(np.int64)
        distance = wide.max(axis=-1, keepdims=True) - wide
        total = self.exponentials()[distance].sum(axis=-1, keepdims=True)
        return self.output(total, distance).astype(np.int8)

    def output(self, total: I64Array, d: int | I64Array) -> I64Array:
        """The output (as int64) of an element d below the maximum, given the row's sum; they broadcast."""
        distance = np.asarray(d, np.int64)
        log, radius = log_of_sum(np.asarray(total, np.int64)), self.softmax.radius
        least = multiply_by_quantized_multiplier(
            log + INT32_MIN, self.inverse.value, self.inverse.shift, self.rounding
        )
        m = self.softmax.multiplier
        scaled = multiply_by_quantized_multiplier(
            np.maximum(-distance, -radius), m.value, m.shift, self.rounding
        )
        below = ((scaled - log - INT32_MIN) & 0xFFFFFFFF) + INT32_MIN
        values = np.clip(rounding_divide_by_pot(below, 22) + 127, -128, 127)
        return np.where(-distance > np.maximum(least, -radius - 1), values, -128)

    def falls(self, total: I64Array) -> bool:
        """Does no output rise with the distance, nor along these ascending sums?"""
        return not np.any(np.diff(log_of_sum(total)) < 0)


@dataclass(frozen=True)
class LogSoftmax:
    """Rows of `depth` along the last axis."""

    node: Node
    function: LogSoftmaxFunction
    depth: int

    def run(self, inputs: list[NDArray[Any]]) -> list[NDArray[Any]]:
        """int8 [N, shape] → int8 [N, shape]."""
        return [self.function.apply(inputs[0])]


def prepare(node: Node) -> LogSoftmax:
    """Check the operator and compute its integers."""
    same_size(node)
    x, out = node.input(0), node.output
    quantization, after = node.int8(x), node.int8(out)
    if after.scale != np.float32(1 / 16) or after.zero_point != 127:
        node.refuse("the output must have the scale 1/16 and the zero point 127")
    if not x.shape or x.shape[-1] > MAX_DEPTH:
        node.refuse(f"the input has the shape {list(x.shape)}; a row has at most {MAX_DEPTH} elements")
    softmax = function(node, 1.0, float(quantization.scale))
    inverse = below_one(node, 2.0 ** (31 - softmax.multiplier.shift) / softmax.multiplier.value)
    arithmetic = LogSoftmaxFunction(softmax, inverse, node.variant.rounding)
    return LogSoftmax(node, arithmetic, x.shape[-1])


def _saturated_shift(x: I64Array, left: I64Array | int) -> I64Array:
    kept: I64Array = np.clip(x << left, INT32_MIN, INT32_MAX)
    return kept


def _headroom(x: I64Array) -> I64Array:
    """Leading zeros of a positive int32, less one for the sign."""
    return 31 - np.frexp(x.astype(np.float64))[1].astype(np.int64)


def log_of_sum(z: I64Array) -> I64Array:
    """log(z) in Q5.26 for 1 ≤ z in Q12.19: the better of two reductions to √½…√2, a rational function."""
    shifted_quarter = 1 << 23
    a_headroom = _headroom(z)
    r_a = _saturated_shift(srdhm(_saturated_shift(z, a_headroom), _SQRT_HALF), 1)
    a_exponent = _saturated_shift(_SUM_INTEGER_BITS - 1 - a_headroom, 25) + shifted_quarter
    b_headroom = _headroom(srdhm(z, _SQRT_HALF))
    r_b = _saturated_shift(z, b_headroom)
    b_exponent = _saturated_shift(_SUM_INTEGER_BITS - b_headroom, 25) - shifted_quarter
    r = np.minimum(r_a, r_b)
    exponent = np.clip(np.maximum(a_exponent, b_exponent), INT32_MIN, INT32_MAX)
    p = (r + _FOURTH_ROOT_HALF + 1) >> 1
    q = 2 * (r - _FOURTH_ROOT_HALF)
    square = srdhm(q, q)
    numerator = srdhm(q, r) + srdhm(srdhm(q, square), 117049297)
    denominator = srdhm(p, 1057819769 + q + srdhm(square, 127690142)) + srdhm(q, 638450708)
    quotient = srdhm(rounding_divide_by_pot(numerator, 6), one_over_one_plus(denominator))
    return _saturated_shift(srdhm(exponent, 1488522236) + quotient, 1)
