"""FULLY_CONNECTED as an integer matrix; with computed weights, as the sums of products."""

from __future__ import annotations

import numpy as np

from tflm_int8.geometry import Axis, Window2D
from tflm_int8.kernels.computed_weights import ComputedWeights
from tflm_int8.kernels.fully_connected import FullyConnected
from tflm_int8.program import primitives as p
from tflm_int8.program.linear import Convolution, Dense
from tflm_int8.program.lowering.builder import Builder
from tflm_int8.program.lowering.sums import MAX_PRODUCTS
from tflm_int8.program.sparse import Sparse


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


def computed_weights(b: Builder, k: ComputedWeights) -> None:
    """All products, then their sums; `Exact` where they are too many."""
    n_out, n_in = k.node.input(1).shape
    rows = k.node.output.size // n_out
    if rows * n_out * n_in > MAX_PRODUCTS:
        return b.exact(k)
    shape = (rows, n_out, n_in)
    x = np.broadcast_to(np.arange(rows * n_in).reshape(rows, 1, n_in), shape).reshape(-1)
    w = np.broadcast_to(np.arange(n_out * n_in).reshape(1, n_out, n_in), shape).reshape(-1)
    left, right = b.emit(p.Select(b.source(k, 0), x)), b.emit(p.Select(b.source(k, 1), w))
    products = b.emit(p.Product(left, right, *k.zero_points))
    groups = np.arange(len(x)).reshape(-1, n_in)
    term = p.Term(products, Sparse(groups.size, groups, np.ones_like(groups)), 0)
    acc = b.emit(p.Affine((term,), np.tile(k.bias, rows)))
    b.requantized(acc, k.requantize, np.tile(np.arange(n_out), rows), k.node.output.index)
