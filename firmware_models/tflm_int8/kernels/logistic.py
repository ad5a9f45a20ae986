"""LOGISTIC and TANH on int8 (int16: wide.py) in gemmlowp's fixed point, Q4.27 to Q0.31, as tables.

Beyond the radius in which the scaled input fits Q4.27 the output is the least or greatest int8. TANH ignores
its output's quantization.  Source: TFLM micro/kernels/logistic_common.cc, tanh.cc,
reference/integer_ops/logistic.h and tanh.h, gemmlowp fixedpoint.h.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from tflm_int8.fixedpoint import (
    INT32_MAX,
    I64Array,
    multiply_by_quantized_multiplier,
    round_half_away,
    rounding_divide_by_pot,
)
from tflm_int8.kernels import wide
from tflm_int8.kernels.float_table import F32Array, expf, filled, nearby
from tflm_int8.kernels.lookup import CODES, Lookup, Pointwise, lookup
from tflm_int8.kernels.softmax import exp_on_negative_values, one_minus_over_one_plus, one_over_one_plus
from tflm_int8.node import Node
from tflm_int8.variant import Form

_INTEGER_BITS = 4


def prepare_logistic(node: Node) -> Lookup | Pointwise:
    """Check a LOGISTIC; TFLM requires the output's zero point to be −128."""
    if node.input(0).dtype == "int16":
        return wide.prepare_logistic(node)
    if node.int8(node.output).zero_point != -128:
        node.refuse("the output must have the zero point -128")
    if node.variant.form is Form.FLOAT_TABLE:
        return lookup(node, filled(node, _float_logistic))
    return lookup(node, _table(node, lambda q: rounding_divide_by_pot(_logistic(q), 23) - 128))


def prepare_tanh(node: Node) -> Lookup | Pointwise:
    """Check a TANH."""
    if node.input(0).dtype == "int16":
        return wide.prepare_tanh(node)
    node.int8(node.output)
    if node.variant.form is Form.FLOAT_TABLE:
        return lookup(node, filled(node, _float_tanh))
    return lookup(node, _table(node, lambda q: rounding_divide_by_pot(_tanh(q), 24)))


def _float_logistic(real: F32Array, slack: float) -> F32Array:
    """1 / (1 + expf(−x)) in float32, the exponential off by `slack`."""
    exponential = expf(-real, slack)
    return np.float32(1) / (np.float32(1) + exponential)


def _float_tanh(real: F32Array, slack: float) -> F32Array:
    """tanhf(x), off by `slack` units in the last place."""
    return nearby(np.tanh(real.astype(np.float64)), 4 * slack)


def _table(node: Node, function: Callable[[I64Array], I64Array]) -> I64Array:
    quantization = node.int8(node.input(0))
    fraction, shift = math.frexp(float(quantization.scale) * (1 << (31 - _INTEGER_BITS)))
    value = round_half_away(fraction * 2.0**31)
    if value > INT32_MAX or not 0 <= shift <= 62:
        node.refuse(f"the input's scale {quantization.scale} is out of range")
    radius = (15 << (31 - _INTEGER_BITS)) >> shift
    x = CODES - quantization.zero_point
    inside = np.abs(x) < radius
    values = np.where(x <= -radius, -128, 127)
    if np.any(inside):
        q = multiply_by_quantized_multiplier(x[inside], value, shift, node.variant.rounding)
        values[inside] = np.clip(function(q), -128, 127)
    return values.astype(np.int64)


def _logistic(a: I64Array) -> I64Array:
    """1 / (1 + exp(−a)), Q4.27 → Q0.31."""
    positive = one_over_one_plus(exp_on_negative_values(-np.abs(a), _INTEGER_BITS))
    return np.where(a == 0, 1 << 30, np.where(a > 0, positive, INT32_MAX - positive))


def _tanh(a: I64Array) -> I64Array:
    """tanh(a), Q4.27 → Q0.31; 2a is the same integer in Q5.26."""
    negated = one_minus_over_one_plus(exp_on_negative_values(-np.abs(a), _INTEGER_BITS + 1))
    return np.where(a == 0, 0, np.where(a < 0, -negated, negated))
