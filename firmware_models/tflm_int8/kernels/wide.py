"""int16 → int16: ADD, SUB, SQUARED_DIFFERENCE with broadcasting; LOGISTIC and TANH from a sigmoid table.

Source: TFLM micro/kernels/add_common.cc, sub_common.cc (left shift 15), squared_difference.cc (none),
logistic_common.cc, tanh.cc, reference/integer_ops/logistic.h and tanh.h, common.h (sigmoid_table_uint16).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tflm_int8.fixedpoint import I64Array, Multiplier
from tflm_int8.kernels.broadcasting import aligned, check_shapes
from tflm_int8.kernels.lookup import Lookup, Pointwise, pointwise
from tflm_int8.kernels.requantize import below_one, one_channel, rescale_int8, to_output
from tflm_int8.kernels.scales import ratio
from tflm_int8.node import Node
from tflm_int8.program.primitives import Requantize

_RAISED: Final = (
    4, 8, 12, 14, 15, 16, 17, 19, 20, 21, 22, 25, 27, 28, 29, 30, 31, 33, 34, 35, 37, 39, 40, 41,
    43, 44, 45, 46, 49, 50, 54, 62, 63, 64, 66, 82, 86, 93, 100, 103, 112, 116, 135, 255,
)  # fmt: skip
"""Entries that TFLM's table holds one above the rounded sigmoid."""
_LEFT_SHIFTS: Final = {"ADD": 15, "SQUARED_DIFFERENCE": 0, "SUB": 15}


@dataclass(frozen=True)
class Wide:
    """y = requantize(a' + b'), a' − b' or (a' − b')², of the operands x' = (x << left shift) * multiplier."""

    node: Node
    multipliers: tuple[Multiplier, Multiplier]
    requantize: Requantize

    def run(self, inputs: list[NDArray[Any]]) -> list[NDArray[Any]]:
        """Two int16 [N, shape] → int16 [N, output shape]."""
        left = self.left_shift
        a, b = aligned(
            self.node,
            [
                rescale_int8(self.node, x.astype(np.int64), left, m)
                for x, m in zip(inputs, self.multipliers, strict=True)
            ],
        )
        match self.node.op.name:
            case "ADD":
                acc = a + b
            case "SUB":
                acc = a - b
            case _:
                acc = (a - b) ** 2
        return [to_output(self.node, acc, self.requantize)]

    @property
    def left_shift(self) -> int:
        """Bits by which the operands are shifted before their multipliers."""
        return _LEFT_SHIFTS[self.node.op.name]


def prepare_arithmetic(node: Node, activation: int) -> Wide:
    """Check an ADD, SUB or SQUARED_DIFFERENCE of int16."""
    node.arity(range(2, 3))
    check_shapes(node, [node.input(0), node.input(1)])
    a, b, out = node.int16(node.input(0)), node.int16(node.input(1)), node.int16(node.output)
    twice_max = 2 * max(float(a.scale), float(b.scale))
    below = [below_one(node, ratio(node, (q.scale,), twice_max)) for q in (a, b)]
    if node.op.name == "SQUARED_DIFFERENCE":
        m = node.multiplier(ratio(node, (twice_max, twice_max), out.scale))
    else:
        m = below_one(node, ratio(node, (twice_max,), (1 << _LEFT_SHIFTS[node.op.name]) * float(out.scale)))
    return Wide(node, (below[0], below[1]), one_channel(node, m, activation))


@cache
def _sigmoid() -> I64Array:
    """int64 [257]: sigmoid(i / 24) in Q0.16, as TFLM's table has it; the last entry is never used."""
    rounded = np.array([round(65536 / (1 + math.exp(-i / 24))) for i in range(257)], np.int64)
    rounded[list(_RAISED)] += 1
    return rounded


def prepare_logistic(node: Node) -> Lookup | Pointwise:
    """Check a LOGISTIC of int16."""
    multiplier, shift = _input_multiplier(node, (0,))
    return pointwise(node, partial(logistic, multiplier, shift))


def prepare_tanh(node: Node) -> Lookup | Pointwise:
    """Check a TANH of int16."""
    multiplier, shift = _input_multiplier(node, (0, 1))
    return pointwise(node, partial(tanh, multiplier, shift))


def _input_multiplier(node: Node, exact_shifts: tuple[int, ...]) -> tuple[int, int]:
    """The integer and the right shift that bring the input to Q3.12 · 3 · 2^…; powers of two are exact."""
    x, out = node.int16(node.input(0)), node.int16(node.output)
    exponent, power = _log2(x.scale)
    out_exponent, out_power = _log2(out.scale)
    if not out_power or out_exponent != -15:
        node.refuse("the output must have the scale 1/32768")
    if power and 12 + exponent in exact_shifts:
        return 3 << (12 + exponent), 0
    multiplier, shift = float(x.scale) * 4096.0 * 3.0, 0
    while multiplier <= 32767.0 / 2.0 and shift <= 30:
        shift += 1
        multiplier *= 2.0
    if multiplier >= 32768.0 or shift == 31:
        node.refuse(f"the input's scale {x.scale} is out of range")
    return int(multiplier), shift


def _log2(scale: np.float32) -> tuple[int, bool]:
    """The rounded binary logarithm, and whether the scale counts as a power of two.  Source: CheckedLog2."""
    exact = math.log2(float(scale))
    rounded = math.floor(exact + 0.5)
    return rounded, abs(exact - rounded) < 1e-3


def _scaled(multiplier: int, shift: int, x: I64Array) -> I64Array:
    return (x * multiplier + ((1 << shift) >> 1)) >> shift


def _interpolated(magnitude: I64Array, bits: int, saturated: int) -> I64Array:
    """The table at magnitude >> bits, linear in between, with `bits` more bits; `saturated` beyond it."""
    at = np.minimum(magnitude >> bits, 255)
    table = _sigmoid()
    value = (table[at] << bits) + (magnitude & ((1 << bits) - 1)) * (table[at + 1] - table[at])
    return np.where(at >= 255, saturated, value)


def logistic(multiplier: int, shift: int, x: I64Array) -> I64Array:
    """The sigmoid of x * multiplier / 2**shift in Q3.12 times 3, as Q0.15; shift >= 0."""
    scaled = _scaled(multiplier, shift, x)
    result = _interpolated(np.abs(scaled), 9, 0x7FFF << 10)
    return np.where(scaled >= 0, result + (1 << 9), (1 << 25) - result + (1 << 9) - 1) >> 10


def tanh(multiplier: int, shift: int, x: I64Array) -> I64Array:
    """tanh likewise."""
    scaled = _scaled(multiplier, shift, x)
    result = _interpolated(np.abs(scaled), 8, 0xFFFF << 8)
    half = 1 << 23
    return np.where(scaled >= 0, result - half + (1 << 7), -result + half + (1 << 7) - 1) >> 8
