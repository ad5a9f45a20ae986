"""What must hold inside the network wherever a given rival takes the label? Tighter bounds of the
accumulators.

"The rival's logit is at least the label's plus `rise`" is a linear inequality; added with a multiplier to the
form `accumulator i`, it makes the Lagrangian bound (see lagrangian.py) smaller. The bounds found are valid
for the inputs of the box on which the rival wins, and for those only; where they contradict each other there
is none.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from coverify.verify.bounds import Box, meet, step_bounds
from coverify.verify.deadline import Deadline
from coverify.verify.lagrangian import ONE, Lagrangian
from coverify.verify.query import I64Array
from tflm_int8.program.primitives import Affine, Program, Staircase

ROUNDS = 4
"""How often all accumulators are bounded again, while it helps."""
WORTH = 0.95
"""Another round follows when the last one shrank the total width at least to this share."""
MAX_ROWS = 2048
"""Wires with more unstable elements than half of this are left as they are."""
_WEIGHTS = (0.0, 0.25, 0.5, 1.0, 2.0)
"""Multipliers of the inequality to try, relative to the ratio of accumulator and logit widths."""


@dataclass(frozen=True, eq=False)
class Rival:
    """x_rival - x_label >= rise, on the logits' wire."""

    wire: int
    rival: int
    label: int
    rise: int


def tightened(program: Program, boxes: list[Box], claim: Rival, deadline: Deadline) -> list[Box] | None:
    """Bounds of all wires where the claim holds; None where it cannot.  Raises CannotDecide."""
    width = _width(program, boxes)
    for _ in range(ROUNDS):
        if impossible(program, boxes, claim, deadline):
            return None
        tighter = _round(program, boxes, claim, deadline)
        if tighter is None:
            return None
        boxes, before, width = tighter, width, _width(program, tighter)
        if width > WORTH * before or not deadline.remaining:
            break
    return boxes


def impossible(program: Program, boxes: list[Box], claim: Rival, deadline: Deadline) -> bool:
    """Is x_rival - x_label < rise everywhere, by its bound?"""
    target = np.array([ONE * claim.rise - 1])
    bound = Lagrangian(program, boxes).upper(claim_form(boxes, claim, 1), deadline, target=target)
    return bool(bound[0] <= target[0])


def claim_form(boxes: list[Box], claim: Rival, rows: int) -> dict[int, I64Array]:
    """x_rival - x_label in units of the Lagrangian bounds, `rows` times."""
    form = np.zeros((rows, len(boxes[claim.wire].lo)), np.int64)
    form[:, claim.rival] += ONE
    form[:, claim.label] -= ONE
    return {claim.wire: form}


def _width(program: Program, boxes: list[Box]) -> int:
    """The total width of all outputs of stairs."""
    wires = [k + 1 for k, step in enumerate(program.steps) if isinstance(step, Staircase)]
    return sum(int((boxes[k].hi - boxes[k].lo).sum()) for k in wires)


def _round(program: Program, boxes: list[Box], claim: Rival, deadline: Deadline) -> list[Box] | None:
    """All boxes once more, from the inputs on; None when one is empty."""
    needed = {step.source for step in program.steps if isinstance(step, Staircase)}
    now = list(boxes)
    for wire, step in enumerate(program.steps[: claim.wire], 1):
        box = meet(now[wire], step_bounds(step, now, wire - 1))
        if isinstance(step, Affine) and wire in needed and not _empty(box):
            box = _accumulators(program, [*now[:wire], box, *now[wire + 1 :]], wire, claim, deadline)
        if _empty(box):
            return None
        now[wire] = box
    return now


def _empty(box: Box) -> bool:
    return bool(np.any(box.lo > box.hi))


def _accumulators(program: Program, boxes: list[Box], wire: int, claim: Rival, deadline: Deadline) -> Box:
    """The box of an accumulator wire, both ends of every unstable element bounded anew."""
    box = boxes[wire]
    moved = np.zeros(len(box.lo), bool)
    for k, step in enumerate(program.steps, 1):
        if isinstance(step, Staircase) and step.source == wire:
            moved |= boxes[k].hi > boxes[k].lo
    unstable = np.flatnonzero(moved)
    if not len(unstable) or 2 * len(unstable) > MAX_ROWS or not deadline.remaining:
        return box
    bounds = Lagrangian(program, boxes)
    lo, hi = box.lo.copy(), box.hi.copy()
    for sign, ends in ((1, hi), (-1, lo)):
        best = np.full(len(unstable), np.iinfo(np.int64).max)
        for weight in _WEIGHTS:
            form, give = _form(boxes, wire, unstable, sign, claim, weight)
            bound = bounds.upper(form, deadline, rounds=12) - give
            best = np.minimum(best, bound // _SCALE)
        ends[unstable] = np.minimum(ends[unstable], best) if sign > 0 else np.maximum(ends[unstable], -best)
    return Box(lo, hi)


_SCALE = 1 << 12
"""Units of one accumulator step in these forms: accumulators are wide, so that less precision is enough."""


def _form(
    boxes: list[Box], wire: int, elements: I64Array, sign: int, claim: Rival, weight: float
) -> tuple[dict[int, I64Array], I64Array]:
    """sign * accumulator + m * (x_rival - x_label), a row per element, and m * rise, which may be taken
    off.
    """
    box, logits = boxes[wire], boxes[claim.wire]
    rows = np.arange(len(elements))
    form = {wire: np.zeros((len(elements), len(box.lo)), np.int64)}
    form[wire][rows, elements] = sign * _SCALE
    reach = logits.hi[claim.rival] - logits.lo[claim.label] - claim.rise + 1
    m = np.rint(weight * _SCALE * (box.hi - box.lo)[elements] / max(1, int(reach))).astype(np.int64)
    part = np.zeros((len(elements), len(logits.lo)), np.int64)
    part[:, claim.rival] += m
    part[:, claim.label] -= m
    form[claim.wire] = form.get(claim.wire, 0) + part
    return form, m * claim.rise
