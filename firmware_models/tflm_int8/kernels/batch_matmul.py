"""BATCH_MATMUL on int8 or int16: products of matrices with broadcast batch dimensions.

Source: TFLM micro/kernels/batch_matmul.cc, reference/batch_matmul.h.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tflm_int8.fixedpoint import I64Array
from tflm_int8.kernels.movement import MAX_ELEMENTS, check_moved, check_rank, numbered
from tflm_int8.kernels.requantize import (
    Stage,
    accumulator_limit,
    by_channel,
    exact_gemm_dtype,
    requantized,
)
from tflm_int8.kernels.scales import product
from tflm_int8.node import Node

_OPTIONS = 101
_LARGEST_PRODUCT = {"int8": 255 * 255, "int16": 1 << 30}


@dataclass(frozen=True)
class BatchMatmul:
    """y = requantize((a − zero_points[0]) · (b − zero_points[1])); adjoint: which of both is transposed."""

    node: Node
    adjoint: tuple[bool, bool]
    zero_points: tuple[int, int]
    requantize: Stage

    def run(self, inputs: list[NDArray[Any]]) -> list[NDArray[Any]]:
        """Two int8 or int16 [N, shape] → the same type [N, output shape]."""
        dtype = exact_gemm_dtype(self.depth * _LARGEST_PRODUCT[self.node.output.dtype])
        a, b = (
            self._matrices(x.astype(dtype) - dtype.type(z), i)
            for i, (x, z) in enumerate(zip(inputs, self.zero_points, strict=True))
        )
        acc: I64Array = np.matmul(a, b).astype(np.int64)
        y = requantized(self.node, acc.reshape(-1, 1), self.requantize)
        return [y.reshape(len(inputs[0]), *self.node.output.shape)]

    @property
    def depth(self) -> int:
        """The length of the sums."""
        return self.node.input(0).shape[-2 if self.adjoint[0] else -1]

    def factors(self) -> tuple[I64Array, I64Array]:
        """Which elements of both inputs are multiplied and added: two int64 [outputs, depth]."""
        a, b = (self._matrices(numbered(self.node.input(i))[None], i)[0] for i in (0, 1))
        shape = (*np.broadcast_shapes(a.shape[:-2], b.shape[:-2]), a.shape[-2], b.shape[-1], self.depth)
        left, right = a[..., :, None, :], np.swapaxes(b, -1, -2)[..., None, :, :]
        first, second = (np.broadcast_to(x, shape).reshape(-1, self.depth) for x in (left, right))
        return first, second

    def _matrices(self, x: NDArray[Any], i: int) -> NDArray[Any]:
        """[N, shape] → [N, batch dimensions, rows, columns] of the rank that both inputs have then."""
        rank = max(len(self.node.input(k).shape) for k in (0, 1))
        full = x.reshape(len(x), *[1] * (rank + 1 - x.ndim), *x.shape[1:])
        return np.swapaxes(full, -1, -2) if self.adjoint[i] else full


def prepare(node: Node) -> BatchMatmul:
    """Check the operator and compute its integers."""
    node.arity(range(2, 3))
    a, b, out = node.input(0), node.input(1), node.output
    check_moved(node, [a, b], "int8 int16")
    for tensor in (a, b):
        check_rank(node, tensor, range(2, 6))
    qa, qb, q_out = (node.int8(t) if t.dtype == "int8" else node.int16(t) for t in (a, b, out))
    adjoint = (bool(node.option(_OPTIONS, 0, "<B")), bool(node.option(_OPTIONS, 1, "<B")))
    (rows, depth), (depth_b, columns) = (
        t.shape[-2:][::-1] if flip else t.shape[-2:] for t, flip in zip((a, b), adjoint, strict=True)
    )
    try:
        shape = (*np.broadcast_shapes(a.shape[:-2], b.shape[:-2]), rows, columns)
    except ValueError:
        shape = ()
    if depth != depth_b or shape != out.shape:
        node.refuse(f"{list(a.shape)} · {list(b.shape)} → {list(out.shape)}, adjoint {adjoint}")
    accumulator = "int32" if out.dtype == "int8" else "int64"
    if depth * _LARGEST_PRODUCT[out.dtype] > accumulator_limit(accumulator):
        node.overflow(f"a sum of {depth} products can leave the accumulator's range")
    if math.prod(shape) * depth > MAX_ELEMENTS << 6:
        node.refuse("too many products")
    scale = product(node, qa.scale, qb.scale) / float(q_out.scale)
    requantize = by_channel(node, [scale], 0, 1, accumulator)
    return BatchMatmul(node, adjoint, (qa.zero_point, qb.zero_point), requantize)
