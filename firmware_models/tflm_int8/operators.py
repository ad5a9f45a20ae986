"""The operator table: one row per TFLM operator that this package models, one function per meaning.

An operator that is absent is refused by name; there is no fallback.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol

from numpy.typing import NDArray

from tflm_int8.errors import UnsupportedOp
from tflm_int8.fixedpoint import Rounding
from tflm_int8.kernels import add, convolution, fully_connected, pooling, reshape, softmax
from tflm_int8.node import Node


class Kernel(Protocol):
    """An operator whose integers are computed: ready to run."""

    @property
    def node(self) -> Node: ...
    def run(self, inputs: list[NDArray[Any]]) -> list[NDArray[Any]]:
        """One array [N, tensor shape] per input that is not left out, constants too → one per output."""


@dataclass(frozen=True)
class Row:
    """One operator: `prepare` checks it and computes its integers; `lowered_to` names the primitives."""

    prepare: Callable[[Node, Rounding], Kernel]
    lowered_to: tuple[str, ...]


OPERATORS: Final[dict[str, Row]] = {
    "ADD": Row(add.prepare, ("Table", "Affine", "Staircase")),
    "AVERAGE_POOL_2D": Row(pooling.prepare_average, ("Affine", "Staircase")),
    "CONV_2D": Row(convolution.prepare_conv, ("Affine", "Staircase")),
    "DEPTHWISE_CONV_2D": Row(convolution.prepare_depthwise, ("Affine", "Staircase")),
    "FULLY_CONNECTED": Row(fully_connected.prepare, ("Affine", "Staircase")),
    "MAX_POOL_2D": Row(pooling.prepare_max, ("Max",)),
    "RESHAPE": Row(reshape.prepare, ()),
    "SOFTMAX": Row(softmax.prepare, ("Softmax",)),
}


def prepare(node: Node, rounding: Rounding) -> Kernel:
    """The kernel of a node.  Raises UnsupportedOp, MalformedModel."""
    row = OPERATORS.get(node.op.name)
    if row is None:
        raise UnsupportedOp(node.op.name, node.op.index, node.model.name, "this operator is not supported")
    return row.prepare(node, rounding)
