"""int16: ADD, SUB and SQUARED_DIFFERENCE of rescaled operands, and the softmax that stays `Exact`."""

from __future__ import annotations

import numpy as np

from tflm_int8.fixedpoint import INT32_MAX, INT32_MIN, I64Array
from tflm_int8.kernels.softmax_wide import WideSoftmax
from tflm_int8.kernels.wide import Wide
from tflm_int8.program import primitives as p
from tflm_int8.program.linear import Scaling
from tflm_int8.program.lowering.builder import Builder
from tflm_int8.program.lowering.elementwise import affine, operand


def arithmetic(b: Builder, k: Wide) -> None:
    """A staircase per operand (rescaling rounds), their sum, difference or its square, one staircase."""
    n, name = k.node.output.size, k.node.op.name
    first, second = (_rescaled(b, k, i) for i in (0, 1))
    acc = affine(b, n, 0, (first, 1), (second, 1 if name == "ADD" else -1))
    if name == "SQUARED_DIFFERENCE":
        acc = b.emit(p.Product(acc, acc, 0, 0))
    b.requantized(acc, k.requantize, np.zeros(n, np.int64), k.node.output.index)


def _rescaled(b: Builder, k: Wide, i: int) -> int:
    wire, n, m = operand(b, k, i), k.node.output.size, k.multipliers[i]
    shifted = b.emit(p.Affine((p.Term(wire, Scaling(n, 1 << k.left_shift), 0),), np.zeros(n, np.int64)))
    one: tuple[I64Array, I64Array] = np.array([m.value], np.int64), np.array([m.shift], np.int64)
    rule = p.Requantize(*one, k.node.variant.rounding, 0, INT32_MIN, INT32_MAX)
    return b.emit(p.Staircase(shifted, rule, np.zeros(n, np.int64)))


def softmax(b: Builder, k: WideSoftmax) -> None:
    """`Exact`: its exponentials are of int16 differences, which `Softmax` does not tabulate; in 0..32767."""
    b.exact(k, 0, (1 << 15) - 1)
