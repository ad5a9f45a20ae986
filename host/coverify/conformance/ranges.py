"""Of which values are a network's generated inputs, and which types may an input have at all?

int8, uint8, int16 and bool: all of them. float32: what a QUANTIZE behind it tells apart, else [−1, 1). int32:
such values mostly stand for themselves (sums, positions, divisors), and what leaves int32 in TFLM, reads
beside a tensor or divides by zero has no defined result, so that the widest range is taken on which the
reference defines the whole network for every vector; --int32-bits names one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np

from coverify.conformance.batch import Batch
from coverify.conformance.vectors import generated
from coverify.errors import BadInput
from coverify.link.checks import Element
from tflm_int8 import Model, Quantization, Reference, Tensor, UnsupportedModel, UnsupportedOp, sample_shape

INPUT_TYPES: Final = ("int8", "uint8", "int16", "int32", "bool", "float32")
MAX_INPUTS: Final = 16
"""What a device takes: CV_MAX_INPUTS."""
INT32_RANGES: Final = (
    *((-(1 << bits - 1), bits) for bits in (32, 24, 16, 8)),
    *((1, bits) for bits in (16, 7)),
    *((0, bits) for bits in range(7, -1, -1)),
)
"""(least, bits) of an int32 input, in the order in which they are tried."""
_FLOAT_BITS: Final = 24
_WIDTH: Final = {"int8": 1, "uint8": 1, "bool": 1, "int16": 2, "int32": 4}


def check_inputs(model: Model) -> None:
    """Refuse a network whose inputs cannot be sent.  Raises UnsupportedModel."""
    if len(model.inputs) > MAX_INPUTS:
        raise UnsupportedModel(
            model.name, f"it has {len(model.inputs)} inputs; at most {MAX_INPUTS} are sent"
        )
    for ordinal, i in enumerate(model.inputs):
        tensor = model.tensors[i]
        if i in model.inputs[:ordinal]:
            raise UnsupportedModel(model.name, f"its input {ordinal} is an earlier one again")
        if tensor.dtype not in INPUT_TYPES:
            raise UnsupportedModel(
                model.name, f"its input {ordinal} is {tensor.dtype}; {', '.join(INPUT_TYPES)} are sent"
            )
        if tensor.size == 0:
            raise UnsupportedModel(model.name, f"its input {ordinal} has no elements")


def shapes_of(model: Model) -> list[tuple[str, tuple[int, ...]]]:
    """The type and the sample shape of every input."""
    return [(t.dtype, sample_shape(t)) for t in (model.tensors[i] for i in model.inputs)]


@dataclass(frozen=True)
class Vectors:
    """Generated inputs, what the device makes them of, and what of their types they leave out, in words."""

    batch: Batch
    elements: tuple[Element, ...]
    left_out: tuple[str, ...]


def vectors_of(reference: Reference, n: int, seed: int, int32_bits: int | None = None) -> Vectors:
    """Vectors 0 … n − 1 of a network that `check_inputs` has passed.

    int32_bits: of int32 inputs, around zero.  Raises BadInput when no range of int32 is defined for them.
    """
    model = reference.model
    ranges: Iterable[tuple[int, int]] = INT32_RANGES
    if int32_bits is not None:
        ranges = [(-(1 << int32_bits - 1), int32_bits)]
    why: UnsupportedOp | None = None
    for chosen in ranges:
        elements = elements_of(model, chosen)
        batch = generated(elements, shapes_of(model), n, seed)
        if "int32" not in (dtype for dtype, _ in shapes_of(model)) or n == 0:
            return Vectors(batch, elements, ())
        try:
            reference.run(*batch.arrays)
        except UnsupportedOp as error:
            why = why or error
            continue
        return Vectors(batch, elements, _left_out(model, elements))
    raise BadInput(f"no values of int32 inputs can be generated ({why}); give --inputs") from why


def elements_of(model: Model, int32: tuple[int, int] = INT32_RANGES[0]) -> tuple[Element, ...]:
    """An element for every input; int32: (least, bits) of those of int32."""
    return tuple(_element(model, i, int32) for i in model.inputs)


def _element(model: Model, index: int, int32: tuple[int, int]) -> Element:
    tensor = model.tensors[index]
    if tensor.dtype == "float32":
        return Element(4, _FLOAT_BITS, -(1 << _FLOAT_BITS - 1), 0, _exponent(model, tensor))
    width = _WIDTH[tensor.dtype]
    if tensor.dtype == "int32":
        least, bits = int32
    elif tensor.dtype == "bool":
        least, bits = 0, 1
    else:
        bits = 8 * width
        least = 0 if tensor.dtype == "uint8" else -(1 << bits - 1)
    zero = 0 if tensor.quantization is None else tensor.quantization.zero_point
    return Element(width, bits, least, min(max(zero, least), least + (1 << bits) - 1))


def _exponent(model: Model, tensor: Tensor) -> int:
    """e such that ±2**(e + 23) is just beyond every code of the QUANTIZE operators that read the tensor."""
    readers = [op for op in model.operators if tensor.index in op.inputs]
    written = [model.tensors[op.outputs[0]] for op in readers if op.name == "QUANTIZE" and op.outputs]
    reaches = [_reach(t.dtype, t.quantization) for t in written if t.quantization is not None]
    exponent = math.frexp(max(reaches, default=1.0))[1] - (_FLOAT_BITS - 1)
    return min(max(exponent, -100), 100)


def _reach(dtype: str, q: Quantization) -> float:
    """How far from 0 the values are that the codes of a type stand for, the first beyond it included."""
    codes = np.iinfo(dtype)
    return max(abs(codes.min - q.zero_point), abs(codes.max + 1 - q.zero_point)) * float(q.scale)


def _left_out(model: Model, elements: tuple[Element, ...]) -> tuple[str, ...]:
    return tuple(
        f"values of int32 input {ordinal} outside {e.least}…{e.greatest}: generated ones stay in there"
        for ordinal, (i, e) in enumerate(zip(model.inputs, elements, strict=True))
        if model.tensors[i].dtype == "int32" and e.bits < 32
    )
