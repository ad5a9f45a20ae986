"""SHAPE and ZEROS_LIKE, whose outputs do not depend on the input's values, and BROADCAST_ARGS.

Source: TFLM micro/kernels/shape.cc, zeros_like.cc, broadcast_args.cc.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tflm_int8.fixedpoint import I64Array
from tflm_int8.kernels.movement import check_moved
from tflm_int8.node import Node

_SHAPE_OPTIONS = 55


@dataclass(frozen=True)
class Constant:
    """The same values for every sample; values: int64 [elements of the output]."""

    node: Node
    values: I64Array

    def run(self, inputs: list[NDArray[Any]]) -> list[NDArray[Any]]:
        """[N, input shape] → [N, output shape]."""
        out = self.node.output
        values = self.values.astype(out.dtype).reshape(out.shape)
        return [np.broadcast_to(values, (len(inputs[0]), *out.shape))]


@dataclass(frozen=True)
class BroadcastArgs:
    """The shape to which two shapes broadcast, aligned at their ends; ones in front."""

    node: Node

    def run(self, inputs: list[NDArray[Any]]) -> list[NDArray[Any]]:
        """Two [N, dimensions] of one integer type → the same type [N, output dimensions]."""
        n = self.node.output.size
        if any(np.any(x != x.astype(np.int32)) for x in inputs):
            self.node.overflow("a dimension beyond int32, in which TFLM keeps it")
        a, b = (np.pad(x, ((0, 0), (n - x.shape[1], 0)), constant_values=1) for x in inputs)
        if np.any((a != b) & (a != 1) & (b != 1)):
            self.node.overflow("shapes that do not broadcast, at which TFLM aborts")
        return [np.where(a == 1, b, a)]


def prepare_broadcast_args(node: Node) -> BroadcastArgs:
    """Check a BROADCAST_ARGS."""
    node.arity(range(2, 3))
    a, b, out = node.input(0), node.input(1), node.output
    if not a.dtype == b.dtype == out.dtype or a.dtype not in ("int32", "int64"):
        node.refuse(f"{a.dtype} and {b.dtype} → {out.dtype}")
    shapes = (a.shape, b.shape, out.shape)
    if any(len(s) != 1 or s[0] > 8 for s in shapes) or out.size < max(a.size, b.size) or out.size == 0:
        node.refuse(f"shapes {list(a.shape)} and {list(b.shape)} → {list(out.shape)}")
    return BroadcastArgs(node)


def prepare_shape(node: Node) -> Constant:
    """Check a SHAPE, which writes int32."""
    node.arity(range(1, 2))
    node.check_types(_SHAPE_OPTIONS, 0)
    x, out = node.input(0), node.output
    if out.dtype != "int32" or out.shape != (len(x.shape),):
        node.refuse(f"the output is {out.dtype} {list(out.shape)} for {len(x.shape)} dimensions")
    return Constant(node, np.array(x.shape, np.int64))


def prepare_zeros_like(node: Node) -> Constant:
    """Check a ZEROS_LIKE: zero bytes, whatever the zero point."""
    node.arity(range(1, 2))
    check_moved(node, [node.input(0)], "int8 int32 int64 float32")
    if node.output.shape != node.input(0).shape:
        node.refuse(f"the output is declared {list(node.output.shape)} for {list(node.input(0).shape)}")
    return Constant(node, np.zeros(node.output.size, np.int64))
