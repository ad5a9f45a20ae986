"""SOFTMAX, int16 → int16: exponential and reciprocal from interpolated tables of 513 entries.

The tables do not depend on the model; TFLM fills them in float32.  Source: TFLM
micro/kernels/softmax_common.cc, reference/softmax.h (SoftmaxInt16), common.h (LUTPopulateInt16, LUTLookup).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tflm_int8.fixedpoint import I64Array, Multiplier, multiply_by_quantized_multiplier
from tflm_int8.kernels.lookup import rescaled, same_size
from tflm_int8.node import Node

F32Array = NDArray[np.float32]

MAX_DEPTH = (1 << 16) - 1


@dataclass(frozen=True)
class WideSoftmax:
    """Rows along the last axis; `multiplier` scales differences so that −65535 stands for −10."""

    node: Node
    multiplier: Multiplier

    def run(self, inputs: list[NDArray[Any]]) -> list[NDArray[Any]]:
        """int16 [N, shape] → int16 [N, shape]."""
        x = inputs[0].astype(np.int64)
        scaled = multiply_by_quantized_multiplier(
            x - x.max(axis=-1, keepdims=True),
            self.multiplier.value,
            self.multiplier.shift,
            self.node.variant.rounding,
        )
        exponential = _interpolated(_exponentials(), scaled + 32767)
        total = exponential.sum(axis=-1, keepdims=True)
        bits = np.frexp(total.astype(np.float64))[1].astype(np.int64)
        mantissa = ((total << (31 - bits)) + (1 << 13)) >> 14
        reciprocal = _interpolated(_reciprocals(), mantissa - (1 << 15) - (1 << 16))
        right = bits - 1
        quotient = (exponential * reciprocal + (np.int64(1) << (right - 1))) >> right
        return [np.clip(quotient, 0, 32767).astype(np.int16)]


def prepare(node: Node, beta: float) -> WideSoftmax:
    """Check the operator on int16; the output's scale must be 1/32768."""
    same_size(node)
    x, out = node.input(0), node.output
    quantization = node.int16(x)
    if not nearly(node.int16(out).scale, 2.0**-15):
        node.refuse("the output must have the scale 1/32768")
    if not x.shape or x.shape[-1] > MAX_DEPTH:
        node.refuse(f"the input has the shape {list(x.shape)}; a row has at most {MAX_DEPTH} elements")
    m = node.multiplier(float(quantization.scale) * beta / (10.0 / 65535.0))
    rescaled(node, np.array([-65535]), m)
    return WideSoftmax(node, m)


def nearly(scale: np.float32, power: float) -> bool:
    """Whether TFLM takes an int16 output's scale for the power of two: it allows a thousandth (here less)."""
    return abs(float(scale) - power) < 0.000999 * power


def _interpolated(table: I64Array, at: I64Array) -> I64Array:
    """The table of 513 entries at an int16 (saturated), linear between every 128 codes."""
    at = np.clip(at, -(1 << 15), (1 << 15) - 1)
    i = 256 + (at >> 7)
    value: I64Array = table[i] + (((table[i + 1] - table[i]) * (at & 0x7F) + 64) >> 7)
    return value


@cache
def _exponentials() -> I64Array:
    """exp(x) for x = −10…0 in Q0.15."""
    return _table(np.float32(10) / np.float32(65535), 32767, lambda x: np.exp(x.astype(np.float64)))


@cache
def _reciprocals() -> I64Array:
    """1 / (1 + x) for x = 0…1 in Q0.15."""
    one = np.float32(1)
    return _table(one / np.float32(65535), -32768, lambda x: one / (one + x))


def _table(scale: np.float32, zero_point: int, function: Callable[[F32Array], NDArray[Any]]) -> I64Array:
    """int64 [513], every step in float32: samples, moved by half the error in the middle of each segment."""
    first, last = (scale * np.float32(end - zero_point) for end in (-32768, 32767))
    out_scale = np.float32(2) / np.float32(65535)
    factor = np.float32(65536) / (out_scale * np.float32(32767) - out_scale * np.float32(-32768))
    step = (last - first) / np.float32(512)
    i = np.arange(512, dtype=np.float32)

    def scaled(x: F32Array) -> F32Array:
        y: F32Array = function(x).astype(np.float32) * factor
        return y

    sample = _rounded(scaled(first + i * step))
    middle = _rounded(scaled(first + i * step + step / np.float32(2)))
    following = scaled(first + (i + np.float32(1)) * step)
    error = _rounded((following + sample) / np.float32(2)) - middle
    entries = np.append(sample - _rounded(error / np.float32(2)), _rounded(scaled(np.array([last]))))
    table: I64Array = np.clip(entries, -32768, 32767).astype(np.int64)
    return table


def _rounded(x: F32Array) -> F32Array:
    """To the nearest integer, halves away from zero."""
    wide = x.astype(np.float64)
    nearest: F32Array = (np.sign(wide) * np.floor(np.abs(wide) + 0.5)).astype(np.float32)
    return nearest
