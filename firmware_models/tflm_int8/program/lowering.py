"""Lower a prepared model to the integer program: one function per kernel.

A program is made for models of one input and one output whose batch is 1. What a kernel computes and what
its lowering computes are held equal by a property test on every tensor.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from tflm_int8.errors import UnsupportedModel
from tflm_int8.fixedpoint import I64Array
from tflm_int8.geometry import Axis, Window2D
from tflm_int8.kernels.add import Add
from tflm_int8.kernels.convolution import Convolution2D
from tflm_int8.kernels.fully_connected import FullyConnected
from tflm_int8.kernels.pooling import AveragePool, MaxPool
from tflm_int8.kernels.reshape import Reshape
from tflm_int8.kernels.softmax import Softmax
from tflm_int8.model import Model
from tflm_int8.program import primitives as p
from tflm_int8.program.linear import Convolution, Dense, Scaling
from tflm_int8.reference import Reference


class Builder:
    """The program under construction."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.steps: list[p.Step] = []
        self.operators: list[int] = []
        self.wires = {model.inputs[0]: 0}
        self.operator = -1

    def emit(self, step: p.Step) -> int:
        """Append a step; returns the wire that it writes."""
        self.steps.append(step)
        self.operators.append(self.operator)
        return len(self.steps)

    def requantized(self, acc: int, rule: p.Rule, channel: I64Array, tensor: int) -> None:
        """Append the staircase that turns accumulators into a tensor."""
        self.wires[tensor] = self.emit(p.Staircase(acc, rule, channel))

    def source(self, kernel: Any, i: int) -> int:
        """The wire of a kernel's i-th input; refuses a constant."""
        tensor = kernel.node.input(i)
        if tensor.index not in self.wires:
            kernel.node.refuse(f"input {i} is a constant: not lowered")
        return self.wires[tensor.index]


def lower(model: Model, profile: str = "tflm") -> p.Program:
    """The integer program of a model.  Raises UnsupportedModel, UnsupportedOp, MalformedModel."""
    return lower_reference(Reference(model, profile))


def lower_reference(reference: Reference) -> p.Program:
    """The integer program of a model that is prepared already."""
    model = reference.model
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise UnsupportedModel(
            model.name, f"{len(model.inputs)} inputs and {len(model.outputs)} outputs; one of each is lowered"
        )
    for tensor in (reference.input, reference.output):
        if tensor.dtype != "int8":
            raise UnsupportedModel(model.name, f"tensor {tensor.index} is {tensor.dtype}; int8 is lowered")
    builder = Builder(model)
    for kernel in reference.kernels:
        builder.operator = kernel.node.op.index
        _LOWERINGS[type(kernel)](builder, kernel)
    tensors = {wire: tensor for tensor, wire in builder.wires.items()}
    return p.Program(
        n_input=reference.input.size,
        steps=tuple(builder.steps),
        output=builder.wires[model.outputs[0]],
        tensors=tensors,
        operators=tuple(builder.operators),
    )


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


def convolution(b: Builder, k: Convolution2D) -> None:
    """A convolution on the centred input, then one staircase channel per output channel."""
    _one_image(k.node.input(0).shape, k)
    n_out, positions = len(k.filters), k.window.n_positions
    term = p.Term(b.source(k, 0), Convolution(k.window, k.filters, k.groups), k.input_zero_point)
    acc = b.emit(p.Affine((term,), np.tile(k.bias, positions)))
    b.requantized(acc, k.requantize, np.tile(np.arange(n_out), positions), k.node.output.index)


def average_pool(b: Builder, k: AveragePool) -> None:
    """A sum over the window (all weights 1), then a rounding division by the taps that count."""
    shape = k.node.input(0).shape
    _one_image(shape, k)
    ones = np.ones((shape[3], k.window.rows.kernel, k.window.columns.kernel, 1), np.int64)
    term = p.Term(b.source(k, 0), Convolution(k.window, ones, shape[3]), 0)
    acc = b.emit(p.Affine((term,), np.zeros(k.window.n_positions * shape[3], np.int64)))
    channel = np.repeat(np.arange(k.window.n_positions), shape[3])
    b.requantized(acc, k.rule(), channel, k.node.output.index)


def max_pool(b: Builder, k: MaxPool) -> None:
    """Windows of indices; a tap outside the image repeats one that is inside."""
    shape = k.node.input(0).shape
    _one_image(shape, k)
    taps = k.taps()
    inside = taps < k.window.n_pixels
    first = taps[np.arange(len(taps)), inside.argmax(axis=1)]
    taps = np.where(inside, taps, first[:, None])
    windows = taps[:, None, :] * shape[3] + np.arange(shape[3])[None, :, None]
    step = p.Max(b.source(k, 0), windows.reshape(-1, taps.shape[1]), k.lo, k.hi)
    b.wires[k.node.output.index] = b.emit(step)


def add(b: Builder, k: Add) -> None:
    """A table per input, their sum, one staircase; a constant operand goes into the bias."""
    n = k.node.output.size
    bias, terms = np.zeros(n, np.int64), []
    for i, table in enumerate(k.tables):
        tensor = k.node.input(i)
        index = np.broadcast_to(np.arange(tensor.size).reshape(tensor.shape), k.node.output.shape).reshape(-1)
        if tensor.data is not None:
            bias += table[tensor.data.astype(np.int64).reshape(-1)[index] + 128]
            continue
        wire = b.emit(p.Table(b.source(k, i), table))
        if tensor.size != n:
            wire = b.emit(p.Select(wire, index))
        terms.append(p.Term(wire, Scaling(n), 0))
    acc = b.emit(p.Affine(tuple(terms), bias))
    b.requantized(acc, k.requantize, np.zeros(n, np.int64), k.node.output.index)


def reshape(b: Builder, k: Reshape) -> None:
    """Another name for the same wire."""
    b.wires[k.node.output.index] = b.source(k, 0)


def softmax(b: Builder, k: Softmax) -> None:
    """One step; see primitives.Softmax."""
    b.wires[k.node.output.index] = b.emit(p.Softmax(b.source(k, 0), k.depth, k.function))


def _one_image(shape: tuple[int, ...], kernel: Any) -> None:
    if shape[0] != 1:
        kernel.node.refuse(f"a batch of {shape[0]} is not lowered")


_LOWERINGS: Final[dict[type, Callable[[Builder, Any], None]]] = {
    Add: add,
    AveragePool: average_pool,
    Convolution2D: convolution,
    FullyConnected: fully_connected,
    MaxPool: max_pool,
    Reshape: reshape,
    Softmax: softmax,
}
