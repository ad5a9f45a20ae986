"""What follows wherever a given rival takes the label? The claim, and the boxes on which it can hold.

On the logits: x_rival − x_label >= rise, a linear inequality, which also narrows the two logits' boxes and,
where they are stairs, those of their accumulators.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from coverify.verify.bounds import Box, step_bounds
from coverify.verify.dual.relaxation import Relaxation
from coverify.verify.query import I64Array
from tflm_int8.program.primitives import Staircase

Point = list[tuple[I64Array, I64Array]]
"""The boxes of one node: (lo, hi) per wire up to the logits, int64 [n] each."""


@dataclass(frozen=True)
class Rival:
    """x_rival − x_label >= rise."""

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

    def settled(self, boxes: Point, rival: Rival, start: int = 0) -> Point | None:
        """Intervals anew from the readers of wire `start` on, and what the claim says of the logits; None
        when a box is empty. `boxes` is changed.
        """
        for k in range(start, self.relaxation.logits):
            step = self.relaxation.steps[k]
            new = step_bounds(step, [Box(*box) for box in boxes[: k + 1]], k)
            lo, hi = np.maximum(boxes[k + 1][0], new.lo), np.minimum(boxes[k + 1][1], new.hi)
            if np.any(lo > hi):
                return None
            boxes[k + 1] = lo, hi
        return self._claimed(boxes, rival)

    def _claimed(self, boxes: Point, rival: Rival) -> Point | None:
        lo, hi = (end.copy() for end in boxes[-1])
        j, y = rival.rival, self.label
        lo[j] = max(lo[j], lo[y] + rival.rise)
        hi[y] = min(hi[y], hi[j] - rival.rise)
        boxes[-1] = lo, hi
        if lo[j] > hi[j] or lo[y] > hi[y]:
            return None
        stairs = self.stairs
        if stairs is None:
            return boxes
        edges = self.relaxation.edges[self.relaxation.logits]
        first, last = (end.copy() for end in boxes[stairs.source])
        first[j] = max(first[j], edges[stairs.channel[j], lo[j] - stairs.rule.lo])
        last[y] = min(last[y], edges[stairs.channel[y], hi[y] + 1 - stairs.rule.lo] - 1)
        boxes[stairs.source] = first, last
        return None if first[j] > last[j] or first[y] > last[y] else boxes
