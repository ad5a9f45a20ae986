"""Between which values does every wire stay on a box of inputs? The interval domain, one function per
primitive.

Every bound is an exact integer and outward: no value of any input of the box lies beyond it. An accumulator
that could leave the domain of its staircase is a `CannotDecide` (there TFLM's C++ overflows).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from coverify.verify.deadline import Deadline
from coverify.verify.errors import CannotDecide
from coverify.verify.query import I64Array
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


@dataclass(frozen=True, eq=False)
class Box:
    """lo <= value <= hi elementwise, int64 [n]."""

    lo: I64Array
    hi: I64Array

    @staticmethod
    def int8(n: int) -> Box:
        """All of int8."""
        return Box(np.full(n, -128, np.int64), np.full(n, 127, np.int64))


def meet(a: Box, b: Box) -> Box:
    """Both hold."""
    return Box(np.maximum(a.lo, b.lo), np.minimum(a.hi, b.hi))


def wire_bounds(program: Program, lo: I64Array, hi: I64Array, deadline: Deadline | None = None) -> list[Box]:
    """One box per wire, wire 0 (= lo..hi) first.  Raises CannotDecide, OutOfTime."""
    boxes = [Box(lo, hi)]
    for index, step in enumerate(program.steps):
        if deadline is not None:
            deadline.check()
        boxes.append(step_bounds(step, boxes, index))
    return boxes


def step_bounds(step: Step, boxes: list[Box], index: int = 0) -> Box:
    """The box of the wire that step number `index` writes."""
    match step:
        case Affine():
            return affine(step, boxes)
        case Staircase():
            return staircase(step, boxes[step.source], index)
        case Table():
            return table(step.values, boxes[step.source])
        case Max():
            return maximum(step, boxes[step.source])
        case Select():
            source = boxes[step.source]
            return Box(source.lo[step.index], source.hi[step.index])
        case Product():
            return product(step, boxes)
        case Softmax():
            return Box.int8(len(boxes[step.source].lo))
        case Exact():
            return Box(np.full(step.n, step.lo, np.int64), np.full(step.n, step.hi, np.int64))


def affine(step: Affine, boxes: list[Box]) -> Box:
    """Term by term: exact for one term on a box."""
    lo, hi = step.bias.astype(np.int64), step.bias.astype(np.int64)
    for term in step.terms:
        source = boxes[term.source]
        low, high = term.map.interval(source.lo - term.offset, source.hi - term.offset)
        lo, hi = lo + low, hi + high
    return Box(lo, hi)


def staircase(step: Staircase, acc: Box, index: int = 0) -> Box:
    """The rule is monotone: its values at both ends."""
    first, last = step.rule.domain()
    if np.any(acc.lo < first[step.channel]) or np.any(acc.hi > last[step.channel]):
        raise CannotDecide(f"on this box it may be (step {index}) that {step.undefined}")
    return Box(step.rule.apply(acc.lo, step.channel), step.rule.apply(acc.hi, step.channel))


def table(values: I64Array, source: Box) -> Box:
    """Least and greatest entry of values [256] over each element's range (a sparse table: two lookups
    each).
    """
    lo, hi = source.lo + 128, source.hi + 128
    if np.any(lo < 0) or np.any(hi > 255):
        raise CannotDecide("a table of int8 may be read at a value that is none")
    level = np.frexp((hi - lo + 1).astype(np.float64))[1] - 1
    least, greatest = [values], [values]
    for k in range(8):
        half = 1 << k
        least.append(np.minimum(least[-1][:-half], least[-1][half:]))
        greatest.append(np.maximum(greatest[-1][:-half], greatest[-1][half:]))
    low, high = np.empty_like(lo), np.empty_like(hi)
    for k in np.unique(level):
        at = level == k
        left, right = lo[at], hi[at] - (1 << int(k)) + 1
        low[at] = np.minimum(least[k][left], least[k][right])
        high[at] = np.maximum(greatest[k][left], greatest[k][right])
    return Box(low, high)


def maximum(step: Max, source: Box) -> Box:
    """Max and clamp are monotone in every element."""
    return Box(
        np.clip(source.lo[step.windows].max(axis=1), step.lo, step.hi),
        np.clip(source.hi[step.windows].max(axis=1), step.lo, step.hi),
    )


def product(step: Product, boxes: list[Box]) -> Box:
    """The least and greatest of the products of ends: exact for independent factors, and for a square."""
    a, b = boxes[step.left], boxes[step.right]
    ends = np.stack(
        [(x - step.left_offset) * (y - step.right_offset) for x in (a.lo, a.hi) for y in (b.lo, b.hi)]
    )
    if (step.left, step.left_offset) == (step.right, step.right_offset):
        holds_zero = (a.lo <= step.left_offset) & (step.left_offset <= a.hi)
        return Box(np.where(holds_zero, 0, np.minimum(ends[0], ends[3])), ends.max(axis=0))
    return Box(ends.min(axis=0), ends.max(axis=0))
