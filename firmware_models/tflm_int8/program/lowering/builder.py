"""The integer program under construction: wires by tensor, steps by operator.

A wire carries a tensor's elements as integers: int8, int16, int32 and bool by value, float32 and uint32 by
their bit patterns read as int32. Other types are refused. A step whose sources are constants is a constant.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tflm_int8.errors import AccumulatorOverflow, TflmError, UnsupportedModel
from tflm_int8.fixedpoint import INT32_MAX, INT32_MIN, I64Array
from tflm_int8.geometry import Window2D
from tflm_int8.kernels.memory import Remembering
from tflm_int8.kernels.shape import Constant
from tflm_int8.model import Model, Tensor
from tflm_int8.operators import Kernel
from tflm_int8.program import primitives as p
from tflm_int8.program.concrete import OutsideDomain, run_step

_RANGES: Final[dict[str, tuple[int, int]]] = {
    "bool": (0, 1),
    "float32": (INT32_MIN, INT32_MAX),
    "int16": (-(1 << 15), (1 << 15) - 1),
    "int32": (INT32_MIN, INT32_MAX),
    "int4": (-8, 7),
    "int8": (-128, 127),
    "uint32": (INT32_MIN, INT32_MAX),
    "uint64": (-(1 << 63), (1 << 63) - 1),
    "uint8": (0, 255),
}
"""Element type → least and greatest integer on its wires."""
_PATTERNS: Final = {"float32": "int32", "uint32": "int32", "uint64": "int64"}
"""Element type → the integers that its bit patterns are read as."""


def integers(values: NDArray[Any]) -> I64Array:
    """A tensor's values [N, …] as its wire carries them: int64 [N, elements]."""
    flat = np.ascontiguousarray(values).reshape(len(values), -1)
    return flat.view(_PATTERNS.get(flat.dtype.name, flat.dtype)).astype(np.int64)


def values(wire: I64Array, tensor: Tensor) -> NDArray[Any]:
    """The inverse of `integers`: int64 [N, elements] → [N, tensor shape] of the tensor's type."""
    shaped = wire.reshape(len(wire), *tensor.shape)
    patterns: NDArray[Any] = shaped.astype(_PATTERNS.get(tensor.dtype, tensor.dtype))
    return patterns.view(tensor.dtype)


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


@dataclass(frozen=True)
class Border:
    """A tensor [batch, height, width, channels] that is an image with a border of one value.

    step: writes it; operator: of the graph; source: the image's wire; value: the border's; top, left: how
    wide it is there; height, width: the image's.
    """

    step: p.Step
    operator: int
    source: int
    value: int
    top: int
    left: int
    height: int
    width: int

    def around(self, window: Window2D) -> Window2D:
        """A window over the tensor as one over the image, whose padding the border is."""
        rows, columns = window.rows, window.columns
        return Window2D(
            replace(rows, size=self.height, before=rows.before + self.top),
            replace(columns, size=self.width, before=columns.before + self.left),
        )


class Builder:
    """The program under construction.

    borders: by the tensors that have one; constants: by the tensors that operators write of constants alone,
    or of a shape, which most often nothing reads, and who `written` them. Their steps are emitted when one is
    read that needs them.
    """

    def __init__(self, model: Model) -> None:
        self.model = model
        self.steps: list[p.Step] = []
        self.operators: list[int] = []
        self.wires = {model.inputs[0]: 0}
        self.memory: dict[int, int] = {}
        self.borders: dict[int, Border] = {}
        self.constants: dict[int, NDArray[Any]] = {}
        self.written: dict[int, int] = {}
        self.operator = -1

    def emit(self, step: p.Step) -> int:
        """Append a step, or the constant that it is; returns the wire that it writes."""
        self.steps.append(self._folded(step))
        self.operators.append(self.operator)
        return len(self.steps)

    def _folded(self, step: p.Step) -> p.Step:
        """The constant that a step computes from constants alone; the step itself where it overflows."""
        wires = {s: self.constant(s) for s in p.sources(step)}
        known = {wire: value[None] for wire, value in wires.items() if value is not None}
        if not wires or len(known) < len(wires) or isinstance(step, p.Exact):
            return step
        nothing: I64Array = np.zeros((1, 0), np.int64)
        try:
            values = run_step(step, [known.get(wire, nothing) for wire in range(len(self.steps) + 1)])
        except OutsideDomain:
            return step
        return p.Affine((), values[0])

    def constant(self, wire: int) -> I64Array | None:
        """The values of a wire that does not depend on the input, int64 [n]; None of one that may."""
        step = self.steps[wire - 1] if wire else None
        return step.bias if isinstance(step, p.Affine) and not step.terms else None

    def settled(self, kernel: Kernel) -> bool:
        """Note the outputs of a kernel that reads constants alone, or no values: is it one that runs?"""
        op, tensors = kernel.node.op, self.model.tensors
        known = [self.constant_of(tensors[i]) for i in op.inputs if i >= 0]
        given = [value[None] for value in known if value is not None]
        if isinstance(kernel, Constant):
            given = [np.zeros((1, 0))]
        elif isinstance(kernel, Remembering) or not known or len(given) < len(known):
            return False
        try:
            found = zip(op.outputs, kernel.run(given), strict=True)
        except TflmError:
            return False
        self.constants |= {o: value[0] for o, value in found}
        self.written |= dict.fromkeys(op.outputs, op.index)
        return True

    def requantized(self, acc: int, rule: p.Rule, channel: I64Array, tensor: int) -> None:
        """Append the staircase that turns accumulators into a tensor."""
        self.wires[tensor] = self.emit(p.Staircase(acc, rule, channel))

    def source(self, kernel: Kernel, i: int) -> int:
        """The wire of a kernel's i-th input; a constant becomes an `Affine` without terms."""
        return self.wire(kernel.node.input(i))

    def wire(self, tensor: Tensor) -> int:
        """The wire of a tensor."""
        self._range(tensor)
        if tensor.index in self.wires:
            return self.wires[tensor.index]
        reader, border = self.operator, self.borders.get(tensor.index)
        if border is not None:
            self.operator, step = border.operator, border.step
        else:
            data = self.constant_of(tensor)
            assert data is not None, "the model is read in order"
            self.operator = self.written.get(tensor.index, reader)
            step = p.Affine((), integers(data[None])[0])
        self.wires[tensor.index] = self.emit(step)
        self.operator = reader
        return self.wires[tensor.index]

    def constant_of(self, tensor: Tensor) -> NDArray[Any] | None:
        """A tensor's values where they do not depend on the input and are no variable's, in its shape."""
        return self.constants.get(tensor.index, tensor.data)

    def exact(self, kernel: Kernel, lo: int | None = None, hi: int | None = None) -> None:
        """Append the kernel itself, one step per output; lo, hi: what is known beyond the outputs' types."""
        node = kernel.node
        read = [self.model.tensors[i] for i in node.op.inputs if i >= 0]
        constants = tuple(
            None if t.index in self.wires else self.constants.get(t.index, t.initial) for t in read
        )
        sources = tuple(self.wire(t) for t, c in zip(read, constants, strict=True) if c is None)
        for i, index in enumerate(node.op.outputs):
            tensor = self.model.tensors[index]
            least, most = self._range(tensor)
            function = KernelFunction(kernel, constants, i)
            step = p.Exact(
                sources, tensor.size, node.op.index, node.op.name, function,
                least if lo is None else lo, most if hi is None else hi,
            )  # fmt: skip
            self.wires[index] = self.emit(step)

    def _range(self, tensor: Tensor) -> tuple[int, int]:
        if tensor.dtype not in _RANGES:
            raise UnsupportedModel(self.model.name, f"tensor {tensor.index} is {tensor.dtype}: not lowered")
        return _RANGES[tensor.dtype]
