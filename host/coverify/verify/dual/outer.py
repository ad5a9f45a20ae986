"""How far can the accumulators beyond the first layer reach, whoever wins?  By a pass of chords each, or by
bounds over all cases of the first layer.

A query needs them once: all rivals share the rows, which a certificate holds once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from coverify.verify.deadline import Deadline
from coverify.verify.dual.claim import UNIT, Point, fewer_bits, onward, stacked, widths
from coverify.verify.dual.corners import corners
from coverify.verify.dual.descent import Rows
from coverify.verify.dual.relaxation import Boxes, Pieces, Relaxation
from coverify.verify.dual.team import Ask, Team
from coverify.verify.dual.tree import Bounded
from coverify.verify.errors import CannotDecide
from coverify.verify.query import F64Array, I64Array
from tflm_int8.program.primitives import Affine, Staircase

AT_ONCE = 256
"""Rows of one pass, so that its arrays stay small."""
WORK = 1e6
"""So many rows of a layer at most, times the elements that stairs below write: about half a second."""
LARGEST = 30_000
"""Elements that stairs write: beyond, so few rows are left of a layer that they bring nothing."""
WORTH = 0.05
"""A bound that takes so much of its box's width is worth a row."""
MOST_WORK = 5e8
"""Over all cases: rows times the cube of the stairs that vary, some 15 s; more is not worth it."""


def chords(
    relaxation: Relaxation, boxes: Point, slopes: Mapping[int, F64Array], deadline: Deadline
) -> list[Bounded]:
    """Rows for each layer, of the ends that are narrower than `boxes`, the query's or a part's, until one is
    empty; none of large networks.  Raises OutOfTime.

    slopes: by wire, [n], how far the claims' bounds hang on an accumulator; where there are many, those on
    which they hang most are bounded.
    """
    found, natural = list[Bounded](), stacked(boxes)
    if sum(len(boxes[wire][0]) for wire in relaxation.scalars) > LARGEST:
        return found
    wide, pieces = widths(relaxation.steps, boxes), dict[int, Pieces]()
    for wire, source in _layers(relaxation):
        below = sum(len(boxes[scalar][0]) for scalar in relaxation.scalars if scalar < wire)
        element, sign, end = _ends(boxes, wire, source, slopes.get(wire), int(WORK / max(1, below) / 2) + 1)
        unit, parts = UNIT >> fewer_bits(wide[wire]), list[Bounded]()
        one = stacked(boxes)
        fresh = [scalar for scalar in relaxation.scalars if scalar < source and scalar not in pieces]
        listed = relaxation.pieces(one, natural, True, deadline.late, fresh)
        pieces |= {scalar: corners(p) for scalar, p in listed.items()}
        for at in range(0, len(element), AT_ONCE):
            deadline.check()
            chosen = slice(at, at + AT_ONCE)
            own = element[chosen], sign[chosen], end[chosen]
            parts += _narrower(relaxation, source, unit, own, one, pieces, deadline)
        if parts:
            found.append(_joined(parts))
            reached = onward(relaxation.steps, applied(boxes, found[-1:]), source)
            if reached is None:
                break
            boxes = reached
            pieces = {scalar: p for scalar, p in pieces.items() if scalar < source}
    return found


def _narrower(
    relaxation: Relaxation, source: int, unit: int, ends: tuple[I64Array, I64Array, I64Array],
    boxes: Boxes, pieces: dict[int, Pieces], deadline: Deadline,
) -> list[Bounded]:  # fmt: skip
    """One pass for these ends of accumulators; nothing where numbers are too large."""
    element, sign, end = ends
    n, form = len(element), np.zeros((len(element), boxes[source][0].shape[1]))
    form[np.arange(n), element] = sign * float(unit)
    try:
        done = relaxation.evaluate({source: form}, boxes, pieces, {}, True, deadline.late)
    except CannotDecide:
        return []
    lo, hi = boxes[source]
    kept = np.flatnonzero(done.bound // unit <= end - np.maximum(WORTH * (hi - lo)[0, element], 1))
    if not len(kept):
        return []
    same = np.ones(len(kept), np.int64)
    targets = np.stack([source * same, element[kept], sign[kept], unit * same, 0 * same], axis=1)
    bounds = tuple(int(bound) for bound in done.bound[kept])
    return [Bounded(targets, {w: xi[kept] for w, xi in done.multipliers.items()}, None, bounds, True)]


def _joined(parts: list[Bounded]) -> Bounded:
    """One after another."""
    wires = parts[0].multipliers
    return Bounded(
        np.concatenate([part.targets for part in parts]),
        {w: np.concatenate([part.multipliers[w] for part in parts]) for w in wires},
        None,
        tuple(bound for part in parts for bound in part.bounds),
        everywhere=True,
    )


def facts(relaxation: Relaxation, team: Team, boxes: Point) -> list[Bounded]:
    """Rows, one each, from the layer after the first to the last below the logits; none where they would
    take too long.  Raises OutOfTime.
    """
    found, first = list[Bounded](), team.cases.wire
    layers = [(wire, source) for wire, source in _layers(relaxation) if first < wire < relaxation.logits]
    varying = {wire: int((boxes[wire][1] > boxes[wire][0]).sum()) for wire in (first, *dict(layers))}
    if sum(2 * varying[wire] for wire, _ in layers) * varying[first] ** 3 > MOST_WORK:
        return found
    for wire, source in layers:
        new = _over_cases(team, wire, source, boxes)
        boxes = applied(boxes, new)
        found += new
    return found


def _over_cases(team: Team, wire: int, source: int, boxes: Point) -> list[Bounded]:
    """Both ends of the accumulators whose stairs vary, where that narrows them."""
    none, asks, ends = np.zeros((1, len(boxes[-1][0]))), list[Ask](), list[int]()
    for e, sign, end in zip(*_ends(boxes, wire, source), strict=True):
        base = np.zeros((1, len(boxes[source][0])))
        base[0, e] = sign
        rows = Rows({source: base}, none, np.zeros(1), np.zeros(1))
        asks.append(Ask(rows, stacked(boxes), {}, -np.inf))
        ends.append(int(end))
    found = list[Bounded]()
    for bound, end in zip(team.answers(asks), ends, strict=True):
        if bound is not None and bound.evidence is not None and bound.bound // bound.unit < end:
            found.append(replace(bound.evidence, everywhere=True))
    return found


def _layers(relaxation: Relaxation) -> Iterator[tuple[int, int]]:
    """Stairs and their accumulators, where these are not sums of the input alone."""
    for wire in relaxation.scalars:
        step = relaxation.steps[wire - 1]
        if isinstance(step, Staircase) and step.source:
            affine = relaxation.steps[step.source - 1]
            if isinstance(affine, Affine) and any(term.source for term in affine.terms):
                yield wire, step.source


def _ends(
    boxes: Point, wire: int, source: int, slope: F64Array | None = None, most: int = 0
) -> tuple[I64Array, I64Array, I64Array]:
    """Both ends of the accumulators whose stairs vary, or of `most` of them, where these times their widths
    are greatest: elements, signs, and where sign · value ends.
    """
    (lo, hi), varying = boxes[source], np.flatnonzero(boxes[wire][1] > boxes[wire][0])
    if slope is not None and len(varying) > most:
        weight = slope[varying] * (hi - lo)[varying]
        varying = np.sort(varying[np.argsort(-weight, kind="stable")[:most]])
    element, sign = np.repeat(varying, 2), np.tile([1, -1], len(varying))
    return element, sign, np.where(sign > 0, hi[element], -lo[element])


def applied(boxes: Point, rows: list[Bounded]) -> Point:
    """The boxes narrowed by rows whose bounds are known."""
    new = [(lo.copy(), hi.copy()) for lo, hi in boxes]
    for row in rows:
        for (wire, e, sign, scale, _), bound in zip(row.targets.tolist(), row.bounds, strict=True):
            lo, hi = new[wire]
            if sign > 0:
                hi[e] = min(hi[e], bound // scale)
            else:
                lo[e] = max(lo[e], -(bound // scale))
    return new
