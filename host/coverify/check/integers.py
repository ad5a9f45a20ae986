"""TFLM's integer arithmetic on int64 arrays that hold int32 values.  Source: gemmlowp fixedpoint.h, TFLM's
common.h, quantization_util.cc, softmax.h.  The only floats are the scales, whose ratios TFLM takes in double.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from coverify.check.steps import INT32_MAX, Ints, need


def high_mul(a: Ints, b: Any) -> Ints:
    """SaturatingRoundingDoublingHighMul: a · b / 2^31 to the nearest, ties up."""
    product: Ints = (a * b + (1 << 30)) >> 31
    return np.minimum(product, INT32_MAX)


def divide(x: Ints, exponent: Any) -> Ints:
    """RoundingDivideByPOT: x / 2^exponent to the nearest, ties away from zero."""
    mask = (np.int64(1) << np.asarray(exponent, np.int64)) - 1
    quotient: Ints = x >> exponent
    return quotient + ((x & mask) > (mask >> 1) + (x < 0))


def scaled(x: Ints, multiplier: Any, shift: Any) -> Ints:
    """MultiplyByQuantizedMultiplier, double rounding; x · 2^max(shift, 0) must fit int32."""
    s = np.asarray(shift, np.int64)
    return divide(high_mul(x << np.maximum(s, 0), multiplier), np.maximum(-s, 0))


def multiplier_of(real: float) -> tuple[int, int]:
    """QuantizeMultiplier: real as m · 2^(shift − 31)."""
    need(math.isfinite(real) and real > 0, "a scale ratio that is not a positive number")
    fraction, shift = math.frexp(real)
    m = math.floor(fraction * 2.0**31 + 0.5)
    m, shift = (m // 2, shift + 1) if m == 2**31 else (m, shift)
    need(shift <= 31, "a scale ratio that needs too great a shift")
    return (m, shift) if shift >= -31 else (0, 0)


def softmax(beta_scale: float) -> tuple[Ints, Callable[[Ints, int], Ints]]:
    """For a row's element d = 0..255 below its maximum: what it adds to the row's sum (Q12.19), and
    (sum, d) → its output.
    """
    real = min(beta_scale * 2.0**26, 2.0**31 - 1.0)
    need(real > 1.0, "a softmax of too small a scale")
    m, shift = multiplier_of(real)
    radius, d = (31 << 26) // (1 << shift), np.arange(256)
    raw = np.where(d <= radius, _exp(scaled(-np.minimum(d, radius), m, shift)), 0)
    need(np.all(np.diff(raw) <= 0) and raw[255] >= 0, "exponentials that are not monotone")

    def output(total: Ints, d: int) -> Ints:
        zeros = 32 - np.searchsorted(1 << np.arange(33), total, side="right").astype(np.int64)
        half = ((total << zeros) - (1 << 31) + INT32_MAX + 1) >> 1
        x = 1515870810 + high_mul(half, -1010580540)
        for _ in range(3):
            x = x + _saturated(high_mul(x, (1 << 29) - high_mul(half, x)), 2)
        value = divide(high_mul(_saturated(x, 1), raw[d]), 12 - zeros + 31 - 8)
        return np.clip(value - 128, -128, 127) if d <= radius else np.full_like(value, -128)

    return divide(raw, 12), output


def _saturated(x: Ints, left: int) -> Ints:
    return np.clip(x << left, -(2**31), INT32_MAX)


def _exp(a: Ints) -> Ints:
    """exp_on_negative_values: Q5.26 → Q0.31."""
    offset = (a & ((1 << 24) - 1)) - (1 << 24)
    x = _saturated(offset, 5) + (1 << 28)
    x2 = high_mul(x, x)
    fourth = divide(high_mul(x2, x2), 2)
    tail = divide(high_mul(fourth + high_mul(x2, x), 715827883) + x2, 1)
    result = 1895147668 + high_mul(x + tail, 1895147668)
    for bit, factor in enumerate((1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242), 24):
        result = np.where((offset - a) >> bit & 1, high_mul(result, factor), result)
    return np.where(a == 0, INT32_MAX, result)
