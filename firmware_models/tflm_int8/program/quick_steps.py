"""The steps of a program on wires of known range, in types as narrow as is exact; see evaluator.py.

Sums are taken in the float of their total magnitude (kernels/staircase.py), with the offsets of the terms
taken into the bias; then every partial sum, in any order, is an integer that the type holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from tflm_int8.fixedpoint import I64Array
from tflm_int8.kernels.staircase import exact_gemm_dtype
from tflm_int8.kernels.window_sums import FloatArray, FloatType, WindowSums
from tflm_int8.kernels.window_ways import window_sums
from tflm_int8.program.concrete import run_step
from tflm_int8.program.linear import Convolution, Dense, Repeated, Scaling
from tflm_int8.program.primitives import (
    Affine,
    Exact,
    LinearMap,
    Max,
    Product,
    Select,
    Softmax,
    Staircase,
    Step,
    Table,
    sources,
)
from tflm_int8.program.requantizer import Requantizer

Array = NDArray[Any]
CodeType = type[np.int8 | np.int32 | np.int64]
Range = tuple[int, int]
"""The least and the greatest value that an element of a wire may have."""

_EXACT: Final = 1 << 53
_WORKSPACE_BYTES: Final = 2 << 20
_NOTHING: Final = np.zeros((0, 0), np.int64)


class Quick(Protocol):
    """What a step writes, in a type of its own."""

    def run(self, wires: Sequence[Array], spent: bool) -> Array:
        """wires: integers [N, n] of any type; `spent`: the source is not read again."""


def range_of(step: Step, ranges: list[Range]) -> Range:
    """Of the wire that the step writes, whose sources are in `ranges`."""
    match step:
        case Affine():
            reach = _reach(step, ranges)
            return -reach, reach
        case Staircase(rule=rule):
            return rule.lo, rule.hi
        case Table(values=values):
            return int(values.min()), int(values.max())
        case Max(source=source, lo=lo, hi=hi):
            return max(lo, min(hi, ranges[source][0])), min(hi, max(lo, ranges[source][1]))
        case Select(source=source):
            return ranges[source]
        case Product():
            left = max(abs(end - step.left_offset) for end in ranges[step.left])
            right = max(abs(end - step.right_offset) for end in ranges[step.right])
            return -left * right, left * right
        case Softmax():
            return -128, 127
        case Exact():
            return step.lo, step.hi


def quick(step: Step, ranges: list[Range]) -> Quick:
    """The step that writes the last wire of `ranges`."""
    match step:
        case Affine() if ranges[-1][1] < _EXACT:
            return _Sums(step, exact_gemm_dtype(ranges[-1][1]))
        case Staircase():
            reach = max(abs(end) for end in ranges[step.source])
            stairs = Requantizer(step.rule, step.channel, reach)
            return _Stairs(step.source, stairs) if stairs.defined else Exactly(step, _type(ranges[-1]))
        case Table() if _within(ranges[step.source], np.int8):
            return _Entries(step.source, np.roll(step.values, 128).astype(_type(ranges[-1])))
        case Select():
            return _Moved(step)
        case Max():
            return _Greatest(step)
        case _:
            return Exactly(step, _type(ranges[-1]))


def _within(values: Range, dtype: CodeType) -> bool:
    return bool(np.iinfo(dtype).min <= values[0] and values[1] <= np.iinfo(dtype).max)


def _type(values: Range) -> CodeType:
    """The narrowest that holds them."""
    return np.int8 if _within(values, np.int8) else np.int32 if _within(values, np.int32) else np.int64


@dataclass(frozen=True, eq=False)
class Exactly:
    """As `concrete` runs it."""

    step: Step
    dtype: CodeType

    def run(self, wires: Sequence[Array], spent: bool) -> Array:
        whole = [_NOTHING] * len(wires)
        for i in (0, *sources(self.step)):
            whole[i] = wires[i].astype(np.int64, copy=False)
        return run_step(self.step, whole).astype(self.dtype, copy=False)


class _Sums:
    """bias + Σ map(x), where the bias has the terms' offsets."""

    def __init__(self, step: Affine, dtype: FloatType) -> None:
        self.terms = [(term.source, _linear(term.map, dtype)) for term in step.terms]
        self.bias = _bias(step).astype(dtype)

    def run(self, wires: Sequence[Array], spent: bool) -> Array:
        total: FloatArray = np.broadcast_to(self.bias, (len(wires[0]), len(self.bias)))
        for source, linear in self.terms:
            total = linear.added(wires[source], total)
        return total if self.terms else total.copy()  # what is spent is written over


def _reach(step: Affine, ranges: list[Range]) -> int:
    """The greatest magnitude of any sum of some of the bias and the products; exact below 2**53."""
    total = np.abs(_bias(step)).astype(np.float64)
    for term in step.terms:
        ones = np.ones(term.map.n_in, np.int64)
        furthest = float(max(abs(end) for end in ranges[term.source]))
        total = total + furthest * term.map.interval(-ones, ones)[1]
    return int(total.max(initial=0))


def _bias(step: Affine) -> I64Array:
    total = step.bias
    for term in step.terms:
        if term.offset:
            total = total - term.map.apply(np.full((1, term.map.n_in), term.offset, np.int64))[0]
    return total


class _Linear(Protocol):
    def added(self, x: Array, total: FloatArray) -> FloatArray:
        """total + map(x): integers [N, n_in], float [N, n_out] → float [N, n_out]."""


def _linear(map_: LinearMap, dtype: FloatType) -> _Linear:
    match map_:
        case Dense():
            return _Matrix(np.ascontiguousarray(map_.weights.T, dtype))
        case Scaling(factor=factor):
            return _Factor(factor, dtype)
        case Convolution():
            return _Windows(window_sums(map_.window, map_.filters, map_.groups, 0, dtype))
        case Repeated(part=part):
            return _Parts(part.n_in, part.n_out, _linear(part, dtype))
        case _:
            return _Any(map_)


@dataclass(frozen=True, eq=False)
class _Matrix:
    matrix: FloatArray

    def added(self, x: Array, total: FloatArray) -> FloatArray:
        product: FloatArray = x.astype(self.matrix.dtype, copy=False) @ self.matrix
        product += total
        return product


@dataclass(frozen=True, eq=False)
class _Factor:
    factor: int
    dtype: FloatType

    def added(self, x: Array, total: FloatArray) -> FloatArray:
        product: FloatArray = x.astype(self.dtype)
        product *= self.factor
        product += total
        return product


@dataclass(frozen=True, eq=False)
class _Windows:
    sums: WindowSums

    def added(self, x: Array, total: FloatArray) -> FloatArray:
        rows, columns = self.sums.window.rows.size, self.sums.window.columns.size
        out = np.empty(total.shape, self.sums.dtype)
        for some, sums in self.sums.of_many(x.reshape(len(x), rows, columns, -1), _WORKSPACE_BYTES):
            np.add(sums.reshape(len(sums), -1), total[some], out=out[some])
        return out


@dataclass(frozen=True, eq=False)
class _Parts:
    n_in: int
    n_out: int
    part: _Linear

    def added(self, x: Array, total: FloatArray) -> FloatArray:
        parts = self.part.added(x.reshape(-1, self.n_in), total.reshape(-1, self.n_out))
        return parts.reshape(total.shape)


@dataclass(frozen=True, eq=False)
class _Any:
    map: LinearMap

    def added(self, x: Array, total: FloatArray) -> FloatArray:
        return total + self.map.apply(x.astype(np.int64)).astype(total.dtype)


@dataclass(frozen=True, eq=False)
class _Stairs:
    source: int
    stairs: Requantizer

    def run(self, wires: Sequence[Array], spent: bool) -> Array:
        return self.stairs.apply(wires[self.source], spent)


@dataclass(frozen=True, eq=False)
class _Entries:
    """values[the eight bits of an int8]."""

    source: int
    values: NDArray[np.signedinteger[Any]]

    def run(self, wires: Sequence[Array], spent: bool) -> Array:
        codes = wires[self.source].astype(np.int8, "C", copy=False)
        return np.take(self.values, codes.view(np.uint8))


@dataclass(frozen=True, eq=False)
class _Moved:
    step: Select

    def run(self, wires: Sequence[Array], spent: bool) -> Array:
        return np.take(wires[self.step.source], self.step.index, axis=1)


@dataclass(frozen=True, eq=False)
class _Greatest:
    """The greatest of the first elements of all windows and the second ones and so on."""

    step: Max

    def run(self, wires: Sequence[Array], spent: bool) -> Array:
        first, *others = self.step.windows.T
        greatest: Array = np.take(wires[self.step.source], first, axis=1)
        for window in others:
            np.maximum(greatest, np.take(wires[self.step.source], window, axis=1), out=greatest)
        return greatest.clip(self.step.lo, self.step.hi).astype(greatest.dtype, copy=False)
