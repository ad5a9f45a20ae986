"""CAST between integer types, and from integers to float32.

Source: TFLM micro/kernels/cast.cc (C++'s static_cast; integers wrap around). A float32 source is refused: its
conversion is undefined out of range.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from tflm_int8.node import Node


@dataclass(frozen=True)
class Cast:
    """The values in the output's type."""

    node: Node

    def run(self, inputs: list[NDArray[Any]]) -> list[NDArray[Any]]:
        """[N, shape] → [N, shape]."""
        return [inputs[0].astype(self.node.output.dtype)]


def prepare(node: Node) -> Cast:
    """Check the operator."""
    node.arity(range(1, 2))
    x, out = node.input(0), node.output
    if x.dtype not in ("int8", "int16", "int32", "uint32", "bool"):
        node.refuse(f"a cast from {x.dtype} is not supported")
    if out.dtype not in ("int8", "int16", "int32", "uint32", "float32"):
        node.refuse(f"a cast to {out.dtype} is not supported")
    if x.shape != out.shape or x.size == 0:
        node.refuse(f"shapes {list(x.shape)} → {list(out.shape)}")
    return Cast(node)
