"""How far can the accumulators beyond the first layer reach, whoever wins?  Bounds over all its cases.

A query needs them once: all rivals share the rows, which a certificate holds once.
"""

from __future__ import annotations

import numpy as np

from coverify.verify.dual.claim import Point
from coverify.verify.dual.descent import Rows
from coverify.verify.dual.relaxation import Boxes, Relaxation
from coverify.verify.dual.team import Ask, Team
from coverify.verify.dual.tree import Bounded
from tflm_int8.program.primitives import Affine, Staircase


def facts(relaxation: Relaxation, team: Team, boxes: Point) -> list[Bounded]:
    """Rows, one each, from the layer after the first to the last below the logits.  Raises OutOfTime."""
    found = list[Bounded]()
    for wire in relaxation.scalars:
        step = relaxation.steps[wire - 1]
        if not team.cases.wire < wire < relaxation.logits or not isinstance(step, Staircase):
            continue
        if step.source and isinstance(relaxation.steps[step.source - 1], Affine):
            new = _layer(team, wire, step.source, boxes)
            boxes = applied(boxes, new)
            found += new
    return found


def _layer(team: Team, wire: int, source: int, boxes: Point) -> list[Bounded]:
    """Both ends of the accumulators whose stairs vary, where that narrows them."""
    stacked: Boxes = [(lo[None], hi[None]) for lo, hi in boxes]
    none, asks, ends = np.zeros((1, len(boxes[-1][0]))), list[Ask](), list[int]()
    for e in np.flatnonzero(boxes[wire][1] > boxes[wire][0]):
        for sign, end in ((1, boxes[source][1][e]), (-1, -boxes[source][0][e])):
            base = np.zeros((1, len(boxes[source][0])))
            base[0, e] = sign
            rows = Rows({source: base}, none, np.zeros(1), np.zeros(1))
            asks.append(Ask(rows, stacked, {}, -np.inf))
            ends.append(int(end))
    found = list[Bounded]()
    for bound, end in zip(team.answers(asks), ends, strict=True):
        if bound is not None and bound.evidence is not None and bound.bound // bound.unit < end:
            found.append(bound.evidence)
    return found


def applied(boxes: Point, rows: list[Bounded]) -> Point:
    """The boxes narrowed by single rows whose bounds are known."""
    new = [(lo.copy(), hi.copy()) for lo, hi in boxes]
    for row in rows:
        wire, e, sign, scale, _ = row.targets[0].tolist()
        lo, hi = new[wire]
        if sign > 0:
            hi[e] = min(hi[e], row.bound // scale)
        else:
            lo[e] = max(lo[e], -(row.bound // scale))
    return new
