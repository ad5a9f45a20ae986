"""TFLM's fixed-point arithmetic on numpy integers: multipliers from scales, rounded products.

Every function is exact on the stated range and takes its rounding explicitly; there is no default. Arrays
are int64 and hold int32 values, so that nothing overflows on the way; callers hold the stated bounds.

Source: TFLM tensorflow/lite/kernels/internal/common.{h,cc}, quantization_util.cc, gemmlowp fixedpoint.h.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from typing import Final

import numpy as np
from numpy.typing import NDArray

I64Array = NDArray[np.int64]

INT32_MIN: Final = -(2**31)
INT32_MAX: Final = 2**31 - 1


class Rounding(Enum):
    """How a 31-bit multiplier and a right shift are rounded: two steps (TFLM) or one."""

    DOUBLE = "double"
    SINGLE = "single"


@dataclass(frozen=True)
class Multiplier:
    """A real factor as `value * 2**(shift - 31)`; value is 0 or in [2**30, 2**31)."""

    value: int
    shift: int


def quantize_multiplier(real: float) -> Multiplier:
    """The fixed-point form of `real` >= 0 (a double).  Source: QuantizeMultiplier, quantization_util.cc.

    Raises ValueError when `real` is negative, not finite, or it needs a left shift of more than 31 bits
    (undefined in TFLM).
    """
    if not math.isfinite(real) or real < 0:
        raise ValueError(f"a multiplier must be finite and >= 0, not {real!r}")
    if real == 0.0:
        return Multiplier(0, 0)
    fraction, shift = math.frexp(real)
    value = round_half_away(fraction * 2.0**31)
    if value == 2**31:
        value //= 2
        shift += 1
    if shift < -31:
        return Multiplier(0, 0)
    if shift > 31:
        raise ValueError(f"the multiplier {real!r} needs a left shift of {shift} > 31 bits")
    return Multiplier(value, shift)


def round_half_away(x: float) -> int:
    """C's round(): to the nearest integer, halves away from zero."""
    return math.floor(abs(x) + 0.5) * (1 if x >= 0 else -1)


def wrapped_int16(x: I64Array) -> I64Array:
    """What an int16 keeps of x."""
    return ((x + (1 << 15)) & 0xFFFF) - (1 << 15)


def srdhm(a: I64Array, b: int | I64Array) -> I64Array:
    """round(a * b / 2**31) with ties towards +infinity; a, b in int32, saturating for a = b = INT32_MIN.

    Source: SaturatingRoundingDoublingHighMul, gemmlowp fixedpoint.h. (Its truncating division by 2**31 of
    a*b + (2**30 or 1 - 2**30) equals the floor used here.)
    """
    product: I64Array = a * b
    product += 1 << 30
    product >>= 31
    return np.minimum(product, INT32_MAX)


def rounding_divide_by_pot(x: I64Array, exponent: int | I64Array) -> I64Array:
    """x / 2**exponent to the nearest integer, ties away from zero; 0 <= exponent <= 31, x in int32.

    Source: RoundingDivideByPOT, gemmlowp fixedpoint.h.
    """
    e = np.asarray(exponent, np.int64)
    nudged: I64Array = x + ((np.int64(1) << e) >> 1)  # a new array, so that it is changed in place
    nudged -= (x < 0) & (e > 0)  # what is below 0 is rounded down at a tie
    nudged >>= e
    return nudged


def multiply_by_quantized_multiplier(
    x: I64Array, multiplier: int | I64Array, shift: int | I64Array, rounding: Rounding
) -> I64Array:
    """x * multiplier * 2**(shift - 31), rounded as `rounding`; int64 array in, int64 array out.

    Needs multiplier 0 or in [2**30, 2**31), -31 <= shift <= 31 (single rounding: 30), and
    x * 2**max(shift, 0) in int32: beyond that TFLM's C++ is undefined (callers prove it or refuse).
    Source: MultiplyByQuantizedMultiplier, common.cc, without and with TFLITE_SINGLE_ROUNDING.
    """
    s = np.asarray(shift, np.int64)
    if rounding is Rounding.DOUBLE:
        left = np.maximum(s, 0)
        return rounding_divide_by_pot(srdhm(x << left, multiplier), np.maximum(-s, 0))
    total = 31 - s
    single: I64Array = x * multiplier + (np.int64(1) << (total - 1))
    single >>= total
    return single
