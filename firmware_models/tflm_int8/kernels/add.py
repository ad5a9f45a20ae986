"""ADD and SUB with broadcasting, int8 → int8: rescaled to a common scale, added, requantized.

SUB computes its ratios of scales in float32, ADD in double.  Source: TFLM micro/kernels/add_common.cc,
sub_common.cc, reference/integer_ops/add.h, reference/sub.h (left shift 20, three double roundings).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tflm_int8.fixedpoint import I64Array, Rounding
from tflm_int8.kernels.broadcasting import aligned, check_shapes
from tflm_int8.kernels.lookup import CODES
from tflm_int8.kernels.requantize import below_one, one_channel, rescale_int8, to_output
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
        a, b = (t[x.astype(np.int64) + 128] for t, x in zip(self.tables, inputs, strict=True))
        a, b = aligned(self.node, [a, b])
        return [to_output(self.node, a + b, self.requantize)]


def prepare_add(node: Node, rounding: Rounding) -> Add:
    """Check an ADD and compute its integers."""
    sa, sb, out = _scales(node)
    twice_max = 2 * max(float(sa), float(sb))
    real = twice_max / ((1 << _LEFT_SHIFT) * float(out))
    return _prepare(node, rounding, (float(sa) / twice_max, float(sb) / twice_max, real), 1, _ADD_OPTIONS)


def prepare_sub(node: Node, rounding: Rounding) -> Add:
    """Check a SUB: an ADD of the negated second table."""
    sa, sb, out = _scales(node)
    twice_max = np.float32(2) * max(sa, sb)
    real = float(twice_max / (np.float32(1 << _LEFT_SHIFT) * out))
    return _prepare(node, rounding, (float(sa / twice_max), float(sb / twice_max), real), -1, _SUB_OPTIONS)


def _scales(node: Node) -> tuple[np.float32, np.float32, np.float32]:
    node.arity(range(2, 3))
    a, b = node.input(0), node.input(1)
    check_shapes(node, [a, b])
    return node.int8(a).scale, node.int8(b).scale, node.int8(node.output).scale


def _prepare(
    node: Node, rounding: Rounding, ratios: tuple[float, float, float], sign: int, union: int
) -> Add:
    ma, mb, m = (below_one(node, ratio) for ratio in ratios)
    a, b = (CODES - node.int8(node.input(i)).zero_point for i in range(2))
    tables = (
        rescale_int8(a, _LEFT_SHIFT, ma, rounding),
        sign * rescale_int8(b, _LEFT_SHIFT, mb, rounding),
    )
    return Add(node, tables, one_channel(node, m, rounding, node.option(union, 0, "<b")))
