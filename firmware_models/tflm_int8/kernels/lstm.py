"""UNIDIRECTIONAL_SEQUENCE_LSTM of int8 or int16 with int8 weights and an int16 cell: the standard cell only.

No peepholes, projection or layer normalization (TFLM refuses them too). The cell state is read at the power
of two nearest to its scale. Hidden and cell state stay in memory after the last time step.
Source: TFLM micro/kernels/lstm_eval.h, lstm_eval_common.cc, unidirectional_sequence_lstm.cc.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tflm_int8.errors import MalformedModel
from tflm_int8.fixedpoint import INT32_MAX, INT32_MIN, I64Array
from tflm_int8.flatbuffer import Damaged
from tflm_int8.kernels.memory import Memory, Remembering
from tflm_int8.kernels.movement import MAX_ELEMENTS
from tflm_int8.kernels.requantize import (
    RequantizeWide,
    accumulator_limit,
    exact_gemm_dtype,
    staged,
    widened,
)
from tflm_int8.kernels.scales import product
from tflm_int8.kernels.wide import logistic, tanh
from tflm_int8.model import Quantization, Tensor
from tflm_int8.node import Node
from tflm_int8.program.primitives import Requantize

Array = NDArray[Any]

_OPTIONS = 71
_TANH = 4
_HIDDEN, _CELL = 18, 19
_ABSENT = (9, 10, 11, 16, 17, 20, 21, 22, 23)
_GATES: Final = ("input", "forget", "cell", "output")
"""The order of the weights, the recurrent weights (from input 5 on) and the biases (from input 12 on)."""
_GATE_SCALE = 2.0**-12
_UNIT_SCALE = 2.0**-15
INT16_MIN, INT16_MAX = -(1 << 15), (1 << 15) - 1


@dataclass(frozen=True)
class Dense:
    """stage(weights · (x − zero_point) + bias) → Q3.12, for all four gates one after the other.

    weights: int64 [4 · units, in]; bias: int64 [4 · units].
    """

    node: Node
    weights: I64Array
    bias: I64Array
    zero_point: int
    stage: Requantize | RequantizeWide
    dtype: np.dtype[np.floating[Any]]

    def of(self, x: I64Array) -> I64Array:
        """int64 [..., in] → int64 [..., 4 · units] within int16."""
        acc = np.matmul((x - self.zero_point).astype(self.dtype), self._matrix).astype(np.int64) + self.bias
        if isinstance(self.stage, Requantize):
            return staged(self.node, acc, self.stage)
        scaled = self.stage.scaled(acc)
        if np.any(scaled > INT32_MAX) or np.any(scaled < INT32_MIN):
            self.node.overflow("a requantized accumulator leaves int32")
        return np.clip(scaled, INT16_MIN, INT16_MAX)

    @cached_property
    def _matrix(self) -> NDArray[np.floating[Any]]:
        return np.ascontiguousarray(self.weights.T.astype(self.dtype))


@dataclass(frozen=True)
class Lstm(Remembering):
    """c = forget · c + input · cell, clipped; h = tanh(c) · output; the gates in the order of _GATES.

    forget_cell, input_cell, output: the stages of the three products; clip: the greatest magnitude of the
    cell state (0: none); cell_tanh: int64 [65536], from a cell state + 2**15 to Q0.15.
    """

    inputs: Dense
    recurrent: Dense
    forget_cell: Requantize
    input_cell: Requantize
    output: Requantize
    clip: int
    cell_tanh: I64Array
    time_major: bool

    def variables(self) -> tuple[Tensor, ...]:
        """The hidden state and the cell state."""
        return self.node.input(_HIDDEN), self.node.input(_CELL)

    def step(self, inputs: list[Array], memory: Memory) -> list[Array]:
        """int8 or int16 [N, batch, time, in] (or [N, time, batch, in]), … → [N, …, units] likewise."""
        x = self._time_first(inputs[0])
        n_time, n = x.shape[:2]
        outputs = self._over_time(x.reshape(n_time, -1, x.shape[-1]), memory)
        return [self._as_declared(outputs.reshape(n_time, n, -1, outputs.shape[-1]))]

    def scan(self, inputs: list[Array], memory: Memory) -> list[Array]:
        """As N steps of one run: one long sequence."""
        x = self._time_first(inputs[0])
        n_time, n = x.shape[:2]
        outputs = self._over_time(np.swapaxes(x, 0, 1).reshape(n * n_time, -1, x.shape[-1]), memory)
        by_sample = outputs.reshape(n, n_time, -1, outputs.shape[-1])
        return [self._as_declared(np.swapaxes(by_sample, 0, 1))]

    def _time_first(self, x: Array) -> I64Array:
        """int64 [time, N, batch, in]."""
        return np.moveaxis(x, 1 if self.time_major else 2, 0).astype(np.int64)

    def _as_declared(self, outputs: I64Array) -> Array:
        """int64 [time, N, batch, units] → the output."""
        return np.moveaxis(outputs, 0, 1 if self.time_major else 2).astype(self.node.output.dtype)

    def _over_time(self, x: I64Array, memory: Memory) -> I64Array:
        """int64 [time, n, in] → the hidden states, int64 [time, n, units]; n: runs times batch."""
        n_units = self.node.output.shape[2]
        hidden, cell = (memory[t.index].astype(np.int64).reshape(-1, n_units) for t in self.variables())
        parts, outputs = self.inputs.of(x), np.empty((*x.shape[:2], n_units), np.int64)
        for t, part in enumerate(parts):
            hidden, cell = self._cell(part, hidden, cell)
            outputs[t] = hidden
        for tensor, value in zip(self.variables(), (hidden, cell), strict=True):
            memory[tensor.index] = value.astype(tensor.dtype).reshape(-1, *tensor.shape)
        return outputs

    def _cell(self, part: I64Array, hidden: I64Array, cell: I64Array) -> tuple[I64Array, I64Array]:
        """One time step; part: what the input adds to the gates, int64 [n, 4 · units]."""
        at = np.clip(part + self.recurrent.of(hidden), INT16_MIN, INT16_MAX) - INT16_MIN
        i, f, g, o = (at[:, k : k + cell.shape[1]] for k in range(0, at.shape[1], cell.shape[1]))
        kept = staged(self.node, _sigmoid()[f] * cell, self.forget_cell)
        added = staged(self.node, _sigmoid()[i] * _tanh()[g], self.input_cell)
        cell = self._summed(kept, added)
        if self.clip:
            cell = np.clip(cell, -self.clip, self.clip)
        return staged(self.node, self.cell_tanh[cell - INT16_MIN] * _sigmoid()[o], self.output), cell

    def _summed(self, kept: I64Array, added: I64Array) -> I64Array:
        cell: I64Array = np.clip(kept + added, INT16_MIN, INT16_MAX)
        return cell


@cache
def _sigmoid() -> I64Array:
    """The sigmoid of every int16 in Q3.12, + 2**15, as Q0.15: int64 [65536]."""
    return logistic(3, 0, np.arange(INT16_MIN, INT16_MAX + 1))


@cache
def _tanh() -> I64Array:
    """tanh likewise."""
    return tanh(3, 0, np.arange(INT16_MIN, INT16_MAX + 1))


def prepare(node: Node) -> Lstm:
    """Check the operator and compute its integers."""
    node.arity(range(24, 25))
    if any(node.op.inputs[i] >= 0 for i in _ABSENT):
        node.refuse("peepholes, projection and layer normalization are not supported")
    if node.option(_OPTIONS, 0, "<b") != _TANH:
        node.refuse("the fused activation must be tanh")
    time_major = bool(node.option(_OPTIONS, 3, "<B"))
    _check_shapes(node, time_major)
    hidden, cell, clip = _states(node)
    limits = np.iinfo(node.input(_HIDDEN).dtype)
    return Lstm(
        node,
        _dense(node, 0, 1, 12),
        _dense(node, _HIDDEN, 5, None),
        _product(node, _UNIT_SCALE * float(cell.scale) / float(cell.scale)),
        _product(node, _UNIT_SCALE * _UNIT_SCALE / float(cell.scale)),
        _product(
            node,
            _UNIT_SCALE * _UNIT_SCALE / float(hidden.scale),
            hidden.zero_point,
            (int(limits.min), int(limits.max)),
        ),
        clip,
        tanh_of_cell(node, float(cell.scale)),
        time_major,
    )


def _check_shapes(node: Node, time_major: bool) -> None:
    x, out = node.input(0).shape, node.output.shape
    if len(x) != 3 or 0 in x or len(out) != 3 or 0 in out or x[:2] != out[:2]:
        node.refuse(f"shapes {list(x)} → {list(out)}")
    n_units, n_batch = out[2], x[1 if time_major else 0]
    for i in (*range(1, 9), *range(12, 16)):
        wanted = (n_units,) if i > 8 else (n_units, x[2] if i < 5 else n_units)
        if node.input(i).shape != wanted:
            node.refuse(f"tensor {node.input(i).index} has the shape {list(node.input(i).shape)}")
    for i in (_HIDDEN, _CELL):
        state = node.input(i)
        if state.size != n_batch * n_units or state.size > MAX_ELEMENTS:
            node.refuse(f"tensor {state.index} has the shape {list(state.shape)}")
    if node.input(_HIDDEN).shape[1:2] != (n_units,):
        node.refuse(f"the hidden state has the shape {list(node.input(_HIDDEN).shape)}")


def _states(node: Node) -> tuple[Quantization, Quantization, int]:
    """Of the hidden and of the cell state, and the clip of the latter."""
    x, hidden, cell = node.input(0), node.input(_HIDDEN), node.input(_CELL)
    if x.dtype not in ("int8", "int16") or {hidden.dtype, node.output.dtype} != {x.dtype}:
        node.refuse(f"{x.dtype}, {hidden.dtype} → {node.output.dtype}; int8 or int16 is needed for all")
    if not (hidden.variable and cell.variable) or hidden.index == cell.index:
        node.refuse("hidden and cell state must be two variables")
    quantization = node.int16(cell)
    ratio = _float_option(node, 1) / float(quantization.scale)
    clip = int(min(max(ratio, INT16_MIN), INT16_MAX)) if ratio > 0 else 0
    if ratio > 0 and clip == 0:
        node.refuse("the cell state is clipped to 0")
    return _activation_quantization(node, hidden), quantization, clip


def _activation_quantization(node: Node, tensor: Tensor) -> Quantization:
    return node.int16(tensor) if tensor.dtype == "int16" else node.int8(tensor)


def _float_option(node: Node, slot: int) -> float:
    try:
        value = node.options(_OPTIONS).float32(slot)
    except Damaged as error:
        raise MalformedModel(node.model.name, f"op {node.op.index}: {error}") from error
    if not math.isfinite(value):
        node.refuse(f"an option is {value}")
    return value


def _dense(node: Node, x: int, weights: int, bias: int | None) -> Dense:
    """The products of the x-th input for the four gates, whose weights begin at the given input."""
    source, dtype = _activation_quantization(node, node.input(x)), node.input(x).dtype
    accumulator = "int32" if dtype == "int8" else "int64"
    values, biases, scales = [], [], []
    for i in range(len(_GATES)):
        w = node.int8(node.input(weights + i))
        values.append(node.constant(node.input(weights + i), "int8") - w.zero_point)
        n = len(values[-1])
        biases.append(np.zeros(n, np.int64) if bias is None else node.bias(bias + i, n, accumulator))
        scales.append(node.multiplier(product(node, source.scale, w.scale) / _GATE_SCALE))
    matrix, added = np.concatenate(values), np.concatenate(biases)
    reach = node.check_accumulator(matrix, source.zero_point, added, dtype, accumulator_limit(accumulator))
    n_units = len(matrix) // len(_GATES)
    stage = Requantize(
        np.repeat(np.array([m.value for m in scales], np.int64), n_units),
        np.repeat(np.array([m.shift for m in scales], np.int64), n_units),
        node.variant.rounding,
        0,
        INT16_MIN,
        INT16_MAX,
    )
    narrow = stage if accumulator == "int32" else widened(node, stage)
    return Dense(node, matrix, added, source.zero_point, narrow, exact_gemm_dtype(reach))


def _product(
    node: Node, scale: float, zero_point: int = 0, limits: tuple[int, int] = (INT16_MIN, INT16_MAX)
) -> Requantize:
    """The stage of one effective scale."""
    m = node.multiplier(scale)
    value, shift = np.array([m.value], np.int64), np.array([m.shift], np.int64)
    return Requantize(value, shift, node.variant.rounding, zero_point, *limits)


def tanh_of_cell(node: Node, scale: float) -> I64Array:
    """tanh of every cell state at the power of two nearest to its scale: int64 [65536], as Lstm.cell_tanh."""
    exact = math.log2(scale)
    power = math.floor(exact + 0.5)
    left = 12 + power
    if abs(exact - power) > 0.4999 or not -30 <= left <= 14:
        node.refuse(f"the cell state has the scale {scale}")
    return tanh(3 << max(left, 0), max(-left, 0), np.arange(INT16_MIN, INT16_MAX + 1))
