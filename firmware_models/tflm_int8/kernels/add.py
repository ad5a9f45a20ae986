"""ADD and SUB with broadcasting on int8 (int16: wide.py): to a common scale, added, requantized.

Source: TFLM micro/kernels/add_common.cc,
sub_common.cc, reference/integer_ops/add.h, reference/sub.h (left shift 20, three double roundings).
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
from tflm_int8.kernels.lookup import CODES
from tflm_int8.kernels.requantize import below_one, one_channel, rescale_int8, to_output
from tflm_int8.kernels.wide import Wide, prepare_arithmetic
from tflm_int8.node import Node
from tflm_int8.program.primitives import Requantize

_ADD_OPTIONS = 11
_SUB_OPTIONS = 28
_LEFT_SHIFT = 20
_BLOCK = 1 << 15


@dataclass(frozen=True)
class Add:
    """y = requantize(tables[0][x0 + 128] + tables[1][x1 + 128]); tables: two int64 [256]."""

    node: Node
    tables: tuple[I64Array, I64Array]
    requantize: Requantize

    def run(self, inputs: list[NDArray[Any]]) -> list[NDArray[Any]]:
        """Two int8 [N, shape] → int8 [N, output shape]."""
        a, b = aligned(self.node, [x.view(np.uint8) for x in inputs])
        out = np.empty(np.broadcast_shapes(a.shape, b.shape), np.int8)
        a, b = np.broadcast_to(a, out.shape), np.broadcast_to(b, out.shape)
        step = max(1, _BLOCK // max(1, out[:1].size))
        for i in range(0, len(out), step):
            pair = np.left_shift(a[i : i + step], 8, dtype=np.intp)
            pair += b[i : i + step]
            self._pairs.take(pair, out=out[i : i + step], mode="clip")  # pair < 2**16: nothing is clipped
        return [out]

    @cached_property
    def _pairs(self) -> NDArray[np.int8]:
        """int8 [65536]: the output of every pair of inputs, as bytes; the first is the high byte."""
        a, b = (np.roll(table, 128) for table in self.tables)
        values: NDArray[np.int8] = to_output(self.node, a[:, None] + b, self.requantize)
        return values.reshape(-1)


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
    ma, mb = (below_one(node, float(q.scale) / twice_max) for q in (a, b))
    m = below_one(node, twice_max / ((1 << _LEFT_SHIFT) * float(out.scale)))
    tables = (
        rescale_int8(node, CODES - a.zero_point, _LEFT_SHIFT, ma),
        sign * rescale_int8(node, CODES - b.zero_point, _LEFT_SHIFT, mb),
    )
    return Add(node, tables, one_channel(node, m, node.option(union, 0, "<b")))
