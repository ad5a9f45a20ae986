"""SignalDelay, SignalFramer, SignalStacker, SignalOverlapAdd: samples that are kept for later invocations.

The state is under the number of the output's tensor. Where TFLM has no frame to give yet, it leaves the
output as it is and says so in a second one; such a framer (without `prefill`) or stacker (with frames to the
right, or a step) is refused. Source: TFLM signal/micro/kernels/delay.cc, framer.cc, stacker.cc,
overlap_add.cc; signal/src/circular_buffer.cc, overlap_add.cc.
"""

from __future__ import annotations

from abc import ABC
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tflm_int8.kernels.memory import Memory, Remembering
from tflm_int8.kernels.movement import MAX_ELEMENTS
from tflm_int8.kernels.signal.options import boolean, check_int16_option, check_type, integer
from tflm_int8.model import Tensor
from tflm_int8.node import Node

Array = NDArray[Any]

_LENGTHS = range(MAX_ELEMENTS + 1)


@dataclass(frozen=True)
class _Stream(Remembering, ABC):
    """kept: the shape of what is remembered, of int16, zeros at first."""

    kept: tuple[int, ...]

    def variables(self) -> tuple[Tensor, ...]:
        """No tensors."""
        return ()

    def initial(self) -> Memory:
        """Zeros."""
        return {self.node.output.index: np.zeros(self.kept, np.int16)}

    def _shaped(self, x: Array) -> Array:
        return x.reshape(len(x), *self.node.output.shape)


@dataclass(frozen=True)
class Delay(_Stream):
    """The samples of `kept`, and then those of the input, as many as there are in it; the rest is kept."""

    def step(self, inputs: list[Array], memory: Memory) -> list[Array]:
        """int16 [N, …, samples] → the same shape."""
        key, n = self.node.output.index, self.node.output.shape[-1]
        x = np.concatenate([memory[key], inputs[0].reshape(len(inputs[0]), -1, n)], axis=2)
        memory[key] = x[:, :, n:]
        return [self._shaped(x[:, :, :n])]


def prepare_delay(node: Node) -> Delay:
    """Check a SignalDelay."""
    node.arity(range(1, 2))
    x = _samples(node)
    if x.shape != node.output.shape:
        node.refuse(f"shapes {list(x.shape)} → {list(node.output.shape)}")
    outer = x.size // x.shape[-1]
    return Delay(node, (outer, integer(node, 0, "delay_length", range(MAX_ELEMENTS // outer))))


@dataclass(frozen=True)
class Framer(_Stream):
    """Frames of `size` samples, one every `hop`, that overlap or leave samples out; all are valid."""

    size: int
    hop: int

    def step(self, inputs: list[Array], memory: Memory) -> list[Array]:
        """int16 [N, …, samples] → int16 [N, …, frames, size], bool [N]."""
        key = self.node.output.index
        new = inputs[0].reshape(len(inputs[0]), *self.kept[:1], -1)
        x = np.concatenate([memory[key], new], axis=2)
        memory[key] = x[:, :, new.shape[2] :]
        firsts = range(0, new.shape[2], self.hop)
        frames = np.stack([x[:, :, first : first + self.size] for first in firsts], axis=2)
        return [self._shaped(frames), np.ones(len(x), bool)]


def prepare_framer(node: Node) -> Framer:
    """Check a SignalFramer whose every frame is valid."""
    node.arity(range(1, 2), 2)
    x, out = _samples(node), node.output
    _check_valid(node)
    size, hop = integer(node, 0, "frame_size", _LENGTHS[1:]), integer(node, 1, "frame_step", _LENGTHS[1:])
    prefill = boolean(node, 2, "prefill")
    if prefill != (size > hop) and size != hop:
        node.refuse(f"frames of {size} samples every {hop} are not all valid, prefill {prefill}")
    n, rest = divmod(x.shape[-1], hop)
    if rest or out.shape != (*x.shape[:-1], n, size):
        node.refuse(f"{list(x.shape)} samples → {list(out.shape)} frames of {size}, every {hop}")
    return Framer(node, (x.size // x.shape[-1], max(size - hop, 0)), size, hop)


@dataclass(frozen=True)
class Stacker(_Stream):
    """The input behind the inputs before it; the first input stands for those before it."""

    def initial(self) -> Memory:
        """Zeros, and under the second output whether there was an input."""
        return {**super().initial(), self.node.op.outputs[1]: np.zeros((), bool)}

    def step(self, inputs: list[Array], memory: Memory) -> list[Array]:
        """int16 [N, channels] → int16 [N, frames · channels], bool [N]."""
        key, begun = self.node.op.outputs
        x = inputs[0][:, None]
        before = np.where(memory[begun][:, None, None], memory[key], x)
        stack = np.concatenate([before, x], axis=1)
        memory[key], memory[begun] = stack[:, 1:], np.ones(len(x), bool)
        return [self._shaped(stack), memory[begun]]


def prepare_stacker(node: Node) -> Stacker:
    """Check a SignalStacker whose every output is valid."""
    node.arity(range(1, 2), 2)
    x = _samples(node)
    _check_valid(node)
    check_type(node, x, "int16", rank=1)
    check_type(node, node.output, "int16", rank=1)
    left, right = (
        integer(node, i, name, _LENGTHS)
        for i, name in ((1, "stacker_left_context"), (2, "stacker_right_context"))
    )
    step = integer(node, 3, "stacker_step", _LENGTHS)
    if right or step != 1:
        node.refuse(f"with {right} frames to the right and a step of {step} not every output is valid")
    if integer(node, 0, "num_channels", _LENGTHS) != x.size or node.output.size != x.size * (left + 1):
        node.refuse(f"{left + 1} frames of {x.size} → {node.output.size}")
    return Stacker(node, (left, x.size))


@dataclass(frozen=True)
class OverlapAdd(_Stream):
    """Frames added up, clamped to int16, each `hop` samples behind the one before; what is done of them."""

    hop: int

    def step(self, inputs: list[Array], memory: Memory) -> list[Array]:
        """int16 [N, …, frames, size] → int16 [N, …, frames · hop]."""
        key = self.node.output.index
        sums, done = memory[key].astype(np.int64), []
        frames = inputs[0].reshape(len(inputs[0]), self.kept[0], -1, self.kept[1])
        for frame in frames.transpose(2, 0, 1, 3):
            sums = np.clip(sums + frame, -(1 << 15), (1 << 15) - 1)
            done.append(sums[:, :, : self.hop])
            sums = np.concatenate([sums[:, :, self.hop :], np.zeros_like(done[-1])], axis=2)
        memory[key] = sums.astype(np.int16)
        return [self._shaped(np.concatenate(done, axis=2).astype(np.int16))]


def prepare_overlap_add(node: Node) -> OverlapAdd:
    """Check a SignalOverlapAdd of int16."""
    node.arity(range(1, 2))
    x, out = _samples(node), node.output
    check_int16_option(node, "frame_step")
    if len(x.shape) < 2:
        node.refuse(f"tensor {x.index} has the shape {list(x.shape)}")
    n, size = x.shape[-2:]
    hop = integer(node, 1, "frame_step", range(1, size + 1))
    if out.shape != (*x.shape[:-2], n * hop):
        node.refuse(f"{list(x.shape)} → {list(out.shape)} with a frame every {hop}")
    return OverlapAdd(node, (x.size // (n * size), size), hop)


def _samples(node: Node) -> Tensor:
    """The input and the output, of int16 and not too many samples."""
    x = node.input(0)
    for tensor in (x, node.output):
        check_type(node, tensor, "int16")
        if not tensor.shape or tensor.size > MAX_ELEMENTS:
            node.refuse(f"tensor {tensor.index} has the shape {list(tensor.shape)}")
    return x


def _check_valid(node: Node) -> None:
    check_type(node, node.model.tensors[node.op.outputs[1]], "bool", rank=0)
