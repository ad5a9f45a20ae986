"""int16 and int32: arithmetic of rescaled or plain operands, PRELU, and the softmax that stays `Exact`."""

from __future__ import annotations

import numpy as np

from tflm_int8.fixedpoint import INT32_MAX, INT32_MIN, I64Array
from tflm_int8.kernels.integer_arithmetic import IntegerArithmetic
from tflm_int8.kernels.prelu import WidePrelu
from tflm_int8.kernels.softmax_wide import WideSoftmax
from tflm_int8.kernels.wide import Wide
from tflm_int8.program import primitives as p
from tflm_int8.program.linear import Scaling
from tflm_int8.program.lowering.builder import Builder
from tflm_int8.program.lowering.elementwise import affine, clamped, operand, times
from tflm_int8.program.rules import Within


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


def integers(b: Builder, k: IntegerArithmetic) -> None:
    """int32 operands: the sum or product, on the values for which it fits int32; a quotient is `Exact`."""
    name, n, tensor = k.node.op.name, k.node.output.size, k.node.output.index
    if name == "DIV":
        return b.exact(k)
    pair, channel, one = [operand(b, k, i) for i in (0, 1)], np.zeros(n, np.int64), np.ones(1, np.int64)
    if name == "MUL":
        acc = b.emit(p.Product(pair[0], pair[1], 0, 0))
    else:
        acc = affine(b, n, 0, (pair[0], 1), (pair[1], 1 if name == "ADD" else -1))
    if name == "SQUARED_DIFFERENCE":
        most = (1 << 16) - 1  # larger ones have no square in int32, whatever the sign
        known = Within(p.DivideRounding(one, -most, most), -most * one, most * one)
        root = b.emit(p.Staircase(acc, known, channel))
        acc = b.emit(p.Product(root, root, 0, 0))
    b.requantized(acc, p.DivideRounding(one, k.lo, k.hi), channel, tensor)


def prelu(b: Builder, k: WidePrelu) -> None:
    """Either side of 0 clamped, the other one being 0; the negative one times the slopes; both rescaled."""
    n, x = k.node.output.size, operand(b, k, 0)
    above, below = clamped(b, x, n, 0, (1 << 15) - 1), clamped(b, x, n, -(1 << 15), 0)
    sides = []
    for wire, m in ((above, k.identity), (times(b, below, k, 1, k.alpha_zero_point), k.slope)):
        value, shift = np.array([m.value], np.int64), np.array([m.shift], np.int64)
        rule = p.Requantize(value, shift, k.node.variant.rounding, 0, -(1 << 15), (1 << 15) - 1)
        sides.append((b.emit(p.Staircase(wire, rule, np.zeros(n, np.int64))), 1))
    b.wires[k.node.output.index] = clamped(b, affine(b, n, 0, *sides), n, -(1 << 15), (1 << 15) - 1)


def softmax(b: Builder, k: WideSoftmax) -> None:
    """`Exact`: its exponentials are of int16 differences, which `Softmax` does not tabulate; in 0..32767."""
    b.exact(k, 0, (1 << 15) - 1)
