"""What an operator keeps from one invocation to the next, and the base of those that keep something.

A `Memory` holds the state of N independent runs of a model side by side: tensor index → [N, tensor shape].
`step` is one invocation of all of them: it reads the memory, replaces what changes, and returns the outputs.
Fresh memory is what TFLM's interpreter has after Reset(): zero points in int8 variables, else zeros.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tflm_int8.model import Tensor
from tflm_int8.node import Node

Array = NDArray[Any]
Memory = dict[int, Array]


@dataclass(frozen=True)
class Remembering(ABC):
    """A kernel with state in variable tensors."""

    node: Node

    @abstractmethod
    def variables(self) -> tuple[Tensor, ...]:
        """The variable tensors that it owns."""

    @abstractmethod
    def step(self, inputs: list[Array], memory: Memory) -> list[Array]:
        """One invocation of N runs: [N, shape] per input → one [N, shape] per output; memory is updated."""

    def run(self, inputs: list[Array]) -> list[Array]:
        """Every sample as the first invocation after a reset."""
        return self.step(inputs, fresh(self.variables(), len(inputs[0])))


def fresh(variables: Iterable[Tensor], n: int) -> Memory:
    """The memory of n runs that have not begun."""
    memory: Memory = {}
    for tensor in variables:
        initial = tensor.initial
        if initial is not None:
            memory[tensor.index] = np.broadcast_to(initial, (n, *tensor.shape))
    return memory
