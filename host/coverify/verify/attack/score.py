"""How far is a point from losing its label to a given rival? An exact number, 0 or more where it is lost.

Rival j takes the label y iff logit_j - logit_y >= rise (1, or 0 where the rival's index is smaller; softmax
ties shift it, see decision.py). Where a staircase writes the logits, that is: some value t exists with acc_j
at or above the edge of t and acc_y below the edge of t - rise + 1. The score is the greatest t's lesser
distance, in accumulators,

    max over t of  min(acc_j - edge_j(t), edge_y(t - rise + 1) - 1 - acc_y),

so that saturated logits, which tie whatever lies below them, still say how far the edge is that matters.
Anywhere else it is logit_j - logit_y - rise.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from coverify.verify.bounds import Box
from coverify.verify.deadline import Deadline, OutOfTime
from coverify.verify.decision import Decision, decision, logits_wire
from coverify.verify.errors import CannotDecide
from coverify.verify.problem import Problem
from coverify.verify.query import F64Array, I64Array
from tflm_int8.program.primitives import MAX_STAIRS, Staircase, thresholds

_FAR = 1 << 50
"""Beyond every accumulator: the edge of a value that is always, or never, reached."""
_SATISFIED = 0.1
"""The share of the slope that is left to an accumulator which is already where it has to be."""


@dataclass(frozen=True, eq=False)
class Score:
    """The score of one query's rivals.

    wire: the one whose elements are compared, logits or the accumulators below their stairs; edges: per
    rival, edge_j(t) and edge_y(t - rise + 1) - 1 for every t, int64 [t] each, or None without stairs; rise:
    int64 [n_out]; rivals: those that the bounds of the logits do not exclude, int64 [r].
    """

    label: int
    wire: int
    edges: dict[int, tuple[I64Array, I64Array]] | None
    rise: I64Array
    rivals: I64Array

    @staticmethod
    def of(problem: Problem, boxes: list[Box], deadline: Deadline) -> Score:
        """`boxes`: the bounds of all wires.  Raises OutOfTime."""
        last, label = _decision(problem, boxes, deadline), problem.query.label
        logits = boxes[last.wire]
        index = np.arange(len(logits.lo))
        rise = np.where(index > label, last.least_gap, min(last.least_gap, 1 - last.greatest_gap))
        rivals = np.flatnonzero((logits.hi - logits.lo[label] >= rise) & (index != label))
        step = problem.program.steps[last.wire - 1] if last.wire else None
        if not isinstance(step, Staircase) or step.rule.hi - step.rule.lo > MAX_STAIRS:
            return Score(label, last.wire, None, rise, rivals)
        edges = _bordered(step)
        pairs = {int(j): _pair(edges[int(j)], edges[label], int(rise[j])) for j in rivals}
        return Score(label, step.source, pairs, rise, rivals)

    def of_rows(self, wires: list[I64Array], rival: I64Array) -> F64Array:
        """The score of every row for its own rival: wires' rows and rival int64 [N] → [N]."""
        values = wires[self.wire]
        score = np.empty(len(values))
        for j in np.unique(rival):
            rows = rival == j
            score[rows] = self._against(int(j), values[rows, j], values[rows, self.label])[0]
        return score

    def direction(self, wires: list[I64Array], rival: I64Array) -> F64Array:
        """What to raise on `wire`, rival and label in turn less what is already satisfied: [N, n]."""
        values = wires[self.wire]
        seed = np.zeros(values.shape)
        rows = np.arange(len(values))
        seed[rows, rival], seed[:, self.label] = 1.0, -1.0
        if self.edges is not None:
            for j in np.unique(rival):
                at = np.flatnonzero(rival == j)
                _, above, below = self._against(int(j), values[at, j], values[at, self.label])
                one_left = (above >= 0) != (below >= 0)
                seed[at[one_left & (above >= 0)], j] = _SATISFIED
                seed[at[one_left & (below >= 0)], self.label] = -_SATISFIED
        return seed

    def aims(self, j: int, rival: int, label: int) -> tuple[int, int | None]:
        """What these accumulators aim at: the least of rival j's, and the greatest of the label's; of their
        difference, and None, where no stairs follow.
        """
        if self.edges is None:
            return int(self.rise[j]), None
        _, above, below = self._against(j, np.array([rival]), np.array([label]))
        return rival - int(above[0]), label + int(below[0])

    def _against(self, j: int, rival: I64Array, label: I64Array) -> tuple[I64Array, I64Array, I64Array]:
        """The score and its two distances, int64 [N] each."""
        if self.edges is None:
            margin = rival - label - self.rise[j]
            return margin, margin, margin
        lower, upper = self.edges[j]
        # the first distance falls with t, the second rises: their crossing is the maximum of the lesser
        t = np.searchsorted(lower + upper, rival + label, side="left")
        t, before = np.minimum(t, len(lower) - 1), np.maximum(t - 1, 0)
        earlier = np.minimum(rival - lower[before], upper[before] - label)
        t = np.where(earlier > np.minimum(rival - lower[t], upper[t] - label), before, t)
        above, below = rival - lower[t], upper[t] - label
        return np.minimum(above, below), above, below


def _decision(problem: Problem, boxes: list[Box], deadline: Deadline) -> Decision:
    """When the label falls; as without a softmax where that takes too long to find out."""
    try:
        return decision(problem.program, boxes, deadline.share(0.2))
    except (CannotDecide, OutOfTime):
        deadline.check()
        return Decision(logits_wire(problem.program), 1, 1)


def _bordered(step: Staircase) -> I64Array:
    """edge(v) for v = rule.lo .. rule.hi + 1 and every element: int64 [n, v]; ends that are no stairs lie
    far.
    """
    edges = thresholds(step.rule)[step.channel]
    ends = np.full((len(edges), 1), _FAR)
    return np.concatenate([-ends, edges, ends], axis=1)


def _pair(rival: I64Array, label: I64Array, rise: int) -> tuple[I64Array, I64Array]:
    """edge_j(t) and edge_y(t - rise + 1) - 1 for the t = lo .. hi at which both sides have a value."""
    t = np.arange(len(rival) - 1)
    t = t[t - rise >= 0] if rise > 0 else t
    return rival[t], label[np.minimum(t - rise + 1, len(label) - 1)] - 1
