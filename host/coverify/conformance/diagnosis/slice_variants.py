"""What may be wrong in SLICE and STRIDED_SLICE: where an axis begins, how far a step goes, which way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from coverify.conformance.diagnosis.candidate import Array, Candidate, I64Array, Run
from tflm_int8.kernels.movement import Movement

_Change = tuple[str, str, I64Array]


def slice_variants(kernel: Movement) -> Iterator[Candidate]:
    """Every variant, on one axis and on all of them at once."""
    shape = kernel.node.input(0).shape
    (copy,) = kernel.copies[0]
    right = np.stack(np.unravel_index(copy.origin, shape)) if shape else np.zeros((0, 1), np.int64)
    everywhere: dict[str, tuple[str, I64Array, int]] = {}
    for axis, size in enumerate(shape):
        for name, says, at in _wrong(right[axis]):
            if np.array_equal(at, right[axis]) or at.min() < 0 or at.max() >= size:
                continue
            wrong = right.copy()
            wrong[axis] = at
            yield Candidate(f"{name}-axis-{axis}", f"on axis {axis}, {says}", _taken(kernel, wrong))
            whole = everywhere.get(name, (says, right.copy(), 0))
            whole[1][axis] = at
            everywhere[name] = says, whole[1], whole[2] + 1
    for name, (says, wrong, n_axes) in everywhere.items():
        if n_axes > 1:
            yield Candidate(name, f"on every axis, {says}", _taken(kernel, wrong))


def _wrong(at: I64Array) -> Iterator[_Change]:
    """at: the positions on one axis, an element of the output each; the first is where the slice begins."""
    first, steps = int(at[0]), np.unique(at - at[0])
    stride = 1 if len(steps) == 1 else int(np.abs(steps[steps != 0]).min())
    forward = steps.max() > 0
    yield "begin-ignored", "it begins at the first element", at - at.min()
    yield "begin-off-by-plus-1", "it begins one element behind", at + 1
    yield "begin-off-by-minus-1", "it begins one element before", at - 1
    if stride > 1:
        yield "stride-ignored", "every element is taken", first + (at - first) // stride
    if not forward and len(steps) > 1:
        yield "direction-ignored", "it is read forwards", at.max() + at.min() - at


def _taken(kernel: Movement, at: I64Array) -> Run:
    numbers = np.ravel_multi_index(tuple(at), kernel.node.input(0).shape)

    def run(inputs: Sequence[Array]) -> Array:
        moved = inputs[0].reshape(len(inputs[0]), -1)[:, numbers]
        return moved.reshape(len(moved), *kernel.node.output.shape)

    return run
