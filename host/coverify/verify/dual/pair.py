"""The multipliers of the two logits of a claim: the rival's and the label's."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from coverify.verify.deadline import Deadline
from coverify.verify.dual.cases import Cases
from coverify.verify.dual.claim import Claims, Point
from coverify.verify.dual.descent import Rows
from coverify.verify.dual.relaxation import Boxes, F64Array, Relaxation
from coverify.verify.dual.tree import Node
from tflm_int8.program.primitives import Staircase

SHARES = (0.0, 0.1, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0)
"""Of the one logit's multiplier, which are tried for the other one's."""
STEPS = 8
"""On the parabolas, for each."""


@dataclass(frozen=True, eq=False)
class Pair:
    """boxes: those of the query."""

    relaxation: Relaxation
    claims: Claims
    boxes: Point

    def linear(self, node: Node, multipliers: dict[int, F64Array]) -> dict[int, F64Array]:
        """Where neither logit is clamped, the claim is one on their accumulators."""
        logits = self.relaxation.logits
        step = self.relaxation.steps[logits - 1] if logits else None
        if not isinstance(step, Staircase) or self.fixed(node):
            return multipliers
        j, y = node.rival.rival, self.claims.label
        inner = self.relaxation.edges[logits][step.channel][:, 1:-1]
        slope = (inner.shape[1] - 1) / np.maximum(inner[:, -1] - inner[:, 0], 1)
        xi = np.zeros((1, len(slope)))
        xi[0, j], xi[0, y] = slope[j], -slope[y]
        return {**multipliers, logits: xi}

    def fixed(self, node: Node) -> bool:
        """Has the claim fixed both logits?"""
        assert node.boxes is not None
        lo, hi = node.boxes[self.relaxation.logits]
        j, y = node.rival.rival, self.claims.label
        return bool(lo[j] == hi[j] and lo[y] == hi[y])

    def weighed(
        self, cases: Cases, node: Node, one: Rows, own: Boxes, above: dict[int, F64Array], deadline: Deadline
    ) -> dict[int, F64Array]:
        """Where both are fixed: the multipliers with the one that is not held chosen anew.  Raises OutOfTime.

        The bound is convex in it; it is tried at some shares of the held one, by a few steps each, until the
        bound rises.
        """
        logits = self.relaxation.logits
        step = self.relaxation.steps[logits - 1]
        if not isinstance(step, Staircase) or logits not in above:
            return above
        xi = above[logits][0]
        held, other = sorted((node.rival.rival, self.claims.label), key=lambda e: -abs(xi[e]))
        assert node.boxes is not None
        low = node.boxes[step.source][0][other] > self.boxes[step.source][0][other]
        least, best = np.inf, above
        for share in SHARES:
            deadline.check()
            tried = above[logits].copy()
            tried[0, other] = share * abs(xi[held]) * (1 if low else -1)
            at = {**above, logits: tried}
            found = cases.bound(one, own, at, -1e-3, steps=STEPS)
            bound = np.inf if found is None else found.bound / found.unit
            if bound > least:
                break
            least, best = bound, at
        return best
