"""Float convolutions, pooling, means and padding as matrices, on tensors in C order.

Source of the geometry: ComputePadding and ComputeOutSize, TFLite kernels/padding.h.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coverify.verify.query import F64Array
from tflm_int8.flatbuffer import Table

Shape = tuple[int, ...]
IntArray = NDArray[np.integer[Any]]
_SAME, _VALID = 0, 1


@dataclass(frozen=True)
class Window:
    """How a window moves: strides: rows, columns; padding, activation: as in TFLite; size: of a pool."""

    padding: int
    strides: tuple[int, int]
    activation: int
    size: tuple[int, int] = (0, 0)

    @staticmethod
    def of_convolution(options: Table) -> Window:
        """Of Conv2DOptions.  Raises ValueError, Damaged."""
        return _window(options, 3, (5, 4))

    @staticmethod
    def of_depthwise(options: Table) -> Window:
        """Of DepthwiseConv2DOptions.  Raises ValueError, Damaged."""
        return _window(options, 4, (6, 5))

    @staticmethod
    def of_pool(options: Table) -> Window:
        """Of Pool2DOptions.  Raises ValueError, Damaged."""
        return _window(options, 5, None, (options.integer(4, "<i"), options.integer(3, "<i")))

    def check(self, size: tuple[int, int], x_shape: Shape, y_shape: Shape, max_cells: int) -> None:
        """Raises ValueError where the shapes do not fit a window of this size, or are too large."""
        if len(x_shape) != 4 or len(y_shape) != 4 or x_shape[0] != 1 or y_shape[0] != 1 or min(size) < 1:
            raise ValueError("its shapes are not those of a window over one sample")
        for k in (1, 2):
            room = x_shape[k] if self.padding == _SAME else x_shape[k] - size[k - 1] + 1
            if y_shape[k] != max(0, -(-room // self.strides[k - 1])):
                raise ValueError(
                    f"its output is {y_shape[k]} where its input gives another number of rows or columns"
                )
        if math.prod(x_shape) * math.prod(y_shape) > max_cells:
            raise ValueError(f"unrolled it has more than {max_cells} weights")

    def taps(
        self, size: tuple[int, int], x_shape: Shape, y_shape: Shape
    ) -> Iterator[tuple[tuple[int, int], tuple[int, int], tuple[int, int]]]:
        """(output's place, place in the window, input's place) of all that lie in the image."""
        before = [
            max(0, (y_shape[k + 1] - 1) * self.strides[k] + size[k] - x_shape[k + 1]) // 2
            if self.padding == _SAME
            else 0
            for k in range(2)
        ]
        for row, column in np.ndindex(*y_shape[1:3]):
            for i, j in np.ndindex(*size):
                at = row * self.strides[0] + i - before[0], column * self.strides[1] + j - before[1]
                if 0 <= at[0] < x_shape[1] and 0 <= at[1] < x_shape[2]:
                    yield (row, column), (i, j), at


def _window(
    options: Table, activation: int, dilations: tuple[int, int] | None, size: tuple[int, int] = (0, 0)
) -> Window:
    """Padding and strides are the first fields of all three tables."""
    padding = options.integer(0, "<b")
    strides = options.integer(2, "<i"), options.integer(1, "<i")
    if padding not in (_SAME, _VALID):
        raise ValueError(f"padding {padding} is not read")
    if min(strides) < 1:
        raise ValueError(f"strides of {strides} are not read")
    if dilations is not None and any(options.integer(field, "<i", 1) != 1 for field in dilations):
        raise ValueError("dilations are not read")
    return Window(padding, strides, options.integer(activation, "<b"), size)


def unrolled(filters: F64Array, window: Window, x_shape: Shape, y_shape: Shape, max_cells: int) -> F64Array:
    """The matrix float64 [y, x] of a convolution, of one sample.

    filters: [out, height, width, channels of a group]: the channels of the input are as many groups of these
    as it takes, the outputs as many groups in the same order (depthwise: groups of one channel).
    Raises ValueError: what is not read, or does not fit; more than max_cells.
    """
    if filters.ndim != 4:
        raise ValueError("its filters are not those of a convolution")
    n_out, depth = len(filters), filters.shape[3]
    size = filters.shape[1], filters.shape[2]
    window.check(size, x_shape, y_shape, max_cells)
    groups = x_shape[3] // depth if depth else 0
    if not groups or groups * depth != x_shape[3] or n_out % groups or y_shape[3] != n_out:
        raise ValueError("its channels do not fit its filters")
    matrix = np.zeros((*y_shape[1:3], n_out, *x_shape[1:]))
    outputs = np.arange(n_out)
    channels = (outputs // (n_out // groups) * depth)[:, None] + np.arange(depth)
    for (row, column), (i, j), (y, x) in window.taps(size, x_shape, y_shape):
        matrix[row, column, outputs[:, None], y, x, channels] = filters[:, i, j]
    return matrix.reshape(math.prod(y_shape[1:]), -1)


def averages(window: Window, x_shape: Shape, y_shape: Shape, max_cells: int) -> F64Array:
    """The matrix float64 [y, x] of average pooling, of numbers that are exact: shares of 1, 2, 4, … pixels.

    Raises ValueError: also where windows overlap or hold another number of pixels (of the image).
    """
    window.check(window.size, x_shape, y_shape, max_cells)
    if x_shape[3] != y_shape[3]:
        raise ValueError("its channels do not fit its input")
    if window.strides[0] < window.size[0] or window.strides[1] < window.size[1]:
        raise ValueError("windows that overlap are not read")
    matrix = np.zeros((*y_shape[1:], *x_shape[1:]))
    channels = np.arange(x_shape[3])
    for (row, column), _, (y, x) in window.taps(window.size, x_shape, y_shape):
        matrix[row, column, channels, y, x, channels] = 1.0
    return _shares(matrix.reshape(math.prod(y_shape[1:]), -1))


def means(axes: IntArray, x_shape: Shape, y_shape: Shape, max_cells: int) -> F64Array:
    """The same of MEAN, over one or several axes (negative: from the last one)."""
    axes, n = axes.reshape(-1), len(x_shape)
    if not np.all((-n <= axes) & (axes < n)):
        raise ValueError("its axes are not those of its input")
    kept = [k for k in range(n) if k not in axes % n]
    size = math.prod(x_shape[k] for k in kept)
    if size != math.prod(y_shape):
        raise ValueError("its output is another one")
    _check_cells(x_shape, y_shape, max_cells)
    place = np.arange(size).reshape([x_shape[k] if k in kept else 1 for k in range(n)])
    place = np.broadcast_to(place, x_shape).reshape(-1)
    return _shares((np.arange(size)[:, None] == place).astype(np.float64))


def padded(before_and_after: IntArray, x_shape: Shape, y_shape: Shape, max_cells: int) -> F64Array:
    """The matrix float64 [y, x] of PAD: zeros around each axis but the first, as many as [axis] says.

    Raises ValueError.
    """
    if (
        before_and_after.shape != (len(x_shape), 2)
        or np.any((before_and_after < 0) | (before_and_after > max_cells))
        or np.any(before_and_after[:1])
    ):
        raise ValueError("its paddings are not those of one sample")
    if tuple(before_and_after.sum(axis=1) + x_shape) != y_shape:
        raise ValueError("its output is not as large as its paddings make it")
    _check_cells(x_shape, y_shape, max_cells)
    place = np.pad(np.arange(math.prod(x_shape)).reshape(x_shape), before_and_after, constant_values=-1)
    matrix: F64Array = (place.reshape(-1, 1) == np.arange(math.prod(x_shape))).astype(np.float64)
    return matrix


def _check_cells(x_shape: Shape, y_shape: Shape, max_cells: int) -> None:
    """Raises ValueError where a matrix [y, x] is too large, or empty."""
    if min((*x_shape, *y_shape), default=1) < 1:
        raise ValueError("its shapes hold nothing")
    if math.prod(x_shape) * math.prod(y_shape) > max_cells:
        raise ValueError(f"as a matrix it has more than {max_cells} weights")


def _shares(members: F64Array) -> F64Array:
    """Of ones where an element counts, its share.  Raises ValueError where that is not exact."""
    counts = members.sum(axis=1).astype(np.int64)
    if not np.all((counts > 0) & (counts & (counts - 1) == 0)):
        raise ValueError(
            "averages of other than 1, 2, 4, … pixels are not exact in binary; they are not read"
        )
    shares: F64Array = members / counts[:, None]
    return shares
