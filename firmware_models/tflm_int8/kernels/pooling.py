"""AVERAGE_POOL_2D and MAX_POOL_2D on int8 or int16: no requantization, taps outside the image do not count.

Source: TFLM micro/kernels/pooling_common.cc, reference/integer_ops/pooling.h.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tflm_int8.geometry import Window2D
from tflm_int8.kernels.window_fold import fold
from tflm_int8.node import Node
from tflm_int8.program.primitives import DivideRounding

_OPTIONS = 5
_MAX_TABLED = 1 << 12
"""Taps, over all numbers of them at one position, whose means are tabled: 255 means for each."""


@dataclass(frozen=True)
class Pool:
    """A window over every channel, then a clamp to lo..hi."""

    node: Node
    window: Window2D
    lo: int
    hi: int

    def taps(self) -> NDArray[np.int64]:
        """int64 [positions, taps]: the pixel of each tap; n_pixels outside the image."""
        return self.window.taps

    def _fold(self, operation: np.ufunc, x: NDArray[Any], dtype: np.dtype[Any], outside: int) -> NDArray[Any]:
        """[N, batch, h, w, c] → dtype [N · batch, out_h, out_w, c]."""
        return fold(operation, x.reshape(-1, *x.shape[2:]), self.window, dtype, outside)

    def _shaped(self, x: NDArray[Any], values: NDArray[Any]) -> list[NDArray[Any]]:
        return [values.astype(x.dtype, copy=False).reshape(len(x), *self.node.output.shape)]


@dataclass(frozen=True)
class MaxPool(Pool):
    """The greatest tap."""

    def run(self, inputs: list[NDArray[Any]]) -> list[NDArray[Any]]:
        """int8 or int16 [N, batch, h, w, c] → the same type [N, output shape]."""
        x = inputs[0]
        limits = np.iinfo(x.dtype)
        greatest = self._fold(np.maximum, x, x.dtype, int(limits.min))
        if (self.lo, self.hi) != (limits.min, limits.max):
            greatest = np.clip(greatest, x.dtype.type(self.lo), x.dtype.type(self.hi))
        return self._shaped(x, greatest)


@dataclass(frozen=True)
class AveragePool(Pool):
    """The mean of the taps inside the image, halves rounded away from zero."""

    def rule(self) -> DivideRounding:
        """The division, with one channel per output position."""
        return DivideRounding(self._inside, self.lo, self.hi)

    def run(self, inputs: list[NDArray[Any]]) -> list[NDArray[Any]]:
        """int8 or int16 [N, batch, h, w, c] → the same type [N, output shape]."""
        x = inputs[0]
        shape = (len(x) * x.shape[1], self.window.n_positions, x.shape[4])
        sums = self._fold(np.add, x, self._sum_type(x.dtype), 0).reshape(shape)
        if x.dtype == np.int8 and self._tables is not None:
            values, at_zero = self._tables
            return self._shaped(x, values.take(sums + at_zero[:, None]))
        by_position = self.rule().apply(sums.transpose(0, 2, 1).astype(np.int64), np.arange(shape[1]))
        return self._shaped(x, by_position.transpose(0, 2, 1))

    def _sum_type(self, codes: np.dtype[Any]) -> np.dtype[Any]:
        """What holds −128 · taps … 127 · taps; int32 at most 2^24 of int8 (Node.window) or 2^15 of int16."""
        small = codes == np.int8 and self.window.rows.kernel * self.window.columns.kernel < 1 << 8
        return np.dtype(np.int16 if small else np.int32)

    @cached_property
    def _inside(self) -> NDArray[np.int64]:
        """int64 [positions]: how many taps lie inside the image."""
        count: NDArray[np.int64] = (self.taps() < self.window.n_pixels).sum(axis=1)
        return count

    @cached_property
    def _tables(self) -> tuple[NDArray[np.int8], NDArray[np.int64]] | None:
        """The means of every sum of int8, for each number of taps one after the other, and per position where
        the sum 0 is; None where the tables were large."""
        counts, which = np.unique(self._inside, return_inverse=True)
        if int(counts.sum()) > _MAX_TABLED:
            return None
        parts = [
            DivideRounding(np.array([n]), self.lo, self.hi).apply(
                np.arange(-128 * n, 127 * n + 1), np.zeros(1, np.int64)
            )
            for n in counts
        ]
        firsts = np.cumsum([0] + [len(part) for part in parts[:-1]])
        return np.concatenate(parts).astype(np.int8), (firsts + 128 * counts)[which.reshape(-1)]


def prepare_max(node: Node) -> MaxPool:
    """Check a MAX_POOL_2D."""
    return MaxPool(node, *_window_and_range(node))


def prepare_average(node: Node) -> AveragePool:
    """Check an AVERAGE_POOL_2D."""
    return AveragePool(node, *_window_and_range(node))


def _window_and_range(node: Node) -> tuple[Window2D, int, int]:
    node.arity(range(1, 2))
    x, out = node.input(0), node.output
    before, after = node.quantized(x, "int8", "int16"), node.quantized(out, x.dtype)
    if before.zero_point != after.zero_point or abs(np.float32(before.scale - after.scale)) > 1e-6:
        node.refuse("input and output are quantized differently")
    if len(x.shape) != 4 or x.size == 0:
        node.refuse(f"the input has the shape {list(x.shape)}")
    window = node.window(
        (x.shape[1], x.shape[2]),
        (node.option(_OPTIONS, 4, "<i"), node.option(_OPTIONS, 3, "<i")),
        (node.option(_OPTIONS, 2, "<i"), node.option(_OPTIONS, 1, "<i")),
        (1, 1),
        node.padding(node.option(_OPTIONS, 0, "<b")),
    )
    if (out.shape[0], out.shape[3]) != (x.shape[0], x.shape[3]):
        node.refuse(f"shapes {list(x.shape)} → {list(out.shape)}")
    if x.dtype == "int16" and window.taps.shape[1] > 1 << 15:
        node.refuse("the sum over a window can overflow int32")
    if np.any((window.taps < window.n_pixels).sum(axis=1) == 0):
        node.refuse("a window lies wholly outside the image")
    lo, hi = node.activation_range(node.option(_OPTIONS, 5, "<b"))
    return window, lo, hi
