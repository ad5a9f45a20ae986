"""Integer linear maps: dense matrices, convolutions (grouped: depthwise too), diagonals, repetitions.

They promise exact integers: products run in float64 BLAS, exact while every partial sum stays below 2**53 in
magnitude. Maps whose accumulators fit int32 for int8 inputs, as `lower` makes them, are far below that.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from tflm_int8.fixedpoint import I64Array
from tflm_int8.geometry import Window2D
from tflm_int8.program.primitives import IndexArray, LinearMap

F64Array = NDArray[np.float64]


@dataclass(frozen=True)
class Dense:
    """A matrix, int64 [n_out, n_in]."""

    weights: I64Array

    @property
    def n_in(self) -> int:
        return self.weights.shape[1]

    @property
    def n_out(self) -> int:
        return self.weights.shape[0]

    @cached_property
    def _float(self) -> F64Array:
        return np.ascontiguousarray(self.weights, np.float64)

    def apply(self, x: I64Array) -> I64Array:
        return (x.astype(np.float64) @ self._float.T).astype(np.int64)

    def transposed(self, v: F64Array) -> F64Array:
        return v @ self._float

    def interval(self, lo: I64Array, hi: I64Array) -> tuple[I64Array, I64Array]:
        positive, negative = np.maximum(self.weights, 0), np.minimum(self.weights, 0)
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
        return self.filters.shape[3] * self.groups

    @cached_property
    def _by_group(self) -> I64Array:
        """int64 [groups, out_channels / groups, taps * in_channels / groups]."""
        return self.filters.reshape(self.groups, len(self.filters) // self.groups, -1)

    def apply(self, x: I64Array) -> I64Array:
        return np.concatenate([self._apply_one(one.astype(np.float64), self._by_group) for one in x])

    def _apply_one(self, x: NDArray[np.generic], by_group: I64Array) -> I64Array:
        """One image, [n_in] → int64 [1, n_out]."""
        columns = self._columns(x)
        out = np.matmul(columns, by_group.transpose(0, 2, 1).astype(np.float64))
        exact: I64Array = out.transpose(1, 0, 2).reshape(1, -1).astype(np.int64)
        return exact

    def _columns(self, x: NDArray[np.generic]) -> F64Array:
        """[n_in] → float64 [groups, positions, taps * in_channels / groups], zeros outside the image."""
        pixels = np.zeros((self.window.n_pixels + 1, self.in_channels))
        pixels[:-1] = x.reshape(-1, self.in_channels)
        taps = pixels[self.window.taps]
        split = taps.reshape(*self.window.taps.shape, self.groups, -1)
        return split.transpose(2, 0, 1, 3).reshape(self.groups, self.window.n_positions, -1)

    def transposed(self, v: F64Array) -> F64Array:
        return np.stack([self._transposed_one(one) for one in v])

    def _transposed_one(self, v: F64Array) -> F64Array:
        by_position = v.reshape(self.window.n_positions, self.groups, -1).transpose(1, 0, 2)
        columns = np.matmul(by_position, self._by_group.astype(np.float64))
        split = columns.reshape(self.groups, *self.window.taps.shape, -1).transpose(1, 2, 0, 3)
        pixels = np.zeros((self.window.n_pixels + 1, self.in_channels))
        np.add.at(pixels, self.window.taps, split.reshape(*self.window.taps.shape, self.in_channels))
        return pixels[:-1].reshape(-1)

    def interval(self, lo: I64Array, hi: I64Array) -> tuple[I64Array, I64Array]:
        positive, negative = np.maximum(self._by_group, 0), np.minimum(self._by_group, 0)
        at = self._apply_one
        return (at(lo, positive) + at(hi, negative))[0], (at(hi, positive) + at(lo, negative))[0]

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
