"""EQUAL … LESS_EQUAL and LOGICAL_AND, _OR, _NOT with broadcasting: tensors → bool.

int8 operands are rescaled first, by multipliers that keep only the highest bits: two codes may compare equal
although the numbers that they stand for differ.  Source: TFLM micro/kernels/comparisons.cc,
reference/comparisons.h (left shift 8), logical_common.cc.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tflm_int8.fixedpoint import I64Array
from tflm_int8.kernels.broadcasting import aligned, check_shapes
from tflm_int8.kernels.lookup import CODES
from tflm_int8.kernels.requantize import below_one, rescale_int8
from tflm_int8.model import Tensor
from tflm_int8.node import Node

_LEFT_SHIFT = 8

FUNCTIONS: Final[dict[str, Callable[..., Any]]] = {
    "EQUAL": np.equal,
    "GREATER": np.greater,
    "GREATER_EQUAL": np.greater_equal,
    "LESS": np.less,
    "LESS_EQUAL": np.less_equal,
    "LOGICAL_AND": np.logical_and,
    "LOGICAL_NOT": np.logical_not,
    "LOGICAL_OR": np.logical_or,
    "NOT_EQUAL": np.not_equal,
}


@dataclass(frozen=True)
class Comparison:
    """y = a ? b, after the tables [256] of int8 operands (none for other types)."""

    node: Node
    tables: tuple[I64Array, I64Array] | None

    def run(self, inputs: list[NDArray[Any]]) -> list[NDArray[Any]]:
        """Two [N, shape] of one type → bool [N, output shape]."""
        if self.tables is not None:
            inputs = [t[x.astype(np.int64) + 128] for t, x in zip(self.tables, inputs, strict=True)]
        return [FUNCTIONS[self.node.op.name](*aligned(self.node, inputs))]


@dataclass(frozen=True)
class Logical:
    """A function of one or two bool tensors."""

    node: Node

    def run(self, inputs: list[NDArray[Any]]) -> list[NDArray[Any]]:
        """One or two bool [N, shape] → bool [N, output shape]."""
        return [FUNCTIONS[self.node.op.name](*aligned(self.node, inputs))]


def prepare_comparison(node: Node) -> Comparison:
    """Check a comparison of int8, int32, int64 or float32 tensors (EQUAL and NOT_EQUAL: bool too)."""
    node.arity(range(2, 3))
    a, b = node.input(0), node.input(1)
    check_shapes(node, [a, b])
    _bool(node, node.output)
    known = ["float32", "int32", "int64", "int8"]
    if node.op.name in ("EQUAL", "NOT_EQUAL"):
        known.append("bool")
    if a.dtype != b.dtype or a.dtype not in known:
        node.refuse(f"{a.dtype} and {b.dtype} are not compared")
    if a.dtype != "int8":
        return Comparison(node, None)
    qa, qb = node.int8(a), node.int8(b)
    return Comparison(
        node,
        (
            rescale_int8(node, CODES - qa.zero_point, _LEFT_SHIFT, below_one(node, float(qa.scale))),
            rescale_int8(node, CODES - qb.zero_point, _LEFT_SHIFT, below_one(node, float(qb.scale))),
        ),
    )


def prepare_logical(node: Node) -> Logical:
    """Check a LOGICAL_AND, _OR or _NOT."""
    arity = 1 if node.op.name == "LOGICAL_NOT" else 2
    node.arity(range(arity, arity + 1))
    inputs = [node.input(i) for i in range(arity)]
    check_shapes(node, inputs)
    for tensor in (*inputs, node.output):
        _bool(node, tensor)
    return Logical(node)


def _bool(node: Node, tensor: Tensor) -> None:
    if tensor.dtype != "bool":
        node.refuse(f"tensor {tensor.index} is {tensor.dtype}, bool is needed")
