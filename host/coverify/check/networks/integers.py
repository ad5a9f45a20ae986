"""TFLM's integer arithmetic on int64 arrays of int32 values; scales are the only floats, as TFLM has them.

Source: gemmlowp fixedpoint.h; TFLM common.h, common.cc, quantization_util.cc, integer_ops/logistic.h, tanh.h.
"""

import math

import numpy as np

from coverify.check.steps import INT32, Ints, need

INT32_MAX = 2**31 - 1


def high_mul(a: Ints, b: Ints | int) -> Ints:
    """SaturatingRoundingDoublingHighMul: a · b / 2^31 to the nearest, ties up."""
    return np.minimum((a * b + (1 << 30)) >> 31, INT32_MAX)


def high_mul16(a: Ints, multiplier: int) -> Ints:
    """The same of int16 a by the highest 16 bits of a multiplier >= 0."""
    return (a * min(multiplier + (1 << 15) >> 16, (1 << 15) - 1) + (1 << 14)) >> 15


def divide(x: Ints, exponent: Ints | int) -> Ints:
    """RoundingDivideByPOT: x / 2^exponent to the nearest, ties away from zero."""
    half = np.int64(1) << exponent >> 1
    return np.where(x < 0, -((half - x) >> exponent), (x + half) >> exponent)


def scaled(x: Ints, multiplier: Ints | int, shift: Ints | int, once: bool) -> Ints:
    """MultiplyByQuantizedMultiplier, rounded twice or once; x · 2^max(shift, 0) must fit int32."""
    if once:
        return (x * multiplier + (np.int64(1) << (30 - shift))) >> (31 - shift)
    return divide(high_mul(x << np.maximum(shift, 0), multiplier), np.maximum(-shift, 0))


def bearable(multiplier: Ints, shift: Ints, zero: int) -> Ints:
    """[2, channels]: the least and greatest x whose x · 2^max(shift, 0), and `scaled` plus zero, fit int32.

    `scaled` is at most 2^30 where shift < 0, else (x · multiplier + half) >> total, however it is rounded.
    """
    (least, most), total = np.clip(INT32 - zero, *INT32), 31 - np.maximum(shift, 0)
    half, m = np.int64(1) << total >> 1, np.maximum(multiplier, 1)
    ends = -((half - (least << total)) // m), ((most + 1 << total) - half - 1) // m
    return np.where(shift < 0, INT32, np.clip(ends, *(INT32 >> 31 - total)))


def multiplier_of(real: float, once: bool) -> tuple[int, int]:
    """QuantizeMultiplier: real as m · 2^(shift − 31), for numbers that are rounded once or twice."""
    fraction, shift = math.frexp(real)
    m = math.floor(fraction * 2.0**31 + 0.5)
    m, shift = (m // 2, shift + 1) if m == 2**31 else (m, shift)
    need(shift + once <= 31, "a scale ratio that is too large")
    return (m, shift) if shift >= -31 else (0, 0)


def exponential(a: Ints, bits: int = 5) -> Ints:
    """exp_on_negative_values: a <= 0 with so many integer bits, Q5.26 or Q4.27 → Q0.31."""
    offset = (a & ((1 << 29 - bits) - 1)) - (1 << 29 - bits)
    x = (offset << bits) + (1 << 28)
    x2 = high_mul(x, x)
    tail = divide(high_mul(divide(high_mul(x2, x2), 2) + high_mul(x2, x), 715827883) + x2, 1)
    result = 1895147668 + high_mul(x + tail, 1895147668)
    factors = 1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242
    for bit, factor in enumerate(factors, 29 - bits):
        result = np.where((offset - a) >> bit & 1, high_mul(result, factor), result)
    return np.where(a == 0, INT32_MAX, result)


def reciprocal(half: Ints) -> Ints:
    """1 / (2 · half) by Newton's method: half in Q0.31, from a half to 1 → Q2.29."""
    x = 1515870810 + high_mul(half, -1010580540)
    for _ in range(3):
        x = x + np.clip(high_mul(x, (1 << 29) - high_mul(half, x)) << 2, -(2**31), INT32_MAX)
    return x


def curve(q: Ints, tanh: bool) -> Ints:
    """LOGISTIC or TANH of q in Q4.27, rounded to 2^-8 or 2^-7: what both do with exp(−|q|) or exp(−2 |q|)."""
    x = reciprocal((exponential(-np.abs(q), 5 if tanh else 4) + (1 << 31)) >> 1)
    if tanh:
        return np.sign(q) * divide(np.minimum((x - (1 << 29)) << 2, INT32_MAX), 24)
    x = np.minimum(x << 1, INT32_MAX)
    return divide(np.where(q > 0, x, np.where(q < 0, INT32_MAX - x, 1 << 30)), 23)
