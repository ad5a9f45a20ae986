"""A float network in exact arithmetic: every number a Python integer over a power of two.

Floats are such numbers, and so are sums and products of them. Code c stands for the real input
lo + c · (hi − lo) / 255; everything is multiplied by 255, which ReLU and the order of the classes bear, so
that no other denominator than powers of two is left. What is computed is the network of real numbers that the
file's weights say: a float32 runtime rounds every sum, and may differ from it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coverify.study.float_network import TOP_CODE, FloatNetwork
from coverify.study.ranges import BATCH
from coverify.verify.query import F64Array

IntArray = NDArray[Any]
"""An object array of Python integers of any size."""
_MANTISSA = 53
_UNIT = 2.0**-52
"""Twice what the rounding of a float64 operation changes, relative to its result."""
_UNDERFLOW = 1e-290
"""More than all underflows of a sum change."""


def dyadic(values: NDArray[Any] | Sequence[float]) -> tuple[IntArray, int]:
    """(integers, k) with values == integers / 2**k exactly, k >= 0, for finite float64 of any shape."""
    mantissa, exponent = np.frexp(np.asarray(values, np.float64))
    integers = np.ldexp(mantissa, _MANTISSA).astype(np.int64)
    powers = exponent.astype(np.int64) - _MANTISSA
    some = integers != 0
    if not some.any():
        return integers.astype(object), 0
    lowest = np.where(some, integers & -integers, 1)
    zeros = np.frexp(lowest.astype(np.float64))[1].astype(np.int64) - 1  # how often 2 divides them
    powers = np.where(some, powers + zeros, 0)
    k = max(0, -int(powers.min()))
    exact: IntArray = (integers >> zeros).astype(object) << (powers + k).astype(object)
    return exact, k


@dataclass(frozen=True, eq=False)
class ExactLayer:
    """x -> (weights @ x + bias) / 2**shift.  weights: [n_out, n_in]; bias: [n_out]."""

    weights: IntArray
    bias: IntArray
    shift: int

    @cached_property
    def positive(self) -> IntArray:
        """The weights, 0 where they are less."""
        return np.maximum(self.weights, 0)

    @cached_property
    def negative(self) -> IntArray:
        """The weights, 0 where they are more."""
        return np.minimum(self.weights, 0)

    @cached_property
    def floats(self) -> tuple[F64Array, F64Array]:
        """Weights and bias, the nearest float64."""
        unit = 1 << self.shift
        return (self.weights / unit).astype(np.float64), (self.bias / unit).astype(np.float64)


@dataclass(frozen=True, eq=False)
class ExactNetwork:
    """Layers with ReLU between them, on input codes; the outputs are 255 times the float network's."""

    layers: tuple[ExactLayer, ...]

    @staticmethod
    def of(network: FloatNetwork, lo: float = 0.0, hi: float = 1.0) -> ExactNetwork:
        """The network as its file has it, on codes that stand for reals between lo and hi."""
        ends, k_ends = dyadic([lo, hi])
        width = int(ends[1] - ends[0])
        layers = []
        for i, layer in enumerate(network.layers):
            weights, k_weights = dyadic(layer.weights)
            bias, k_bias = dyadic(layer.bias)
            bias, offset = bias * TOP_CODE, np.zeros(len(bias), object)
            if i == 0:
                offset = weights.sum(axis=1) * (int(ends[0]) * TOP_CODE)
                weights, k_weights = weights * width, k_weights + k_ends
            shift = max(k_weights, k_bias)
            weights = weights * (1 << (shift - k_weights))
            total = bias * (1 << (shift - k_bias)) + offset * (1 << (shift - k_weights))
            layers.append(ExactLayer(weights, total, shift))
        return ExactNetwork(tuple(layers))

    @property
    def n_input(self) -> int:
        """How many inputs it takes."""
        return int(self.layers[0].weights.shape[1])

    @property
    def n_output(self) -> int:
        """How many classes it has."""
        return len(self.layers[-1].bias)

    def outputs(self, x: F64Array) -> list[int]:
        """The outputs at x, codes float64 [n_input], times one power of two."""
        value, k = dyadic(x)
        for i, layer in enumerate(self.layers):
            value = layer.weights @ value + layer.bias * (1 << k)
            k += layer.shift
            if i + 1 < len(self.layers):
                value = np.maximum(value, 0)
        return [int(v) for v in value]

    def predicted(self, x: F64Array) -> int:
        """The index of the first maximum at x."""
        outputs = self.outputs(x)
        return outputs.index(max(outputs))

    def classes(self, x: NDArray[np.generic]) -> NDArray[np.int64]:
        """The index of the first maximum for every row of x, codes [N, n_input]: int64 [N]."""
        batches = (x[i : i + BATCH].astype(np.float64) for i in range(0, len(x), BATCH))
        return np.concatenate([self._classes(batch) for batch in batches])

    def _classes(self, x: F64Array) -> NDArray[np.int64]:
        """Of outputs in float64, where these lie further apart than roundings move them."""
        near = self.nearly(x)
        found: NDArray[np.int64] = near.argmax(axis=1).astype(np.int64)
        top = np.sort(near, axis=1)[:, -2:]
        sure = top[:, 1] - top[:, 0] > 2 * self._rounding(x) if near.shape[1] > 1 else np.ones(len(x), bool)
        for i in np.flatnonzero(~sure):
            found[i] = self.predicted(x[i])
        return found

    def _rounding(self, x: F64Array) -> F64Array:
        """No output of `nearly` is further from the exact one, for every row of x: [N]."""
        size, off = np.abs(x), np.zeros_like(x)
        for layer in self.layers:
            weights, bias = (np.abs(values) for values in layer.floats)
            terms = (size + off) @ weights.T + bias
            off = off @ weights.T + (weights.shape[1] + 8) * _UNIT * terms + _UNDERFLOW
            size = terms
        most: F64Array = 2 * off.max(axis=1)
        return most

    def nearly(self, x: F64Array) -> F64Array:
        """The outputs in float64, rounded as they come: [N, n_output] for x [N, n_input]."""
        value = x
        for i, layer in enumerate(self.layers):
            weights, bias = layer.floats
            value = value @ weights.T + bias
            if i + 1 < len(self.layers):
                value = np.maximum(value, 0.0)
        return value
