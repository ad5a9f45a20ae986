"""MUL (int8 or int16) and SQUARED_DIFFERENCE (int8; int16: see wide.py) with broadcasting.

Source: TFLM micro/kernels/mul_common.cc, squared_difference.cc, reference/integer_ops/mul.h.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tflm_int8.fixedpoint import I64Array
from tflm_int8.kernels import integer_arithmetic
from tflm_int8.kernels.broadcasting import aligned, check_shapes
from tflm_int8.kernels.integer_arithmetic import IntegerArithmetic
from tflm_int8.kernels.lookup import CODES
from tflm_int8.kernels.pairs import Pairs, tabled
from tflm_int8.kernels.requantize import below_one, one_channel, rescale_int8, to_output
from tflm_int8.kernels.scales import ratio
from tflm_int8.kernels.wide import Wide, prepare_arithmetic
from tflm_int8.node import Node
from tflm_int8.program.primitives import Requantize

_MUL_OPTIONS = 21
_LEFT_SHIFT = 7


@dataclass(frozen=True)
class Multiply:
    """y = requantize((a − zero_points[0]) * (b − zero_points[1]))."""

    node: Node
    zero_points: tuple[int, int]
    requantize: Requantize

    def run(self, inputs: list[NDArray[Any]]) -> list[NDArray[Any]]:
        """Two int8 or int16 [N, shape] → the same type [N, output shape]."""
        if self._pairs is not None:
            return [self._pairs.of(*aligned(self.node, inputs))]
        a, b = (x.astype(np.int64) - z for x, z in zip(inputs, self.zero_points, strict=True))
        a, b = aligned(self.node, [a, b])
        return [to_output(self.node, a * b, self.requantize)]

    @cached_property
    def _pairs(self) -> Pairs | None:
        """The table for int8; None where some product, which may never occur, would overflow."""
        largest = 255 * 255
        if self.node.output.dtype != "int8" or largest > int(self.requantize.domain()[1][0]):
            return None
        first, second = self.zero_points
        return tabled(lambda a, b: to_output(self.node, (a - first) * (b - second), self.requantize))


@dataclass(frozen=True)
class SquaredDifference:
    """y = requantize((tables[0][a + 128] − tables[1][b + 128])²); tables: two int64 [256]."""

    node: Node
    tables: tuple[I64Array, I64Array]
    requantize: Requantize

    def run(self, inputs: list[NDArray[Any]]) -> list[NDArray[Any]]:
        """Two int8 [N, shape] → int8 [N, output shape]."""
        a, b = aligned(self.node, inputs)
        if self._pairs is not None:
            return [self._pairs.of(a, b)]
        return [self._computed(a.astype(np.int64), b.astype(np.int64))]

    @cached_property
    def _pairs(self) -> Pairs | None:
        """The table; None where a square overflows."""
        return None if self.overflows else tabled(self._computed)

    @property
    def overflows(self) -> bool:
        """Would some square, which may never occur, overflow?"""
        return self.largest**2 > int(self.requantize.domain()[1][0])

    @property
    def largest(self) -> int:
        """No difference is larger in magnitude."""
        left, right = self.tables
        return max(int(left.max() - right.min()), int(right.max() - left.min()))

    def _computed(self, a: I64Array, b: I64Array) -> NDArray[Any]:
        left, right = self.tables
        return to_output(self.node, (left[a + 128] - right[b + 128]) ** 2, self.requantize)


def prepare_multiply(node: Node) -> Multiply | IntegerArithmetic:
    """Check a MUL and compute its integers."""
    if node.output.dtype == "int32":
        return integer_arithmetic.prepare(node, node.option(_MUL_OPTIONS, 0, "<b"))
    node.arity(range(2, 3))
    a, b = node.input(0), node.input(1)
    check_shapes(node, [a, b])
    if node.output.dtype == "int16":
        qa, qb, out = node.int16(a), node.int16(b), node.int16(node.output)
    else:
        qa, qb, out = node.int8(a), node.int8(b), node.int8(node.output)
    real = ratio(node, (qa.scale, qb.scale), out.scale)
    stage = one_channel(node, node.multiplier(real), node.option(_MUL_OPTIONS, 0, "<b"))
    return Multiply(node, (qa.zero_point, qb.zero_point), stage)


def prepare_squared_difference(node: Node) -> SquaredDifference | Wide | IntegerArithmetic:
    """Check a SQUARED_DIFFERENCE and compute its integers."""
    if node.output.dtype == "int32":
        return integer_arithmetic.prepare(node, 0)
    if node.output.dtype == "int16":
        return prepare_arithmetic(node, 0)
    node.arity(range(2, 3))
    a, b = node.input(0), node.input(1)
    check_shapes(node, [a, b])
    qa, qb, out = node.int8(a), node.int8(b), node.int8(node.output)
    twice_max = 2.0 * float(max(qa.scale, qb.scale))
    divisor = float(np.float32(1 << 2 * _LEFT_SHIFT) * out.scale)
    tables = (
        rescale_int8(
            node, CODES - qa.zero_point, _LEFT_SHIFT, below_one(node, ratio(node, (qa.scale,), twice_max))
        ),
        rescale_int8(
            node, CODES - qb.zero_point, _LEFT_SHIFT, below_one(node, ratio(node, (qb.scale,), twice_max))
        ),
    )
    stage = one_channel(node, node.multiplier(ratio(node, (twice_max, twice_max), divisor)), 0)
    return SquaredDifference(node, tables, stage)
