"""An operator that keeps state, as a function of all samples: sequences of invocations from a reset on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from coverify.conformance.diagnosis.candidate import Array
from tflm_int8.kernels.memory import Memory, Remembering, repeated
from tflm_int8.node import Node

Disturb = Callable[[int, Memory], None]
"""Called before invocation number i of all with the memory, which it may replace."""


@dataclass(frozen=True)
class Successive:
    """`length`: invocations of a sequence; its memory is seen by no other operator."""

    kernel: Remembering
    length: int

    @property
    def node(self) -> Node:
        """The operator."""
        return self.kernel.node

    def run(self, inputs: list[Array]) -> list[Array]:
        """[N, shape] per input → one [N, shape] per output."""
        parts = []
        for start in range(0, len(inputs[0]), self.length):
            memory = repeated(self.kernel.initial(), 1)
            parts.append(self.kernel.scan([x[start : start + self.length] for x in inputs], memory))
        return [np.concatenate(outputs) for outputs in zip(*parts, strict=True)]

    def walk(
        self,
        inputs: Sequence[Array],
        *,
        initial: Memory | None = None,
        resets: bool = True,
        steps: int = 1,
        disturb: Disturb | None = None,
    ) -> list[Array]:
        """As `run`, one invocation after the other, with what a wrong device might do.

        initial: the memory after a reset; resets: whether a sequence begins with one; steps: how often an
        invocation takes its input.
        """
        first = self.kernel.initial() if initial is None else initial
        memory, parts = repeated(first, 1), []
        for i in range(len(inputs[0])):
            if resets and i % self.length == 0:
                memory = repeated(first, 1)
            if disturb is not None:
                disturb(i, memory)
            for _ in range(steps):
                outputs = self.kernel.step([x[i : i + 1] for x in inputs], memory)
            parts.append(outputs)
        return [np.concatenate(outputs) for outputs in zip(*parts, strict=True)]
