"""ADD on int8 with broadcasting: both inputs are rescaled to a common scale, added, requantized.

Source: TFLM micro/kernels/add_common.cc, reference/integer_ops/add.h (left shift 20, three double roundings).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tflm_int8.fixedpoint import I64Array, Multiplier, Rounding, multiply_by_quantized_multiplier
from tflm_int8.kernels.requantize import Int8Array, to_int8
from tflm_int8.model import Tensor
from tflm_int8.node import Node
from tflm_int8.program.primitives import Requantize

_OPTIONS = 11
_LEFT_SHIFT = 20


@dataclass(frozen=True)
class Add:
    """y = requantize(tables[0][x0 + 128] + tables[1][x1 + 128]); tables: two int64 [256]."""

    node: Node
    tables: tuple[I64Array, I64Array]
    requantize: Requantize

    def run(self, inputs: list[Int8Array]) -> list[Int8Array]:
        """Two int8 [N or 1, shape] → int8 [N, output shape]."""
        rank = len(self.node.output.shape)
        a, b = (
            table[x.astype(np.int64) + 128].reshape(len(x), *[1] * (rank + 1 - x.ndim), *x.shape[1:])
            for table, x in zip(self.tables, inputs, strict=True)
        )
        acc = a + b
        return [to_int8(self.node, acc[..., None], self.requantize)[..., 0]]


def prepare(node: Node, rounding: Rounding) -> Add:
    """Check the operator and compute its integers."""
    node.arity(range(2, 3))
    a, b, out = node.input(0), node.input(1), node.output
    qa, qb, q_out = node.int8(a), node.int8(b), node.int8(out)
    _check_shapes(node, a, b, out)
    twice_max = 2 * float(max(qa.scale, qb.scale))
    real = twice_max / ((1 << _LEFT_SHIFT) * float(q_out.scale))
    tables = (
        _rescaled(qa.zero_point, _smaller_than_one(node, float(qa.scale) / twice_max), rounding),
        _rescaled(qb.zero_point, _smaller_than_one(node, float(qb.scale) / twice_max), rounding),
    )
    m = _smaller_than_one(node, real)
    lo, hi = node.activation_range(node.option(_OPTIONS, 0, "<b"))
    stage = Requantize(
        np.array([m.value], np.int64), np.array([m.shift], np.int64), rounding, q_out.zero_point, lo, hi
    )
    return Add(node, tables, stage)


def _check_shapes(node: Node, a: Tensor, b: Tensor, out: Tensor) -> None:
    try:
        broadcast = np.broadcast_shapes(a.shape, b.shape)
    except ValueError:
        broadcast = ()
    if broadcast != out.shape or (a.shape != b.shape and len(out.shape) > 4):
        node.refuse(f"shapes {list(a.shape)} + {list(b.shape)} → {list(out.shape)}")


def _smaller_than_one(node: Node, real: float) -> Multiplier:
    """A multiplier that must be below one (TFLM aborts otherwise)."""
    if not 0.0 < real < 1.0:
        node.refuse(f"a scale ratio of {real} is not below one")
    return node.multiplier(real)


def _rescaled(zero_point: int, m: Multiplier, rounding: Rounding) -> I64Array:
    """int64 [256]: (x − z) << 20 times the multiplier, for x = −128…127."""
    centred = (np.arange(-128, 128, dtype=np.int64) - zero_point) << _LEFT_SHIFT
    return multiply_by_quantized_multiplier(centred, m.value, m.shift, rounding)
