"""What follows wherever a given rival takes the label? The claim, and the boxes on which it can hold.

On the logits: x_rival − x_label >= rise, a linear inequality, which also narrows the two logits' boxes and,
where they are stairs, those of their accumulators. A proof says so by cuts: beyond one of them the rival
cannot win, which intervals show.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from coverify.verify.bounds import Box, step_bounds
from coverify.verify.dual.descent import Rows
from coverify.verify.dual.relaxation import Boxes, Relaxation
from coverify.verify.query import I64Array
from tflm_int8.program.primitives import Affine, Staircase, Step

UNIT = 1 << 22
"""What 1 is in a row's form, where no accumulator is wide."""
WIDE = 1 << 14
"""Multipliers of accumulators that are wider than this for a level (the sums of an ADD: 2^17) are small, and
they are rounded.
"""
FINER = 10
"""By so many bits at most a claim is counted finer."""
Point = list[tuple[I64Array, I64Array]]
"""The boxes of one node: (lo, hi) per wire up to the logits, int64 [n] each."""


@dataclass(frozen=True)
class Cut:
    """What is left of an element's values: those up to `value`, or (upper) those above it."""

    wire: int
    element: int
    value: int
    upper: bool


@dataclass(frozen=True)
class Rival:
    """x_rival − x_label >= rise. The label itself stands for its own logit at the floor, where every rival
    wins that need not rise above it.
    """

    rival: int
    rise: int


@dataclass(frozen=True, eq=False)
class Claims:
    """The claims of all rivals of one label."""

    relaxation: Relaxation
    label: int

    @property
    def stairs(self) -> Staircase | None:
        """The step that writes the logits, when it is a staircase."""
        steps = self.relaxation.steps
        step = steps[-1] if steps else None
        return step if isinstance(step, Staircase) else None

    def rows(self, rivals: Sequence[Rival], n: int, unit: float) -> Rows:
        """The claims, a row each, times `unit`; n: the logits."""
        claim = np.zeros((len(rivals), n))
        claim[np.arange(len(rivals)), [rival.rival for rival in rivals]] = 1.0
        claim[:, self.label] = -1.0
        return Rows({}, claim, np.array([float(r.rise) for r in rivals]), np.full(len(rivals), unit))

    def settled(
        self, boxes: Point, rival: Rival, cut: Callable[[Cut], object], start: int = 0
    ) -> Point | None:
        """Intervals anew from the readers of wire `start` on, and what the claim says of the logits: `cut` is
        told. None when a box is empty. `boxes` is changed.
        """
        reached = onward(self.relaxation.steps, boxes, start)
        return None if reached is None else self._claimed(reached, rival, cut)

    def _claimed(self, boxes: Point, rival: Rival, cut: Callable[[Cut], object]) -> Point | None:
        lo, hi = (end.copy() for end in boxes[-1])
        j, y = rival.rival, self.label
        lo[j] = max(lo[j], lo[y] + rival.rise)
        hi[y] = min(hi[y], hi[j] - rival.rise)
        before, boxes[-1], wire = boxes[-1], (lo, hi), self.relaxation.logits
        if lo[j] > hi[j] or lo[y] > hi[y]:
            return None
        stairs = self.stairs
        if stairs is not None:
            wire, edges = stairs.source, self.relaxation.edges[wire]
            before = boxes[wire]
            first, last = (end.copy() for end in before)
            first[j] = max(first[j], edges[stairs.channel[j], lo[j] - stairs.rule.lo])
            last[y] = min(last[y], edges[stairs.channel[y], hi[y] + 1 - stairs.rule.lo] - 1)
            boxes[wire] = lo, hi = first, last
            if lo[j] > hi[j] or lo[y] > hi[y]:
                return None
        steps = self.relaxation.steps
        if stairs is None and steps and isinstance(steps[-1], Affine):
            return boxes  # the rows of a relation: of these a proof knows the rival's as it is
        if lo[j] > before[0][j]:
            cut(Cut(wire, j, int(lo[j]) - 1, upper=True))
        if hi[y] < before[1][y]:
            cut(Cut(wire, y, int(hi[y]), upper=False))
        return boxes


def onward(steps: Sequence[Step], boxes: Point, start: int = 0) -> Point | None:
    """Intervals anew from the readers of wire `start` on; None when one is empty. `boxes` is changed."""
    known = [Box(*box) for box in boxes[: start + 1]]
    for k in range(start, len(steps)):
        new = step_bounds(steps[k], known, k)
        lo, hi = np.maximum(boxes[k + 1][0], new.lo), np.minimum(boxes[k + 1][1], new.hi)
        if np.any(lo > hi):
            return None
        boxes[k + 1] = lo, hi
        known.append(Box(lo, hi))
    return boxes


def stacked(boxes: Point) -> Boxes:
    """As the boxes of one row."""
    return [(lo[None], hi[None]) for lo, hi in boxes]


def widths(steps: Sequence[Step], boxes: Point) -> dict[int, int]:
    """Of every wire that stairs write, how much of an accumulator's box there is to a level, at most."""
    found = dict[int, int]()
    for wire, step in enumerate(steps, 1):
        if isinstance(step, Staircase):
            lo, hi = boxes[step.source]
            found[wire] = int((hi - lo).max()) // max(1, step.rule.hi - step.rule.lo)
    return found


def more_bits(found: dict[int, int]) -> int:
    """By how much a claim is counted finer where accumulators are so wide."""
    widest = max(found.values(), default=0)
    return 0 if widest <= WIDE else min(FINER, widest.bit_length() - 6)


def fewer_bits(width: int) -> int:
    """By how much an accumulator that is so wide is counted coarser."""
    return 0 if width <= WIDE else width.bit_length() - 13
