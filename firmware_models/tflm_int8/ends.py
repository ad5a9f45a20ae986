"""What lies between the conversions at a network's ends: a network from int8 codes to int8 codes.

Converters leave float32 at the ends of an int8 network (a QUANTIZE first, a DEQUANTIZE last) unless they are
told otherwise, or uint8 (a QUANTIZE on either side). Such a conversion is taken off where codes and values
are one and the same: every code has a value that becomes it, and of two codes the greater one has the greater
value, so that the outputs' order and ties are those of the codes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tflm_int8.errors import AccumulatorOverflow, BadTensor, UnsupportedModel
from tflm_int8.kernels.quantize import Dequantize
from tflm_int8.model import Model, Operator, Tensor
from tflm_int8.node import Node
from tflm_int8.operators import Kernel, prepare
from tflm_int8.profiles import profile_named
from tflm_int8.reference import Reference, node_of

Array = NDArray[Any]
_CODES: Final = np.arange(-128, 128).astype(np.int8)
_CONVERTED: Final = ("float32", "uint8")


@dataclass(frozen=True, eq=False)
class Conversion:
    """An operator at an end of a network.  values: [256], in the end's type, of the codes −128…127."""

    kernel: Kernel
    values: Array


@dataclass(frozen=True, eq=False)
class Ends:
    """A network, what of it lies between the conversions, and these; None where there is none.

    profile: whose arithmetic; head: which output is looked at, where there are several.
    """

    whole: Model
    core: Model
    profile: str
    first: Conversion | None
    last: Conversion | None
    head: int = 0

    @staticmethod
    def of(model: Model, profile: str = "tflm", head: int | None = None) -> Ends:
        """The ends of a network; without conversions the core is all of it, or all that its output `head`
        needs, if it has several.

        Raises UnsupportedModel where a conversion is not one-to-one, or there is no such output,
        NotInProfile, UnsupportedOp, UnknownProfile.
        """
        table, alone, chosen = profile_named(profile), _alone(model, head), head or 0
        first, last = _reader(alone), _writer(alone)
        if first is last:
            return Ends(model, alone, profile, None, None, chosen)
        inside = tuple(op for op in alone.operators if op is not first and op is not last)
        if last is not None and not any(last.inputs[0] in op.outputs for op in inside):
            return Ends(model, alone, profile, None, None, chosen)
        core, conversions = replace(alone, operators=inside), list[Conversion | None]()
        for op, make in ((first, _entry), (last, _exit)):
            kernel = None if op is None else prepare(node_of(model, op, table, False))
            conversions.append(None if kernel is None else Conversion(kernel, make(kernel)))
        if first is not None:
            core = replace(core, inputs=first.outputs)
        if last is not None:
            core = replace(core, outputs=last.inputs)
        return Ends(model, core, profile, conversions[0], conversions[1], chosen)

    def computed(self) -> Ends:
        """The same.  Raises UnsupportedModel where no operator writes the output: an input, or a constant."""
        if self.outer[1] not in self.whole.written:
            raise UnsupportedModel(self.whole.name, f"no operator writes its output {self.head}")
        return self

    @cached_property
    def reference(self) -> Reference:
        """The reference of what lies between.  Raises TflmError where that is refused."""
        return Reference(self.core, self.profile)

    @property
    def outer(self) -> tuple[int, int]:
        """The network's first input, and the output that is looked at."""
        return self.whole.inputs[0], self.whole.outputs[self.head]

    @property
    def takes_floats(self) -> bool:
        """Does it make codes of floats?"""
        return self.first is not None and self.first.values.dtype == np.float32

    @property
    def gives_floats(self) -> bool:
        """Does it make floats of codes?"""
        return self.last is not None and self.last.values.dtype == np.float32

    def codes(self, values: Array) -> Array:
        """The codes that the network makes of N inputs, in their shape.

        Raises BadTensor where they have another size, or no code (of which number is said).
        """
        if self.first is None:
            return values
        shape = self.whole.tensors[self.outer[0]].shape
        if math.prod(values.shape[1:]) != math.prod(shape):
            raise BadTensor(
                f"an input has {math.prod(values.shape[1:])} values, the network takes {list(shape)}"
            )
        rows = values.reshape(-1, *shape)
        try:
            found: Array = self.first.kernel.run([rows])[0].reshape(values.shape)
        except AccumulatorOverflow as error:
            beyond = next(i for i in range(len(rows)) if not self._converts(rows[i : i + 1]))
            raise BadTensor(f"input {beyond}: {error}") from error
        return found

    def _converts(self, row: Array) -> bool:
        """Have all values of an input codes?"""
        assert self.first is not None
        try:
            self.first.kernel.run([row])
        except AccumulatorOverflow:
            return False
        return True

    def entered(self, codes: NDArray[np.int8]) -> Array:
        """Inputs of the network of which it makes these codes, in its own type (of several inputs codes)."""
        return codes if self.first is None else self.first.values[codes.astype(np.int64) + 128]

    def given_out(self, codes: NDArray[np.int8]) -> Array:
        """What the network gives out where its core gives these codes, in its own type."""
        return codes if self.last is None else self.last.values[codes.astype(np.int64) + 128]

    def left(self, values: Array) -> NDArray[np.int8]:
        """The codes of what the network gave out; of a value that no code has, the next greater one's."""
        if self.last is None:
            return values
        found = np.searchsorted(self.last.values[:-1], values).astype(np.int64) - 128
        return found.astype(np.int8)

    def written(self, x: Array, y: Array) -> dict[int, Array]:
        """What the conversions write where the core reads the codes x and writes y, by tensor."""
        found = dict[int, Array]()
        if self.first is not None:
            found[self.core.inputs[0]] = x
        if self.last is not None:
            found[self.outer[1]] = self.given_out(y)
        return found


def _alone(model: Model, head: int | None) -> Model:
    """A network with that output alone, and the operators that it needs; all of one that keeps state."""
    if head is None:
        return model
    if not 0 <= head < len(model.outputs):
        raise UnsupportedModel(
            model.name, f"there is no output {head}; its outputs: 0..{len(model.outputs) - 1}"
        )
    if len(model.outputs) == 1:
        return model
    needed, kept = {model.outputs[head]}, list[Operator]()
    for op in reversed(model.operators):
        if model.stateful or needed & set(op.outputs):
            kept.append(op)
            needed.update(op.inputs)
    return replace(model, outputs=(model.outputs[head],), operators=tuple(reversed(kept)))


def _reader(model: Model) -> Operator | None:
    """The operator that alone reads the only input, and makes int8 of another type."""
    if len(model.inputs) != 1 or model.tensors[model.inputs[0]].dtype not in _CONVERTED:
        return None
    readers = [op for op in model.operators if model.inputs[0] in op.inputs]
    if model.inputs[0] in model.outputs or [op.name for op in readers] != ["QUANTIZE"]:
        return None
    return readers[0] if _int8(model, readers[0].outputs) else None


def _writer(model: Model) -> Operator | None:
    """The operator that writes the only output, which no other reads, from int8."""
    if len(model.outputs) != 1 or model.tensors[model.outputs[0]].dtype not in _CONVERTED:
        return None
    writers = [op for op in model.operators if model.outputs[0] in op.outputs]
    read = any(model.outputs[0] in op.inputs for op in model.operators)
    if read or [op.name in ("DEQUANTIZE", "QUANTIZE") for op in writers] != [True]:
        return None
    return writers[0] if _int8(model, writers[0].inputs) else None


def _int8(model: Model, tensors: tuple[int, ...]) -> bool:
    """Is it one computed int8 tensor?"""
    return len(tensors) == 1 and tensors[0] >= 0 and model.tensors[tensors[0]].dtype == "int8"


def _entry(kernel: Kernel) -> Array:
    """A value for every code."""
    node, values = kernel.node, np.arange(256).astype(np.uint8)
    if node.input(0).dtype == "float32":
        values = Dequantize(node, node.int8(node.output)).run([_CODES])[0]
    found = _run(kernel, values) if np.all(np.isfinite(values)) else values
    order = np.argsort(found, kind="stable")
    values = _one_to_one(kernel, values[order], found[order])
    _same_worth(node, node.input(0), node.output)
    return values


def _exit(kernel: Kernel) -> Array:
    """What every code becomes."""
    values = _one_to_one(kernel, _run(kernel, _CODES), _CODES)
    _same_worth(kernel.node, kernel.node.output, kernel.node.input(0))
    return values


def _same_worth(node: Node, end: Tensor, inside: Tensor) -> None:
    """UnsupportedModel where uint8 codes are not 128 above int8 ones of the same real value: what is said of
    real values inside would not be true at the end.
    """
    own, codes = end.quantization, inside.quantization
    if end.dtype != "uint8" or own is None or codes is None:
        return
    if own.scale != codes.scale or own.zero_point != codes.zero_point + 128:
        raise UnsupportedModel(
            node.model.name,
            f"op {node.op.index} {node.op.name}, at its end: the uint8 codes (scale {own.scale:.9g}, "
            f"zero point {own.zero_point}) are not those of int8 (scale {codes.scale:.9g}, "
            f"zero point {codes.zero_point}) plus 128",
        )


def _run(kernel: Kernel, values: Array) -> Array:
    """What a conversion makes of values, which are as many inputs as they fill."""
    shape = kernel.node.input(0).shape
    n = math.prod(shape)
    rows = np.resize(values, (-(-len(values) // n), *shape))
    found: Array = kernel.run([rows])[0].reshape(-1)[: len(values)]
    return found


def _one_to_one(kernel: Kernel, values: Array, codes: Array) -> Array:
    """The values of all codes in their order, which must be that of the values."""
    rising = np.all(values[1:] > values[:-1]) and np.all(np.isfinite(values))
    if not rising or not np.array_equal(codes, _CODES):
        op = kernel.node.op
        raise UnsupportedModel(
            kernel.node.model.name,
            f"op {op.index} {op.name}, at its end, does not map values one-to-one to the 256 codes of int8",
        )
    return values
