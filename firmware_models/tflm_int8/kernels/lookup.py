"""Operators that are a function of one element: a table of 256 entries for int8, arithmetic for int16.

A function that TFLM does not define on some codes (RSQRT of a negative number) names them; they are refused
when they occur.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tflm_int8.fixedpoint import INT32_MAX, INT32_MIN, I64Array, Multiplier
from tflm_int8.fixedpoint import multiply_by_quantized_multiplier as scaled_by
from tflm_int8.model import Quantization
from tflm_int8.node import Node

CODES = np.arange(-128, 128, dtype=np.int64)
"""Every int8, in the order of the tables."""
_BLOCK = 1 << 15
"""Elements at a time: numpy widens their codes to 8 bytes, which stay in the cache."""


def undefined(first: int) -> str:
    """What a function is on codes below `first`."""
    return f"not defined on an element below {first} (TFLM fails too)"


@dataclass(frozen=True)
class Lookup:
    """y = values[x + 128], int64 [256]; codes below `first` are refused."""

    node: Node
    values: I64Array
    first: int = -128

    def run(self, inputs: list[NDArray[Any]]) -> list[NDArray[Any]]:
        """int8 [N, shape] → the output's type [N, output shape]."""
        x = inputs[0]
        if self.first > -128 and np.any(x < self.first):
            self.node.refuse(f"it is {undefined(self.first)}")
        codes = x.reshape(-1).view(np.uint8)
        y = np.empty(codes.shape, self.node.output.dtype)
        for i in range(0, len(codes), _BLOCK):
            self._by_byte.take(
                codes[i : i + _BLOCK], out=y[i : i + _BLOCK], mode="clip"
            )  # nothing is clipped
        return [y.reshape(len(x), *self.node.output.shape)]

    @cached_property
    def _by_byte(self) -> NDArray[Any]:
        """[256]: the values, in the output's type, of 0…127 and then of −128…−1."""
        return np.roll(self.values, 128).astype(self.node.output.dtype)


@dataclass(frozen=True)
class Pointwise:
    """y = function(x) on int16; codes below `first` are refused."""

    node: Node
    function: Callable[[I64Array], I64Array]
    first: int = -(1 << 15)

    def run(self, inputs: list[NDArray[Any]]) -> list[NDArray[Any]]:
        """int16 [N, shape] → the output's type [N, output shape]."""
        x = inputs[0].astype(np.int64)
        if np.any(x < self.first):
            self.node.refuse(f"it is {undefined(self.first)}")
        return [self.function(x.reshape(-1)).reshape(x.shape).astype(self.node.output.dtype)]


def lookup(node: Node, values: I64Array, first: int = -128) -> Lookup:
    """The kernel of a unary operator on int8 whose table is `values`; checks the shapes."""
    same_size(node)
    return Lookup(node, values, first)


def pointwise(
    node: Node, function: Callable[[I64Array], I64Array], first: int | None = None
) -> Lookup | Pointwise:
    """The kernel of a unary operator on int8 or int16; `function` refuses overflows: tried at the ends."""
    dtype = node.input(0).dtype
    least = int(np.iinfo(dtype).min) if first is None else first
    if dtype == "int8":
        return lookup(node, function(CODES), least)
    same_size(node)
    zero = node.int16(node.input(0)).zero_point
    function(np.array([max(least, -(1 << 15)), max(least, zero - 1), zero, zero + 1, (1 << 15) - 1]))
    return Pointwise(node, function, least)


def alike(node: Node) -> tuple[Quantization, Quantization]:
    """The quantizations of input and output, both int8 or both int16 (zero points 0)."""
    x, out = node.input(0), node.output
    if x.dtype == "int16":
        return node.int16(x), node.int16(out)
    return node.int8(x), node.int8(out)


def same_size(node: Node) -> None:
    """Refuse an operator that is not unary, or whose output has not its input's shape."""
    node.arity(range(1, 2))
    x, out = node.input(0), node.output
    if x.shape != out.shape:
        node.refuse(f"shapes {list(x.shape)} → {list(out.shape)}")


def rescaled(node: Node, x: I64Array, m: Multiplier) -> I64Array:
    """x times the multiplier; refuses an x whose left shift overflows int32 (undefined in TFLM)."""
    left = max(m.shift, 0)
    if len(x) and (int(x.max()) << left > INT32_MAX or int(x.min()) << left < INT32_MIN):
        node.overflow("a value times its left shift can leave int32")
    return scaled_by(x, m.value, m.shift, node.variant.rounding)


def clamped(node: Node, values: I64Array, lo: int | None = None, hi: int | None = None) -> I64Array:
    """Values after the zero point was added, within int32, clamped to lo..hi (default: the output's type)."""
    if np.any(values > INT32_MAX) or np.any(values < INT32_MIN):
        node.overflow("a value plus its zero point can leave int32")
    limits = np.iinfo(node.output.dtype)
    return np.clip(values, limits.min if lo is None else lo, limits.max if hi is None else hi)
