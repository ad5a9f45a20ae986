"""Grow a random valid int8 network that mixes every operator of the random tables, from one integer seed.

A grower is a builder whose `input` and `constant` may hand out what the graph computes already, cut to the
shape that was asked for; so the functions of the tables, written for one operator, make chains, branches
and joins. An operator that the reference refuses is taken back, and its refusal is kept. Now and then all
scales are powers of two (ties, multipliers of exactly 2**30), one scale is far away (multipliers without
bits, left shifts up to the refusal), or all weights are at the ends of int8.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

import random_elementwise
import random_graphs
import random_movement
import random_operands
import random_state
from model_builder import Builder
from tflm_int8 import MalformedModel, Model, Reference, UnsupportedModel, UnsupportedOp

Rng = np.random.Generator
MAX_ELEMENTS = 1200
_OPERANDS = (
    "BATCH_MATMUL int16", "CONV_2D int4", "DEPTHWISE_CONV_2D int4", "EMBEDDING_LOOKUP",
    "FULLY_CONNECTED computed", "FULLY_CONNECTED int4", "GATHER computed", "PRELU int16", "SOFTMAX int16",
    "TRANSPOSE_CONV any", "broadcast",
)  # fmt: skip
"""Those of the operands' table that need no second input of the model and refuse no values."""
_STATES = ("CIRCULAR_BUFFER", "SVDF", "UNIDIRECTIONAL_SEQUENCE_LSTM")
NAMES: tuple[str, ...] = tuple(
    sorted(
        {
            *random_graphs.ONE_OP,
            *random_elementwise.ONE_OP,
            *random_movement.ONE_OP,
            *_STATES,
            *_OPERANDS,
        }
    )
)
_IMAGE = ("CONV_2D", "DEPTHWISE_CONV_2D", "POOL_2D")


@dataclass
class Graph:
    """A grown network: the builder that holds it, its output, its file, and what was refused on the way."""

    seed: int
    builder: Builder
    output: int
    content: bytes
    grown: list[str] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)


class Grower(Builder):
    """A builder that reuses computed tensors as inputs and constants."""

    def __init__(self, rng: Rng) -> None:
        super().__init__()
        self.rng = rng
        self.live: list[int] = []
        self.powers_of_two = bool(rng.random() < 0.15)
        self.far = 0.0 if rng.random() < 0.6 else 0.08
        self.saturated = bool(rng.random() < 0.1)

    def input(self, shape, scale=1.0, zero_point=0, dtype="int8") -> int:
        """The model's input the first time; later a computed tensor of this shape and type."""
        if not self.inputs:
            return super().input(shape, scale, zero_point, dtype)
        x = self.fit(self.pick(), tuple(int(n) for n in shape))
        if dtype == "int8":
            return self._moved(x, scale, zero_point) if self.rng.random() < 0.3 else x
        return self._typed(x, dtype)

    def constant(self, data: np.ndarray, scale: float, zero_point: int) -> int:
        """A constant, or a computed tensor in its place."""
        if data.ndim == 0 or self.rng.random() < 0.6:
            return super().constant(data, scale, zero_point)
        x = self.fit(self.pick(), data.shape)
        return self._moved(x, scale, zero_point) if self.rng.random() < 0.3 else x

    def activation(self, shape, scale: float, zero_point: int, dtype="int8") -> int:
        """With a scale far from what is usual, now and then."""
        factor = 10.0 ** self.rng.uniform(-9, 9) if self.rng.random() < self.far else 1.0
        return super().activation(shape, self._snapped(scale * factor), zero_point, dtype)

    def pick(self) -> int:
        """A computed tensor: the last one, or any other, which makes a branch."""
        sane = [t for t in self.live if 1e-6 < self.tensors[t].scales[0] < 1e4] or self.live
        return sane[-1] if self.rng.random() < 0.55 else sane[int(self.rng.integers(0, len(sane)))]

    def fit(self, x: int, shape: tuple[int, ...]) -> int:
        """x cut or repeated to another shape."""
        if self.tensors[x].shape == shape:
            return x
        n, wanted = int(np.prod(self.tensors[x].shape)), int(np.prod(shape))
        flat = self._reshaped(x, (n,))
        if wanted < n and self.rng.random() < 0.5:
            begin = int(self.rng.integers(0, n - wanted + 1))
            operands = [flat, self.integers([begin]), self.integers([wanted])]
            flat = self.op("SLICE", operands, self.like(flat, (wanted,)))
        elif wanted != n:
            at = self.integers(np.resize(self.rng.permutation(n), wanted))
            flat = self.op("GATHER", [flat, at], self.like(flat, (wanted,)), 23, Axis=0, BatchDims=0)
        return self._reshaped(flat, shape)

    def narrowed(self, y: int) -> int:
        """y of any type as an int8 tensor."""
        spec = self.tensors[y]
        if spec.dtype == "int8":
            return y if spec.scales else self._moved_cast(y)
        if spec.dtype in ("int16", "uint8", "float32"):
            s = spec.scales[0] * 256 if spec.scales and spec.dtype == "int16" else 0.02
            out = self.activation(spec.shape, s, random_elementwise.zero_point(self.rng))
            return self.op("QUANTIZE", [y], out)
        return self._moved_cast(y)

    def _moved_cast(self, y: int) -> int:
        return self.op("CAST", [y], self.activation(self.tensors[y].shape, 0.5, 3), 37)

    def _reshaped(self, x: int, shape: tuple[int, ...]) -> int:
        if self.tensors[x].shape == shape:
            return x
        return self.op("RESHAPE", [x, self.integers(shape)], self.like(x, shape), 17)

    def _moved(self, x: int, scale: float, zero_point: int) -> int:
        return self.op("QUANTIZE", [x], self.activation(self.tensors[x].shape, scale, zero_point))

    def _typed(self, x: int, dtype: str) -> int:
        spec = self.tensors[x]
        if dtype == "int16":
            return self.op("QUANTIZE", [x], self.activation(spec.shape, spec.scales[0] / 200, 0, dtype))
        if dtype == "float32":
            return self.op("DEQUANTIZE", [x], self.tensor(spec.shape, dtype))
        if dtype == "bool":
            zero = Builder.constant(self, np.zeros((1,)), spec.scales[0], spec.zero_points[0])
            return self.op("GREATER", [x, zero], self.tensor(spec.shape, dtype))
        return self.op("CAST", [x], self.tensor(spec.shape, dtype), 37)

    def _snapped(self, scale: float) -> float:
        if self.powers_of_two and scale > 0:
            scale = float(2.0 ** np.round(np.log2(scale)))
        return float(np.float32(scale))

    def _weights(self, x, weights, bias, w_scale, axis, w_zero_point=0) -> list[int]:
        scales = [self._snapped(float(s)) for s in np.atleast_1d(w_scale)]
        if self.rng.random() < self.far:
            scales[int(self.rng.integers(0, len(scales)))] *= float(10.0 ** self.rng.uniform(-7, 7))
        if self.saturated:
            weights = np.where(weights < 0, -127 - self.rng.integers(0, 2), 127)
        return super()._weights(x, weights, bias, scales, axis, w_zero_point)


def grow(seed: int, most: int = 9) -> Graph:
    """The network of a seed: one to `most` operators of the tables, and what joins them."""
    rng = np.random.default_rng([seed, 2024])
    b = Grower(rng)
    shape = (1, *(int(n) for n in rng.integers(1, 9, int(rng.integers(1, 4)))))
    b.live.append(
        b.input(shape, b._snapped(random_elementwise.scale(rng)), random_elementwise.zero_point(rng))
    )
    graph = Graph(seed, b, b.live[0], b"")
    n_wanted = 1 if rng.random() < 0.25 else int(rng.integers(2, most + 1))
    for _ in range(4 * n_wanted):
        if len(graph.grown) < n_wanted:
            _step(graph, NAMES[int(rng.integers(0, len(NAMES)))])
    if not graph.content:  # everything was refused
        graph.output = b._reshaped(b.live[0], (int(np.prod(shape)),))
        graph.content = b.finish(graph.output)
    return graph


def _step(graph: Graph, name: str) -> None:
    """Add one operator of the tables, or take it back where the reference refuses it."""
    b = graph.builder
    before = len(b.tensors), len(b.ops), list(b.live)
    outputs = _added(b, name)
    if any(int(np.prod(b.tensors[t].shape)) > 4 * MAX_ELEMENTS for t in outputs):
        refusal = "larger than wanted"
    else:
        content = b.finish(outputs[-1])
        refusal = _refusal(content)
    if refusal:
        del b.tensors[before[0] :], b.ops[before[1] :]
        b.live = before[2]
        graph.refused.append((name, refusal))
        return
    b.live += outputs
    graph.output, graph.content = outputs[-1], content
    graph.grown.append(name)


def _added(b: Grower, name: str) -> list[int]:
    """The int8 tensors that an operator of the tables yields, its main one last."""
    if name in _OPERANDS:
        y = random_operands.ONE_OP[name](b.rng, b)
    elif name in _STATES:
        y = random_state.ONE_OP[name](b.rng, b)
    elif name in random_movement.ONE_OP:
        y = random_movement.ONE_OP[name](b.rng, b)
    elif name in random_graphs.ONE_OP and (name not in random_elementwise.ONE_OP or b.rng.random() < 0.5):
        y = random_graphs.ONE_OP[name](b.rng, b, _operand(b, name))
    else:
        y = random_elementwise.ONE_OP[name](b.rng, b, _operand(b, name), name)
    siblings = [o for op in b.ops[-1:] for o in op.outputs if o != y]
    return [b.narrowed(t) for t in [*siblings, y]]


def _operand(b: Grower, name: str) -> int:
    """A computed tensor of a shape that the operator takes."""
    x = b.pick()
    shape = b.tensors[x].shape
    if name in _IMAGE:
        if len(shape) != 4 or shape[0] != 1 or max(shape) > 16:
            x = b.fit(x, (1, *(int(n) for n in b.rng.integers(1, [9, 9, 7]))))
    elif not 1 <= len(shape) <= 4 or np.prod(shape) > MAX_ELEMENTS or b.rng.random() < 0.3:
        x = b.fit(x, tuple(int(n) for n in b.rng.integers(1, 7, int(b.rng.integers(1, 5)))))
    if name.startswith("RSQRT"):
        spec = b.tensors[x]
        least = Builder.constant(b, np.full((1,), spec.zero_points[0]), spec.scales[0], spec.zero_points[0])
        x = b.op("MAXIMUM", [x, least], b.like(x, spec.shape))
    return x


def _refusal(content: bytes) -> str:
    """Why the reference refuses a file, or ""."""
    try:
        Reference(Model.from_bytes(content, "graph"))
    except (UnsupportedOp, UnsupportedModel, MalformedModel) as error:
        return str(error)
    return ""
