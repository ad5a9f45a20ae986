"""How far do linear forms reach where only a few features may leave the base input (an L0 ball in a box)?

The greatest value of a linear form is that at the base input plus the greatest gains of as many features as
may change: exact. A feature whose box does not hold its base value counts as changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coverify.verify.bounds import Box, step_bounds, wire_bounds
from coverify.verify.deadline import Deadline
from coverify.verify.problem import Problem
from coverify.verify.query import F64Array, I64Array, Robustness
from tflm_int8.program.primitives import Affine, Program, Select

_CELLS = 1 << 22
"""Coefficients that are looked at together."""
_PARTS = 1 << 20
"""Of sums with more coefficients, all together, the bounds of the whole box are kept on its parts."""


@dataclass(frozen=True, eq=False)
class FewChanges:
    """base: float64 [n], integers; at most `changes` features differ from it."""

    base: F64Array
    changes: int

    @staticmethod
    def of(query: Robustness) -> FewChanges | None:
        """None where any number of features may change."""
        return None if query.changes is None else FewChanges(query.x0.astype(np.float64), query.changes)

    def away(self, lo: I64Array, hi: I64Array) -> NDArray[np.bool_]:
        """Which inputs of boxes [..., n] have left the base."""
        found: NDArray[np.bool_] = (self.base < lo) | (hi < self.base)
        return found

    def corner(self, nu: F64Array, ends: F64Array, lo: I64Array, hi: I64Array) -> F64Array:
        """Where nu · x is greatest: float64 [rows, n].  ends: where it is without the limit; lo, hi: the
        boxes, [rows or 1, n].  Where more features than allowed have left the base, these do and no others.
        """
        away = self.away(lo, hi)
        left = np.maximum(self.changes - away.sum(axis=1), 0)
        most = min(int(left.max(initial=0)), nu.shape[1])
        x = np.array(np.broadcast_to(np.where(away, ends, self.base), nu.shape))
        gain = np.where(away, -1.0, nu * (ends - self.base))
        first = nu.shape[1] - most
        chosen = np.argpartition(gain, min(first, nu.shape[1] - 1), axis=1)[:, first:]
        order = np.argsort(-np.take_along_axis(gain, chosen, axis=1), axis=1, kind="stable")
        chosen = np.take_along_axis(chosen, order, axis=1)
        kept = np.arange(most) < left[:, None]
        both = (np.take_along_axis(end, chosen, axis=1) for end in (ends, x))
        np.put_along_axis(x, chosen, np.where(kept, *both), axis=1)
        return x


@dataclass(frozen=True, eq=False)
class ChangesLeft:
    """base: int64 [n]; base_inside: whether the part's box holds it, [n]; left: changes left for those."""

    base: I64Array
    base_inside: NDArray[np.bool_]
    left: int


def changes_left(query: Robustness, part: Box) -> ChangesLeft | None:
    """What may still change on a part of the box; `left` may be negative.  None without a limit."""
    few = FewChanges.of(query)
    if few is None:
        return None
    away = few.away(part.lo, part.hi)
    return ChangesLeft(query.x0.astype(np.int64), ~away, few.changes - int(away.sum()))


def region_bounds(problem: Problem, deadline: Deadline, direct: bool = False) -> list[Box]:
    """Bounds of every wire on the query's region.  Raises CannotDecide, OutOfTime.

    Sums of inputs are bounded by their greatest gains where few features may change. direct: of those that
    read the inputs alone, as the checker does.
    """
    program, query = problem.program, problem.query
    few = FewChanges.of(query)
    if few is None:
        return wire_bounds(program, query.lo, query.hi, deadline)
    boxes = [Box(query.lo, query.hi)]
    for index, step in enumerate(program.steps):
        deadline.check()
        box = step_bounds(step, boxes, index)
        if isinstance(step, Affine) and (_direct(step) if direct else _of_inputs(program, index + 1)):
            near = _few_bounds(program, index + 1, few, query)
            box = Box(np.maximum(box.lo, near.lo), np.minimum(box.hi, near.hi))
        boxes.append(box)
    return boxes


@dataclass(frozen=True, eq=False)
class Parts:
    """What narrows the boxes of a part whose inputs were divided: sums of inputs that are not too many, by
    their wires, as coefficients of the inputs [rows, n] and constants [rows].
    """

    few: FewChanges
    sums: Mapping[int, tuple[F64Array, F64Array]]

    @staticmethod
    def of(program: Program, few: FewChanges) -> Parts:
        """Of all wires."""
        sums, sizes = {}, program.sizes()
        for wire, step in enumerate(program.steps, 1):
            if isinstance(step, Affine) and _direct(step) and sizes[wire] * sizes[0] <= _PARTS:
                sums[wire] = _pulled_back(program, wire, np.eye(sizes[wire]))
        return Parts(few, sums)

    def narrowed(self, boxes: list[tuple[I64Array, I64Array]]) -> bool:
        """Narrow the boxes of the wires from the input on; False: the part is empty.

        Where as many features have left the base as may, the others are at it.
        """
        (lo, hi), base = boxes[0], self.few.base.astype(np.int64)
        away = self.few.away(lo, hi)
        left = self.few.changes - int(away.sum())
        if left <= 0:
            boxes[0] = lo, hi = np.where(away, lo, base), np.where(away, hi, base)
        for wire, form in self.sums.items():
            if wire < len(boxes):
                (low, high), near = boxes[wire], _reached(self.few, *form, lo, hi)
                boxes[wire] = np.maximum(low, near.lo), np.minimum(high, near.hi)
        return left >= 0


def _reached(few: FewChanges, slope: F64Array, constant: F64Array, lo: I64Array, hi: I64Array) -> Box:
    """Both ends of forms of the inputs, coefficients [rows, n] and constants [rows], on a part of the box."""
    away = np.flatnonzero(few.away(lo, hi))
    ends, left = (slope * (lo - few.base), slope * (hi - few.base)), few.changes - len(away)
    centre = slope @ few.base + constant
    least = centre - _greatest_sum(-np.minimum(*ends), away, left)
    most = centre + _greatest_sum(np.maximum(*ends), away, left)
    return Box(least.astype(np.int64), most.astype(np.int64))


def _greatest_sum(gains: F64Array, away: I64Array, left: int) -> F64Array:
    """[rows, n] → [rows]: those away and the `left` greatest of the others; gains are changed."""
    total: F64Array = gains[:, away].sum(axis=1)
    if left > 0:
        gains[:, away] = 0.0
        first = max(0, gains.shape[1] - left)
        gains.partition(first, axis=1)
        total = total + gains[:, first:].sum(axis=1)
    return total


def _direct(step: Affine) -> bool:
    """Does it read the inputs, and nothing else?"""
    return bool(step.terms) and all(term.source == 0 for term in step.terms)


def _of_inputs(program: Program, wire: int) -> bool:
    """Is the wire a linear map of the inputs?"""
    if wire == 0:
        return True
    step = program.steps[wire - 1]
    match step:
        case Affine():
            return all(_of_inputs(program, term.source) for term in step.terms)
        case Select():
            return _of_inputs(program, step.source)
        case _:
            return False


def _few_bounds(program: Program, wire: int, few: FewChanges, query: Robustness) -> Box:
    """Both ends of every element of a wire that is a linear map of the inputs."""
    n, parts = program.sizes()[wire], []
    rows = max(1, _CELLS // max(1, max(program.sizes()[: wire + 1])))
    for first in range(0, n, rows):
        nu = np.eye(min(rows, n - first), n, first)
        parts.append(_reached(few, *_pulled_back(program, wire, nu), query.lo, query.hi))
    return Box(np.concatenate([part.lo for part in parts]), np.concatenate([part.hi for part in parts]))


def _pulled_back(program: Program, wire: int, nu: F64Array) -> tuple[F64Array, F64Array]:
    """nu · wire as coefficients of the inputs and a constant: [rows, n_input], [rows]; integers < 2**53."""
    if wire == 0:
        return nu, np.zeros(len(nu))
    step = program.steps[wire - 1]
    if isinstance(step, Select):
        moved = np.zeros((program.sizes()[step.source], len(nu)))
        np.add.at(moved, step.index, nu.T)
        return _pulled_back(program, step.source, moved.T)
    assert isinstance(step, Affine)
    slope, constant = np.zeros((len(nu), program.n_input)), nu @ step.bias.astype(np.float64)
    for term in step.terms:
        part = term.map.transposed(nu)
        more, offset = _pulled_back(program, term.source, part)
        slope, constant = slope + more, constant + offset - term.offset * part.sum(axis=1)
    return slope, constant
