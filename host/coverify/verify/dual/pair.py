"""The multipliers of the two logits of a claim: the rival's and the label's."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from coverify.verify.dual.claim import Claims, Point
from coverify.verify.dual.relaxation import Relaxation
from coverify.verify.dual.tree import Node
from coverify.verify.query import F64Array
from tflm_int8.program.primitives import Staircase


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

    def held(self, node: Node, above: dict[int, F64Array]) -> tuple[int, int] | None:
        """Where both are fixed, the claim says something of their accumulators only: one's multiplier, the
        larger one, stays, or nothing would be bounded.
        """
        logits = self.relaxation.logits
        if logits not in above or not self.fixed(node):
            return None
        xi = above[logits][0]
        return logits, max((node.rival.rival, self.claims.label), key=lambda e: abs(xi[e]))
