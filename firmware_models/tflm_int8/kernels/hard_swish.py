"""HARD_SWISH, int8 → int8: TFLM's pipeline of int16 values and 16-bit multipliers, as a table.

Source: TFLM micro/kernels/hard_swish_common.cc, reference/hard_swish.h, gemmlowp fixedpoint.h (int16).
"""

from __future__ import annotations

import numpy as np

from tflm_int8.fixedpoint import INT32_MAX, I64Array, Multiplier, wrapped_int16
from tflm_int8.kernels.lookup import CODES, Lookup, lookup
from tflm_int8.kernels.scales import ratio
from tflm_int8.node import Node


def prepare(node: Node) -> Lookup:
    """Check a HARD_SWISH and fill its table."""
    x, out = node.int8(node.input(0)), node.int8(node.output)
    hires = float(x.scale) / 128
    output = node.multiplier(ratio(node, (hires,), out.scale))
    reluish = node.multiplier(ratio(node, (hires,), 3 / 32768))
    if output.shift > 0:
        node.refuse("the output's scale is less than a 128th of the input's (TFLM refuses it)")
    value = (CODES - x.zero_point) * 128
    gate = (wrapped_int16(_gate(value, reluish)) + (1 << 15)) >> 1
    scaled = _high_product(value, _int16(output))
    product = gate * scaled
    truncated = np.sign(product) * (np.abs(product) >> 15)
    shifted = wrapped_int16(_divide_by_pot(truncated, -output.shift) + out.zero_point)
    return lookup(node, np.clip(shifted, -128, 127))


def _gate(value: I64Array, m: Multiplier) -> I64Array:
    """The value times the multiplier, saturated to int16: −32768…32767 for −3…3."""
    if m.shift > 0:
        value = _saturated(value << (m.shift - 1))
    value = _high_product(value, _int16(m))
    if m.shift > 0:
        return _saturated(value << 1)
    return _divide_by_pot(value, -m.shift)


def _int16(m: Multiplier) -> int:
    """The highest 16 bits of a multiplier, rounded.  Source: DownScaleInt32ToInt16Multiplier, common.h."""
    return (1 << 15) - 1 if m.value >= INT32_MAX - (1 << 15) else (m.value + (1 << 15)) >> 16


def _high_product(a: I64Array, b: int) -> I64Array:
    """a * b / 2**15 rounded, ties up; b ≥ 0."""
    return (a * b + (1 << 14)) >> 15


def _divide_by_pot(x: I64Array, exponent: int) -> I64Array:
    """gemmlowp's RoundingDivideByPOT on int16, whose mask wraps from exponent 16 on."""
    mask = (1 << exponent) - 1 if exponent < 16 else -1
    threshold = (mask >> 1) + (x < 0)
    return (x >> exponent) + ((x & mask) > threshold)


def _saturated(x: I64Array) -> I64Array:
    return np.clip(x, -(1 << 15), (1 << 15) - 1)
