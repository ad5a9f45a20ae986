"""AVERAGE_POOL_2D and MAX_POOL_2D on int8 or int16: no requantization, taps outside the image do not count.

Source: TFLM micro/kernels/pooling_common.cc, reference/integer_ops/pooling.h.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tflm_int8.geometry import Window2D
from tflm_int8.node import Node
from tflm_int8.program.primitives import DivideRounding

_OPTIONS = 5


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

    def _gathered(self, x: NDArray[Any], outside: int) -> NDArray[np.int64]:
        """[N, batch, h, w, c] → int64 [N * batch, positions, taps, c]."""
        images = x.reshape(-1, self.window.n_pixels, x.shape[-1]).astype(np.int64)
        edge = np.full((len(images), 1, x.shape[-1]), outside, np.int64)
        return np.concatenate([images, edge], axis=1)[:, self.taps()]

    def _shaped(self, x: NDArray[Any], values: NDArray[np.int64]) -> list[NDArray[Any]]:
        return [values.astype(x.dtype).reshape(len(x), *self.node.output.shape)]


@dataclass(frozen=True)
class MaxPool(Pool):
    """The greatest tap."""

    def run(self, inputs: list[NDArray[Any]]) -> list[NDArray[Any]]:
        """int8 or int16 [N, batch, h, w, c] → the same type [N, output shape]."""
        x = inputs[0]
        return self._shaped(
            x, np.clip(self._gathered(x, int(np.iinfo(x.dtype).min)).max(axis=2), self.lo, self.hi)
        )


@dataclass(frozen=True)
class AveragePool(Pool):
    """The mean of the taps inside the image, halves rounded away from zero."""

    def rule(self) -> DivideRounding:
        """The division, with one channel per output position."""
        inside = (self.taps() < self.window.n_pixels).sum(axis=1)
        return DivideRounding(inside.astype(np.int64), self.lo, self.hi)

    def run(self, inputs: list[NDArray[Any]]) -> list[NDArray[Any]]:
        """int8 or int16 [N, batch, h, w, c] → the same type [N, output shape]."""
        x = inputs[0]
        sums = self._sums(x.reshape(-1, *x.shape[2:])).transpose(0, 2, 1)
        values = self.rule().apply(sums.astype(np.int64), np.arange(self.window.n_positions))
        return self._shaped(x, values.transpose(0, 2, 1))

    def _sums(self, images: NDArray[Any]) -> NDArray[np.int32]:
        """[n, h, w, c] → int32 [n, positions, c]: sums over the taps inside the image.

        −2^31 ≤ sum < 2^31: at most 2^24 taps of int8 (Node.window) or 2^15 of int16 (_window_and_range).
        """
        if self.window.n_positions > self.taps().shape[1]:
            gathered: NDArray[np.int32] = self._gathered(images, 0).sum(axis=2).astype(np.int32)
            return gathered
        out = np.empty((len(images), self.window.n_positions, images.shape[3]), np.int32)
        for position, taps in enumerate(self.taps()):
            inside = taps[taps < self.window.n_pixels]
            rows, columns = np.divmod(inside, self.window.columns.size)
            under = images[:, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
            np.sum(under, axis=(1, 2), dtype=np.int32, out=out[:, position])
        return out


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
