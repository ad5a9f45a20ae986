"""Which bytes of the .tflite file change? Weights are replaced in place; every other byte stays as it was.

A patch is a list of (offset in the file, old byte, new byte), ascending: what a tool that writes flash needs.
`apply` checks that the old bytes are there and that the changed file, read again, differs in that tensor
alone: a file whose parts overlap is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from coverify.repair.errors import NotRepairable
from coverify.repair.layer import Layer
from tflm_int8 import Model
from tflm_int8.fixedpoint import I64Array
from tflm_int8.model import Tensor


@dataclass(frozen=True, order=True)
class ChangedByte:
    """One byte of the file; neuron, weight: where in the layer it is (weights count within it)."""

    offset: int
    old: int
    new: int
    op_index: int
    neuron: int
    weight: int


def buffer_offset(model: Model, tensor: Tensor) -> int:
    """Where in the file the constant's first byte lies: its array is a view of the file's bytes."""
    assert tensor.data is not None
    whole = np.frombuffer(model.content, np.uint8)
    offset = int(tensor.data.__array_interface__["data"][0] - whole.__array_interface__["data"][0])
    inside = 0 <= offset <= len(whole) - tensor.size
    if not inside or model.content[offset : offset + tensor.size] != tensor.data.tobytes():
        raise NotRepairable(f"tensor {tensor.index}", "its bytes are not found in the file")
    return offset


def changes(layer: Layer, weights: I64Array) -> tuple[ChangedByte, ...]:
    """What turns the layer's weights into others, int64 [neurons, weights], ascending by offset."""
    moved = np.argwhere(layer.weights != weights)
    start = buffer_offset(layer.reference.model, layer.tensor) if len(moved) else 0
    found = [
        ChangedByte(
            start + int(layer.places[neuron, weight]),
            int(layer.weights[neuron, weight]) & 0xFF,
            int(weights[neuron, weight]) & 0xFF,
            layer.op_index,
            int(neuron),
            int(weight),
        )
        for neuron, weight in moved
    ]
    return tuple(sorted(found))


def apply(model: Model, patch: Sequence[ChangedByte]) -> Model:
    """The patched network: of a core, the whole of its file (tflm_int8/ends.py).

    Raises NotRepairable where old bytes are missing or more than weights changes.
    """
    content, model = bytearray(model.content), Model.from_bytes(model.content, model.name)
    for byte in patch:
        if not 0 <= byte.offset < len(content) or content[byte.offset] != byte.old:
            raise NotRepairable(model.name, f"the byte at {byte.offset} is not {byte.old:#04x}")
        content[byte.offset] = byte.new
    patched = Model.from_bytes(bytes(content), model.name)
    patched_ops = {byte.op_index for byte in patch}
    touched = {model.operators[op].inputs[1] for op in patched_ops}
    for before, after in zip(model.tensors, patched.tensors, strict=True):
        if before.index not in touched and not _same(before, after):
            raise NotRepairable(model.name, f"its tensor {before.index} shares bytes with the weights")
    if patched.operators != model.operators and not _same_operators(model, patched):
        raise NotRepairable(model.name, "its operators share bytes with the weights")
    return patched


def difference(before: bytes, after: bytes) -> list[int]:
    """The offsets at which two files of one length differ."""
    old, new = np.frombuffer(before, np.uint8), np.frombuffer(after, np.uint8)
    return [int(at) for at in np.flatnonzero(old != new)]


def _same(a: Tensor, b: Tensor) -> bool:
    if (a.name, a.shape, a.dtype, a.variable) != (b.name, b.shape, b.dtype, b.variable):
        return False
    constants = (a.data is None) == (b.data is None)
    return constants and (a.data is None or b.data is None or a.data.tobytes() == b.data.tobytes())


def _same_operators(a: Model, b: Model) -> bool:
    return all(
        (x.name, x.inputs, x.outputs, x.options_type, x.custom_options)
        == (y.name, y.inputs, y.outputs, y.options_type, y.custom_options)
        for x, y in zip(a.operators, b.operators, strict=True)
    )
