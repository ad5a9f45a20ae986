"""RESHAPE: the same bytes under another shape.

Source: TFLM micro/kernels/reshape_common.cc (the output's declared shape rules; the shape input is not read).
"""

from __future__ import annotations

from dataclasses import dataclass

from tflm_int8.fixedpoint import Rounding
from tflm_int8.kernels.requantize import Int8Array
from tflm_int8.node import Node


@dataclass(frozen=True)
class Reshape:
    """The identity on bytes."""

    node: Node

    def run(self, inputs: list[Int8Array]) -> list[Int8Array]:
        """int8 [N, input shape] → int8 [N, output shape]; a shape input is ignored."""
        return [inputs[0].reshape(len(inputs[0]), *self.node.output.shape)]


def prepare(node: Node, rounding: Rounding) -> Reshape:
    """Check the operator."""
    node.arity(range(1, 3))
    x, out = node.input(0), node.output
    for tensor in (x, out):
        if tensor.dtype != "int8":
            node.refuse(f"tensor {tensor.index} is {tensor.dtype}, int8 is needed")
    if x.size != out.size or x.size == 0:
        node.refuse(f"{list(x.shape)} cannot become {list(out.shape)}")
    shape = node.optional_input(1)
    if shape is not None and shape.data is None:
        node.refuse("the new shape is computed, it must be a constant")
    return Reshape(node)
