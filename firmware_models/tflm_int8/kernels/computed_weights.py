"""FULLY_CONNECTED whose weights are computed: a product of two tensors, as TFLM's kernel allows.

Source: TFLM micro/kernels/fully_connected.cc, reference/integer_ops/fully_connected.h.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tflm_int8.fixedpoint import I64Array
from tflm_int8.kernels.requantize import exact_gemm_dtype, to_output
from tflm_int8.node import Node
from tflm_int8.program.primitives import Requantize


@dataclass(frozen=True)
class ComputedWeights:
    """y = requantize((w − zero_points[1]) · (x − zero_points[0]) + bias), the weights an input like x.

    bias: int64 [out].
    """

    node: Node
    bias: I64Array
    zero_points: tuple[int, int]
    requantize: Requantize
    reach: int

    def run(self, inputs: list[NDArray[Any]]) -> list[NDArray[Any]]:
        """int8 [N, …] and weights int8 [N, out, in] → int8 [N, output shape]."""
        dtype = exact_gemm_dtype(self.reach)
        x, w = (a.astype(dtype) - dtype.type(z) for a, z in zip(inputs[:2], self.zero_points, strict=True))
        rows = x.reshape(len(x), -1, w.shape[2])
        acc = np.matmul(rows, np.swapaxes(w, 1, 2)).astype(np.int64) + self.bias
        return [to_output(self.node, acc, self.requantize).reshape(len(x), *self.node.output.shape)]


def prepare(node: Node, zero_point: int, requantize: Requantize) -> ComputedWeights:
    """Check the operator; zero_point: of the weights."""
    x, w, out = node.input(0), node.input(1), node.output
    z, n_in = node.int8(x).zero_point, w.shape[1]
    fits = out.shape[-1:] == w.shape[:1] and x.size * w.shape[0] == out.size * n_in
    if w.dtype != "int8" or w.size == 0 or not fits:
        node.refuse(f"computed weights {w.dtype} {list(w.shape)} of {list(x.shape)} → {list(out.shape)}")
    extremes = np.full((w.shape[0], n_in), max(127 - zero_point, 128 + zero_point), np.int64)
    bias = node.bias(2, w.shape[0])
    reach = node.check_accumulator(extremes, z, bias)
    return ComputedWeights(node, bias, (z, zero_point), requantize, reach)
