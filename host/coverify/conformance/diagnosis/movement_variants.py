"""What may be wrong in operators that move elements: the filling, the order of inputs or parts, a border."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from coverify.conformance.diagnosis.candidate import Array, Candidate, Run
from coverify.conformance.diagnosis.resize_variants import nearest_variants
from coverify.conformance.diagnosis.slice_variants import slice_variants
from tflm_int8.kernels.movement import Movement


def movement_variants(kernel: Movement, output: int = 0) -> Iterator[Candidate]:
    """Variants of PAD, CONCATENATION, SPLIT, RESIZE_NEAREST_NEIGHBOR and the like, of their given output."""
    name = kernel.node.op.name
    if name == "RESIZE_NEAREST_NEIGHBOR":
        yield from nearest_variants(kernel)
    if len(kernel.node.op.outputs) > 1:
        yield from _partings(kernel, output)
    if name in ("PAD", "PADV2"):
        quantization = kernel.node.output.quantization
        point = 0 if quantization is None else quantization.zero_point
        wanted = "the zero point" if name == "PAD" else "the given value"
        for what, fill, says in (
            ("zero", 0, "the code 0"),
            ("least", -128, "the code −128"),
            ("zero-point", point, "the zero point"),
        ):
            if name == "PADV2" or fill != kernel.fill:
                yield Candidate(
                    f"padding-with-{what}",
                    f"the border holds {says}, not {wanted}",
                    _filled(fill),
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
    if name in ("SLICE", "STRIDED_SLICE"):
        yield from slice_variants(kernel)
    if name in ("CONCATENATION", "PACK") and len(kernel.node.op.inputs) > 1:
        yield Candidate("inputs-reversed", "the inputs are joined in reverse", _reversed(kernel))
        yield Candidate(
            "inputs-end-to-end",
            "the inputs are put one behind the other, whatever the axis",
            lambda inputs: np.concatenate([x.reshape(len(x), -1) for x in inputs], axis=1).reshape(
                len(inputs[0]), *kernel.node.output.shape
            ),
        )
        yield from _other_axes(kernel)


def _other_axes(kernel: Movement) -> Iterator[Candidate]:
    """The inputs' bytes taken in turns as for a join along another axis."""
    shape, right = kernel.node.output.shape, _axis(kernel) - 1
    for axis in range(1, len(shape)):
        rows = math.prod(shape[:axis])
        sizes = [kernel.node.input(i).size for i in range(len(kernel.node.op.inputs))]
        if axis == right or any(size % rows for size in sizes) or rows == math.prod(shape[:right]):
            continue

        def run(inputs: Sequence[Array], rows: int = rows) -> Array:
            parts = [x.reshape(len(x), rows, -1) for x in inputs]
            joined: Array = np.concatenate(parts, axis=2).reshape(len(inputs[0]), *shape)
            return joined

        yield Candidate(f"joined-along-axis-{axis}", f"the inputs are joined along axis {axis}", run)


def _partings(kernel: Movement, output: int) -> Iterator[Candidate]:
    """Of SPLIT, SPLIT_V and UNPACK."""
    model, outputs = kernel.node.model, kernel.node.op.outputs
    shapes = [model.tensors[t].shape for t in outputs]
    sizes = [model.tensors[t].size for t in outputs]
    source = 1 if kernel.node.op.name == "SPLIT" else 0
    first = sum(sizes[:output])

    def end_to_end(inputs: Sequence[Array]) -> Array:
        flat = inputs[source].reshape(len(inputs[source]), -1)
        return flat[:, first : first + sizes[output]].reshape(len(flat), *shapes[output])

    yield Candidate(
        "axis-ignored",
        "the parts are cut from the input's bytes one after another, whatever the axis",
        end_to_end,
    )
    if all(shape == shapes[0] for shape in shapes):
        yield Candidate(
            "parts-reversed",
            "the parts stand in reverse order",
            lambda inputs: kernel.run(list(inputs))[len(outputs) - 1 - output],
        )
        if output:
            yield Candidate(
                "part-0", "every output is the first part", lambda inputs: kernel.run(list(inputs))[0]
            )


def _filled(fill: int) -> Run:
    """A PAD or PADV2 with another border."""

    def run(inputs: Sequence[Array]) -> Array:
        widths = [(0, 0), *inputs[1][0].tolist()]
        return np.pad(inputs[0], widths, constant_values=fill)

    return run


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
