"""DIV with broadcasting on int8: the numerator times the reciprocal of the denominator, in fixed point.

TFLM's arithmetic is undefined on some pairs of codes: a denominator of zero, and where the right shift leaves
0…31 bits. They are refused when they occur.  Source: TFLM micro/kernels/div.cc, reference/div.h
(DivElementwise), common.cc (GetReciprocal).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tflm_int8.fixedpoint import I64Array, Multiplier, rounding_divide_by_pot, srdhm
from tflm_int8.kernels import integer_arithmetic
from tflm_int8.kernels.broadcasting import aligned, check_shapes
from tflm_int8.kernels.lookup import CODES
from tflm_int8.kernels.scales import product, ratio
from tflm_int8.kernels.softmax import one_over_one_plus
from tflm_int8.node import Node

_OPTIONS = 29


@dataclass(frozen=True)
class Divide:
    """y = pairs[a + 128, b + 128], int64 [256, 256]; defined: the same shape, where TFLM defines it."""

    node: Node
    pairs: I64Array
    defined: NDArray[np.bool_]

    def run(self, inputs: list[NDArray[Any]]) -> list[NDArray[Any]]:
        """Two int8 [N, shape] → int8 [N, output shape]."""
        a, b = aligned(self.node, [x.astype(np.int64) + 128 for x in inputs])
        if not np.all(self.defined[a, b]):
            self.node.overflow("a quotient by zero, or one that TFLM shifts out of its range")
        return [self.pairs[a, b].astype(np.int8)]


def prepare(node: Node) -> Divide | integer_arithmetic.IntegerArithmetic:
    """Check a DIV and compute its table."""
    activation = node.option(_OPTIONS, 0, "<b")
    if node.output.dtype == "int32":
        return integer_arithmetic.prepare(node, activation)
    node.arity(range(2, 3))
    check_shapes(node, [node.input(0), node.input(1)])
    a, b, out = node.int8(node.input(0)), node.int8(node.input(1)), node.int8(node.output)
    m = node.multiplier(ratio(node, (a.scale,), product(node, b.scale, out.scale)))
    quotient, defined = _quotients(m, (CODES - a.zero_point)[:, None], (CODES - b.zero_point)[None, :])
    lo, hi = node.activation_range(activation)
    return Divide(node, np.clip(quotient + out.zero_point, lo, hi), defined)


def _quotients(m: Multiplier, a: I64Array, b: I64Array) -> tuple[I64Array, NDArray[np.bool_]]:
    """m · a / b rounded, and where that is defined, for |a|, |b| ≤ 255 of broadcast shapes."""
    numerator, denominator = np.where(b < 0, -a, a), np.maximum(np.abs(b), 1)
    zeros = 32 - np.frexp(denominator.astype(np.float64))[1].astype(np.int64)
    inverse = one_over_one_plus((denominator << zeros) - (np.int64(1) << 31))
    headroom = _sign_bits(numerator)
    total = m.shift - (31 - zeros) - headroom
    defined = (b != 0) & (total <= 0) & (total >= -31)
    unscaled = srdhm(numerator << headroom, inverse)
    value = rounding_divide_by_pot(srdhm(unscaled, m.value), np.clip(-total, 0, 31))
    return value, np.broadcast_to(defined, value.shape)


def _sign_bits(x: I64Array) -> I64Array:
    """The leading bits of an int32 that repeat its sign, the sign itself not counted."""
    magnitude = np.where(x < 0, ~x, x)
    return 31 - np.frexp(magnitude.astype(np.float64))[1].astype(np.int64)
