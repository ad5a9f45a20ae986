"""Where is a part of the box best divided? At a clamp of the logits, or where a bound is loosest; where few
inputs vary, in the middle of one of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from coverify.verify.dual.claim import Claims
from coverify.verify.dual.relaxation import Pass, Relaxation
from coverify.verify.dual.tree import Node
from coverify.verify.few_changes import Parts
from coverify.verify.problem import Problem
from coverify.verify.query import F64Array, I64Array
from tflm_int8.program.primitives import Staircase, Table

FEW = 8
"""Where no more inputs vary, they are what is divided: a few halves of each make the bounds of all layers
sharp, which cases of single neurons do not.
"""


def few_vary(lo: I64Array, hi: I64Array) -> bool:
    """Do few of the inputs vary on this box, [..., n]?"""
    return int((hi > lo).sum()) <= FEW


@dataclass(frozen=True, eq=False)
class Branching:
    """Divisions are (wire, element, last value of the first part)."""

    problem: Problem
    relaxation: Relaxation
    claims: Claims
    parts: Parts | None = None

    def looser(self, node: Node, done: Pass, k: int) -> tuple[int, int, int] | None:
        """Where the bound lies furthest above the network's value: (wire, element, last value of the first
        part).
        """
        assert node.boxes is not None
        inputs = self._changed(node, done, k)
        if inputs is None and few_vary(*self._range(node)):
            inputs = self._input_split(node, done, k)
        if inputs is not None:
            return inputs
        saturated = self.saturated(node)
        if saturated is not None:
            return saturated
        wires = self.problem.wires(done.value[0][k : k + 1].astype(np.int64))
        best, choice = 0.0, None
        for wire in done.at:
            step = self.relaxation.steps[wire - 1]
            if not isinstance(step, Staircase | Table):
                continue
            acc, out = wires[step.source][0], wires[wire][0]
            nu, xi = done.asked[wire][k], done.multipliers[wire][k]
            gap = nu * (done.value[wire][k] - out) - xi * (done.at[wire][k] - acc)
            lo, hi = node.boxes[step.source]
            y_lo, y_hi = node.boxes[wire]
            gap = np.where((y_hi > y_lo) & (hi > lo), gap, 0.0)
            e = int(gap.argmax())
            if gap[e] > best:
                best, choice = float(gap[e]), (wire, e, int(acc[e]), int(done.at[wire][k][e]))
        if choice is None:
            return self._input_split(node, done, k)
        wire, e, acc_e, at_e = choice
        step = self.relaxation.steps[wire - 1]
        assert isinstance(step, Staircase | Table)
        low, high = (int(end[e]) for end in node.boxes[step.source])
        return step.source, e, self._cut(wire, step, e, low, high, (acc_e + at_e) // 2)

    def _cut(self, wire: int, step: Staircase | Table, e: int, lo: int, hi: int, middle: int) -> int:
        """The last value of the first part: at a kink, else at a stair near the middle; lo <= value < hi."""
        if isinstance(step, Table):
            return min(max(middle, lo), hi - 1)
        edges = self.relaxation.edges[wire][step.channel[e], 1:-1]
        if lo < edges[0] <= hi:
            return int(edges[0]) - 1
        if lo < edges[-1] <= hi:
            return int(edges[-1]) - 1
        inside = edges[(edges > lo) & (edges <= hi)]
        if not len(inside):
            return (lo + hi) >> 1
        return int(inside[np.abs(inside - middle).argmin()]) - 1

    def saturated(self, node: Node) -> tuple[int, int, int] | None:
        """A logit at its end is a case of its own: the label's at either one, or the rival's at its floor."""
        logits = self.relaxation.logits
        step = self.relaxation.steps[logits - 1] if logits else None
        assert node.boxes is not None
        if not isinstance(step, Staircase) or step.source == 0:
            return None
        lo, hi = node.boxes[step.source]
        ends = [(self.claims.label, -1), (self.claims.label, 0), (node.rival.rival, 0)]
        if node.rival.rise > 0:
            del ends[1]
        for e, end in ends:
            edge = int(self.relaxation.edges[logits][step.channel[e], 1:-1][end])
            if lo[e] < edge <= hi[e]:
                return step.source, e, edge - 1
        return None

    def _range(self, node: Node) -> tuple[I64Array, I64Array]:
        """The inputs' box: the query's, or where few may change the part's, where no more may vary."""
        query = self.problem.query
        if query.changes is None or node.boxes is None:
            return query.lo, query.hi
        return node.boxes[0]

    def _changed(self, node: Node, done: Pass, k: int) -> tuple[int, int, int] | None:
        """Where few may change: the input whose change the bound gains most by, at its value before; in its
        middle one that has changed, while accumulators' boxes hang on that more.
        """
        if self.parts is None or self.parts.few.changes > FEW or node.boxes is None:
            return None
        (lo, hi), base, x = node.boxes[0], self.parts.few.base, done.value[0][k]
        free = ~self.parts.few.away(lo, hi)
        share = np.where(free, done.asked[0][k] * (x - base), self._weights(done, k) * (hi - lo))
        e = int(share.argmax())
        if share[e] <= 0:
            return None
        return 0, e, int(base[e]) - int(x[e] < base[e]) if free[e] else int(lo[e] + hi[e]) >> 1

    def _weights(self, done: Pass, k: int) -> F64Array:
        """How much an input moves accumulators, each as its multiplier counts it: [n_input]."""
        assert self.parts is not None
        total = np.zeros(self.relaxation.sizes[0])
        for wire, xi in done.multipliers.items():
            step = self.relaxation.steps[wire - 1]
            found = self.parts.sums.get(step.source) if isinstance(step, Staircase) else None
            if found is not None:
                total += np.abs(xi[k]) @ np.abs(found[0])
        return total

    def _input_split(self, node: Node, done: Pass, k: int) -> tuple[int, int, int] | None:
        assert node.boxes is not None
        lo, hi = node.boxes[0]
        gain = np.abs(done.asked[0][k]) * (hi - lo) + (hi > lo)
        e = int(gain.argmax())
        return (0, e, int(lo[e] + hi[e]) >> 1) if hi[e] > lo[e] else None
