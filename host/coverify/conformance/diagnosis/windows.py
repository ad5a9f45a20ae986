"""The windows that a kernel may slide by mistake: padding on the other side, swapped strides, no dilation.

A mistake may be made on both axes or on one of them (`-height`, `-width`). Those that read a place that no
window does (beyond the row's end, the image read with another width) are windows of pixels: `PixelWindow`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from tflm_int8.geometry import Axis, Window2D

_Change = Callable[[Axis], Axis]

_ON_AN_AXIS: dict[str, tuple[str, _Change]] = {
    "padding-swapped": (
        "the odd row or column of padding stands before the image instead of behind it",
        lambda axis: replace(axis, before=axis.after),
    ),
    "padding-missing": (
        "the window starts at the image's first pixel: no padding before it",
        lambda axis: replace(axis, before=0),
    ),
    "padding-off-by-one": (
        "one row or column of padding more before the image",
        lambda axis: replace(axis, before=axis.before + 1),
    ),
    "padding-off-by-minus-one": (
        "one row or column of padding less before the image",
        lambda axis: replace(axis, before=axis.before - 1),
    ),
    "stride-ignored": ("the window moves by 1", lambda axis: replace(axis, stride=1)),
    "dilation-ignored": ("the taps stand side by side", lambda axis: replace(axis, dilation=1)),
}


def wrong_windows(window: Window2D) -> Iterator[tuple[str, str, Window2D]]:
    """(name, meaning, window) for every mistake that changes what is read; the output's size stays."""
    rows, columns = window.rows, window.columns
    for name, (says, change) in _ON_AN_AXIS.items():
        tall, wide = change(rows), change(columns)
        if (tall, wide) == (rows, columns):
            continue
        yield name, says, Window2D(tall, wide)
        if tall != rows and wide != columns:
            yield f"{name}-height", f"on the height: {says}", Window2D(tall, columns)
            yield f"{name}-width", f"on the width: {says}", Window2D(rows, wide)
    if rows.stride != columns.stride:
        yield from _one_for_both(window, "stride", lambda axis, other: replace(axis, stride=other.stride))
    if rows.dilation != columns.dilation:
        yield from _one_for_both(
            window, "dilation", lambda axis, other: replace(axis, dilation=other.dilation)
        )


def _one_for_both(
    window: Window2D, what: str, taken: Callable[[Axis, Axis], Axis]
) -> Iterator[tuple[str, str, Window2D]]:
    rows, columns = window.rows, window.columns
    tall, wide = taken(rows, columns), taken(columns, rows)
    yield f"{what}s-swapped", f"the {what}s of height and width are exchanged", Window2D(tall, wide)
    yield f"{what}-of-height", f"the height's {what} serves both axes", Window2D(rows, wide)
    yield f"{what}-of-width", f"the width's {what} serves both axes", Window2D(tall, columns)


@dataclass(frozen=True)
class PixelWindow(Window2D):
    """A window whose taps are computed otherwise; place: row and column under each tap (also outside the
    image) → the pixel, n_pixels for outside.
    """

    place: Callable[[NDArray[np.int64], NDArray[np.int64]], NDArray[np.int64]]

    @cached_property
    def taps(self) -> NDArray[np.int64]:
        """int64 [positions, kernel_h * kernel_w], as Window2D's."""
        row, column = (_positions(axis) for axis in (self.rows, self.columns))
        pixel = self.place(row[:, None, :, None], column[None, :, None, :])
        outside = (pixel < 0) | (pixel >= self.n_pixels)
        return np.where(outside, self.n_pixels, pixel).reshape(self.n_positions, -1)


@dataclass(frozen=True)
class TapWindow(Window2D):
    """A window that reads these rows and columns: int64 [out, kernel] each, -1 for outside."""

    read_rows: NDArray[np.int64]
    read_columns: NDArray[np.int64]

    @cached_property
    def taps(self) -> NDArray[np.int64]:
        """int64 [positions, kernel_h * kernel_w], as Window2D's."""
        row, column = self.read_rows[:, None, :, None], self.read_columns[None, :, None, :]
        pixel = np.where((row >= 0) & (column >= 0), row * self.columns.size + column, self.n_pixels)
        return pixel.reshape(self.n_positions, -1)


def _until_outside(axis: Axis) -> NDArray[np.int64]:
    """The positions under the taps, those from the first outside the image on read as outside."""
    pixels = axis.pixels()
    pixels[np.logical_or.accumulate(pixels < 0, axis=1)] = -1
    return pixels


def _positions(axis: Axis) -> NDArray[np.int64]:
    """int64 [out, kernel], unlike `pixels` also outside the image."""
    starts: NDArray[np.int64] = np.arange(axis.out)[:, None] * axis.stride - axis.before
    return starts + np.arange(axis.kernel)[None, :] * axis.dilation


def wrong_pixels(window: Window2D) -> Iterator[tuple[str, str, Window2D]]:
    """(name, meaning, window) of mistakes in finding a pixel of the image."""
    height, width = window.rows.size, window.columns.size

    def rectangle(top: int, left: int, bottom: int, right: int, pitch: int = width) -> Window2D:
        def place(row: NDArray[np.int64], column: NDArray[np.int64]) -> NDArray[np.int64]:
            inside = (row >= top) & (row < bottom) & (column >= left) & (column < right)
            return np.where(inside, row * pitch + column, -1)

        return PixelWindow(window.rows, window.columns, place)

    def unchecked(left: bool, right: bool) -> Window2D:
        """Without the check of the column at these sides."""

        def place(row: NDArray[np.int64], column: NDArray[np.int64]) -> NDArray[np.int64]:
            inside = (row >= 0) & (row < height) & (left | (column >= 0)) & (right | (column < width))
            return np.where(inside, row * width + column, -1)

        return PixelWindow(window.rows, window.columns, place)

    if height > 1:
        yield "image-first-row-outside", "the image's first row is not read", rectangle(1, 0, height, width)
        yield "image-last-row-outside", "the image's last row is not read", rectangle(0, 0, height - 1, width)
    if width > 1:
        yield "image-first-column-outside", "the first column is not read", rectangle(0, 1, height, width)
        yield "image-last-column-outside", "the last column is not read", rectangle(0, 0, height, width - 1)
    if height != width:
        yield (
            "row-length-is-height",
            "a row is taken to be as long as the image is high",
            rectangle(0, 0, height, width, height),
        )
    for what, rows, columns in (
        ("row", _until_outside(window.rows), window.columns.pixels()),
        ("column", window.rows.pixels(), _until_outside(window.columns)),
    ):
        ended = TapWindow(window.rows, window.columns, rows, columns)
        if not np.array_equal(ended.taps, window.taps):
            yield (
                f"{what}s-end-at-first-outside",
                f"no {what} of the window is read after one outside the image (break for continue)",
                ended,
            )
    for name, says, wraps in (
        (
            "column-not-checked",
            "a tap beside the image reads another row",
            unchecked(True, True),
        ),
        ("column-start-not-checked", "a tap left of the image reads the row before", unchecked(True, False)),
        ("column-end-not-checked", "a tap right of the image reads the next row", unchecked(False, True)),
    ):
        if not np.array_equal(wraps.taps, window.taps):
            yield name, says, wraps
