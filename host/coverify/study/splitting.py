"""An upper bound of the gap of two copies whose protected features are fixed, by splitting boxes.

On a box, the difference of the two copies is bounded step by step (equivalence/drift.py): both see the same
other features, so that the first sums differ by a constant. The box with the largest bound is split in two
along the feature that moves the first sums most, until no bound is above a gap that was seen, or the time is
over. Integers throughout: what is returned is proved.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, replace
from itertools import count

import numpy as np

from coverify.study.twins import Group, Twins
from coverify.verify.deadline import Deadline, OutOfTime
from coverify.verify.equivalence.product import joined_on, moved_to
from coverify.verify.query import I64Array
from tflm_int8.program.linear import Dense
from tflm_int8.program.primitives import Affine, Program, Step, Term


@dataclass(frozen=True, eq=False)
class Split:
    """top: no gap of the group is larger; best: the largest that was seen, and the input [x, p] of it."""

    top: int
    best: int
    point: I64Array | None


def fixed(group: Group, protected: tuple[int, ...]) -> bool:
    """Does every protected feature of both copies have one value?"""
    places = list(protected)
    same = np.array_equal(group.lo[places], group.hi[places])
    return same and np.array_equal(group.other_lo, group.other_hi)


def split(twins: Twins, group: Group, best: int, deadline: Deadline) -> Split:
    """Bounds of a fixed group; `best`: a gap that was seen anywhere, above which boxes matter.

    Boxes whose bound is not above it are dropped: if none is left, top is the best gap itself. Raises
    CannotDecide (a step without bounds), OutOfTime (before there was any bound).
    """
    places = list(twins.protected)
    copies = [_at(twins.program, places, values) for values in (group.lo[places], group.other_lo)]
    effect = _effect(twins.program)
    point, number = None, count()
    waiting: list[tuple[int, int, I64Array, I64Array]] = []

    def look(lo: I64Array, hi: I64Array) -> None:
        nonlocal best, point
        bound = _bound(twins, copies[0], copies[1], lo, hi, deadline)
        middle = np.concatenate([(lo + hi) // 2, group.other_lo])
        seen = twins.gap(middle)
        if seen > best:
            best, point = seen, middle
        if bound > best:
            heapq.heappush(waiting, (-bound, next(number), lo, hi))

    most = None
    try:
        look(group.lo, group.hi)
        while waiting and -waiting[0][0] > best:
            most = -waiting[0][0]
            _, _, lo, hi = heapq.heappop(waiting)
            if np.array_equal(lo, hi):  # one point, which was run
                continue
            k = int(np.argmax(np.where(hi > lo, effect * (hi - lo) + 1e-9, -1.0)))
            middle = (int(lo[k]) + int(hi[k])) // 2
            left, right = hi.copy(), lo.copy()
            left[k], right[k] = middle, middle + 1
            look(lo, left)
            look(right, hi)
    except OutOfTime:
        if most is None:
            raise
        return Split(max(most, best), best, point)  # the box that was being split has the largest bound
    return Split(best, best, point)


def _at(program: Program, places: list[int], values: I64Array) -> Program:
    """The program with its features at `places` replaced by constants."""
    keep = np.eye(program.n_input, dtype=np.int64)
    keep[places, places] = 0
    bias = np.zeros(program.n_input, np.int64)
    bias[places] = values
    steps: list[Step] = [Affine((Term(0, Dense(keep), 0),), bias)]
    wires = [1]
    for step in program.steps:
        steps.append(moved_to(step, wires))
        wires.append(len(steps))
    return replace(program, steps=tuple(steps), output=wires[program.output], tensors={}, operators=())


def _effect(program: Program) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """How much each feature moves the first sums: float64 [n], the sums of the absolute weights."""
    for step in program.steps:
        if isinstance(step, Affine) and step.terms[0].source == 0:
            unit = np.eye(program.n_input, dtype=np.int64)
            moved = step.terms[0].map.apply(unit)
            total: np.ndarray[tuple[int], np.dtype[np.float64]] = np.abs(moved).sum(axis=1).astype(np.float64)
            return total
    return np.ones(program.n_input)


def _bound(twins: Twins, a: Program, b: Program, lo: I64Array, hi: I64Array, deadline: Deadline) -> int:
    """No |gap| on the box is larger.  Raises OutOfTime."""
    deadline.check()
    joint = joined_on(a, b, lo, hi, deadline)
    drift = joint.drift(joint.first, joint.second)
    ups = np.where(twins.score > 0, drift.hi, drift.lo) * twins.score
    downs = np.where(twins.score > 0, drift.lo, drift.hi) * twins.score
    return max(0, int(ups.sum()), -int(downs.sum()))
