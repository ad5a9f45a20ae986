"""Elements of operators' outputs that no operator writes: what TFLM's arena happens to hold there.

A kernel says of its output which they are (`Unwriting`); where elements are only moved, or cast between
integers, they are followed. A model that computes with one of them, or gives it out, is refused: its result
is any. What the reference says of them (0, and what casts make of it) is not TFLM's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from tflm_int8.kernels.cast import Cast
from tflm_int8.kernels.movement import Movement
from tflm_int8.kernels.reshape import Reshape
from tflm_int8.node import Node

Mask = NDArray[np.bool_]


@runtime_checkable
class Unwriting(Protocol):
    """A kernel that may leave elements of its output as they are."""

    def unwritten(self) -> Mask:
        """Which elements of the output it does not write."""


class _Kernel(Protocol):
    @property
    def node(self) -> Node: ...
    def run(self, inputs: list[NDArray[Any]]) -> list[NDArray[Any]]: ...


def unwritten(kernels: Sequence[_Kernel]) -> dict[int, Mask]:
    """Tensor → which of its elements hold anything, for the tensors that have such elements.

    Raises UnsupportedOp where an operator needs one, or the model gives it out.
    """
    masks: dict[int, Mask] = {}
    for kernel in kernels:
        node = kernel.node
        found = [kernel.unwritten()] if isinstance(kernel, Unwriting) else _followed(kernel, masks)
        for index, mask in zip(node.op.outputs, found, strict=False):
            if np.any(mask):
                masks[index] = mask
        if not masks.keys().isdisjoint(set(node.op.outputs) & set(node.model.outputs)):
            node.refuse("an output of the model has elements that no operator writes")
    return masks


def _followed(kernel: _Kernel, masks: dict[int, Mask]) -> list[Mask]:
    """Which elements of the outputs come from such elements of the inputs; [] when none is read."""
    node = kernel.node
    read = [i for i in node.op.inputs if i >= 0]
    if masks.keys().isdisjoint(read):
        return []
    inputs = [masks.get(i, np.zeros(node.model.tensors[i].shape, bool)) for i in read]
    match kernel:
        case Cast() if "float32" not in (node.input(0).dtype, node.output.dtype):
            return inputs
        case Movement():
            return _moved(kernel, inputs)
        case Reshape():
            return [inputs[0].reshape(node.output.shape)]
        case _:
            node.refuse("it computes with elements that no operator writes")


def _moved(kernel: Movement, inputs: list[Mask]) -> list[Mask]:
    outputs = [np.zeros(kernel.node.model.tensors[o].size, bool) for o in kernel.node.op.outputs]
    for out, parts in zip(outputs, kernel.copies, strict=True):
        for part in parts:
            out[slice(None) if part.to is None else part.to] = inputs[part.source].reshape(-1)[part.origin]
    tensors = (kernel.node.model.tensors[o] for o in kernel.node.op.outputs)
    return [out.reshape(t.shape) for out, t in zip(outputs, tensors, strict=True)]
