"""FULLY_CONNECTED as an integer matrix."""

from __future__ import annotations

import numpy as np

from tflm_int8.geometry import Axis, Window2D
from tflm_int8.kernels.fully_connected import FullyConnected
from tflm_int8.program import primitives as p
from tflm_int8.program.linear import Convolution, Dense
from tflm_int8.program.lowering.builder import Builder


def fully_connected(b: Builder, k: FullyConnected) -> None:
    """A dense matrix, or the same matrix at every row (a 1 x 1 convolution)."""
    n_out, n_in = k.weights.shape
    linear: p.LinearMap
    if k.batches == 1:
        linear = Dense(k.weights)
    else:
        row = Axis.of(1, 1, 1, 1, "VALID")
        rows = Window2D(row, Axis.of(k.batches, 1, 1, 1, "VALID"))
        linear = Convolution(rows, k.weights.reshape(n_out, 1, 1, n_in), 1)
    term = p.Term(b.source(k, 0), linear, k.input_zero_point)
    acc = b.emit(p.Affine((term,), np.tile(k.bias, k.batches)))
    b.requantized(acc, k.requantize, np.tile(np.arange(n_out), k.batches), k.node.output.index)
