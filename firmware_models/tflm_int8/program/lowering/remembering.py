"""Operators with state, lowered as the first invocation after a reset: what the state held before is zero."""

from __future__ import annotations

import numpy as np

from tflm_int8.fixedpoint import INT32_MAX
from tflm_int8.geometry import Axis, Window2D
from tflm_int8.kernels.circular_buffer import CircularBuffer
from tflm_int8.kernels.resource_variables import Inert, Variable
from tflm_int8.kernels.svdf import Svdf
from tflm_int8.program import primitives as p
from tflm_int8.program.linear import Convolution, Dense
from tflm_int8.program.lowering.builder import Builder
from tflm_int8.program.sparse import Sparse


def svdf(b: Builder, k: Svdf) -> None:
    """The features, requantized; then, of the weights over time, the last ones, summed by unit."""
    n_filters, n_in = k.features.shape
    n_batch, last = k.node.input(0).shape[0], k.times[:, -1]
    worst = np.abs(last).reshape(-1, k.rank).sum(axis=1) * (1 << 15) + np.abs(k.bias)
    tabled = k.node.input(4).dtype == "int8" or not k.state_zero_point
    if int(worst.max()) > INT32_MAX or not tabled:
        return b.exact(k)
    linear: p.LinearMap = Dense(k.features)
    if n_batch > 1:
        rows = Window2D(Axis.of(1, 1, 1, 1, "VALID"), Axis.of(n_batch, 1, 1, 1, "VALID"))
        linear = Convolution(rows, k.features.reshape(n_filters, 1, 1, n_in), 1)
    n_features = n_batch * n_filters
    zeros = np.zeros(n_features, np.int64)
    acc = b.emit(p.Affine((p.Term(b.source(k, 0), linear, k.input_zero_point),), zeros))
    wire = b.emit(p.Staircase(acc, k.feature_stage, zeros))
    if k.state_zero_point:
        wire = b.emit(p.Table(wire, k.wrapped(np.arange(-128, 128)) - k.state_zero_point))
    columns = np.arange(n_features).reshape(-1, k.rank)
    weights = np.tile(last, n_batch).reshape(-1, k.rank)
    total = p.Affine((p.Term(wire, Sparse(n_features, columns, weights), 0),), np.tile(k.bias, n_batch))
    b.requantized(b.emit(total), k.output_stage, np.zeros(len(columns), np.int64), k.node.output.index)


def circular_buffer(b: Builder, k: CircularBuffer) -> None:
    """The buffer after a reset, shifted by one slot, with the input in the last."""
    x, out = k.node.input(0), k.node.output
    assert out.initial is not None, "the kernel's output is a variable"
    places = np.arange(out.size).reshape(out.shape)
    bias = np.zeros(out.shape, np.int64)
    bias[:, :-1] = out.initial.reshape(out.shape)[:, 1:]
    origin = np.full(out.size, x.size, np.int64)
    origin[places[:, -1:].reshape(-1)] = np.arange(x.size)
    term = p.Term(b.source(k, 0), Sparse.moving(x.size, origin), 0)
    b.wires[out.index] = b.emit(p.Affine((term,), bias.reshape(-1)))


def variable(b: Builder, k: Variable) -> None:
    """What was assigned before it in the same invocation, else what the variable holds at the start."""
    if k.node.op.name == "ASSIGN_VARIABLE":
        b.memory[k.key] = b.source(k, 1)
        return
    if k.key not in b.memory:
        b.memory[k.key] = b.emit(p.Affine((), k.start.astype(np.int64).reshape(-1)))
    b.wires[k.node.output.index] = b.memory[k.key]


def inert(b: Builder, k: Inert) -> None:
    """Nothing."""
