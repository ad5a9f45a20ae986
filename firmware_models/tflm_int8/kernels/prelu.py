"""PRELU with a broadcast slope, int8 → int8.

Source: TFLM micro/kernels/prelu_common.cc, reference/prelu.h.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tflm_int8.fixedpoint import I64Array
from tflm_int8.kernels.broadcasting import aligned, check_shapes
from tflm_int8.kernels.lookup import CODES, clamped, rescaled
from tflm_int8.node import Node
from tflm_int8.program.primitives import Requantize


@dataclass(frozen=True)
class Prelu:
    """y = clamp(positive[x + 128] + negative(min(x − z, 0) * (alpha − z_alpha)) + output_zero_point).

    positive: int64 [256], 0 for codes below the zero point, clamped so that the sum is an int8; negative: the
    output stage of the other side, without the zero point, clamped likewise.
    """

    node: Node
    positive: I64Array
    negative: Requantize
    zero_points: tuple[int, int]
    output_zero_point: int

    def run(self, inputs: list[NDArray[Any]]) -> list[NDArray[Any]]:
        """int8 [N, shape] and slopes int8 [N, shape] → int8 [N, output shape]."""
        x, alpha = aligned(self.node, [a.astype(np.int64) for a in inputs])
        below = np.minimum(x - self.zero_points[0], 0) * (alpha - self.zero_points[1])
        last = self.negative.domain()[1][0]
        if np.any(np.abs(below) > last):
            self.node.overflow("a product times its left shift leaves int32")
        scaled = self.negative.apply(below[..., None], np.zeros(1, np.int64))[..., 0]
        return [(self.positive[x + 128] + scaled + self.output_zero_point).astype(np.int8)]


def prepare(node: Node) -> Prelu:
    """Check a PRELU and compute its integers."""
    node.arity(range(2, 3))
    x, alpha = node.input(0), node.input(1)
    check_shapes(node, [x, alpha])
    if x.shape != node.output.shape:
        node.refuse("the input itself is broadcast")
    qx, qa, out = node.int8(x), node.int8(alpha), node.int8(node.output)
    identity = node.multiplier(float(qx.scale) / float(out.scale))
    slope = node.multiplier(float(qx.scale) * float(qa.scale) / float(out.scale))
    above = rescaled(node, np.maximum(CODES - qx.zero_point, 0), identity) + out.zero_point
    value, shift = np.array([slope.value], np.int64), np.array([slope.shift], np.int64)
    stage = Requantize(value, shift, node.variant.rounding, 0, -128 - out.zero_point, 127 - out.zero_point)
    positive = clamped(node, above) - out.zero_point
    return Prelu(node, positive, stage, (qx.zero_point, qa.zero_point), out.zero_point)
