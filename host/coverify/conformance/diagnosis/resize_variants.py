"""What may be wrong in both RESIZE operators: where a pixel lies, how a mean is rounded."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from coverify.conformance.diagnosis.candidate import Array, Candidate, I64Array, Run, first_output
from tflm_int8.kernels.bilinear import Interpolation, ResizeBilinear, interpolation
from tflm_int8.kernels.movement import Movement
from tflm_int8.kernels.spreading import nearest

_BILINEAR, _NEAREST = (15, 2), (74, 0)
"""Options in the schema's union, and the field of align_corners; half_pixel_centers is the next."""
_BITS = 20

_ROUNDINGS: Final[dict[str, tuple[str, Callable[[I64Array], I64Array]]]] = {
    "truncation": ("the mean is cut towards zero", lambda acc: _cut(acc)),
    "floor": ("the mean is rounded down", lambda acc: acc >> _BITS),
    "ties-up": ("the mean is rounded ties up", lambda acc: (acc + (1 << (_BITS - 1))) >> _BITS),
    "half-added": (
        "one half is added to negative sums, too, before they are cut",
        lambda acc: _cut(acc + (1 << (_BITS - 1))),
    ),
}


def _cut(acc: I64Array) -> I64Array:
    cut: I64Array = np.sign(acc) * (np.abs(acc) >> _BITS)
    return cut


def _modes(align: bool, half: bool) -> Iterator[tuple[str, str, bool, bool]]:
    """(name, meaning, align_corners, half_pixel_centers) of every other mode."""
    for name, what, a, h in (
        ("align-corners", "align_corners", not align, half),
        ("half-pixel-centers", "half_pixel_centers", align, not half),
    ):
        was = align if what == "align_corners" else half
        yield f"{name}-{'ignored' if was else 'assumed'}", f"{what} is taken to be {not was}", a, h
    if align != half:
        yield "corners-for-centers", "align_corners and half_pixel_centers are exchanged", half, align


def bilinear_variants(kernel: ResizeBilinear) -> Iterator[Candidate]:
    """Every variant of RESIZE_BILINEAR."""
    node, (options, field) = kernel.node, _BILINEAR
    x, out = node.input(0).shape, node.output.shape
    align, half = (bool(node.option(options, field + i, "<B")) for i in (0, 1))
    modes = [
        (name, says, tuple(interpolation(x[i], out[i], a, h) for i in (1, 2)))
        for name, says, a, h in _modes(align, half)
    ]
    floored = tuple(_floored_scale(x[i], out[i], align, half) for i in (1, 2))
    modes.append(("scale-floored", "the ratio of the sizes is rounded down, not to nearest", floored))
    for name, says, (rows, columns) in modes:
        for suffix, tall, wide in (
            ("", rows, columns),
            ("-height", rows, kernel.columns),
            ("-width", kernel.rows, columns),
        ):
            if tall.positions.max() < x[1] and wide.positions.max() < x[2]:
                wrong = replace(kernel, rows=tall, columns=wide)
                yield Candidate(name + suffix, says, first_output(wrong))
    for name, (says, rounded) in _ROUNDINGS.items():
        yield Candidate(name, says, _rounded(kernel, rounded))


def _floored_scale(size: int, out: int, align: bool, half: bool) -> Interpolation:
    """One axis as the kernel's, its scale of ten bits rounded down."""
    scale = 1024 * (size - 1) // (out - 1) if align and out > 1 else 1024 * size // out
    at = np.arange(out, dtype=np.int64) * scale + (scale // 2 - 512 if half else 0)
    low = np.maximum(at, 0) // 1024
    high = np.clip(-(-at // 1024), 0, size - 1)
    part = np.where(low == high, 0, at - 1024 * low)
    return Interpolation(np.stack([low, high], 1), np.stack([1024 - part, part], 1))


def _rounded(kernel: ResizeBilinear, rounded: Callable[[I64Array], I64Array]) -> Run:
    def run(inputs: Sequence[Array]) -> Array:
        tall = kernel.rows.along(inputs[0].astype(np.int64), axis=2)
        return np.clip(rounded(kernel.columns.along(tall, axis=3)), -128, 127)

    return run


def nearest_variants(kernel: Movement) -> Iterator[Candidate]:
    """Every variant of RESIZE_NEAREST_NEIGHBOR."""
    node, (options, field) = kernel.node, _NEAREST
    x, out = node.input(0).shape, node.output.shape
    align, half = (bool(node.option(options, field + i, "<B")) for i in (0, 1))
    for name, says, a, h in _modes(align, half):
        wrong = [nearest(x[i], out[i], a, h) for i in (1, 2)]
        right = [nearest(x[i], out[i], align, half) for i in (1, 2)]
        yield Candidate(name, says, _taken(*wrong))
        yield Candidate(f"{name}-height", f"on the height: {says}", _taken(wrong[0], right[1]))
        yield Candidate(f"{name}-width", f"on the width: {says}", _taken(right[0], wrong[1]))
    name, says = (
        ("position-floored", "a position is rounded down where the nearest is wanted")
        if align
        else ("position-rounded", "a position is rounded where it is to be rounded down")
    )
    yield Candidate(name, says, _taken(*(_other_rounding(x[i], out[i], align, half) for i in (1, 2))))


def _other_rounding(size: int, out: int, align: bool, half: bool) -> I64Array:
    scale = (size - 1) / (out - 1) if align and out > 1 else size / out
    at = (np.arange(out) + (0.5 if half else 0.0)) * scale
    positions: I64Array = np.floor(at if align else at + 0.5).astype(np.int64)
    return np.minimum(positions, size - 1)


def _taken(rows: I64Array, columns: I64Array) -> Run:
    return lambda inputs: inputs[0][:, :, rows][:, :, :, columns]
