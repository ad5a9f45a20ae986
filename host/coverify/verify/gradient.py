"""Which way should the inputs move to raise a logit? A straight-through gradient of the integer program.

Staircases and tables count as their average slope between the ends that their wire can reach (`Slopes`), a
little where they are saturated; a maximum passes the gradient to its first greatest element. This is a guide
for an attack, never a bound.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from coverify.verify.bounds import Box
from coverify.verify.query import F64Array, I64Array
from tflm_int8.program.primitives import (
    Affine,
    Exact,
    Max,
    Product,
    Program,
    Select,
    Softmax,
    Staircase,
    Step,
    Table,
)

_LEAK = 0.05
"""The share of the slope that a saturated element keeps."""
_REACH = 4
"""Half the width, in codes, over which a table's slope is measured."""


@dataclass(frozen=True, eq=False)
class Gradient:
    """The straight-through gradient of a program on one box (`boxes`: the bounds of its wires)."""

    program: Program
    boxes: list[Box]

    def input_gradient(self, wires: list[I64Array], wire: int, seed: F64Array) -> F64Array:
        """d(seed . wire)/d(input) at the points with these wires; seed: [N, n of wire] → [N, n_input]."""
        return self.gradient(wires, wire, seed, 0)

    def gradient(self, wires: list[I64Array], wire: int, seed: F64Array, at: int) -> F64Array:
        """d(seed . wire)/d(wire `at`), for an `at` no later than `wire`: [N, n of wire] → [N, n of at]."""
        gradients: dict[int, F64Array] = {wire: seed}
        for index in range(wire - 1, at - 1, -1):
            above = gradients.pop(index + 1, None)
            if above is not None:
                for source, part in self._back(self.program.steps[index], wires, index + 1, above):
                    gradients[source] = gradients[source] + part if source in gradients else part
        return gradients.get(at, np.zeros((len(seed), wires[at].shape[1])))

    def _back(
        self, step: Step, wires: list[I64Array], wire: int, above: F64Array
    ) -> list[tuple[int, F64Array]]:
        """The gradient that one step passes to each of its sources."""
        match step:
            case Affine():
                return [(term.source, term.map.transposed(above)) for term in step.terms]
            case Staircase():
                return [(step.source, above * self._stair_slope(step, wires, wire))]
            case Table():
                return [(step.source, above * _table_slope(step.values, wires[step.source]))]
            case Max():
                return [(step.source, _to_greatest(step, wires[step.source], above))]
            case Select():
                return [(step.source, _scatter(step.index, above, wires[step.source].shape[1]))]
            case Softmax():
                return [(step.source, above)]
            case Product():
                left, right = wires[step.left] - step.left_offset, wires[step.right] - step.right_offset
                return [(step.left, above * right), (step.right, above * left)]
            case Exact():
                return []

    def _stair_slope(self, step: Staircase, wires: list[I64Array], wire: int) -> F64Array:
        source, target, out = self.boxes[step.source], self.boxes[wire], wires[wire]
        slope = (target.hi - target.lo) / np.maximum(source.hi - source.lo, 1)
        saturated = (out <= step.rule.lo) | (out >= step.rule.hi)
        leak: F64Array = np.where(saturated, _LEAK, 1.0) * slope
        return leak


@dataclass(frozen=True, eq=False)
class Smoothed(Gradient):
    """The gradient with each staircase's slope measured from `reach` below to `reach` above its accumulator.

    reach: by the staircase's wire, in accumulators, float64 [N, n] or [1, n], at least 1. A reach of several
    stairs is the straight-through gradient with soft clamps; one of less than half a stair sees only the
    edges that are near, so that nothing is spent on an element which cannot reach its next stair.
    """

    reach: Mapping[int, F64Array]

    def _stair_slope(self, step: Staircase, wires: list[I64Array], wire: int) -> F64Array:
        acc, reach = wires[step.source], self.reach[wire].astype(np.int64)
        first, last = (end[step.channel] for end in step.rule.domain())
        high = step.rule.apply(np.minimum(acc + reach, last), step.channel)
        low = step.rule.apply(np.maximum(acc - reach, first), step.channel)
        source, target = self.boxes[step.source], self.boxes[wire]
        mean = (target.hi - target.lo) / np.maximum(source.hi - source.lo, 1)
        slope: F64Array = (high - low) / (2.0 * reach) + _LEAK * mean
        return slope


def _table_slope(values: I64Array, x: I64Array) -> F64Array:
    low, high = np.maximum(x - _REACH, -128), np.minimum(x + _REACH, 127)
    slope: F64Array = (values[high + 128] - values[low + 128]) / (high - low)
    return slope


def _to_greatest(step: Max, source: I64Array, above: F64Array) -> F64Array:
    rows = np.arange(len(step.windows))
    first = source[:, step.windows].argmax(axis=2)
    out = np.zeros(source.shape)
    for k in range(len(source)):
        np.add.at(out[k], step.windows[rows, first[k]], above[k])
    return out


def _scatter(index: I64Array, above: F64Array, n: int) -> F64Array:
    out = np.zeros((n, len(above)))
    np.add.at(out, index, above.T)
    return out.T
