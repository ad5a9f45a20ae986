"""MEAN, SUM (int8, int16), REDUCE_MAX, REDUCE_MIN, ARG_MAX, ARG_MIN (int8), REDUCE_ALL over constant axes.

Source: TFLM micro/kernels/reduce_common.cc, arg_min_max.cc, reference/reduce.h (QuantizedMeanOrSum).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tflm_int8.fixedpoint import INT32_MAX, I64Array, Multiplier
from tflm_int8.kernels.movement import MAX_ELEMENTS, check_moved, integers, numbered, positive_axis
from tflm_int8.kernels.requantize import Int8Array, one_channel, to_output
from tflm_int8.kernels.scales import ratio
from tflm_int8.model import Tensor
from tflm_int8.node import Node
from tflm_int8.program.primitives import Requantize

_ARG_MAX_OPTIONS = 40
_ARG_MIN_OPTIONS = 57


@dataclass(frozen=True)
class Reduction:
    """An operator over some axes (from the front, ascending) of its first input."""

    node: Node
    axes: tuple[int, ...]

    def groups(self) -> I64Array:
        """int64 [outputs, elements each]: which elements of the input each output reads."""
        numbers = np.moveaxis(numbered(self.node.input(0)), self.axes, range(-len(self.axes), 0))
        return numbers.reshape(self.node.output.size, -1)

    @property
    def _sample_axes(self) -> tuple[int, ...]:
        return tuple(axis + 1 for axis in self.axes)


@dataclass(frozen=True)
class SumReduction(Reduction):
    """y = requantize(Σ (x − input_zero_point)); a MEAN has its division in the multiplier."""

    input_zero_point: int
    requantize: Requantize

    def run(self, inputs: list[NDArray[Any]]) -> list[NDArray[Any]]:
        """int8 or int16 [N, shape], axes → [N, output shape] of the same type."""
        x = inputs[0]
        count = self.node.input(0).size // self.node.output.size
        acc = x.sum(axis=self._sample_axes, dtype=np.int64) - self.input_zero_point * count
        y = to_output(self.node, acc, self.requantize)
        return [y.reshape(len(x), *self.node.output.shape)]


@dataclass(frozen=True)
class ExtremeReduction(Reduction):
    """y = the greatest (or least) element."""

    greatest: bool

    def run(self, inputs: list[NDArray[Any]]) -> list[Int8Array]:
        """int8 [N, shape], axes → int8 [N, output shape]."""
        x = inputs[0]
        extreme = np.max if self.greatest else np.min
        return [extreme(x, axis=self._sample_axes).reshape(len(x), *self.node.output.shape)]


@dataclass(frozen=True)
class AllReduction(Reduction):
    """y = whether all elements hold."""

    def run(self, inputs: list[NDArray[Any]]) -> list[NDArray[np.bool_]]:
        """bool [N, shape], axes → bool [N, output shape]."""
        x = inputs[0]
        return [np.all(x, axis=self._sample_axes).reshape(len(x), *self.node.output.shape)]


@dataclass(frozen=True)
class ArgReduction(Reduction):
    """y = the position, on one axis, of the first greatest (or least) element."""

    greatest: bool

    def run(self, inputs: list[NDArray[Any]]) -> list[NDArray[np.int32]]:
        """int8 [N, shape], axis → int32 [N, output shape]."""
        x = inputs[0]
        first = np.argmax if self.greatest else np.argmin
        at: NDArray[np.int32] = first(x, axis=self._sample_axes[0]).astype(np.int32)
        return [at.reshape(len(x), *self.node.output.shape)]


def prepare_mean(node: Node) -> SumReduction:
    """Check a MEAN."""
    return _sum(node, mean=True)


def prepare_sum(node: Node) -> SumReduction:
    """Check a SUM."""
    return _sum(node, mean=False)


def prepare_max(node: Node) -> ExtremeReduction:
    """Check a REDUCE_MAX."""
    return _extreme(node, greatest=True)


def prepare_min(node: Node) -> ExtremeReduction:
    """Check a REDUCE_MIN."""
    return _extreme(node, greatest=False)


def prepare_all(node: Node) -> AllReduction:
    """Check a REDUCE_ALL."""
    x, axes = _operands(node)
    _check_output(node, x, axes, "bool")
    return AllReduction(node, axes)


def prepare_arg_max(node: Node) -> ArgReduction:
    """Check an ARG_MAX."""
    node.check_types(_ARG_MAX_OPTIONS, 0)
    return _arg(node, greatest=True)


def prepare_arg_min(node: Node) -> ArgReduction:
    """Check an ARG_MIN."""
    node.check_types(_ARG_MIN_OPTIONS, 0)
    return _arg(node, greatest=False)


def _sum(node: Node, *, mean: bool) -> SumReduction:
    x, axes = _operands(node)
    _check_output(node, x, axes, "int8 int16")
    before, after = (node.quantized(t, "int8", "int16") for t in (x, node.output))
    count = x.size // node.output.size
    if count * np.iinfo(x.dtype).max * 2 > INT32_MAX:
        node.overflow(f"a sum of {count} elements of {x.dtype} can leave int32")
    m = node.multiplier(ratio(node, (before.scale,), after.scale))
    stage = one_channel(node, _divided(m, count) if mean else m, 0)
    return SumReduction(node, axes, before.zero_point, stage)


def _divided(m: Multiplier, count: int) -> Multiplier:
    """The multiplier over `count`, as QuantizedMeanOrSum folds it in (it truncates)."""
    shift = min(count.bit_length() - 1, 32, 31 + m.shift)
    return Multiplier((m.value << shift) // count, m.shift - shift)


def _extreme(node: Node, *, greatest: bool) -> ExtremeReduction:
    x, axes = _operands(node)
    _check_output(node, x, axes)
    before, after = node.int8(x), node.int8(node.output)
    if before.scale != after.scale or before.zero_point != after.zero_point:
        node.refuse("input and output are quantized differently")
    return ExtremeReduction(node, axes, greatest)


def _arg(node: Node, *, greatest: bool) -> ArgReduction:
    x, axes = _operands(node)
    out = node.output
    if x.dtype != "int8" or out.dtype != "int32" or len(axes) != 1:
        node.refuse(f"{x.dtype} → {out.dtype} over {len(axes)} axes; int8 → int32 over one is supported")
    if out.shape != x.shape[: axes[0]] + x.shape[axes[0] + 1 :]:
        node.refuse(f"{list(x.shape)} over axis {axes[0]} → {list(out.shape)}")
    return ArgReduction(node, axes, greatest)


def _operands(node: Node) -> tuple[Tensor, tuple[int, ...]]:
    """The input and its axes: from the front, ascending, without repetition."""
    node.arity(range(2, 3))
    x = node.input(0)
    if not 0 < x.size <= MAX_ELEMENTS:
        node.refuse(f"tensor {x.index} has {x.size} elements; 1 to {MAX_ELEMENTS} are reduced")
    given = integers(node, node.input(1)).tolist()
    if len(given) > 64:
        node.refuse(f"{len(given)} axes")
    return x, tuple(sorted({positive_axis(node, a, len(x.shape)) for a in given}))


def _check_output(node: Node, x: Tensor, axes: tuple[int, ...], types: str = "int8") -> None:
    check_moved(node, [x], types)
    kept = tuple(1 if i in axes else n for i, n in enumerate(x.shape))
    squeezed = tuple(n for i, n in enumerate(x.shape) if i not in axes)
    if node.output.shape not in (kept, squeezed):
        node.refuse(f"{list(x.shape)} over axes {list(axes)} → {list(node.output.shape)}")
