"""UNIDIRECTIONAL_SEQUENCE_LSTM of int8 or int16 with int8 weights and an int16 cell: the standard cell only.

No peepholes, projection or layer normalization (TFLM refuses them too). The cell state is read at the power
of two nearest to its scale. Hidden and cell state stay in memory after the last time step.
Source: TFLM micro/kernels/lstm_eval.h, lstm_eval_common.cc, unidirectional_sequence_lstm.cc.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tflm_int8.errors import MalformedModel
from tflm_int8.fixedpoint import INT32_MAX, INT32_MIN, I64Array, Multiplier
from tflm_int8.flatbuffer import Damaged
from tflm_int8.kernels.memory import Memory, Remembering
from tflm_int8.kernels.movement import MAX_ELEMENTS
from tflm_int8.kernels.requantize import RequantizeWide, accumulator_limit, exact_gemm_dtype, widened
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
_SIGMOID: Final[Callable[[I64Array], I64Array]] = partial(logistic, 3, 0)
INT16_MIN, INT16_MAX = -(1 << 15), (1 << 15) - 1


@dataclass(frozen=True)
class Dense:
    """stage(weights · (x − zero_point) + bias) → Q3.12.  weights: int64 [units, in]; bias: int64 [units]."""

    node: Node
    weights: I64Array
    bias: I64Array
    zero_point: int
    stage: Requantize | RequantizeWide
    dtype: np.dtype[np.floating[Any]]

    def of(self, x: I64Array) -> I64Array:
        """int64 [n, in] → int64 [n, units] within int16."""
        centred = (x - self.zero_point).astype(self.dtype)
        acc = np.matmul(centred, self.weights.T.astype(self.dtype)).astype(np.int64) + self.bias
        if isinstance(self.stage, Requantize):
            return staged(self.node, acc, self.stage)
        scaled = self.stage.scaled(acc)
        if np.any(scaled > INT32_MAX) or np.any(scaled < INT32_MIN):
            self.node.overflow("a requantized accumulator leaves int32")
        return np.clip(scaled, INT16_MIN, INT16_MAX)


@dataclass(frozen=True)
class Gate:
    """activation(input(x) + recurrent(hidden)), all Q3.12 → Q0.15."""

    input: Dense
    recurrent: Dense
    activation: Callable[[I64Array], I64Array]

    def of(self, x: I64Array, hidden: I64Array) -> I64Array:
        """int64 [n, in] and [n, units] → int64 [n, units]."""
        total = self.input.of(x) + self.recurrent.of(hidden)
        return self.activation(np.clip(total, INT16_MIN, INT16_MAX))


@dataclass(frozen=True)
class Lstm(Remembering):
    """c = forget · c + input · cell, clipped; h = tanh(c) · output.

    gates: by name; forget_cell, input_cell, output: the stages of the three products; clip: the greatest
    magnitude of the cell state (0: none); cell_tanh: from the cell state to Q0.15.
    """

    gates: dict[str, Gate]
    forget_cell: Requantize
    input_cell: Requantize
    output: Requantize
    clip: int
    cell_tanh: Callable[[I64Array], I64Array]
    time_major: bool

    def variables(self) -> tuple[Tensor, ...]:
        """The hidden state and the cell state."""
        return self.node.input(_HIDDEN), self.node.input(_CELL)

    def step(self, inputs: list[Array], memory: Memory) -> list[Array]:
        """int8 or int16 [N, batch, time, in] (or [N, time, batch, in]), … → [N, …, units] likewise."""
        x = inputs[0].astype(np.int64)
        time = 1 if self.time_major else 2
        steps = np.moveaxis(x, time, 0)
        n, n_batch = steps.shape[1:3]
        hidden, cell = (memory[t.index].astype(np.int64).reshape(n * n_batch, -1) for t in self.variables())
        outputs = []
        for one in steps.reshape(len(steps), n * n_batch, -1):
            hidden, cell = self._cell(one, hidden, cell)
            outputs.append(hidden.reshape(n, n_batch, -1))
        for tensor, value in zip(self.variables(), (hidden, cell), strict=True):
            memory[tensor.index] = value.astype(tensor.dtype).reshape(n, *tensor.shape)
        return [np.stack(outputs, time).astype(self.node.output.dtype)]

    def _cell(self, x: I64Array, hidden: I64Array, cell: I64Array) -> tuple[I64Array, I64Array]:
        """One time step: int64 [n, in], [n, units], [n, units] → the new hidden and cell state."""
        gate = {name: gate.of(x, hidden) for name, gate in self.gates.items()}
        kept = staged(self.node, gate["forget"] * cell, self.forget_cell)
        added = staged(self.node, gate["input"] * gate["cell"], self.input_cell)
        cell = np.clip(kept + added, INT16_MIN, INT16_MAX)
        if self.clip:
            cell = np.clip(cell, -self.clip, self.clip)
        return staged(self.node, self.cell_tanh(cell) * gate["output"], self.output), cell


def staged(node: Node, acc: I64Array, stage: Requantize) -> I64Array:
    """int64 of any shape through a stage of one channel; refuses what TFLM would overflow."""
    first, last = stage.domain()
    if int(stage.shift[0]) > 0 and (np.any(acc < first) or np.any(acc > last)):
        node.overflow("an accumulator times its left shift leaves int32")
    return stage.apply(acc[..., None], np.zeros(1, np.int64))[..., 0]


def prepare(node: Node) -> Lstm:
    """Check the operator and compute its integers."""
    node.arity(range(24, 25))
    if any(node.op.inputs[i] >= 0 for i in _ABSENT):
        node.refuse("peepholes, projection and layer normalization are not supported")
    time_major = bool(node.option(_OPTIONS, 3, "<B"))
    _check_shapes(node, time_major)
    hidden, cell, clip = _states(node)
    activations = {**dict.fromkeys(_GATES, _SIGMOID), "cell": _cell_activation(node)}
    gates = {
        name: Gate(_dense(node, 0, 1 + i, 12 + i), _dense(node, _HIDDEN, 5 + i, None), activation)
        for i, (name, activation) in enumerate(activations.items())
    }
    limits = np.iinfo(node.input(_HIDDEN).dtype)
    return Lstm(
        node,
        gates,
        _product(node, _UNIT_SCALE * float(cell.scale) / float(cell.scale)),
        _product(node, _UNIT_SCALE * _UNIT_SCALE / float(cell.scale)),
        _product(
            node,
            _UNIT_SCALE * _UNIT_SCALE / float(hidden.scale),
            hidden.zero_point,
            (int(limits.min), int(limits.max)),
        ),
        clip,
        _cell_tanh(node, cell.scale),
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


def _cell_activation(node: Node) -> Callable[[I64Array], I64Array]:
    code = node.option(_OPTIONS, 0, "<b")
    if code != _TANH:
        node.refuse(f"the fused activation {code}: only tanh is supported")
    return partial(tanh, 3, 0)


def _dense(node: Node, x: int, weights: int, bias: int | None) -> Dense:
    """One of a gate's two products, of the x-th input with the given weights."""
    source, w = _activation_quantization(node, node.input(x)), node.int8(node.input(weights))
    values = node.constant(node.input(weights), "int8") - w.zero_point
    narrow = node.input(x).dtype == "int8"
    accumulator = "int32" if narrow else "int64"
    added = np.zeros(len(values), np.int64) if bias is None else node.bias(bias, len(values), accumulator)
    limit = accumulator_limit(accumulator)
    reach = node.check_accumulator(values, source.zero_point, added, node.input(x).dtype, limit)
    stage = _product(node, float(source.scale) * float(w.scale) / _GATE_SCALE)
    return Dense(
        node,
        values,
        added,
        source.zero_point,
        stage if narrow else widened(node, stage),
        exact_gemm_dtype(reach),
    )


def _product(
    node: Node,
    scale: float,
    zero_point: int = 0,
    limits: tuple[int, int] = (INT16_MIN, INT16_MAX),
) -> Requantize:
    """The stage of one effective scale."""
    m: Multiplier = node.multiplier(scale)
    value, shift = np.array([m.value], np.int64), np.array([m.shift], np.int64)
    return Requantize(value, shift, node.variant.rounding, zero_point, *limits)


def _cell_tanh(node: Node, scale: np.float32) -> Callable[[I64Array], I64Array]:
    """tanh of the cell state at the power of two nearest to its scale."""
    exact = math.log2(float(scale))
    power = math.floor(exact + 0.5)
    left = 12 + power
    if abs(exact - power) > 0.4999 or not -30 <= left <= 14:
        node.refuse(f"the cell state has the scale {scale}")
    return partial(tanh, 3 << left, 0) if left >= 0 else partial(tanh, 3, -left)
