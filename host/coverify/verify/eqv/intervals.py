"""Between which values does every wire stay, the clip of a requantization being two ReLUs? The second stage.

clip(x, lo, hi) = lo + relu(x - lo) - relu(x - hi), in interval arithmetic as it stands: the two ReLUs' common
argument is forgotten, so that bounds are sound, and looser than those of verify/bounds.py where it may
saturate.
"""

from __future__ import annotations

import dataclasses
from typing import Final

import numpy as np

from coverify.verify.bounds import Box, staircase, step_bounds, wire_bounds
from coverify.verify.deadline import Deadline
from coverify.verify.query import I64Array
from tflm_int8.program.primitives import (
    DivideRounding,
    HalfUpShift,
    Program,
    Requantize,
    RequantizeReal,
    Rule,
    Staircase,
    Table,
)
from tflm_int8.program.rules import Within

_FAR: Final = 1 << 40
_CLIPPED: Final = (Requantize, RequantizeReal, DivideRounding, HalfUpShift)


def two_relu_bounds(program: Program, lo: I64Array, hi: I64Array, deadline: Deadline) -> list[Box]:
    """One box per wire, wire 0 (= lo..hi, int64 [n]) first.  Raises CannotDecide, OutOfTime."""
    tight = wire_bounds(program, lo, hi, deadline)
    boxes = [Box(lo, hi)]
    for index, step in enumerate(program.steps):
        deadline.check()
        if isinstance(step, Staircase):
            boxes.append(_stairs(step, boxes[step.source], index))
            continue
        if isinstance(step, Table):  # reads int8, which the exact bounds have found it to be
            boxes[step.source] = _within(boxes[step.source], tight[step.source])
        boxes.append(step_bounds(step, boxes, index))
    return boxes


def _within(box: Box, tight: Box) -> Box:
    """The part of the box in int8, or in the tight box where that is wider."""
    least, greatest = min(int(tight.lo.min()), -128), max(int(tight.hi.max()), 127)
    return Box(np.clip(box.lo, least, greatest), np.clip(box.hi, least, greatest))


def _stairs(step: Staircase, acc: Box, index: int) -> Box:
    """The two ReLUs on the rounded accumulators."""
    exact = staircase(step, acc, index)  # refuses accumulators that may overflow
    rule = unclipped(step.rule)
    if rule is None:
        return exact
    lo, hi = step.rule.lo, step.rule.hi
    low, high = rule.apply(acc.lo, step.channel), rule.apply(acc.hi, step.channel)
    above = np.maximum(low - lo, 0), np.maximum(high - lo, 0)
    beyond = np.maximum(low - hi, 0), np.maximum(high - hi, 0)
    return Box(lo + above[0] - beyond[1], lo + above[1] - beyond[0])


def unclipped(rule: Rule) -> Rule | None:
    """The rule without its clip; None for one that has none."""
    if isinstance(rule, Within):
        return unclipped(rule.rule)
    return dataclasses.replace(rule, lo=-_FAR, hi=_FAR) if isinstance(rule, _CLIPPED) else None
