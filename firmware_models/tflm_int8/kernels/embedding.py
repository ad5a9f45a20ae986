"""EMBEDDING_LOOKUP (int8 or float32 rows, or int8 rows as floats) and GATHER at computed positions.

A position outside the tensor is refused when it occurs (TFLM fails, or reads what lies beside it).
Source: TFLM micro/kernels/embedding_lookup.cc, gather.cc, micro_utils.h (Dequantize, in float32).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tflm_int8.kernels.movement import MAX_ELEMENTS
from tflm_int8.model import Tensor
from tflm_int8.node import Node

_GATHER_OPTIONS = 23


@dataclass(frozen=True)
class Lookups:
    """output = rows of `rows` (input number `source`) along one axis, at the positions of input `positions`.

    scale: of the int8 rows, when they become floats.
    """

    node: Node
    source: int
    positions: int
    axis: int
    scale: np.float32 | None = None

    def run(self, inputs: list[NDArray[Any]]) -> list[NDArray[Any]]:
        """The rows [N, shape] and the positions, int32 [N, shape] → [N, output shape]."""
        rows, at = inputs[self.source], inputs[self.positions]
        size = self.node.input(self.source).shape[self.axis]
        if np.any(at < 0) or np.any(at >= size):
            self.node.refuse(f"a position outside 0..{size - 1}")
        out = self.node.output
        taken = np.empty((len(at), *out.shape), rows.dtype)
        for i, (row, positions) in enumerate(zip(rows, at, strict=True)):
            taken[i] = row.take(positions, self.axis).reshape(out.shape)
        return [taken if self.scale is None else taken.astype(np.float32) * self.scale]


def prepare_lookup(node: Node) -> Lookups:
    """Check an EMBEDDING_LOOKUP (inputs: positions, rows)."""
    node.arity(range(2, 3))
    positions, rows, out = node.input(0), node.input(1), node.output
    _check_positions(node, positions, rows)
    if len(positions.shape) != 1 or len(rows.shape) < 2 or out.shape != positions.shape + rows.shape[1:]:
        node.refuse(f"{list(positions.shape)} of {list(rows.shape)} → {list(out.shape)}")
    if (rows.dtype, out.dtype) in (("int8", "int8"), ("float32", "float32")):
        return Lookups(node, 1, 0, 0)
    if (rows.dtype, out.dtype) != ("int8", "float32"):
        node.refuse(f"{rows.dtype} → {out.dtype} is not supported")
    quantization = node.int8(rows)
    if quantization.zero_point:
        node.refuse(f"the rows have the zero point {quantization.zero_point}")
    return Lookups(node, 1, 0, 0, quantization.scale)


def prepare_gather(node: Node) -> Lookups:
    """Check a GATHER at computed positions; batch dimensions are refused."""
    rows, positions, out = node.input(0), node.input(1), node.output
    _check_positions(node, positions, rows)
    axis = node.option(_GATHER_OPTIONS, 0, "<i")
    axis += len(rows.shape) if axis < 0 else 0
    if node.option(_GATHER_OPTIONS, 1, "<i") or not 0 <= axis < len(rows.shape):
        node.refuse(f"axis {axis}, or batch dimensions beside computed positions")
    if out.shape != rows.shape[:axis] + positions.shape + rows.shape[axis + 1 :] or out.dtype != rows.dtype:
        node.refuse(f"{list(positions.shape)} of {list(rows.shape)} → {list(out.shape)}")
    if rows.dtype not in ("int8", "float32"):
        node.refuse(f"tensor {rows.index} is {rows.dtype}; int8 or float32 is needed")
    return Lookups(node, 0, 1, axis)


def _check_positions(node: Node, positions: Tensor, rows: Tensor) -> None:
    if positions.dtype != "int32":
        node.refuse(f"tensor {positions.index} is {positions.dtype}, int32 is needed")
    if not rows.size or not 0 < node.output.size <= MAX_ELEMENTS:
        node.refuse(f"{rows.size} elements → {node.output.size}")
