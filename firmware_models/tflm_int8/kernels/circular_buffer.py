"""CIRCULAR_BUFFER, TFLM's custom operator of streaming networks: the last inputs, the newest at the end.

It remembers in its own output, a variable tensor. One with a period of more than one invocation, at which
TFLM ends an invocation early, is refused.
Source: TFLM micro/kernels/circular_buffer.cc, circular_buffer_common.cc.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tflm_int8.flatbuffer import Damaged
from tflm_int8.flexbuffer import Options
from tflm_int8.kernels.memory import Memory, Remembering
from tflm_int8.kernels.movement import MAX_ELEMENTS
from tflm_int8.model import Tensor
from tflm_int8.node import Node

_SLOTS_OF_PERIOD_ONE = (5, 13, 25)
"""The numbers of slots to which TFLM gives a period of 1 when the file has none."""


@dataclass(frozen=True)
class CircularBuffer(Remembering):
    """The buffer, shifted by one slot, with the input in the last."""

    def variables(self) -> tuple[Tensor, ...]:
        """The output itself."""
        return (self.node.output,)

    @property
    def reach(self) -> int:
        """The number of slots."""
        return self.node.output.shape[1]

    def step(self, inputs: list[NDArray[Any]], memory: Memory) -> list[NDArray[Any]]:
        """int8 [N, 1, 1, width, depth] → int8 [N, 1, slots, width, depth]."""
        index = self.node.output.index
        memory[index] = np.concatenate([memory[index][:, :, 1:], inputs[0]], axis=2)
        return [memory[index]]


def prepare(node: Node) -> CircularBuffer:
    """Check the operator."""
    node.arity(range(1, 2))
    x, out = node.input(0), node.output
    before, after = node.int8(x), node.int8(out)
    if before.scale != after.scale or before.zero_point != after.zero_point or not out.variable:
        node.refuse("the output must be a variable, quantized as the input")
    if len(x.shape) != 4 or x.shape[:2] != (1, 1) or len(out.shape) != 4 or out.size > MAX_ELEMENTS:
        node.refuse(f"shapes {list(x.shape)} → {list(out.shape)}")
    if (x.shape[0], *x.shape[2:]) != (out.shape[0], *out.shape[2:]):
        node.refuse(f"shapes {list(x.shape)} → {list(out.shape)}")
    period = _period(node)
    if period < 1:
        period = 1 if out.shape[1] in _SLOTS_OF_PERIOD_ONE else 2
    if period != 1:
        node.refuse(f"a period of {period} invocations is not supported")
    return CircularBuffer(node)


def _period(node: Node) -> int:
    """The option cycles_max; 0 when there is none."""
    if not node.op.custom_options:
        return 0
    try:
        return Options(node.op.custom_options).integer(0)
    except Damaged as error:
        node.refuse(f"its options: {error}")
