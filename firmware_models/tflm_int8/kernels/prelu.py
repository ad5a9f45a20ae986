"""PRELU with a broadcast slope of int8, on int8 or int16.

Source: TFLM micro/kernels/prelu_common.cc, reference/prelu.h.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tflm_int8.fixedpoint import I64Array, Multiplier
from tflm_int8.kernels.broadcasting import aligned, check_shapes
from tflm_int8.kernels.lookup import CODES, alike, clamped, rescaled
from tflm_int8.kernels.scales import ratio
from tflm_int8.node import Node
from tflm_int8.program.primitives import Requantize
from tflm_int8.program.rules import Within


@dataclass(frozen=True)
class Prelu:
    """y = clamp(positive[x + 128] + negative(min(x − z, 0) * (alpha − z_alpha)) + output_zero_point).

    positive: int64 [256], 0 for codes below the zero point, clamped so that the sum is an int8; negative: the
    output stage of the other side, without the zero point, clamped likewise, where TFLM can add it.
    """

    node: Node
    positive: I64Array
    negative: Within
    zero_points: tuple[int, int]
    output_zero_point: int

    def run(self, inputs: list[NDArray[Any]]) -> list[NDArray[Any]]:
        """int8 [N, shape] and slopes int8 [N, shape] → int8 [N, output shape]."""
        x, alpha = aligned(self.node, [a.astype(np.int64) for a in inputs])
        below = np.minimum(x - self.zero_points[0], 0) * (alpha - self.zero_points[1])
        first, last = self.negative.domain()
        if np.any(below < first) or np.any(below > last):
            self.node.overflow("a product times its left shift, or plus the zero point, leaves int32")
        scaled = self.negative.apply(below[..., None], np.zeros(1, np.int64))[..., 0]
        return [(self.positive[x + 128] + scaled + self.output_zero_point).astype(np.int8)]


@dataclass(frozen=True)
class WidePrelu:
    """The same on int16: x or x · (alpha − z_alpha), each times its multiplier."""

    node: Node
    identity: Multiplier
    slope: Multiplier
    alpha_zero_point: int

    def run(self, inputs: list[NDArray[Any]]) -> list[NDArray[Any]]:
        """int16 [N, shape] and slopes int8 [N, shape] → int16 [N, output shape]."""
        x, alpha = aligned(self.node, [a.astype(np.int64) for a in inputs])
        above, below = np.maximum(x, 0), np.minimum(x, 0) * (alpha - self.alpha_zero_point)
        values = [
            rescaled(self.node, a.reshape(-1), m).reshape(a.shape)
            for a, m in ((above, self.identity), (below, self.slope))
        ]
        y = clamped(self.node, np.where(x >= 0, values[0], values[1]))
        return [y.astype(np.int16)]


def prepare(node: Node) -> Prelu | WidePrelu:
    """Check a PRELU and compute its integers."""
    node.arity(range(2, 3))
    x, alpha = node.input(0), node.input(1)
    check_shapes(node, [x, alpha])
    if x.shape != node.output.shape:
        node.refuse("the input itself is broadcast")
    qx, out = alike(node)
    qa = node.int8(alpha)
    identity = node.multiplier(ratio(node, (qx.scale,), out.scale))
    slope = node.multiplier(ratio(node, (qx.scale, qa.scale), out.scale))
    if x.dtype == "int16":
        return WidePrelu(node, identity, slope, qa.zero_point)
    above = rescaled(node, np.maximum(CODES - qx.zero_point, 0), identity) + out.zero_point
    value, shift = np.array([slope.value], np.int64), np.array([slope.shift], np.int64)
    stage = Requantize(value, shift, node.variant.rounding, 0, -128 - out.zero_point, 127 - out.zero_point)
    positive = clamped(node, above) - out.zero_point
    negative = Within(stage, *replace(stage, zero_point=out.zero_point).domain())
    return Prelu(node, positive, negative, (qx.zero_point, qa.zero_point), out.zero_point)
