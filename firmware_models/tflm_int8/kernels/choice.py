"""MAXIMUM, MINIMUM and SELECT_V2 with broadcasting: codes are taken over, quantization plays no part.

Source: TFLM micro/kernels/maximum_minimum.cc, select.cc.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tflm_int8.kernels.broadcasting import aligned, check_shapes
from tflm_int8.node import Node


@dataclass(frozen=True)
class Extreme:
    """The greater (or lesser) of two codes."""

    node: Node
    greatest: bool

    def run(self, inputs: list[NDArray[Any]]) -> list[NDArray[Any]]:
        """Two [N, shape] of one integer type → the same type [N, output shape]."""
        a, b = aligned(self.node, inputs)
        return [np.maximum(a, b) if self.greatest else np.minimum(a, b)]


@dataclass(frozen=True)
class Choice:
    """x where the condition holds, else y."""

    node: Node

    def run(self, inputs: list[NDArray[Any]]) -> list[NDArray[Any]]:
        """bool [N, shape] and two [N, shape] of one type → the same type [N, output shape]."""
        condition, x, y = aligned(self.node, inputs)
        return [np.where(condition, x, y)]


def prepare_maximum(node: Node) -> Extreme:
    """Check a MAXIMUM."""
    return _extreme(node, True)


def prepare_minimum(node: Node) -> Extreme:
    """Check a MINIMUM."""
    return _extreme(node, False)


def _extreme(node: Node, greatest: bool) -> Extreme:
    node.arity(range(2, 3))
    a, b, out = node.input(0), node.input(1), node.output
    check_shapes(node, [a, b])
    if not a.dtype == b.dtype == out.dtype or a.dtype not in ("int8", "int16", "int32", "int64"):
        node.refuse(f"{a.dtype} and {b.dtype} → {out.dtype}")
    return Extreme(node, greatest)


def prepare_select(node: Node) -> Choice:
    """Check a SELECT_V2."""
    node.arity(range(3, 4))
    condition, x, y = (node.input(i) for i in range(3))
    check_shapes(node, [condition, x, y])
    if condition.dtype != "bool" or not x.dtype == y.dtype == node.output.dtype:
        node.refuse(f"{condition.dtype} ? {x.dtype} : {y.dtype} → {node.output.dtype}")
    if x.dtype not in ("int8", "int16", "float32"):
        node.refuse(f"{x.dtype} is not supported")
    return Choice(node)
