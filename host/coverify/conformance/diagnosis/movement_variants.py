"""What may be wrong in operators that move elements: the filling, the order of inputs, a border's sides."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from coverify.conformance.diagnosis.candidate import Array, Candidate, Run
from tflm_int8.kernels.movement import Movement


def movement_variants(kernel: Movement) -> Iterator[Candidate]:
    """Variants of PAD, CONCATENATION, PACK, TRANSPOSE and the like."""
    name = kernel.node.op.name
    if name == "PAD":
        for fill, says in ((0, "the code 0"), (-128, "the code −128")):
            if fill != kernel.fill:
                yield Candidate(
                    f"padding-with-{'zero' if fill == 0 else 'least'}",
                    f"the border holds {says}, not the zero point",
                    _filled(kernel, fill),
                )
        yield Candidate("padding-swapped", "the widths before and after are exchanged", _turned(kernel))
    if name == "TRANSPOSE" and len(kernel.node.output.shape) > 1:
        yield Candidate(
            "last-two-exchanged",
            "the last two dimensions are exchanged, whatever the order (CMSIS-NN, where it moves nothing)",
            lambda inputs: np.swapaxes(inputs[0], -1, -2).reshape(len(inputs[0]), *kernel.node.output.shape),
        )
        yield Candidate(
            "order-inverted",
            "the dimensions go where the order says that they come from",
            _inverted(kernel),
        )
    if name in ("CONCATENATION", "PACK") and len(kernel.node.op.inputs) > 1:
        yield Candidate("inputs-reversed", "the inputs are joined in reverse", _reversed(kernel))
        yield Candidate(
            "inputs-end-to-end",
            "the inputs are put one behind the other, whatever the axis",
            lambda inputs: np.concatenate([x.reshape(len(x), -1) for x in inputs], axis=1).reshape(
                len(inputs[0]), *kernel.node.output.shape
            ),
        )


def _filled(kernel: Movement, fill: int) -> Run:
    other = replace(kernel, fill=fill)
    return lambda inputs: other.run(list(inputs))[0]


def _turned(kernel: Movement) -> Run:
    """The input turned on every axis, padded, and turned back: before and after exchanged."""

    def run(inputs: Sequence[Array]) -> Array:
        x = inputs[0]
        axes = tuple(range(1, x.ndim))
        return np.flip(kernel.run([np.flip(x, axes), *inputs[1:]])[0], axes)

    return run


def _inverted(kernel: Movement) -> Run:
    order = kernel.node.input(1).data
    inverse = [] if order is None else np.argsort(order.reshape(-1)).tolist()

    def run(inputs: Sequence[Array]) -> Array:
        moved = inputs[0].transpose(0, *(1 + i for i in inverse))
        return moved.reshape(len(moved), *kernel.node.output.shape)

    return run


def _reversed(kernel: Movement) -> Run:
    def run(inputs: Sequence[Array]) -> Array:
        axis = _axis(kernel)
        parts = [x if kernel.node.op.name == "CONCATENATION" else np.expand_dims(x, axis) for x in inputs]
        return np.concatenate(parts[::-1], axis=axis)

    return run


def _axis(kernel: Movement) -> int:
    """The axis of a CONCATENATION or PACK, counted with the sample's."""
    concatenates = kernel.node.op.name == "CONCATENATION"
    axis = kernel.node.option(10 if concatenates else 59, 0 if concatenates else 1, "<i")
    rank = len(kernel.node.output.shape)
    return axis % rank + 1
