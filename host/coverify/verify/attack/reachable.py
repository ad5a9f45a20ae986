"""Which levels can the first stairs have at once?  A linear program, and inequalities from its refusals.

Levels y are reached where an input of the box has every accumulator between the edges of its level. By how
many stairs they are missed at least is a linear program in the input. Where that is more than 0, its
multipliers d say why: d · accumulators is at most `most` on the whole box, and more wherever these levels
are. Such cuts refuse thousands of other levels without a program. HiGHS computes in floating point: an input
counts when it has been run.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from coverify.verify.attack.moves import entrance
from coverify.verify.attack.region import margin
from coverify.verify.attack.runner import Runner
from coverify.verify.linear.highs import available, highs, minimiser
from coverify.verify.query import F64Array, I64Array
from tflm_int8.program.primitives import MAX_STAIRS, Affine, Staircase, sources, thresholds

MAX_ENTRIES = 1 << 18
"""Of the first matrix: beyond, a program takes too long to be solved a thousand times."""
_FAR = 1e20
"""No end, for HiGHS."""
_MISSED = 1e-5
"""Stairs: what is missed by less counts as reached."""
_CUTS = 300
"""The last so many are kept."""
_TRIES, _FLIPS = 4, 150
"""Of rounding an input: from so many starts, at most so many inputs turned to their other side."""


@dataclass(eq=False)
class Reachable:
    """The first layer of one query's program, m stairs.

    weights, bias: float64 [m, n], [m]; first: the least level of the rule; least, most: the levels that the
    box reaches, int64 [m]; lower, upper: what the accumulators of each level are between, [m, levels],
    infinite where no edge is; width [m]: of a level, on average, from the end of the lowest to the beginning
    of the highest.
    """

    runner: Runner
    rng: np.random.Generator
    weights: F64Array
    bias: F64Array
    first: int
    least: I64Array
    most: I64Array
    lower: F64Array
    upper: F64Array
    width: F64Array
    _solver: Any = field(init=False)
    _cuts: F64Array = field(init=False)
    _most: F64Array = field(default_factory=lambda: np.zeros(0), init=False)
    _margin: F64Array = field(init=False)
    _ends: tuple[F64Array, F64Array] = field(init=False)

    @staticmethod
    def of(runner: Runner, rng: np.random.Generator) -> Reachable | None:
        """None where HiGHS is not installed, or the program does not begin with a small dense layer and its
        stairs.
        """
        steps, weights = runner.problem.program.steps, entrance(runner.problem.program)
        if weights is None or weights.size > MAX_ENTRIES or not available() or runner.score.wire < 3:
            return None
        affine, stairs = steps[:2]
        if not isinstance(affine, Affine) or not isinstance(stairs, Staircase) or stairs.source != 1:
            return None
        rule = stairs.rule
        if not 0 < rule.hi - rule.lo <= MAX_STAIRS or any(1 in sources(step) for step in steps[2:]):
            return None
        w, offset = weights.astype(np.float64), affine.terms[0].offset
        edges = thresholds(rule)[stairs.channel].astype(np.float64)
        end = np.full((len(w), 1), np.inf)
        lower, upper = np.concatenate([-end, edges], axis=1), np.concatenate([edges - 1, end], axis=1)
        width = np.maximum((edges[:, -1] - edges[:, 0] + 1) / max(edges.shape[1] - 1, 1), 1.0)
        box, bias = runner.boxes[1], affine.bias - offset * w.sum(axis=1)
        least, most = (rule.apply(ends, stairs.channel) for ends in (box.lo, box.hi))
        return Reachable(runner, rng, w, bias, rule.lo, least, most, lower, upper, width)

    def __post_init__(self) -> None:
        m, n = self.weights.shape
        cost = 1.0 / self.width
        lo, hi = self.runner.lo.astype(np.float64), self.runner.hi.astype(np.float64)
        missed = np.full(2 * m, _FAR)
        self._solver = minimiser(
            np.concatenate([self.weights, np.eye(m), -np.eye(m)], axis=1),
            np.concatenate([np.zeros(n), cost, cost]),
            (np.full(m, -_FAR), np.full(m, _FAR)),
            (np.concatenate([lo, 0 * missed]), np.concatenate([hi, missed])),
            self.runner.deadline.remaining,
        )
        self._solver.setOptionValue("presolve", "off")
        self._solver.setOptionValue("objective_bound", _MISSED)
        self._cuts = np.zeros((0, m))
        box = self.runner.boxes[1]
        self._margin = margin(self.weights, m, self.width)  # inputs are rounded afterwards
        narrow = self._margin[:, None]
        self._ends = (
            np.maximum(self.lower + narrow, box.lo[:, None]),
            np.minimum(self.upper - narrow, box.hi[:, None]),
        )

    def input(self, level: I64Array) -> F64Array | None:
        """An input with these levels, float64 [n], or None, after which there is one cut more."""
        self.runner.deadline.check()
        m, n = self.weights.shape
        at = np.arange(m), level - self.first
        lower = np.maximum(self.lower[at] + self._margin - self.bias, -_FAR)
        upper = np.minimum(self.upper[at] - self._margin - self.bias, _FAR)
        for k in range(m):
            self._solver.changeRowBounds(k, lower[k], upper[k])
        self._solver.run()
        ended, status = self._solver.getModelStatus(), highs().HighsModelStatus
        solution = self._solver.getSolution()
        missed = self._solver.getInfo().objective_function_value
        if ended == status.kOptimal and missed <= _MISSED:
            return np.array(solution.col_value[:n])
        if ended in (status.kOptimal, status.kObjectiveBound):
            self._cut(np.array(solution.row_dual))
        return None

    def _cut(self, d: F64Array) -> None:
        """Whatever d is, no input of the box has more than `most` of d · accumulators."""
        slope = d @ self.weights
        most = d @ self.bias + np.where(slope > 0, slope * self.runner.hi, slope * self.runner.lo).sum()
        self._cuts = np.concatenate([self._cuts[1 - _CUTS :], d[None]])
        self._most = np.append(self._most[1 - _CUTS :], most)

    def excess(self, level: I64Array, stair: I64Array, change: I64Array, groups: I64Array) -> F64Array:
        """By how much changed levels exceed the cut that they exceed most; [g], unreachable above 0.

        stair, change: single changes, int64 [k]; groups: which of these together, int64 [g, p], k for none.
        """
        if not len(self._most):
            return np.zeros(len(groups))
        now = self._least(np.arange(len(level)), level)
        moved = self._least(stair, level[stair] + change) - now[:, stair]
        moved = np.concatenate([moved, np.zeros((len(moved), 1))], axis=1)
        total = np.repeat((now.sum(axis=1) - self._most)[:, None], len(groups), axis=1)
        for column in groups.T:
            total += moved[:, column]
        worst: F64Array = total.max(axis=0)
        return worst

    def _least(self, stair: I64Array, level: I64Array) -> F64Array:
        """The least of each cut's terms at these stairs' levels: [cuts, k]."""
        d = self._cuts[:, stair]
        lower, upper = (end[stair, level - self.first] for end in self._ends)
        least: F64Array = np.where(d > 0, d * lower, d * upper)
        return least

    def rounded(self, x: F64Array, level: I64Array) -> I64Array:
        """A whole input near x, int64 [n], that has these levels where turning single inputs leads there."""
        at = np.arange(len(level)), level - self.first
        lower, upper = self.lower[at], self.upper[at]
        free = np.flatnonzero(np.abs(x - np.rint(x)) > 1e-6)
        floor, best, least = np.floor(x[free]), np.rint(x), np.inf
        for k in range(_TRIES):
            z = np.rint(x)
            if k:
                z[free] = floor + (self.rng.random(len(free)) < x[free] - floor)
            acc = self.weights @ z + self.bias
            missed = float(_missed(acc, lower, upper))
            for _ in range(_FLIPS if len(free) else 0):
                turned = (2 * floor + 1 - 2 * z[free])[:, None] * self.weights.T[free]
                after = _missed(acc + turned, lower, upper)
                i = int(after.argmin())
                if after[i] >= missed:
                    break
                z[free[i]] = 2 * floor[i] + 1 - z[free[i]]
                acc, missed = acc + turned[i], float(after[i])
            if missed < least:
                best, least = z, missed
            if least <= 0:
                break
        found: I64Array = best.astype(np.int64).clip(self.runner.lo, self.runner.hi)
        return found


def _missed(acc: F64Array, lower: F64Array, upper: F64Array) -> F64Array:
    """The squares of what accumulators miss, summed: [..., m] → [...]."""
    square: F64Array = (np.maximum(np.maximum(lower - acc, acc - upper), 0.0) ** 2).sum(axis=-1)
    return square
