"""Can an accumulator overflow, and on which input?  Over every input of the network's declared range.

An accumulator is an affine step before a staircase of the same operator. It is safe where every partial sum
lies within int32 (48 bits for a 64-bit one), in whatever order it is added up, and the sum within the
staircase's domain; where it is not, its result in TFLM's C++ is undefined. `IMPOSSIBLE` is proved by
intervals (and exactly where the sum is one of functions of single inputs, as in a first layer); `FOUND` comes
with an input that was run through the integer program; `OPEN` is what neither settles. What lies behind a
layer that overflows is judged for the inputs on which it does not.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

import numpy as np

from coverify.verify.ascent import ascend
from coverify.verify.bounds import Box, step_bounds
from coverify.verify.deadline import Deadline
from coverify.verify.query import I64Array
from coverify.verify.separable import greatest_separable
from tflm_int8.program.concrete import OutsideDomain, run_step
from tflm_int8.program.primitives import Affine, Program, Staircase

_INT32 = (-(1 << 31), (1 << 31) - 1)
_CANDIDATES = 4
"""Elements of one accumulator for which an input is searched, at each end: those that reach furthest."""


class Overflow(Enum):
    """Can it happen?"""

    IMPOSSIBLE = "impossible"
    FOUND = "found"
    OPEN = "open"


@dataclass(frozen=True, eq=False)
class Accumulator:
    """What is known of all elements of one accumulator.

    operator: its index in the graph; least, greatest: bounds of every sum and partial sum. With FOUND: input
    int64 [n_input], element and the sum (with or without its bias) there, which is outside `allowed`.
    """

    operator: int
    overflow: Overflow
    least: int
    greatest: int
    input: I64Array | None = None
    element: int | None = None
    value: int | None = None
    allowed: tuple[int, int] | None = None


def accumulators(program: Program, deadline: Deadline) -> list[Accumulator]:
    """Every accumulator of the program, in its order.  Raises OutOfTime, CannotDecide."""
    ones, found = np.ones(program.n_input, np.int64), []
    boxes = [Box(ones * program.input_lo, ones * program.input_hi)]
    stairs: dict[int, list[Staircase]] = {}
    for stair in program.steps:
        if isinstance(stair, Staircase):
            stairs.setdefault(stair.source, []).append(stair)
    for index, step in enumerate(program.steps):
        deadline.check()
        if isinstance(step, Staircase):
            boxes.append(step_bounds(step, _inside(step, boxes), index))
            continue
        boxes.append(step_bounds(step, boxes, index))
        if isinstance(step, Affine) and step.terms:
            above = stairs.get(index + 1, [])
            found += [_judged(program, index, step, stair, boxes, deadline) for stair in above]
    return found


def _inside(step: Staircase, boxes: list[Box]) -> list[Box]:
    """The boxes with the accumulator's cut to the domain of its rule (where it is disjoint, to its end)."""
    first, last = (end[step.channel] for end in step.rule.domain())
    acc = boxes[step.source]
    cut = Box(np.clip(acc.lo, first, last), np.clip(acc.hi, first, last))
    return [*boxes[: step.source], cut, *boxes[step.source + 1 :]]


@dataclass(frozen=True, eq=False)
class _Limits:
    """Per element: allowed sums (the rule's domain) and allowed partial sums; int64 [n]."""

    first: I64Array
    last: I64Array
    least_part: int
    greatest_part: int

    @staticmethod
    def of(step: Staircase) -> _Limits:
        first, last = step.rule.domain()
        whole = min(_INT32[0], int(first.min())), max(_INT32[1], int(last.max()))
        return _Limits(first[step.channel], last[step.channel], *whole)

    def of_sums(self, i: int, value: int, bias: int) -> list[tuple[int, tuple[int, int]]]:
        """The sum and the sum before the bias (which the kernels add last), each with what is allowed."""
        whole = int(self.first[i]), int(self.last[i])
        return [(value, whole), (value - bias, (self.least_part, self.greatest_part))]

    def may_leave(self, i: int, parts: Box) -> bool:
        """May a partial sum of element i be one that is not allowed?"""
        return bool(parts.hi[i] > self.greatest_part or parts.lo[i] < self.least_part)


def _judged(
    program: Program, index: int, step: Affine, above: Staircase, boxes: list[Box], deadline: Deadline
) -> Accumulator:
    parts, limits = partial_sums(step, boxes), _Limits.of(above)
    operator = program.operators[index] if program.operators else index
    least, greatest = int(parts.lo.min()), int(parts.hi.max())
    sums = boxes[index + 1]
    above_by = np.maximum(sums.hi - limits.last, parts.hi - limits.greatest_part)
    below_by = np.maximum(limits.first - sums.lo, limits.least_part - parts.lo)
    unsure = False
    for sign, excess, end in ((1, above_by, limits.last), (-1, below_by, limits.first)):
        for element in _furthest(excess):
            x, exact = _extreme(program, index + 1, element, sign, boxes, int(end[element]), deadline)
            value = None if x is None else value_at(program, index + 1, element, x)
            if value is None:
                unsure = True
                continue
            for total, allowed in limits.of_sums(element, value, int(step.bias[element])):
                if not allowed[0] <= total <= allowed[1]:
                    return Accumulator(operator, Overflow.FOUND, least, greatest, x, element, total, allowed)
            unsure |= not exact or limits.may_leave(element, parts)
        unsure |= int((excess > 0).sum()) > _CANDIDATES
    overflow = Overflow.OPEN if unsure else Overflow.IMPOSSIBLE
    return Accumulator(operator, overflow, least, greatest)


def partial_sums(step: Affine, boxes: list[Box]) -> Box:
    """Bounds of the sum of any of an affine step's products, with the bias or without it."""
    lo = hi = np.zeros(len(step.bias), np.int64)
    for term in step.terms:
        source = boxes[term.source]
        ends = np.minimum(source.lo - term.offset, 0), np.maximum(source.hi - term.offset, 0)
        low, high = term.map.interval(*ends)
        lo, hi = lo + low, hi + high
    return Box(lo + np.minimum(step.bias, 0), hi + np.maximum(step.bias, 0))


def _furthest(excess: I64Array) -> Iterator[int]:
    """The elements whose bound goes furthest beyond what is allowed, a few of them."""
    order = np.argsort(-excess, kind="stable")[:_CANDIDATES]
    return iter([int(i) for i in order if excess[i] > 0])


def _extreme(
    program: Program, wire: int, element: int, sign: int, boxes: list[Box], end: int, deadline: Deadline
) -> tuple[I64Array | None, bool]:
    """An input that makes sign * element large, and whether none makes it larger."""
    best = greatest_separable(program, wire, element, sign)
    if best is not None:
        return best, True
    return ascend(program, boxes, wire, element, sign, end, deadline), False


def value_at(program: Program, wire: int, element: int, x: I64Array) -> int | None:
    """The element's value on an input, by running the program; None where an earlier step is undefined."""
    wires = [x[None].astype(np.int64)]
    try:
        for step in program.steps[:wire]:
            wires.append(run_step(step, wires))
    except OutsideDomain:
        return None
    return int(wires[wire][0, element])
