"""ADD_N and CUMSUM on int8: sums in Q19 of one scale, requantized.

TFLM starts both sums at −zero_point where 0 is meant; so does this.
Source: TFLM micro/kernels/add_n.cc, cumsum.cc, reference/add_n.h, cumsum.h (20 bits to the left, one half).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tflm_int8.fixedpoint import INT32_MAX, INT32_MIN, I64Array
from tflm_int8.kernels.movement import check_moved, check_rank, integers, positive_axis
from tflm_int8.kernels.requantize import Int8Array, below_one, one_channel, to_output
from tflm_int8.node import Node
from tflm_int8.program.primitives import Requantize

_CUMSUM_OPTIONS = 102

UNIT: Final = 1 << 19
"""One step of the input in the accumulator."""


@dataclass(frozen=True)
class Accumulation:
    """What both operators share: y = requantize(UNIT · (Σ (x − zero_point) − zero_point))."""

    node: Node
    zero_point: int
    requantize: Requantize

    def _output(self, total: I64Array) -> list[Int8Array]:
        """total: Σ (x − zero_point), int64 [N, output shape]."""
        acc = (total - self.zero_point) * UNIT
        if np.any(acc < INT32_MIN) or np.any(acc > INT32_MAX):
            self.node.overflow("a sum leaves int32")
        return [to_output(self.node, acc, self.requantize)]


@dataclass(frozen=True)
class AddN(Accumulation):
    """The sum of all inputs."""

    def run(self, inputs: list[NDArray[Any]]) -> list[Int8Array]:
        """int8 [N, shape] each → int8 [N, shape]."""
        total = np.zeros((len(inputs[0]), *self.node.output.shape), np.int64)
        for x in inputs:
            total += x.astype(np.int64) - self.zero_point
        return self._output(total)


@dataclass(frozen=True)
class CumulativeSum(Accumulation):
    """Sums along an axis, of the elements before (or, reversed, behind), its own included or not."""

    axis: int
    exclusive: bool
    reverse: bool

    def run(self, inputs: list[NDArray[Any]]) -> list[Int8Array]:
        """int8 [N, shape], axis → int8 [N, shape]."""
        x, at = inputs[0].astype(np.int64) - self.zero_point, self.axis + 1
        if self.reverse:
            x = np.flip(x, at)
        total = x.cumsum(at)
        if self.exclusive:
            total = total - x
        return self._output(np.flip(total, at) if self.reverse else total)


def prepare_add_n(node: Node) -> AddN:
    """Check an ADD_N of inputs of one shape and quantization."""
    node.arity(range(2, 17))
    for i in range(len(node.op.inputs)):
        tensor, first = node.input(i), node.int8(node.input(0))
        other = node.int8(tensor)
        if other.scale != first.scale or other.zero_point != first.zero_point:
            node.refuse(f"input {i} is quantized differently")
        if tensor.shape != node.output.shape:
            node.refuse(f"shapes {list(tensor.shape)} → {list(node.output.shape)}")
    return AddN(node, node.int8(node.input(0)).zero_point, _stage(node))


def prepare_cumsum(node: Node) -> CumulativeSum:
    """Check a CUMSUM along a constant axis."""
    node.arity(range(2, 3))
    x, axes = node.input(0), integers(node, node.input(1)).tolist()
    check_moved(node, [x], "int8")
    check_rank(node, x, range(1, 7))
    if len(axes) != 1 or x.shape != node.output.shape:
        node.refuse(f"{list(x.shape)} → {list(node.output.shape)} along {len(axes)} axes")
    exclusive, reverse = (bool(node.option(_CUMSUM_OPTIONS, i, "<B")) for i in (0, 1))
    stage, axis = _stage(node), positive_axis(node, axes[0], len(x.shape))
    return CumulativeSum(node, node.int8(x).zero_point, stage, axis, exclusive, reverse)


def _stage(node: Node) -> Requantize:
    before, after = node.int8(node.input(0)), node.int8(node.output)
    real = 2 * float(before.scale) / ((1 << 20) * float(after.scale))
    return one_channel(node, below_one(node, real), 0)
