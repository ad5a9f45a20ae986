"""Σ w·x under every position of a window, exact in floating point: the linear half of a convolution.

Three ways to the same integers: a matrix product over the columns of the image (one group), one product per
group, and tap by tap where every channel has a filter of its own (depthwise). Taps outside the image read the
input's zero point. Exact as long as the caller's float type holds Σ|w|·max|x|, in whatever order it is added.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from tflm_int8.fixedpoint import I64Array
from tflm_int8.geometry import Window2D
from tflm_int8.kernels.arena import arrays

FloatArray = NDArray[np.floating[Any]]
FloatType = np.dtype[np.floating[Any]]

_BLOCK = 1 << 15
"""Sums that are added up at a time, tap by tap."""


@dataclass(frozen=True)
class Workspace:
    """Memory for some images, used again for the next: the padded images and whatever a way needs."""

    padded: FloatArray
    scratch: FloatArray
    sums: FloatArray


@dataclass(frozen=True)
class WindowSums:
    """What all three ways share: the padded images and the sums.

    n_in, n_out: channels; outside: the value of a tap outside the image.
    """

    window: Window2D
    n_in: int
    n_out: int
    outside: int
    dtype: FloatType

    def images_in(self, n_bytes: int) -> int:
        """How many images' workspace fits into so many bytes; at least one."""
        window = self.window
        n = window.n_padded * self.n_in + window.n_positions * self.n_out + self.n_scratch()
        return max(1, n_bytes // (n * self.dtype.itemsize))

    def workspace(self, n: int) -> Workspace:
        """Memory for up to n images, until the thread asks for another workspace."""
        window = self.window
        padded, scratch, sums = arrays(
            ((n, window.rows.padded, window.columns.padded, self.n_in), self.dtype),
            ((n, self.n_scratch()), self.dtype),
            ((n, window.n_positions, self.n_out), self.dtype),
        )
        padded[...] = self.outside
        return Workspace(padded, scratch, sums)

    def of(self, images: NDArray[Any], work: Workspace) -> FloatArray:
        """int [n, height, width, n_in] → float [n, positions, n_out], in the workspace."""
        rows, columns, n = self.window.rows, self.window.columns, len(images)
        inside = work.padded[:n, rows.before : rows.before + rows.size]
        inside[:, :, columns.before : columns.before + columns.size] = images
        self.add_up(work.padded[:n], work.scratch[:n], work.sums[:n])
        return work.sums[:n]

    def n_scratch(self) -> int:
        """Elements of scratch for one image."""
        raise NotImplementedError

    def add_up(self, padded: FloatArray, scratch: FloatArray, sums: FloatArray) -> None:
        """Write the sums of the padded images."""
        raise NotImplementedError

    def _patches(self, padded: FloatArray) -> FloatArray:
        """[n, rows, columns, c] → [n, out_h, out_w, kernel_h, kernel_w, c], a view."""
        rows, columns, (image, row, pixel, channel) = self.window.rows, self.window.columns, padded.strides
        shape = (len(padded), rows.out, columns.out, rows.kernel, columns.kernel, padded.shape[3])
        step = (row * rows.stride, pixel * columns.stride, row * rows.dilation, pixel * columns.dilation)
        return as_strided(padded, shape, (image, *step, channel), writeable=False)


@dataclass(frozen=True)
class ByColumns(WindowSums):
    """One group.  matrix: [kernel_h · kernel_w · n_in, n_out]."""

    matrix: FloatArray

    def _direct(self) -> bool:
        """The padded image is its own matrix of columns: 1 × 1, stride 1."""
        rows, columns = self.window.rows, self.window.columns
        return max(rows.kernel, columns.kernel, rows.stride, columns.stride) == 1

    def n_scratch(self) -> int:
        return 0 if self._direct() else self.window.n_positions * len(self.matrix)

    def add_up(self, padded: FloatArray, scratch: FloatArray, sums: FloatArray) -> None:
        if self._direct():
            columns = padded.reshape(-1, self.n_in)
        else:
            patches = self._patches(padded)
            scratch.reshape(patches.shape)[...] = patches
            columns = scratch.reshape(-1, len(self.matrix))
        np.matmul(columns, self.matrix, out=sums.reshape(-1, self.n_out))


@dataclass(frozen=True)
class ByGroup(WindowSums):
    """Groups of channels.  matrices: [groups, kernel_h · kernel_w · n_in / groups, n_out / groups]."""

    matrices: FloatArray

    def n_scratch(self) -> int:
        return self.window.n_positions * (self.matrices.shape[0] * self.matrices.shape[1] + self.n_out)

    def add_up(self, padded: FloatArray, scratch: FloatArray, sums: FloatArray) -> None:
        groups, depth, n_out = self.matrices.shape
        patches = self._patches(padded)
        by_group = patches.reshape(*patches.shape[:5], groups, -1).transpose(5, 0, 1, 2, 3, 4, 6)
        products = np.matmul(by_group.reshape(groups, -1, depth), self.matrices)
        sums.reshape(-1, groups, n_out)[...] = products.transpose(1, 0, 2)


@dataclass(frozen=True)
class ByTap(WindowSums):
    """A filter per channel.  taps: [kernel_h, kernel_w, out_w, n_in, n_out / n_in], equal along out_w."""

    taps: FloatArray

    def n_scratch(self) -> int:
        return self.window.n_positions * self.n_out

    def add_up(self, padded: FloatArray, scratch: FloatArray, sums: FloatArray) -> None:
        patches, shape = self._patches(padded), (-1, self.window.rows.out, *self.taps.shape[2:])
        step = max(1, _BLOCK // max(1, self.n_scratch()))
        for i in range(0, len(padded), step):
            total, product = (a[i : i + step].reshape(shape) for a in (sums, scratch))
            self._some(patches[i : i + step], total, product)

    def _some(self, patches: FloatArray, total: FloatArray, product: FloatArray) -> None:
        """So few images that their sums and products stay in the second-level cache."""
        for i in range(self.taps.shape[0]):
            for j in range(self.taps.shape[1]):
                x = patches[:, :, :, i, j, :, None]
                np.multiply(x, self.taps[i, j], out=product if i or j else total)
                if i or j:
                    np.add(total, product, out=total)


def window_sums(
    window: Window2D, filters: I64Array, groups: int, outside: int, dtype: FloatType
) -> WindowSums:
    """The way for filters int64 [n_out, kernel_h, kernel_w, n_in / groups]."""
    n_out, kernel_h, kernel_w, depth = filters.shape
    n_in = groups * depth
    if groups == 1:
        matrix = np.ascontiguousarray(filters.reshape(n_out, -1).T.astype(dtype))
        return ByColumns(window, n_in, n_out, outside, dtype, matrix)
    if depth == 1:
        taps = filters.reshape(n_in, n_out // n_in, kernel_h, kernel_w).transpose(2, 3, 0, 1).astype(dtype)
        wide = np.repeat(taps[:, :, None], window.columns.out, axis=2)
        return ByTap(window, n_in, n_out, outside, dtype, wide)
    by_group = filters.reshape(groups, n_out // groups, -1).transpose(0, 2, 1).astype(dtype)
    return ByGroup(window, n_in, n_out, outside, dtype, np.ascontiguousarray(by_group))
