"""RSQRT and L2_NORMALIZATION on a fixed-point 1/√n; ABS, which shares their quantization.

Source: TFLM micro/kernels/elementwise.cc, l2norm.cc, reference/integer_ops/l2normalization.h, common.h
(GetInvSqrtQuantizedMultiplierExp: five Newton steps in Q3.28).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tflm_int8.fixedpoint import (
    INT32_MAX,
    INT32_MIN,
    I64Array,
    Multiplier,
    multiply_by_quantized_multiplier,
    rounding_divide_by_pot,
    srdhm,
)
from tflm_int8.kernels.lookup import Lookup, Pointwise, alike, clamped, pointwise, rescaled
from tflm_int8.kernels.scales import product, ratio, root
from tflm_int8.node import Node

_RSQRT_SHIFT = 20
_L2_OPTIONS = 12
MAX_DEPTH = INT32_MAX // 255**2
"""Elements whose squares an int32 can sum."""


def inverse_sqrt(n: I64Array) -> tuple[I64Array, I64Array]:
    """1/√n of int32 n ≥ 0 as a multiplier (Q0.31) and a shift (left is positive); n = 0 counts as 1."""
    bits = np.frexp(np.maximum(n, 2).astype(np.float64))[1].astype(np.int64)
    down = np.maximum(bits - 28, 0) // 2
    reduced = np.maximum(n, 2) >> (2 * down)
    bits = np.frexp(reduced.astype(np.float64))[1].astype(np.int64)
    up = (31 - bits) // 2 - 1
    half = rounding_divide_by_pot((reduced << (2 * up)) >> 1, 1)
    x: I64Array = np.full(np.shape(n), 1 << 28, np.int64)
    for _ in range(5):
        cube = _saturated(srdhm(srdhm(x, x), x) << 6)
        x = _saturated((srdhm(x, (1 << 28) + (1 << 27)) - srdhm(half, cube)) << 3)
    x = srdhm(x, 1518500250)
    right = 11 + down - up
    x = x << np.maximum(-right, 0)
    return np.where(n <= 1, INT32_MAX, x), np.where(n <= 1, 0, -np.maximum(right, 0))


def _saturated(x: I64Array) -> I64Array:
    return np.clip(x, INT32_MIN, INT32_MAX)


def prepare_rsqrt(node: Node) -> Lookup | Pointwise:
    """Check a RSQRT; codes below the zero point are refused when they occur, as TFLM does."""
    x, out = alike(node)
    divisor = product(node, root(node, x.scale), out.scale)
    if divisor == 0.0:
        node.refuse("the output's scale is out of range")
    m = node.multiplier(1.0 / divisor)
    if m.shift - _RSQRT_SHIFT < -31:
        node.refuse("the output's scale is out of range")
    function = partial(_rsqrt, node, m, x.zero_point, out.zero_point)
    return pointwise(node, function, first=x.zero_point)


def _rsqrt(node: Node, m: Multiplier, before: int, after: int, x: I64Array) -> I64Array:
    """1/√(x − before); the greatest code where that is 0 or less."""
    multiplier, shift = inverse_sqrt(np.maximum(x - before, 1))
    one = np.ones(x.shape, np.int64)
    data = multiply_by_quantized_multiplier(one, multiplier, shift + _RSQRT_SHIFT, node.variant.rounding)
    defined = x > before
    second = Multiplier(m.value, m.shift - _RSQRT_SHIFT)
    values = clamped(node, rescaled(node, np.where(defined, data, 0), second) + after)
    return np.where(defined, values, int(np.iinfo(node.output.dtype).max))


def prepare_abs(node: Node) -> Lookup | Pointwise:
    """Check an ABS; equal scales are not rescaled."""
    x, out = alike(node)
    m = None if x.scale == out.scale else node.multiplier(ratio(node, (x.scale,), out.scale))
    return pointwise(node, partial(_abs, node, m, x.zero_point, out.zero_point))


def _abs(node: Node, m: Multiplier | None, before: int, after: int, x: I64Array) -> I64Array:
    values = np.abs(x - before)
    return clamped(node, (values if m is None else rescaled(node, values, m)) + after)


@dataclass(frozen=True)
class L2Normalization:
    """Rows along the last axis: (x − z) / √Σ(x − z)², in 128ths."""

    node: Node
    zero_point: int

    def run(self, inputs: list[NDArray[Any]]) -> list[NDArray[Any]]:
        """int8 [N, shape] → int8 [N, shape]."""
        x = inputs[0].astype(np.int64) - self.zero_point
        multiplier, shift = inverse_sqrt((x * x).sum(axis=-1, keepdims=True))
        scaled = multiply_by_quantized_multiplier(x, multiplier, shift + 7, self.node.variant.rounding)
        return [np.clip(scaled, -128, 127).astype(np.int8)]


def prepare_l2(node: Node) -> L2Normalization:
    """Check an L2_NORMALIZATION; TFLM ignores the output's quantization."""
    node.arity(range(1, 2))
    x, out = node.input(0), node.output
    if x.shape != out.shape or not 1 <= len(x.shape) <= 4:
        node.refuse(f"shapes {list(x.shape)} → {list(out.shape)}")
    quantization = node.int8(x)
    node.int8(out)
    if node.option(_L2_OPTIONS, 0, "<b"):
        node.refuse("a fused activation is not supported")
    if x.shape[-1] > MAX_DEPTH:
        node.refuse(f"the squares of {x.shape[-1]} elements can overflow int32")
    return L2Normalization(node, quantization.zero_point)
