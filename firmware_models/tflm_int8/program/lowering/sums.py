"""Operators that add up few elements: reductions, sums, interpolation, TRANSPOSE_CONV, matrix products."""

from __future__ import annotations

from typing import Final

import numpy as np

from tflm_int8.fixedpoint import I64Array
from tflm_int8.geometry import Axis, Window2D
from tflm_int8.kernels.accumulating import UNIT, AddN, CumulativeSum
from tflm_int8.kernels.batch_matmul import BatchMatmul
from tflm_int8.kernels.bilinear import ResizeBilinear
from tflm_int8.kernels.movement import numbered
from tflm_int8.kernels.reducing import AllReduction, ArgReduction, ExtremeReduction, SumReduction
from tflm_int8.kernels.transpose_convolution import TransposeConvolution
from tflm_int8.program import primitives as p
from tflm_int8.program.linear import Convolution, Scaling, repeated
from tflm_int8.program.lowering.builder import Builder
from tflm_int8.program.sparse import Sparse

_MAX_COEFFICIENTS: Final = 1 << 22
MAX_PRODUCTS: Final = 1 << 16


def sum_reduction(b: Builder, k: SumReduction) -> None:
    """A sum per output, then one staircase for all."""
    groups = k.groups()
    term = p.Term(
        b.source(k, 0), Sparse(k.node.input(0).size, groups, np.ones_like(groups)), k.input_zero_point
    )
    acc = b.emit(p.Affine((term,), np.zeros(len(groups), np.int64)))
    b.requantized(acc, k.requantize, np.zeros(len(groups), np.int64), k.node.output.index)


def extreme(b: Builder, k: ExtremeReduction) -> None:
    """A maximum; a minimum by the complements (~x = −1 − x stays in int8)."""
    wire, complement = b.source(k, 0), ~np.arange(-128, 128, dtype=np.int64)
    if not k.greatest:
        wire = b.emit(p.Table(wire, complement))
    wire = b.emit(p.Max(wire, k.groups(), -128, 127))
    if not k.greatest:
        wire = b.emit(p.Table(wire, complement))
    b.wires[k.node.output.index] = wire


def all_hold(b: Builder, k: AllReduction) -> None:
    """1 less the maximum of the complements."""
    n, groups = k.node.input(0).size, k.groups()
    ones, source = np.ones(n, np.int64), b.source(k, 0)
    missing = b.emit(p.Affine((p.Term(source, Scaling(n, -1), 0),), ones))
    some = b.emit(p.Max(missing, groups, 0, 1))
    term = p.Term(some, Scaling(len(groups), -1), 0)
    b.wires[k.node.output.index] = b.emit(p.Affine((term,), np.ones(len(groups), np.int64)))


def arg_extreme(b: Builder, k: ArgReduction) -> None:
    """How many positions i > 0 have a greater element from i on than before: the first maximum's position.

    `Exact` where that takes too many windows.
    """
    groups, complement = k.groups(), ~np.arange(-128, 128, dtype=np.int64)
    n, depth = groups.shape
    if n * depth * depth > _MAX_COEFFICIENTS:
        return b.exact(k, 0, depth - 1)
    if depth == 1:
        b.wires[k.node.output.index] = b.emit(p.Affine((), np.zeros(n, np.int64)))
        return None
    wire = b.source(k, 0)
    if not k.greatest:
        wire = b.emit(p.Table(wire, complement))
    at, i = np.arange(depth), np.arange(1, depth)[:, None]
    before, after = (b.emit(p.Max(wire, groups[:, take].reshape(-1, depth), -128, 127))
                     for take in (np.minimum(at, i - 1), np.maximum(at, i)))  # fmt: skip
    rows = n * (depth - 1)
    terms = (p.Term(after, Scaling(rows), 0), p.Term(before, Scaling(rows, -1), 0))
    rises = b.emit(p.Affine(terms, np.zeros(rows, np.int64)))
    one = p.DivideRounding(np.ones(1, np.int64), 0, 1)
    steps = b.emit(p.Staircase(rises, one, np.zeros(rows, np.int64)))
    counted = np.arange(rows).reshape(n, depth - 1)
    linear = Sparse(rows, counted, np.ones_like(counted))
    b.wires[k.node.output.index] = b.emit(p.Affine((p.Term(steps, linear, 0),), np.zeros(n, np.int64)))


def add_n(b: Builder, k: AddN) -> None:
    """The inputs in one scale; constants go into the bias."""
    n = k.node.output.size
    bias, terms = np.full(n, -k.zero_point * UNIT, np.int64), []
    for i in range(len(k.node.op.inputs)):
        data = k.node.input(i).data
        if data is None:
            terms.append(p.Term(b.source(k, i), Scaling(n, UNIT), k.zero_point))
        else:
            bias += (data.reshape(-1).astype(np.int64) - k.zero_point) * UNIT
    acc = b.emit(p.Affine(tuple(terms), bias))
    b.requantized(acc, k.requantize, np.zeros(n, np.int64), k.node.output.index)


def cumulative_sum(b: Builder, k: CumulativeSum) -> None:
    """A triangle of equal coefficients per line."""
    x = k.node.input(0)
    depth = x.shape[k.axis]
    if x.size * depth > _MAX_COEFFICIENTS:
        b.exact(k)
        return
    read = np.tri(depth, k=-1 if k.exclusive else 0, dtype=bool)
    lines = np.moveaxis(numbered(x), k.axis, -1)[..., None, :]
    columns = np.where(read.T if k.reverse else read, lines, x.size)
    columns = np.moveaxis(columns, -2, k.axis).reshape(x.size, depth)
    term = p.Term(b.source(k, 0), Sparse(x.size, columns, np.full_like(columns, UNIT)), k.zero_point)
    acc = b.emit(p.Affine((term,), np.full(x.size, -k.zero_point * UNIT, np.int64)))
    b.requantized(acc, k.requantize, np.zeros(x.size, np.int64), k.node.output.index)


def bilinear(b: Builder, k: ResizeBilinear) -> None:
    """Four weighted pixels per output, then a rounding division."""
    x, n = k.node.input(0), k.node.output.size
    image = numbered(x)
    columns, weights = [], []
    for i in (0, 1):
        for j in (0, 1):
            columns.append(image[:, k.rows.positions[:, i]][:, :, k.columns.positions[:, j]].reshape(-1))
            product = k.rows.weights[:, i, None, None] * k.columns.weights[:, j, None]
            weights.append(np.broadcast_to(product, k.node.output.shape).reshape(-1))
    linear = Sparse(x.size, np.stack(columns, 1), np.stack(weights, 1))
    acc = b.emit(p.Affine((p.Term(b.source(k, 0), linear, 0),), np.zeros(n, np.int64)))
    b.requantized(acc, k.rule, np.zeros(n, np.int64), k.node.output.index)


def transpose_convolution(b: Builder, k: TransposeConvolution) -> None:
    """The centred image spread out by the strides with zeros between, then an ordinary convolution with the
    filters turned by half a circle."""
    x, n_out = k.node.input(2), len(k.filters)
    rows, columns = _spread(k.rows, x.shape[1]), _spread(k.columns, x.shape[2])
    inside = (rows[:, None] >= 0) & (columns[None, :] >= 0)
    pixels = np.where(inside, rows[:, None] * x.shape[2] + columns, 0)
    n_in, batch = x.size // x.shape[0], x.shape[0]
    origin = np.where(inside[..., None], pixels[..., None] * x.shape[3] + np.arange(x.shape[3]), n_in)
    moved = repeated(Sparse.moving(n_in, origin.reshape(-1)), batch)
    spread = b.emit(
        p.Affine((p.Term(b.source(k, 2), moved, k.input_zero_point),), np.zeros(moved.n_out, np.int64))
    )
    window = Window2D(_stride_one(rows, k.rows), _stride_one(columns, k.columns))
    turned = np.ascontiguousarray(k.filters[:, ::-1, ::-1])
    positions = batch * window.n_positions
    term = p.Term(spread, repeated(Convolution(window, turned, 1), batch), 0)
    acc = b.emit(p.Affine((term,), np.tile(k.bias, positions)))
    channel = np.tile(np.arange(n_out), positions)
    b.requantized(acc, k.requantize, channel, k.node.output.index)


def _spread(axis: Axis, n: int) -> I64Array:
    """The input position, of n, at each of the spread-out axis's size + kernel − 1 places, −1 for a zero."""
    at = np.arange(axis.size + axis.kernel - 1) - (axis.kernel - 1 - axis.before)
    place = at // axis.stride
    return np.where((at % axis.stride == 0) & (place >= 0) & (place < n), place, -1)


def _stride_one(places: I64Array, axis: Axis) -> Axis:
    return Axis.of(len(places), axis.kernel, 1, 1, "VALID")


def batch_matmul(b: Builder, k: BatchMatmul) -> None:
    """With one constant factor a sum of weighted elements; else the products, then their sums."""
    factors, n = k.factors(), k.node.output.size
    constants = [k.node.input(i).data for i in (0, 1)]
    known = next((i for i in (0, 1) if constants[i] is not None), None)
    if factors[0].size > (MAX_PRODUCTS if known is None else _MAX_COEFFICIENTS):
        b.exact(k)
        return
    if known is None:
        acc = _products(b, k, factors)
    else:
        other, data = 1 - known, constants[known]
        assert data is not None
        weights = data.reshape(-1).astype(np.int64)[factors[known]] - k.zero_points[known]
        linear = Sparse(k.node.input(other).size, factors[other], weights)
        term = p.Term(b.source(k, other), linear, k.zero_points[other])
        acc = b.emit(p.Affine((term,), np.zeros(n, np.int64)))
    b.requantized(acc, k.requantize, np.zeros(n, np.int64), k.node.output.index)


def _products(b: Builder, k: BatchMatmul, factors: tuple[I64Array, I64Array]) -> int:
    left, right = (b.emit(p.Select(b.source(k, i), factors[i].reshape(-1))) for i in (0, 1))
    products = b.emit(p.Product(left, right, *k.zero_points))
    groups = np.arange(factors[0].size).reshape(factors[0].shape)
    term = p.Term(products, Sparse(groups.size, groups, np.ones_like(groups)), 0)
    return b.emit(p.Affine((term,), np.zeros(len(groups), np.int64)))
