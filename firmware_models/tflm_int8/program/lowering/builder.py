"""The integer program under construction: wires by tensor, steps by operator.

A wire carries a tensor's elements as integers: int8, int16, int32 and bool by value, float32 by its bit
pattern read as int32 (only `Exact` reads or writes such a wire). Other types are refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tflm_int8.errors import AccumulatorOverflow, UnsupportedModel
from tflm_int8.fixedpoint import INT32_MAX, INT32_MIN, I64Array
from tflm_int8.model import Model, Tensor
from tflm_int8.operators import Kernel
from tflm_int8.program import primitives as p
from tflm_int8.program.concrete import OutsideDomain

_RANGES: Final[dict[str, tuple[int, int]]] = {
    "bool": (0, 1),
    "float32": (INT32_MIN, INT32_MAX),
    "int16": (-(1 << 15), (1 << 15) - 1),
    "int32": (INT32_MIN, INT32_MAX),
    "int4": (-8, 7),
    "int8": (-128, 127),
    "uint8": (0, 255),
}
"""Element type → least and greatest integer on its wires."""


def integers(values: NDArray[Any]) -> I64Array:
    """A tensor's values [N, …] as its wire carries them: int64 [N, elements]."""
    flat = np.ascontiguousarray(values).reshape(len(values), -1)
    return (flat.view(np.int32) if flat.dtype == np.float32 else flat).astype(np.int64)


def values(wire: I64Array, tensor: Tensor) -> NDArray[Any]:
    """The inverse of `integers`: int64 [N, elements] → [N, tensor shape] of the tensor's type."""
    shaped = wire.reshape(len(wire), *tensor.shape)
    if tensor.dtype == "float32":
        floats: NDArray[Any] = shaped.astype(np.int32).view(np.float32)
        return floats
    return shaped.astype(tensor.dtype)


@dataclass(frozen=True)
class KernelFunction:
    """A kernel as a function of its computed inputs; `constants`: the others, None for a computed one.

    A variable is a constant here: the kernel runs from the reset state.
    """

    kernel: Kernel
    constants: tuple[NDArray[Any] | None, ...]
    output: int

    def apply(self, inputs: list[I64Array]) -> I64Array:
        """One int64 [N, elements] per computed input → int64 [N, elements of output `output`].

        Raises OutsideDomain where TFLM overflows.
        """
        node = self.kernel.node
        tensors = [node.model.tensors[i] for i in node.op.inputs if i >= 0]
        n, wires = len(inputs[0]) if inputs else 1, iter(inputs)
        arrays = [
            np.broadcast_to(constant, (n, *tensor.shape))
            if constant is not None
            else values(next(wires), tensor)
            for tensor, constant in zip(tensors, self.constants, strict=True)
        ]
        try:
            return integers(self.kernel.run(arrays)[self.output])
        except AccumulatorOverflow as error:
            raise OutsideDomain(str(error)) from error


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

    def source(self, kernel: Kernel, i: int) -> int:
        """The wire of a kernel's i-th input; a constant becomes an `Affine` without terms."""
        return self.wire(kernel.node.input(i))

    def wire(self, tensor: Tensor) -> int:
        """The wire of a tensor."""
        self._range(tensor)
        if tensor.index not in self.wires:
            assert tensor.data is not None, "the model is read in order"
            self.wires[tensor.index] = self.emit(p.Affine((), integers(tensor.data[None])[0]))
        return self.wires[tensor.index]

    def exact(self, kernel: Kernel) -> None:
        """Append the kernel itself, one step per output."""
        node = kernel.node
        read = [self.model.tensors[i] for i in node.op.inputs if i >= 0]
        constants = tuple(t.initial for t in read)
        sources = tuple(self.wire(t) for t in read if t.initial is None)
        for i, index in enumerate(node.op.outputs):
            tensor = self.model.tensors[index]
            lo, hi = self._range(tensor)
            function = KernelFunction(kernel, constants, i)
            step = p.Exact(sources, tensor.size, node.op.index, node.op.name, function, lo, hi)
            self.wires[index] = self.emit(step)

    def _range(self, tensor: Tensor) -> tuple[int, int]:
        if tensor.dtype not in _RANGES:
            raise UnsupportedModel(self.model.name, f"tensor {tensor.index} is {tensor.dtype}: not lowered")
        return _RANGES[tensor.dtype]
