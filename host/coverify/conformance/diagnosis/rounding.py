"""The ways to take accumulator · multiplier · 2^(shift − 31) that are met in kernels: TFLM's and others.

Each maps int64 accumulators (holding int32) with int64 multipliers and shifts that broadcast to int64.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from coverify.conformance.diagnosis.candidate import I64Array
from tflm_int8.fixedpoint import Rounding, multiply_by_quantized_multiplier, rounding_divide_by_pot, srdhm

Scaling = Callable[[I64Array, I64Array, I64Array], I64Array]


@dataclass(frozen=True)
class Rule:
    """A named way of scaling."""

    name: str
    says: str
    scale: Scaling


def double(acc: I64Array, multiplier: I64Array, shift: I64Array) -> I64Array:
    """TFLM's: two roundings."""
    return multiply_by_quantized_multiplier(acc, multiplier, shift, Rounding.DOUBLE)


def _single(acc: I64Array, multiplier: I64Array, shift: I64Array) -> I64Array:
    return multiply_by_quantized_multiplier(acc, multiplier, shift, Rounding.SINGLE)


def _floored(acc: I64Array, multiplier: I64Array, shift: I64Array) -> I64Array:
    floored: I64Array = (acc * multiplier) >> (31 - shift)
    return floored


def _toward_zero(acc: I64Array, multiplier: I64Array, shift: I64Array) -> I64Array:
    product = acc * multiplier
    cut: I64Array = np.sign(product) * (np.abs(product) >> (31 - shift))
    return cut


def _away(acc: I64Array, multiplier: I64Array, shift: I64Array) -> I64Array:
    """One rounding, ties away from zero."""
    product = acc * multiplier
    half = np.int64(1) << (30 - shift)
    away: I64Array = np.sign(product) * ((np.abs(product) + half) >> (31 - shift))
    return away


def _high(acc: I64Array, multiplier: I64Array, shift: I64Array) -> I64Array:
    return srdhm(acc << np.maximum(shift, 0), multiplier)


def _ties_up(acc: I64Array, multiplier: I64Array, shift: I64Array) -> I64Array:
    """Two roundings, the second without the correction for negative numbers."""
    right: I64Array = np.maximum(-shift, 0)
    half: I64Array = (np.int64(1) << right) >> 1
    up: I64Array = (_high(acc, multiplier, shift) + half) >> right
    return up


def _plain_shift(acc: I64Array, multiplier: I64Array, shift: I64Array) -> I64Array:
    """The high product rounded, the right shift not."""
    plain: I64Array = _high(acc, multiplier, shift) >> np.maximum(-shift, 0)
    return plain


def _plain_product(acc: I64Array, multiplier: I64Array, shift: I64Array) -> I64Array:
    """The high product floored, the right shift rounded."""
    high = ((acc << np.maximum(shift, 0)) * multiplier) >> 31
    return rounding_divide_by_pot(high, np.maximum(-shift, 0))


def _cut_product(acc: I64Array, multiplier: I64Array, shift: I64Array) -> I64Array:
    """The high product cut towards zero, the right shift rounded."""
    product = (acc << np.maximum(shift, 0)) * multiplier
    return rounding_divide_by_pot(np.sign(product) * (np.abs(product) >> 31), np.maximum(-shift, 0))


def _no_left_shift(acc: I64Array, multiplier: I64Array, shift: I64Array) -> I64Array:
    return double(acc, multiplier, np.minimum(shift, 0))


def _narrow(acc: I64Array, multiplier: I64Array, shift: I64Array) -> I64Array:
    """The multiplier rounded to its 15 upper bits."""
    return double(acc, np.minimum((multiplier + (1 << 15)) >> 16, (1 << 15) - 1) << 16, shift)


def _narrow_cut(acc: I64Array, multiplier: I64Array, shift: I64Array) -> I64Array:
    return double(acc, (multiplier >> 16) << 16, shift)


def _real(acc: I64Array, multiplier: I64Array, shift: I64Array) -> NDArrayF:
    scaled: NDArrayF = multiplier.astype(np.float64) * np.exp2((shift - 31).astype(np.float64)) * acc
    return scaled


NDArrayF = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


def _float_even(acc: I64Array, multiplier: I64Array, shift: I64Array) -> I64Array:
    return np.rint(_real(acc, multiplier, shift)).astype(np.int64)


def _float32_even(acc: I64Array, multiplier: I64Array, shift: I64Array) -> I64Array:
    real = (multiplier * np.exp2((shift - 31).astype(np.float64))).astype(np.float32)
    even: I64Array = np.rint(acc.astype(np.float32) * real).astype(np.int64)
    return even


RULES: Final[tuple[Rule, ...]] = (
    Rule("single-rounding", "one rounding, ties up, instead of two (TFLITE_SINGLE_ROUNDING)", _single),
    Rule("single-rounding-away", "one rounding, ties away from zero, instead of two", _away),
    Rule("truncation", "the product is cut towards zero instead of rounded", _toward_zero),
    Rule("floor", "the product is shifted right without rounding", _floored),
    Rule("second-rounding-ties-up", "the right shift rounds ties up instead of away from zero", _ties_up),
    Rule("second-rounding-missing", "the right shift does not round", _plain_shift),
    Rule("first-rounding-floored", "the high product is rounded down", _plain_product),
    Rule("first-rounding-missing", "the high product is cut towards zero", _cut_product),
    Rule("left-shift-missing", "a left shift before the high product is left out", _no_left_shift),
    Rule("multiplier-in-16-bits", "the multiplier is rounded to 16 bits", _narrow),
    Rule("multiplier-cut-to-16-bits", "the multiplier's lower 16 bits are left out", _narrow_cut),
    Rule(
        "float-requantization", "scaled in float64 and rounded to even (as in float back ends)", _float_even
    ),
    Rule("float32-requantization", "scaled in float32 and rounded to even (LiteRT, XNNPACK)", _float32_even),
)


def shifted(by: int) -> Scaling:
    """TFLM's scaling with every shift changed by `by`."""

    def scale(acc: I64Array, multiplier: I64Array, shift: I64Array) -> I64Array:
        return double(acc, multiplier, np.clip(shift + by, -31, 30))

    return scale


def scaling(rounding: Rounding) -> Scaling:
    """The scaling of a kernel profile's rounding."""
    return double if rounding is Rounding.DOUBLE else _single
