"""RELU, RELU6 and LEAKY_RELU as operators of their own, on int8 or int16.

RELU6 does not requantize: TFLM clamps the codes between the input's zero and six, whatever the output's
quantization.  Source: TFLM micro/kernels/activations_common.cc, leaky_relu_common.cc, reference/leaky_relu.h.
"""

from __future__ import annotations

import math
from functools import partial

import numpy as np

from tflm_int8.errors import MalformedModel
from tflm_int8.fixedpoint import I64Array, Multiplier
from tflm_int8.flatbuffer import Damaged
from tflm_int8.kernels.lookup import Lookup, Pointwise, alike, clamped, pointwise, rescaled
from tflm_int8.kernels.scales import ratio
from tflm_int8.node import Node
from tflm_int8.variant import Form

_LEAKY_OPTIONS = 75
_RELU6 = 3


def prepare_relu(node: Node) -> Lookup | Pointwise:
    """Check a RELU: requantized, then not below the output's zero."""
    x, out = alike(node)
    m = node.multiplier(ratio(node, (x.scale,), out.scale))
    return pointwise(node, partial(_relu, node, m, x.zero_point, out.zero_point))


def _relu(node: Node, m: Multiplier, before: int, after: int, x: I64Array) -> I64Array:
    return clamped(node, rescaled(node, x - before, m) + after, lo=after)


def prepare_relu6(node: Node) -> Lookup | Pointwise:
    """Check a RELU6: codes clamped between the input's zero and six; rescaled first in TFLite."""
    x, out = alike(node)
    if node.variant.form is Form.RESCALED:
        m, (lo, hi) = node.multiplier(ratio(node, (x.scale,), out.scale)), node.activation_range(_RELU6)
        return pointwise(node, partial(_rescaled_relu, node, m, (x.zero_point, out.zero_point), (lo, hi)))
    most = min(node.code_of(6.0, x), int(np.iinfo(node.input(0).dtype).max))
    return pointwise(node, partial(np.clip, a_min=x.zero_point, a_max=most))


def _rescaled_relu(
    node: Node, m: Multiplier, zero_points: tuple[int, int], limits: tuple[int, int], x: I64Array
) -> I64Array:
    values: I64Array = rescaled(node, x - zero_points[0], m) + zero_points[1]
    return np.maximum(np.minimum(values, limits[1]), limits[0])


def prepare_leaky_relu(node: Node) -> Lookup | Pointwise:
    """Check a LEAKY_RELU: one multiplier for each side of zero."""
    x, out = alike(node)
    slope = ratio(node, (x.scale, _alpha(node)), out.scale)
    m, identity = node.multiplier(abs(slope)), node.multiplier(ratio(node, (x.scale,), out.scale))
    if slope < 0 and m.shift != math.frexp(slope)[1]:
        node.refuse(f"its slope {slope} makes a multiplier of -1")
    sign = -1 if slope < 0 else 1
    return pointwise(node, partial(_leaky, node, (identity, m), sign, x.zero_point, out.zero_point))


def _leaky(
    node: Node,
    multipliers: tuple[Multiplier, Multiplier],
    sign: int,
    before: int,
    after: int,
    x: I64Array,
) -> I64Array:
    """multipliers: for x ≥ 0, and the magnitude of that for x < 0."""
    above = rescaled(node, np.maximum(x - before, 0), multipliers[0])
    below = sign * rescaled(node, np.minimum(x - before, 0), multipliers[1])
    return clamped(node, np.where(x >= before, above, below) + after)


def _alpha(node: Node) -> float:
    try:
        alpha = node.options(_LEAKY_OPTIONS).float32(0)
    except Damaged as error:
        raise MalformedModel(node.model.name, f"op {node.op.index}: {error}") from error
    if not math.isfinite(alpha):
        node.refuse(f"alpha is {alpha}")
    return alpha
