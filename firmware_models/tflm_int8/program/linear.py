"""Integer linear maps: dense matrices, convolutions (grouped: depthwise too), diagonals, repetitions.

They promise exact integers: products run in float64 BLAS, exact while every partial sum stays below 2**53 in
magnitude. Maps whose accumulators fit int32 for int8 inputs, as `lower` makes them, are far below that.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tflm_int8.fixedpoint import I64Array
from tflm_int8.geometry import Window2D
from tflm_int8.program.primitives import IndexArray, LinearMap

F64Array = NDArray[np.float64]
FloatArray = NDArray[np.floating[Any]]

_CELLS = 1 << 18
"""Elements of the columns of a convolution that are made at a time (2 MB)."""


@dataclass(frozen=True)
class Dense:
    """A matrix, int64 [n_out, n_in]."""

    weights: I64Array

    @property
    def n_in(self) -> int:
        return int(self.weights.shape[1])

    @property
    def n_out(self) -> int:
        return len(self.weights)

    @cached_property
    def _float(self) -> F64Array:
        return np.ascontiguousarray(self.weights, np.float64)

    def apply(self, x: I64Array) -> I64Array:
        return (x.astype(np.float64) @ self._float.T).astype(np.int64)

    def transposed(self, v: F64Array) -> F64Array:
        return v @ self._float

    def interval(self, lo: I64Array, hi: I64Array) -> tuple[I64Array, I64Array]:
        positive: I64Array = np.maximum(self.weights, 0)
        negative: I64Array = np.minimum(self.weights, 0)
        return positive @ lo + negative @ hi, positive @ hi + negative @ lo

    def row(self, i: int) -> tuple[IndexArray, I64Array]:
        columns = np.flatnonzero(self.weights[i])
        return columns, self.weights[i, columns]


@dataclass(frozen=True)
class Scaling:
    """A diagonal: y[i] = factor * x[i]."""

    n: int
    factor: int = 1

    @property
    def n_in(self) -> int:
        return self.n

    @property
    def n_out(self) -> int:
        return self.n

    def apply(self, x: I64Array) -> I64Array:
        return x * self.factor

    def transposed(self, v: F64Array) -> F64Array:
        return v * self.factor

    def interval(self, lo: I64Array, hi: I64Array) -> tuple[I64Array, I64Array]:
        return (
            (lo * self.factor, hi * self.factor) if self.factor >= 0 else (hi * self.factor, lo * self.factor)
        )

    def row(self, i: int) -> tuple[IndexArray, I64Array]:
        n = 1 if self.factor else 0
        return np.array([i][:n], np.int64), np.array([self.factor][:n], np.int64)


@dataclass(frozen=True)
class Convolution:
    """A 2-D convolution as a linear map from [height, width, in_channels] to [out_h, out_w, out_channels].

    filters: int64 [out_channels, kernel_h, kernel_w, in_channels // groups]; output channel o reads input
    group o // (out_channels // groups). Taps outside the image add nothing.
    """

    window: Window2D
    filters: I64Array
    groups: int

    @property
    def n_in(self) -> int:
        return self.window.n_pixels * self.in_channels

    @property
    def n_out(self) -> int:
        return self.window.n_positions * len(self.filters)

    @property
    def in_channels(self) -> int:
        return int(self.filters.shape[3]) * self.groups

    @cached_property
    def _by_group(self) -> F64Array:
        """float64 [groups, out_channels / groups, taps * in_channels / groups]."""
        return self.filters.reshape(self.groups, len(self.filters) // self.groups, -1).astype(np.float64)

    @cached_property
    def _parts(self) -> tuple[F64Array, F64Array]:
        """The positive and the negative part of the filters, like _by_group."""
        return np.maximum(self._by_group, 0), np.minimum(self._by_group, 0)

    @cached_property
    def _is_depthwise(self) -> bool:
        return self.groups == len(self.filters) == self.in_channels

    @cached_property
    def _is_pointwise(self) -> bool:
        """Does position i read pixel i and no other?"""
        taps = self.window.taps
        return taps.shape == (self.window.n_pixels, 1) and np.array_equal(taps[:, 0], np.arange(len(taps)))

    @cached_property
    def _batch(self) -> int:
        """How many images to take at a time: their columns stay in a processor's cache, or it is one."""
        return max(1, _CELLS // (self.window.taps.size * self.in_channels))

    def apply(self, x: I64Array) -> I64Array:
        return self._applied(x, self._by_group).astype(np.int64)

    def _applied(self, x: I64Array, by_group: F64Array) -> FloatArray:
        """[N, n_in] → [N, n_out], with other filters of the same shape."""
        step = self._batch
        parts = [self._convolved(x[i : i + step], by_group) for i in range(0, len(x), step)]
        return np.concatenate(parts) if parts else np.zeros((0, self.n_out))

    def _convolved(self, x: I64Array, by_group: F64Array) -> FloatArray:
        pixels = x.astype(np.float64).reshape(len(x), -1, self.in_channels)
        if self._is_pointwise:
            return self._summed(pixels[:, :, None], by_group)
        framed = np.concatenate([pixels, np.zeros_like(pixels[:, :1])], axis=1)
        return self._summed(np.take(framed, self.window.taps, axis=1), by_group)

    def at_taps(self, pixels: FloatArray, taps: IndexArray) -> FloatArray:
        """Pixels [N, some, channels], taps [positions, taps] among them → [N, positions * out_channels].

        In the pixels' type, which holds every sum.
        """
        return self._summed(np.take(pixels, taps, axis=1), self._by_group.astype(pixels.dtype, copy=False))

    def _summed(self, taps: FloatArray, by_group: FloatArray) -> FloatArray:
        """What lies under the taps, [N, positions, taps, channels] → [N, positions * out_channels]."""
        n, positions = taps.shape[:2]
        if self._is_depthwise:
            by_tap = np.ascontiguousarray(by_group[:, 0].T)  # six times as quick as channel by channel
            out: FloatArray = np.einsum("nptc,tc->npc", taps, by_tap)
            return out.reshape(n, -1)
        split = taps.reshape(n * positions, -1, self.groups, self.filters.shape[3]).transpose(2, 0, 1, 3)
        columns = split.reshape(self.groups, n * positions, -1)
        out = np.matmul(columns, by_group.transpose(0, 2, 1)).transpose(1, 0, 2)
        return np.ascontiguousarray(out).reshape(n, -1)

    def transposed(self, v: F64Array) -> F64Array:
        step = self._batch
        parts = [self._spread(v[i : i + step]) for i in range(0, len(v), step)]
        return np.concatenate(parts) if parts else np.zeros((0, self.n_in))

    def _spread(self, v: F64Array) -> F64Array:
        n, positions = len(v), self.window.n_positions
        by_group = v.reshape(n * positions, self.groups, -1).transpose(1, 0, 2)
        columns: F64Array = np.matmul(by_group, self._by_group)
        if self._is_pointwise and self.groups == 1:
            return columns.reshape(n, -1)
        split = columns.reshape(self.groups, n, positions, -1, self.filters.shape[3])
        by_tap = split.transpose(3, 1, 2, 0, 4).reshape(-1, n, positions, self.in_channels)
        pixels = np.zeros((n, self.window.n_pixels + 1, self.in_channels))
        for tap, part in zip(self.window.taps.T, by_tap, strict=True):
            pixels[:, tap] += part  # a tap is over another pixel at each position, or outside
        return pixels[:, :-1].reshape(n, -1)

    def interval(self, lo: I64Array, hi: I64Array) -> tuple[I64Array, I64Array]:
        (low_up, high_up), (low_down, high_down) = (
            self._applied(np.stack([lo, hi]), part).astype(np.int64) for part in self._parts
        )
        return low_up + high_down, high_up + low_down

    def row(self, i: int) -> tuple[IndexArray, I64Array]:
        position, out_channel = divmod(i, len(self.filters))
        per_group = self.filters.shape[3]
        first = out_channel // (len(self.filters) // self.groups) * per_group
        taps = self.window.taps[position]
        inside = taps < self.window.n_pixels
        columns = (taps[inside, None] * self.in_channels + first + np.arange(per_group)).reshape(-1)
        weights = self.filters[out_channel].reshape(len(taps), per_group)[inside].reshape(-1)
        kept = np.flatnonzero(weights)
        return columns[kept], weights[kept]


@dataclass(frozen=True)
class Repeated:
    """The same map on each of `times` equal parts of the wire, one after another: a batch inside a tensor."""

    part: LinearMap
    times: int

    @property
    def n_in(self) -> int:
        return self.part.n_in * self.times

    @property
    def n_out(self) -> int:
        return self.part.n_out * self.times

    def apply(self, x: I64Array) -> I64Array:
        return self.part.apply(x.reshape(-1, self.part.n_in)).reshape(len(x), self.n_out)

    def transposed(self, v: F64Array) -> F64Array:
        return self.part.transposed(v.reshape(-1, self.part.n_out)).reshape(len(v), self.n_in)

    def interval(self, lo: I64Array, hi: I64Array) -> tuple[I64Array, I64Array]:
        parts = zip(lo.reshape(self.times, -1), hi.reshape(self.times, -1), strict=True)
        ends = [self.part.interval(low, high) for low, high in parts]
        return np.concatenate([low for low, _ in ends]), np.concatenate([high for _, high in ends])

    def row(self, i: int) -> tuple[IndexArray, I64Array]:
        number, row = divmod(i, self.part.n_out)
        columns, weights = self.part.row(row)
        return columns + number * self.part.n_in, weights


def repeated(part: LinearMap, times: int) -> LinearMap:
    """`part` for a batch of `times`."""
    return part if times == 1 else Repeated(part, times)
