"""What an operator keeps from one invocation to the next, and the base of those that keep something.

A `Memory` holds the state of N independent runs of a model side by side: tensor index → [N, shape].
`step` is one invocation of all of them: it reads the memory, replaces what changes, and returns the outputs;
`scan` is N invocations of one, which may be made at once while no other operator sees the memory (`shared`).
Fresh memory is what TFLM's interpreter has after Reset(): zero points in int8 variables, else zeros.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from tflm_int8.model import Tensor
from tflm_int8.node import Node

Array = NDArray[Any]
Memory = dict[int, Array]


@dataclass(frozen=True)
class Remembering(ABC):
    """A kernel with state in variable tensors."""

    shared: ClassVar[bool] = False
    """Whether another operator sees the same memory, so that invocations go one by one."""

    node: Node

    @abstractmethod
    def variables(self) -> tuple[Tensor, ...]:
        """The variable tensors that it owns."""

    @property
    def reach(self) -> int | None:
        """The number of last invocations that its state holds; None: it may hold all."""
        return None

    def initial(self) -> Memory:
        """The memory of a run that has not begun, without the axis of runs."""
        return {t.index: t.initial for t in self.variables() if t.initial is not None}

    def scan(self, inputs: list[Array], memory: Memory) -> list[Array]:
        """N successive invocations of one run: [N, shape] per input → one [N, shape] per output.

        memory: of one run; it is updated. A kernel may know a faster way.
        """
        parts = [self.step([x[i : i + 1] for x in inputs], memory) for i in range(len(inputs[0]))]
        return [np.concatenate(outputs) for outputs in zip(*parts, strict=True)]

    @abstractmethod
    def step(self, inputs: list[Array], memory: Memory) -> list[Array]:
        """One invocation of N runs: [N, shape] per input → one [N, shape] per output; memory is updated."""

    def run(self, inputs: list[Array]) -> list[Array]:
        """Every sample as the first invocation after a reset."""
        return self.step(inputs, repeated(self.initial(), len(inputs[0])))


def repeated(initial: Memory, n: int) -> Memory:
    """The memory of n runs that begin with the same."""
    return {key: np.broadcast_to(value, (n, *value.shape)) for key, value in initial.items()}
