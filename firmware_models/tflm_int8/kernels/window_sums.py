"""Σ w·x under every position of a window, exact in floating point: the linear half of a convolution.

Several ways to the same integers, each quick on other shapes; window_ways.py chooses. Taps outside the image
read the input's zero point. Exact as long as the caller's float type holds Σ|w|·max|x|: then every partial
sum, in whatever order, is an integer that the type holds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tflm_int8.fixedpoint import I64Array
from tflm_int8.geometry import Window2D
from tflm_int8.kernels.arena import arrays

FloatArray = NDArray[np.floating[Any]]
FloatType = np.dtype[np.floating[Any]]


@dataclass(frozen=True)
class Workspace:
    """Memory for some images, used again for the next: the padded images and whatever a way needs."""

    padded: FloatArray
    scratch: FloatArray
    sums: FloatArray


def _view(
    padded: FloatArray, shape: tuple[int, ...], strides: tuple[int, ...], offset: int = 0
) -> FloatArray:
    """Elements of the contiguous array that lie strides (bytes) apart, perhaps several times.

    numpy raises ValueError where one would lie outside.
    """
    return np.ndarray(shape, padded.dtype, padded, offset, strides)


@dataclass(frozen=True)
class WindowSums:
    """What all ways share: the padded images and the sums.

    filters: int64 [n_out, kernel_h, kernel_w, n_in / groups]; outside: the value of a tap outside the image.
    """

    window: Window2D
    filters: I64Array
    groups: int
    outside: int
    dtype: FloatType

    @cached_property
    def n_in(self) -> int:
        """Input channels."""
        return self.groups * int(self.filters.shape[3])

    @cached_property
    def n_out(self) -> int:
        """Output channels."""
        return len(self.filters)

    @cached_property
    def n_padded(self) -> int:
        """Elements of one padded image."""
        return self.window.n_padded * self.n_in

    def images_in(self, n_bytes: int) -> int:
        """How many images' workspace fits into so many bytes; at least one."""
        n = self.n_padded + self.window.n_positions * self.n_out + self.n_scratch
        return max(1, n_bytes // (n * self.dtype.itemsize))

    def workspace(self, n: int) -> Workspace:
        """Memory for up to n images, until the thread asks for another workspace."""
        padded, scratch, sums = arrays(
            ((n, self.n_padded), self.dtype),
            ((n, self.n_scratch), self.dtype),
            ((n, self.window.n_positions, self.n_out), self.dtype),
        )
        if self.window.n_padded > self.window.n_pixels:
            padded[...] = self.outside
        return Workspace(padded, scratch, sums)

    def of(self, images: NDArray[Any], work: Workspace) -> FloatArray:
        """int [n, height, width, n_in] → float [n, positions, n_out], in the workspace."""
        n = len(images)
        self.add_up(self._padded(images, work), work.scratch[:n], work.sums[:n])
        return work.sums[:n]

    def of_many(self, images: NDArray[Any], n_bytes: int) -> Iterator[tuple[slice, FloatArray]]:
        """`of` for as many images at a time as a workspace of n_bytes holds: which, and their sums, which
        are overwritten by the next.
        """
        step = min(len(images), self.images_in(n_bytes))
        work = self.workspace(step)
        for i in range(0, len(images), max(step, 1)):
            some = slice(i, i + step)
            yield some, self.of(images[some], work)

    def _padded(self, images: NDArray[Any], work: Workspace) -> FloatArray:
        """The images amid the padding: [n, rows, columns, channels]."""
        rows, columns = self.window.rows, self.window.columns
        padded = work.padded[: len(images)].reshape(len(images), rows.padded, columns.padded, -1)
        inside = padded[:, rows.before : rows.before + rows.size]
        inside[:, :, columns.before : columns.before + columns.size] = images
        return padded

    @cached_property
    def n_scratch(self) -> int:
        """Elements of scratch for one image."""
        return 0

    def add_up(self, padded: FloatArray, scratch: FloatArray, sums: FloatArray) -> None:
        """Write the sums of the padded images."""
        raise NotImplementedError

    def _patches(self, padded: FloatArray) -> FloatArray:
        """[n, rows, columns, c] → [n, out_h, out_w, kernel_h, kernel_w, c], a view."""
        rows, columns, (image, row, pixel, channel) = self.window.rows, self.window.columns, padded.strides
        shape = (len(padded), rows.out, columns.out, rows.kernel, columns.kernel, padded.shape[3])
        step = (row * rows.stride, pixel * columns.stride, row * rows.dilation, pixel * columns.dilation)
        return _view(padded, shape, (image, *step, channel))


@dataclass(frozen=True)
class Pointwise(WindowSums):
    """One group and one tap, without padding: a matrix product over the pixels under the positions."""

    @cached_property
    def n_padded(self) -> int:
        return 0

    @cached_property
    def n_scratch(self) -> int:
        return self.window.n_positions * self.n_in

    def of(self, images: NDArray[Any], work: Workspace) -> FloatArray:
        n, sums = len(images), work.sums[: len(images)]
        picked = images[:, :: self.window.rows.stride, :: self.window.columns.stride]
        columns = work.scratch[:n].reshape(picked.shape)
        columns[...] = picked
        np.matmul(columns.reshape(-1, self.n_in), self._matrix, out=sums.reshape(-1, self.n_out))
        return sums

    @cached_property
    def _matrix(self) -> FloatArray:
        """[n_in, n_out]"""
        return np.ascontiguousarray(self.filters.reshape(self.n_out, -1).T, self.dtype)


@dataclass(frozen=True)
class Strips(WindowSums):
    """One group; `abreast` neighbouring positions of a row, which divide it, share a strip of pixels.

    The strip times a matrix with a shifted copy of the filter for each position (zeros elsewhere) are their
    sums: more products than needed, but fewer and longer copies, and a wider matrix.
    """

    abreast: int

    @cached_property
    def n_strips(self) -> int:
        """Strips in a row."""
        return self.window.columns.out // self.abreast

    @cached_property
    def span(self) -> int:
        """Pixels of a strip."""
        columns = self.window.columns
        return (self.abreast - 1) * columns.stride + columns.extent

    @cached_property
    def matrices(self) -> FloatArray:
        """[kernel_h, span · n_in, abreast · n_out]: one matrix per row of taps."""
        rows, columns = self.window.rows, self.window.columns
        full = np.zeros((rows.kernel, self.span, self.n_in, self.abreast, self.n_out), self.dtype)
        for position in range(self.abreast):
            first = position * columns.stride
            taps = full[:, first : first + columns.extent : columns.dilation, :, position]
            taps[...] = self.filters.transpose(1, 2, 3, 0)
        return full.reshape(rows.kernel, self.span * self.n_in, self.abreast * self.n_out)


@dataclass(frozen=True)
class ByColumns(Strips):
    """All rows of taps in one matrix product over the columns of the image (im2col)."""

    @cached_property
    def n_scratch(self) -> int:
        return self.window.rows.out * self.n_strips * self.window.rows.kernel * self.span * self.n_in

    def add_up(self, padded: FloatArray, scratch: FloatArray, sums: FloatArray) -> None:
        rows, columns, (image, row, pixel, channel) = self.window.rows, self.window.columns, padded.strides
        shape = (len(padded), rows.out, self.n_strips, rows.kernel, self.span * self.n_in)
        step = (row * rows.stride, pixel * columns.stride * self.abreast, row * rows.dilation)
        strips = _view(padded, shape, (image, *step, channel))
        scratch.reshape(shape)[...] = strips
        matrix = self.matrices.reshape(-1, self.abreast * self.n_out)
        np.matmul(scratch.reshape(-1, len(matrix)), matrix, out=sums.reshape(-1, matrix.shape[1]))


@dataclass(frozen=True)
class ByRows(Strips):
    """One matrix product per row of taps, added up; the strips of a row of pixels are copied once.

    Row stride 1, so that the rows under one row of taps follow each other.
    """

    @cached_property
    def n_scratch(self) -> int:
        return self._n_copied + self.window.n_positions * self.n_out

    @property
    def _n_copied(self) -> int:
        return self.window.rows.padded * self.n_strips * self.span * self.n_in

    def add_up(self, padded: FloatArray, scratch: FloatArray, sums: FloatArray) -> None:
        rows, columns, (image, row, pixel, channel) = self.window.rows, self.window.columns, padded.strides
        shape = (len(padded), rows.padded, self.n_strips, self.span * self.n_in)
        step = (row, pixel * columns.stride * self.abreast)
        strips = scratch[:, : self._n_copied].reshape(shape)
        strips[...] = _view(padded, shape, (image, *step, channel))
        total = sums.reshape(len(sums), rows.out * self.n_strips, -1)
        product = scratch[:, self._n_copied :].reshape(total.shape)
        for i, matrix in enumerate(self.matrices):
            under = strips[:, i * rows.dilation : i * rows.dilation + rows.out]
            np.matmul(under.reshape(*total.shape[:2], -1), matrix, out=product if i else total)
            if i:
                np.add(total, product, out=total)


@dataclass(frozen=True)
class ByGroup(WindowSums):
    """Groups of channels: a matrix product for each."""

    @cached_property
    def n_scratch(self) -> int:
        taps = self.window.rows.kernel * self.window.columns.kernel
        return self.window.n_positions * (taps * self.n_in + self.n_out)

    def add_up(self, padded: FloatArray, scratch: FloatArray, sums: FloatArray) -> None:
        groups, depth, n_out = self._matrices.shape
        patches = self._patches(padded)
        by_group = patches.reshape(*patches.shape[:5], groups, -1).transpose(5, 0, 1, 2, 3, 4, 6)
        products = np.matmul(by_group.reshape(groups, -1, depth), self._matrices)
        sums.reshape(-1, groups, n_out)[...] = products.transpose(1, 0, 2)

    @cached_property
    def _matrices(self) -> FloatArray:
        """[groups, kernel_h · kernel_w · n_in / groups, n_out / groups]"""
        by_group = self.filters.reshape(self.groups, self.n_out // self.groups, -1).transpose(0, 2, 1)
        return np.ascontiguousarray(by_group, self.dtype)


@dataclass(frozen=True)
class ByTap(WindowSums):
    """Depthwise, a filter per channel: tap by tap, multiplied and added in one pass over whole rows.

    With a column stride of s, the pixels of a padded row lie phase by phase (columns 0, s, 2s, …, then 1,
    s + 1, …): what a tap reads for a row of positions is then one run. A channel with several filters is
    repeated.
    """

    @cached_property
    def n_padded(self) -> int:
        return self.window.rows.padded * self.window.columns.stride * self._phase * self.n_out

    @cached_property
    def n_scratch(self) -> int:
        return self.window.n_positions * self.n_out if len(self._groups) > 1 else 0

    @cached_property
    def _phase(self) -> int:
        """Pixels of one phase of a row."""
        return -(-self.window.columns.padded // self.window.columns.stride)

    @cached_property
    def _groups(self) -> list[tuple[slice, int]]:
        """Taps of a row which lie at even distances within one phase: which, and the pixels between them."""
        columns = self.window.columns
        if columns.stride == 1:
            return [(slice(0, columns.kernel), columns.dilation)]
        step = columns.stride if columns.dilation == 1 else columns.kernel
        return [(slice(first, columns.kernel, step), 1) for first in range(min(step, columns.kernel))]

    def _padded(self, images: NDArray[Any], work: Workspace) -> FloatArray:
        """[n, rows, stride, pixels of a phase, n_out]"""
        rows, columns, n = self.window.rows, self.window.columns, len(images)
        padded = work.padded[:n].reshape(n, rows.padded, columns.stride, self._phase, self.n_out)
        inside = padded[:, rows.before : rows.before + rows.size]
        for phase in range(columns.stride):
            first = (phase - columns.before) % columns.stride
            some = images[:, :, first :: columns.stride, :, None]
            at = (first + columns.before) // columns.stride
            target = inside[:, :, phase, at : at + some.shape[2]]
            target.reshape(*some.shape[:4], self.n_out // self.n_in)[...] = some
        return padded

    def add_up(self, padded: FloatArray, scratch: FloatArray, sums: FloatArray) -> None:
        total = sums.reshape(len(sums), self.window.rows.out, -1)
        product = scratch.reshape(total.shape) if len(self._groups) > 1 else total
        for i, (taps, step) in enumerate(self._groups):
            under = self._under(padded, taps, step)
            np.einsum("nyijx,ijx->nyx", under, self._taps[:, taps], out=product if i else total)
            if i:
                np.add(total, product, out=total)

    def _under(self, padded: FloatArray, taps: slice, step: int) -> FloatArray:
        """What a group of taps reads: [n, out_h, kernel_h, taps, out_w · n_out]."""
        rows, columns, (image, row, phase, pixel, channel) = (
            self.window.rows,
            self.window.columns,
            padded.strides,
        )
        shift, within = divmod(taps.start * columns.dilation, columns.stride)
        n_taps = len(range(columns.kernel)[taps])
        shape = (len(padded), rows.out, rows.kernel, n_taps, columns.out * self.n_out)
        strides = (image, row * rows.stride, row * rows.dilation, pixel * step, channel)
        return _view(padded, shape, strides, within * phase + shift * pixel)

    @cached_property
    def _taps(self) -> FloatArray:
        """[kernel_h, kernel_w, out_w · n_out], equal along out_w: long rows for the inner loop."""
        taps = self.filters[:, :, :, 0].transpose(1, 2, 0).astype(self.dtype)
        return np.tile(taps, (1, 1, self.window.columns.out))
