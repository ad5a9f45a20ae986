"""Operators that work element by element, with broadcasting, on the primitives.

A step of choice or of two clamped parts ends in a clamp to the type's range, which changes no value but tells
every bound of it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tflm_int8.fixedpoint import INT32_MAX, INT32_MIN, I64Array
from tflm_int8.kernels.add import Add
from tflm_int8.kernels.choice import Choice, Extreme
from tflm_int8.kernels.comparison import Comparison, Logical
from tflm_int8.kernels.lookup import CODES
from tflm_int8.kernels.multiply import Multiply, SquaredDifference
from tflm_int8.kernels.prelu import Prelu
from tflm_int8.model import Tensor
from tflm_int8.operators import Kernel
from tflm_int8.program import primitives as p
from tflm_int8.program.linear import Scaling
from tflm_int8.program.lowering.builder import Builder
from tflm_int8.program.rules import Steps
from tflm_int8.program.sparse import Sparse


def broadcast_index(tensor: Tensor, shape: tuple[int, ...]) -> I64Array:
    """Which element of `tensor` each element of the broadcast shape reads: int64 [elements]."""
    index = np.arange(tensor.size).reshape(tensor.shape)
    return np.broadcast_to(index, shape).reshape(-1)


def add(b: Builder, k: Add) -> None:
    """A table per input, their sum, one staircase; a constant operand goes into the bias."""
    acc = _sum_of_tables(b, k, k.tables)
    b.requantized(acc, k.requantize, np.zeros(k.node.output.size, np.int64), k.node.output.index)


def multiply(b: Builder, k: Multiply) -> None:
    """A product, one staircase."""
    acc = _product(b, k, k.zero_points)
    b.requantized(acc, k.requantize, np.zeros(k.node.output.size, np.int64), k.node.output.index)


def squared_difference(b: Builder, k: SquaredDifference) -> None:
    """A table per input, and a staircase each of their difference and of its negative: of these one is 0.

    Where some square, which may never occur, would overflow: their difference times itself, one staircase.
    """
    n, index = k.node.output.size, k.node.output.index
    channel = np.zeros(n, np.int64)
    difference = _sum_of_tables(b, k, (k.tables[0], -k.tables[1]))
    if k.overflows:
        acc = b.emit(p.Product(difference, difference, 0, 0))
        b.requantized(acc, k.requantize, channel, index)
        return
    squares = k.requantize.apply(np.arange(k.largest + 1)[:, None] ** 2, channel[:1])[:, 0]
    rule = Steps(np.searchsorted(squares, np.arange(squares[0] + 1, squares[-1] + 1))[None])
    sides = [b.emit(p.Staircase(difference, rule, channel))]
    sides.append(b.emit(p.Staircase(affine(b, n, 0, (difference, -1)), rule, channel)))
    total = affine(b, n, k.requantize.zero_point, *((side, 1) for side in sides))
    b.wires[index] = clamped(b, total, n, -128, 127)


def prelu(b: Builder, k: Prelu) -> None:
    """A table for the positive side; a product and a staircase for the other; one of the two is 0."""
    n = k.node.output.size
    positive = b.emit(p.Table(b.source(k, 0), k.positive))
    centred = np.minimum(np.arange(-128, 128) - k.zero_points[0], 0)
    below = b.emit(p.Table(b.source(k, 0), centred))
    acc = times(b, below, k, 1, k.zero_points[1])
    negative = b.emit(p.Staircase(acc, k.negative, np.zeros(n, np.int64)))
    total = affine(b, n, k.output_zero_point, (positive, 1), (negative, 1))
    b.wires[k.node.output.index] = clamped(b, total, n, -128, 127)


def extreme(b: Builder, k: Extreme) -> None:
    """The greater one is b + max(a − b, 0), the lesser one a − max(a − b, 0); else a maximum of pairs."""
    n = k.node.output.size
    first, second = (operand(b, k, i) for i in range(2))
    if k.node.output.dtype != "int8":
        b.wires[k.node.output.index] = _extreme_of_pairs(b, n, (first, second), k.greatest)
        return
    excess = clamped(b, affine(b, n, 0, (first, 1), (second, -1)), n, 0, 255)
    total = affine(b, n, 0, *([(second, 1), (excess, 1)] if k.greatest else [(first, 1), (excess, -1)]))
    b.wires[k.node.output.index] = clamped(b, total, n, -128, 127)


def _extreme_of_pairs(b: Builder, n: int, pair: tuple[int, int], greatest: bool) -> int:
    """The greater of each pair of int16 or int32; the lesser one by the complements (~x = −1 − x)."""
    sign, bias = (1, 0) if greatest else (-1, -1)
    places = np.arange(2 * n).reshape(2, n)
    both = tuple(
        p.Term(wire, Sparse.moving(n, np.where(np.arange(2 * n) // n == i, np.tile(np.arange(n), 2), n)), 0)
        for i, wire in enumerate(pair)
    )
    joined = affine(b, 2 * n, bias, (b.emit(p.Affine(both, np.zeros(2 * n, np.int64))), sign))
    most = b.emit(p.Max(joined, places.T, INT32_MIN, INT32_MAX))
    return affine(b, n, bias, (most, sign))


def comparison(b: Builder, k: Comparison) -> None:
    """The difference of two tables, clamped to 0 and 1; equality excludes both orders."""
    if k.tables is None and k.node.input(0).dtype != "bool":
        return b.exact(k)  # a difference of int32 or int64 can leave int32, and floats are patterns
    n, (x, y) = k.node.output.size, k.tables or (CODES, CODES)
    less = _sum_of_tables(b, k, (-x, y))
    greater = _sum_of_tables(b, k, (x, -y))
    match k.node.op.name:
        case "LESS":
            wire = clamped(b, less, n, 0, 1)
        case "GREATER":
            wire = clamped(b, greater, n, 0, 1)
        case "LESS_EQUAL":
            wire = affine(b, n, 1, (clamped(b, greater, n, 0, 1), -1))
        case "GREATER_EQUAL":
            wire = affine(b, n, 1, (clamped(b, less, n, 0, 1), -1))
        case name:
            both = ((clamped(b, less, n, 0, 1), 1), (clamped(b, greater, n, 0, 1), 1))
            unequal = clamped(b, affine(b, n, 0, *both), n, 0, 1)
            wire = unequal if name == "NOT_EQUAL" else affine(b, n, 1, (unequal, -1))
    b.wires[k.node.output.index] = wire


def logical(b: Builder, k: Logical) -> None:
    """A product, a clamped sum, or 1 − x."""
    n = k.node.output.size
    match k.node.op.name:
        case "LOGICAL_AND":
            wire = _product(b, k, (0, 0))
        case "LOGICAL_OR":
            wire = clamped(b, affine(b, n, 0, (operand(b, k, 0), 1), (operand(b, k, 1), 1)), n, 0, 1)
        case _:
            wire = affine(b, n, 1, (b.source(k, 0), -1))
    b.wires[k.node.output.index] = wire


def choice(b: Builder, k: Choice) -> None:
    """y + condition · (x − y)."""
    if k.node.output.dtype == "float32":
        return b.exact(k)  # a difference of bit patterns can leave int32
    n, limits = k.node.output.size, np.iinfo(k.node.output.dtype)
    x, y = operand(b, k, 1), operand(b, k, 2)
    chosen = times(b, affine(b, n, 0, (x, 1), (y, -1)), k, 0, 0)
    total = affine(b, n, 0, (y, 1), (chosen, 1))
    b.wires[k.node.output.index] = clamped(b, total, n, int(limits.min), int(limits.max))


def operand(b: Builder, k: Kernel, i: int) -> int:
    """The wire of an input, broadcast to the output's shape."""
    tensor, out = k.node.input(i), k.node.output
    wire = b.source(k, i)
    return wire if tensor.size == out.size else b.emit(p.Select(wire, broadcast_index(tensor, out.shape)))


def affine(b: Builder, n: int, bias: int, *parts: tuple[int, int]) -> int:
    """bias + Σ factor · wire, of n elements."""
    terms = tuple(p.Term(wire, Scaling(n, factor), 0) for wire, factor in parts)
    return b.emit(p.Affine(terms, np.full(n, bias, np.int64)))


def clamped(b: Builder, wire: int, n: int, lo: int, hi: int) -> int:
    """The wire, of n elements, within lo..hi."""
    rule = p.DivideRounding(np.ones(1, np.int64), lo, hi)
    return b.emit(p.Staircase(wire, rule, np.zeros(n, np.int64)))


def _product(b: Builder, k: Any, zero_points: tuple[int, int]) -> int:
    """The product of both centred inputs, with the weights of a constant one in a diagonal map."""
    i = 1 if k.node.input(0).data is not None else 0
    return times(b, operand(b, k, i), k, 1 - i, zero_points[1 - i], zero_points[i])


def times(b: Builder, wire: int, k: Any, i: int, zero_point: int, offset: int = 0) -> int:
    """A wire of the output's shape, less an offset, times the i-th input less its zero point."""
    tensor, out = k.node.input(i), k.node.output
    if tensor.data is None:
        return b.emit(p.Product(wire, operand(b, k, i), offset, zero_point))
    weights = tensor.data.astype(np.int64).reshape(-1)[broadcast_index(tensor, out.shape)] - zero_point
    diagonal = Sparse(out.size, np.arange(out.size)[:, None], weights[:, None])
    return b.emit(p.Affine((p.Term(wire, diagonal, offset),), np.zeros(out.size, np.int64)))


def _sum_of_tables(b: Builder, k: Any, tables: tuple[I64Array, I64Array]) -> int:
    """Σ tables[i][input i + 128]; a constant operand goes into the bias.

    Of a table that falls its negative is subtracted.
    """
    n = k.node.output.size
    bias, terms = np.zeros(n, np.int64), []
    for i, table in enumerate(tables):
        tensor = k.node.input(i)
        index = broadcast_index(tensor, k.node.output.shape)
        if tensor.data is not None:
            bias += table[tensor.data.astype(np.int64).reshape(-1)[index] + 128]
            continue
        sign = -1 if table[-1] < table[0] and np.all(np.diff(table) <= 0) else 1
        wire = b.emit(p.Table(b.source(k, i), sign * table))
        if tensor.size != n:
            wire = b.emit(p.Select(wire, index))
        terms.append(p.Term(wire, Scaling(n, sign), 0))
    return b.emit(p.Affine(tuple(terms), bias))
