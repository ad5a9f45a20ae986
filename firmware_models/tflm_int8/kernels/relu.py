"""RELU, RELU6 and LEAKY_RELU as operators of their own, int8 → int8.

RELU6 does not requantize: TFLM clamps the codes between the input's zero and six, whatever the output's
quantization.  Source: TFLM micro/kernels/activations_common.cc, leaky_relu_common.cc, reference/leaky_relu.h.
"""

from __future__ import annotations

import math

import numpy as np

from tflm_int8.errors import MalformedModel
from tflm_int8.fixedpoint import I64Array, Rounding, round_half_away
from tflm_int8.flatbuffer import Damaged
from tflm_int8.kernels.lookup import CODES, Lookup, clamped, lookup, rescaled
from tflm_int8.node import Node

_LEAKY_OPTIONS = 75


def prepare_relu(node: Node, rounding: Rounding) -> Lookup:
    """Check a RELU: requantized, then not below the output's zero."""
    x, out = node.int8(node.input(0)), node.int8(node.output)
    m = node.multiplier(float(x.scale) / float(out.scale))
    scaled = rescaled(node, CODES - x.zero_point, m, rounding) + out.zero_point
    return lookup(node, clamped(node, scaled, lo=out.zero_point))


def prepare_relu6(node: Node, rounding: Rounding) -> Lookup:
    """Check a RELU6: codes clamped between the input's zero and six."""
    x = node.int8(node.input(0))
    node.int8(node.output)
    six = x.zero_point + round_half_away(float(np.float32(6.0) / x.scale))
    return lookup(node, np.clip(CODES, x.zero_point, min(six, 127)))


def prepare_leaky_relu(node: Node, rounding: Rounding) -> Lookup:
    """Check a LEAKY_RELU: one multiplier for each side of zero."""
    x, out = node.int8(node.input(0)), node.int8(node.output)
    values = leaky(node, CODES - x.zero_point, rounding) + out.zero_point
    return lookup(node, clamped(node, values))


def leaky(node: Node, x: I64Array, rounding: Rounding) -> I64Array:
    """The centred output of a LEAKY_RELU for centred inputs, before the clamp."""
    s_in, s_out = (float(node.quantized(t, "int8", "int16").scale) for t in (node.input(0), node.output))
    alpha = _alpha(node)
    slope = s_in * alpha / s_out
    m, identity = node.multiplier(abs(slope)), node.multiplier(s_in / s_out)
    if slope < 0 and m.shift != math.frexp(slope)[1]:
        node.refuse(f"alpha {alpha} makes a multiplier of -1")
    below = rescaled(node, np.minimum(x, 0), m, rounding) * (-1 if slope < 0 else 1)
    return np.where(x >= 0, rescaled(node, np.maximum(x, 0), identity, rounding), below)


def _alpha(node: Node) -> float:
    try:
        alpha = node.options(_LEAKY_OPTIONS).float32(0)
    except Damaged as error:
        raise MalformedModel(node.model.name, f"op {node.op.index}: {error}") from error
    if not math.isfinite(alpha):
        node.refuse(f"alpha is {alpha}")
    return alpha
