"""SVDF, int8 → int8, with a state of int16 or int8: features of the last `memory` inputs, weighted over time.

Each filter keeps its last `memory` features; a unit's output is the sum of `rank` filters' weighted features.
TFLM's integer kernel ignores the fused activation, and wraps an int8 feature that its zero point pushes out
of range; so does this.  Source: TFLM micro/kernels/svdf_common.cc, EvalIntegerSvdfReference.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from tflm_int8.fixedpoint import INT32_MAX, I64Array, Multiplier
from tflm_int8.kernels.memory import Memory, Remembering
from tflm_int8.kernels.movement import MAX_ELEMENTS
from tflm_int8.kernels.requantize import exact_gemm_dtype, one_channel, to_output
from tflm_int8.kernels.scales import ratio
from tflm_int8.model import Quantization, Tensor
from tflm_int8.node import Node
from tflm_int8.program.primitives import Requantize
from tflm_int8.variant import Form

Array = NDArray[Any]

_OPTIONS = 6
_MAX_FILTERS = 1 << 16


@dataclass(frozen=True)
class Svdf(Remembering):
    """feature = wrap(feature_stage(features · (x − input_zero_point)) + state_zero_point), into the state;
    y = output_stage(bias + Σ over rank and time of (state − state_zero_point) · times).

    features: int64 [filters, inputs]; times: int64 [filters, memory]; bias: int64 [units]; rank: filters per
    unit; filter f belongs to unit f // rank.
    """

    features: I64Array
    times: I64Array
    bias: I64Array
    rank: int
    input_zero_point: int
    state_zero_point: int
    feature_stage: Requantize
    output_stage: Requantize

    def variables(self) -> tuple[Tensor, ...]:
        """The activation state."""
        return (self.node.input(4),)

    @property
    def reach(self) -> int:
        """The length of a filter's row."""
        return int(self.times.shape[1])

    def step(self, inputs: list[Array], memory: Memory) -> list[Array]:
        """int8 [N, batch, inputs], … → int8 [N, batch, units]."""
        index, x = self.node.input(4).index, inputs[0]
        n_filters, n_memory = self.times.shape
        old = memory[index].reshape(len(x), -1, n_filters, n_memory)
        state = np.concatenate([old[..., 1:], self._features(x).astype(old.dtype)[..., None]], axis=-1)
        memory[index] = state.reshape(len(x), *self.node.input(4).shape)
        return [to_output(self.node, self._total(state.astype(np.int64)), self.output_stage)]

    def scan(self, inputs: list[Array], memory: Memory) -> list[Array]:
        """As N steps of one run: the state of each sample is a window over all features in a row."""
        index, (n_filters, n_memory) = self.node.input(4).index, self.times.shape
        x = inputs[0]
        old = memory[index].reshape(-1, n_filters, n_memory)
        new = np.moveaxis(self._features(x).astype(old.dtype), 0, -1)
        row = np.concatenate([old[..., 1:], new], axis=-1)
        states = np.moveaxis(sliding_window_view(row, n_memory, axis=-1), 2, 0)
        memory[index] = states[-1].reshape(1, *self.node.input(4).shape)
        return [to_output(self.node, self._total(states.astype(np.int64)), self.output_stage)]

    def wrapped(self, scaled: I64Array) -> I64Array:
        """The features as the state's type holds them, from what feature_stage gives."""
        state = self.node.input(4).dtype
        return (scaled + self.state_zero_point).astype(state).astype(np.int64)

    def _features(self, x: Array) -> I64Array:
        """int8 [N, batch, inputs] → int64 [N, batch, filters]."""
        matrix = self._matrix
        centred = x.astype(matrix.dtype) - matrix.dtype.type(self.input_zero_point)
        acc = np.matmul(centred, matrix).astype(np.int64)
        last = self.feature_stage.domain()[1][0]
        if np.any(np.abs(acc) > last):
            self.node.overflow("a feature times its left shift leaves int32")
        return self.wrapped(self.feature_stage.apply(acc[..., None], np.zeros(1, np.int64))[..., 0])

    @cached_property
    def _matrix(self) -> NDArray[np.floating[Any]]:
        """The features, transposed, in a float that holds their sums: Σ|w| · 255."""
        dtype = exact_gemm_dtype(int(np.abs(self.features).sum(axis=1).max()) * 256)
        return np.ascontiguousarray(self.features.T.astype(dtype))

    def _total(self, state: I64Array) -> I64Array:
        """int64 [N, batch, filters, memory] → the accumulators, int64 [N, batch, units], in TFLM's order."""
        weighted = np.zeros(state.shape[:-1], np.int64)
        for j in range(self.times.shape[1]):
            weighted = self._bounded(weighted + (state[..., j] - self.state_zero_point) * self.times[:, j])
        by_unit = weighted.reshape(*weighted.shape[:-1], -1, self.rank)
        total = np.broadcast_to(self.bias, by_unit.shape[:-1])
        for j in range(self.rank):
            total = self._bounded(total + by_unit[..., j])
        return total

    def _bounded(self, acc: I64Array) -> I64Array:
        if np.any(np.abs(acc) > INT32_MAX):
            self.node.overflow("a sum over time leaves int32")
        return acc


def prepare(node: Node) -> Svdf:
    """Check the operator and compute its integers."""
    node.arity(range(5, 6))
    features, times = node.constant(node.input(1), "int8"), node.constant(node.input(2), "int16", "int8")
    x, state, out = _quantizations(node)
    rank = node.option(_OPTIONS, 0, "<i")
    _check_shapes(node, features, times, rank)
    bias = node.bias(3, features.shape[0] // rank)
    wx, wt = (node.quantized(node.input(i), "int8", "int16") for i in (1, 2))
    _check_bias(node, float(state.scale) * float(wt.scale))
    node.check_accumulator(features, x.zero_point, np.zeros(len(features), np.int64))
    m = node.multiplier(ratio(node, (x.scale, wx.scale), state.scale))
    limits = np.iinfo(node.input(4).dtype)
    last = node.multiplier(ratio(node, (state.scale, wt.scale), out.scale))
    return Svdf(
        node,
        features,
        times,
        bias,
        rank,
        x.zero_point,
        state.zero_point,
        _stage(node, m, int(limits.min), int(limits.max)),
        one_channel(node, last, 0),
    )


def _quantizations(node: Node) -> tuple[Quantization, Quantization, Quantization]:
    """Of the input, the state (of the time weights' type) and the output."""
    state = node.input(4)
    if not state.variable or state.dtype != node.input(2).dtype:
        node.refuse(f"the state is {state.dtype}, its weights {node.input(2).dtype}; one variable is needed")
    kept = node.quantized(state, "int8", "int16")
    if node.variant.form is Form.WIDE_STATE and (state.dtype != "int16" or kept.zero_point != 0):
        node.refuse(
            f"a state of {state.dtype}, zero point {kept.zero_point}: CMSIS-NN ignores the zero point and "
            "does not saturate int8"
        )
    return node.int8(node.input(0)), kept, node.int8(node.output)


def _check_shapes(node: Node, features: I64Array, times: I64Array, rank: int) -> None:
    x, state, out = node.input(0).shape, node.input(4).shape, node.output.shape
    shapes = (x, features.shape, times.shape, state, out)
    if any(len(shape) != 2 or 0 in shape for shape in shapes) or rank < 1 or features.shape[0] % rank:
        node.refuse(f"shapes {', '.join(str(list(s)) for s in shapes)}, rank {rank}")
    n_filters, n_memory = times.shape
    wanted = (x[0], n_filters * n_memory), (x[0], n_filters // rank), (n_filters, x[1])
    if (state, out, features.shape) != wanted:
        node.refuse(f"shapes {', '.join(str(list(s)) for s in shapes)}, rank {rank}")
    if state[0] * state[1] > MAX_ELEMENTS or n_filters > _MAX_FILTERS:
        node.refuse("the state is too large")


def _check_bias(node: Node, product: float) -> None:
    """Refuse what TFLM does: a bias of other units or of another scale. One that is left out it reads."""
    tensor = node.optional_input(3)
    if tensor is None:
        node.refuse("it has no bias (TFLM reads one all the same)")
    if tensor.shape[:1] != node.output.shape[1:]:
        node.refuse(f"a bias {list(tensor.shape)} of {node.output.shape[1]} units")
    scale = 0.0 if tensor.quantization is None else float(tensor.quantization.scale)
    if not abs(scale - product) < 1e-5:
        node.refuse(f"the bias has the scale {scale}, not {product}")


def _stage(node: Node, m: Multiplier, lo: int, hi: int) -> Requantize:
    """A multiplier clamped to lo..hi, no zero point."""
    value, shift = np.array([m.value], np.int64), np.array([m.shift], np.int64)
    return Requantize(value, shift, node.variant.rounding, 0, lo, hi)
