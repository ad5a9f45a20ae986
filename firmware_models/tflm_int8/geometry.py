"""Where a 2-D window looks: which pixels of an image every output position of a convolution or pool reads.

One meaning of stride, dilation and SAME/VALID padding for all windowed operators.
Source: TFLM padding.h (ComputePaddingHeightWidth), reference_integer_ops/conv.h and pooling.h.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Padding = Literal["SAME", "VALID"]


@dataclass(frozen=True)
class Axis:
    """One axis of a window: sizes, stride and dilation in pixels; `before` = padding in front."""

    size: int
    kernel: int
    stride: int
    dilation: int
    before: int
    out: int

    @staticmethod
    def of(size: int, kernel: int, stride: int, dilation: int, padding: Padding) -> Axis:
        """The axis as TFLM computes it; `out` is 0 or less when no position fits.

        Convolutions and pools refuse that; TRANSPOSE_CONV goes on with the padding that C's division gives.
        """
        extent = (kernel - 1) * dilation + 1
        reach = size + stride - (1 if padding == "SAME" else extent)
        out = reach // stride if reach >= 0 else -(-reach // stride)
        before = max(0, (out - 1) * stride + extent - size) // 2
        return Axis(size, kernel, stride, dilation, before, out)

    @cached_property
    def extent(self) -> int:
        """Pixels from the first tap to the last, both included."""
        return (self.kernel - 1) * self.dilation + 1

    @cached_property
    def after(self) -> int:
        """Padding behind, so that every tap of the last position lies inside."""
        return max(0, (self.out - 1) * self.stride + self.extent - self.size - self.before)

    @cached_property
    def padded(self) -> int:
        """The size with its padding."""
        return self.before + self.size + self.after

    def pixels(self) -> NDArray[np.int64]:
        """int64 [out, kernel]: the pixel under each tap, or −1 outside the image."""
        at = np.arange(self.out)[:, None] * self.stride - self.before
        at = at + np.arange(self.kernel)[None, :] * self.dilation
        return np.where((at >= 0) & (at < self.size), at, -1)


@dataclass(frozen=True)
class Window2D:
    """A window over an image of rows.size × columns.size pixels."""

    rows: Axis
    columns: Axis

    @cached_property
    def n_pixels(self) -> int:
        return self.rows.size * self.columns.size

    @cached_property
    def n_positions(self) -> int:
        return self.rows.out * self.columns.out

    @cached_property
    def n_padded(self) -> int:
        """Pixels of the image with the padding that makes every tap lie inside."""
        return self.rows.padded * self.columns.padded

    @cached_property
    def taps(self) -> NDArray[np.int64]:
        """int64 [positions, kernel_h * kernel_w]: the pixel under each tap; n_pixels means outside."""
        row, column = self.rows.pixels(), self.columns.pixels()
        pixel = row[:, None, :, None] * self.columns.size + column[None, :, None, :]
        outside = (row[:, None, :, None] < 0) | (column[None, :, None, :] < 0)
        return np.where(outside, self.n_pixels, pixel).reshape(self.n_positions, -1)
