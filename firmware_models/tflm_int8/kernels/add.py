"""ADD and SUB with broadcasting on int8 (int16: wide.py): to a common scale, added, requantized.

Source: TFLM micro/kernels/add_common.cc,
sub_common.cc, reference/integer_ops/add.h, reference/sub.h (left shift 20, three double roundings).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from numpy.typing import NDArray

from tflm_int8.fixedpoint import I64Array
from tflm_int8.kernels import integer_arithmetic
from tflm_int8.kernels.broadcasting import aligned, check_shapes
from tflm_int8.kernels.lookup import CODES
from tflm_int8.kernels.pairs import Pairs, tabled
from tflm_int8.kernels.requantize import below_one, one_channel, rescale_int8, to_output
from tflm_int8.kernels.scales import ratio
from tflm_int8.kernels.wide import Wide, prepare_arithmetic
from tflm_int8.node import Node
from tflm_int8.program.primitives import Requantize

_ADD_OPTIONS = 11
_SUB_OPTIONS = 28
_LEFT_SHIFT = 20


@dataclass(frozen=True)
class Add:
    """y = requantize(tables[0][x0 + 128] + tables[1][x1 + 128]); tables: two int64 [256]."""

    node: Node
    tables: tuple[I64Array, I64Array]
    requantize: Requantize

    def run(self, inputs: list[NDArray[Any]]) -> list[NDArray[Any]]:
        """Two int8 [N, shape] → int8 [N, output shape]."""
        return [self._pairs.of(*aligned(self.node, inputs))]

    @cached_property
    def _pairs(self) -> Pairs:
        left, right = self.tables
        return tabled(lambda a, b: to_output(self.node, left[a + 128] + right[b + 128], self.requantize))


def prepare_add(node: Node) -> Add | Wide | integer_arithmetic.IntegerArithmetic:
    """Check an ADD and compute its integers."""
    return _prepare(node, 1, _ADD_OPTIONS)


def prepare_sub(node: Node) -> Add | Wide | integer_arithmetic.IntegerArithmetic:
    """Check a SUB: an ADD of the negated second table."""
    return _prepare(node, -1, _SUB_OPTIONS)


def _prepare(node: Node, sign: int, union: int) -> Add | Wide | integer_arithmetic.IntegerArithmetic:
    if node.output.dtype == "int32":
        return integer_arithmetic.prepare(node, node.option(union, 0, "<b"))
    if node.output.dtype == "int16":
        return prepare_arithmetic(node, node.option(union, 0, "<b"))
    node.arity(range(2, 3))
    check_shapes(node, [node.input(0), node.input(1)])
    a, b, out = node.int8(node.input(0)), node.int8(node.input(1)), node.int8(node.output)
    twice_max = 2 * max(float(a.scale), float(b.scale))
    ma, mb = (below_one(node, ratio(node, (q.scale,), twice_max)) for q in (a, b))
    m = below_one(node, ratio(node, (twice_max,), (1 << _LEFT_SHIFT) * float(out.scale)))
    tables = (
        rescale_int8(node, CODES - a.zero_point, _LEFT_SHIFT, ma),
        sign * rescale_int8(node, CODES - b.zero_point, _LEFT_SHIFT, mb),
    )
    return Add(node, tables, one_channel(node, m, node.option(union, 0, "<b")))
