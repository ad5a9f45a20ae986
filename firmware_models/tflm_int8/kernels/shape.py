"""SHAPE and ZEROS_LIKE: outputs that do not depend on the values of the input.

Source: TFLM micro/kernels/shape.cc, zeros_like.cc.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tflm_int8.fixedpoint import I64Array
from tflm_int8.kernels.movement import check_moved
from tflm_int8.node import Node


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


def prepare_shape(node: Node) -> Constant:
    """Check a SHAPE, which writes int32."""
    node.arity(range(1, 2))
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
