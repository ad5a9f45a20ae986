"""How is a model of one operator written as a .tflite file? Tensors, constants, one operator, its options."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coverify.conformance.suite.flatbuffer import Numbers, Part, Parts, Scalar, Table, Text, flatbuffer
from tflm_int8.builtin_names import BUILTIN_NAMES

_TYPES = {
    "float32": 0, "int32": 2, "uint8": 3, "int64": 4, "bool": 6, "int16": 7, "int8": 9, "uint64": 12,
    "uint32": 15,
}  # fmt: skip
_NUMBERS = {name: number for number, name in BUILTIN_NAMES.items()}


@dataclass(frozen=True, eq=False)
class TensorSpec:
    """A tensor; `data`: the constant that it holds."""

    shape: tuple[int, ...]
    dtype: str = "int8"
    scales: tuple[float, ...] = ()
    zero_point: int = 0
    axis: int = 0
    data: NDArray[np.generic] | None = None
    variable: bool = False
    """Whether it keeps its value from one invocation to the next."""

    def reshaped(self, shape: tuple[int, ...]) -> TensorSpec:
        """An int8 tensor of another shape, and of this one's scale and zero point."""
        return TensorSpec(shape, "int8", self.scales, self.zero_point)


def integers(values: object) -> TensorSpec:
    """A constant of int32: axes, sizes, positions."""
    data = np.array(values, np.int32)
    return TensorSpec(data.shape, "int32", data=data)


def float32(value: float) -> float:
    """The nearest number that a file can have for a scale."""
    return float(np.float32(value))


@dataclass(frozen=True, eq=False)
class OneOp:
    """An operator on `inputs`; that at `computed` is the model's input, the others constants or variables.

    options_type: its number in the schema's union (0: none); options: field number → scalar. A name of
    CUSTOM:… is that of a custom operator, whose options are bytes.
    """

    name: str
    inputs: Sequence[TensorSpec]
    output: TensorSpec
    options_type: int = 0
    options: Mapping[int, Scalar] | None = None
    repeat_input: bool = False
    """Whether the operator reads the model's input a second time, as its last operand."""
    computed: int = 0
    more_outputs: Sequence[TensorSpec] = ()
    """Those after `output`; all are the model's outputs."""
    custom_options: bytes = b""
    operands: Sequence[int] = ()
    """What the operator reads, as numbers of `inputs`; -1: one that is left out. Empty: all, in order."""

    def content(self) -> bytes:
        """The bytes of the .tflite file (schema version 3)."""
        tensors = [*self.inputs, self.output, *self.more_outputs]
        buffers: list[Part] = [Table({})]
        tables = [tensor_table(spec, f"t{i}", buffers) for i, spec in enumerate(tensors)]
        n = len(self.inputs)
        read = [*(self.operands or range(n)), *[self.computed] * self.repeat_input]
        written = int32_vector(list(range(n, len(tensors))))
        custom = self.name.removeprefix("CUSTOM:") if self.name.startswith("CUSTOM:") else None
        number = _NUMBERS["CUSTOM" if custom is not None else self.name]
        operator: dict[int, Scalar | Part] = {0: ("I", 0), 1: int32_vector(read), 2: written}
        if self.options_type:
            operator |= {3: ("B", self.options_type), 4: Table(dict(self.options or {}))}
        if self.custom_options:
            operator |= {5: Numbers(self.custom_options, 1)}
        graph = Table(
            {0: Parts(tables), 1: int32_vector([self.computed]), 2: written, 3: Parts([Table(operator)])}
        )
        codes: dict[int, Scalar | Part] = {0: ("b", min(number, 127)), 2: ("i", 1), 3: ("i", number)}
        code = Table(codes if custom is None else codes | {1: Text(custom)})
        root = Table({0: ("I", 3), 1: Parts([code]), 2: Parts([graph]), 4: Parts(buffers)})
        return flatbuffer(root, b"TFL3")


def int32_vector(values: Sequence[int]) -> Numbers:
    """A vector of int32."""
    return Numbers(np.array(values, "<i4").tobytes(), 4)


def tensor_table(spec: TensorSpec, name: str, buffers: list[Part]) -> Table:
    """The tensor's table; `buffers` grows by its constant."""
    number = 0
    if spec.data is not None:
        number = len(buffers)
        raw = np.ascontiguousarray(spec.data).astype(np.dtype(spec.dtype).newbyteorder("<")).tobytes()
        buffers.append(Table({0: Numbers(raw, 1, 16)}))
    fields: dict[int, Scalar | Part] = {
        0: int32_vector(spec.shape),
        1: ("b", _TYPES[spec.dtype]),
        2: ("I", number),
        3: Text(name),
    }
    if spec.scales:
        scales = Numbers(np.array(spec.scales, "<f4").tobytes(), 4)
        zeros = Numbers(np.full(len(spec.scales), spec.zero_point, "<i8").tobytes(), 8, 8)
        fields[4] = Table({2: scales, 3: zeros, 6: ("i", spec.axis)})
    if spec.variable:
        fields[5] = ("B", 1)
    return Table(fields)
