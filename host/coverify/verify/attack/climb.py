"""Many points climb at once towards a lost label: sign steps with momentum along a smoothed gradient.

Every row of the batch has its own rival, and its own way to smooth the stairs: half the width over which
their slope is measured starts at a share (`spread`) of what the box can reach, and ends at a share (`focus`)
of one stair. Steps shrink from half the box to less than a code. Each row keeps its best point by exact
score.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from coverify.verify.attack.runner import Runner
from coverify.verify.bounds import Box
from coverify.verify.query import F64Array, I64Array
from tflm_int8.program.primitives import Program, Rule, Staircase

_FIRST, _LAST = 0.5, 0.01
"""The first and the last step, relative to the box."""
_MOMENTUM = 0.25


@dataclass(frozen=True, eq=False)
class Stairs:
    """Of every staircase, by wire: what its accumulators can reach to either side, a stair's width; [n]."""

    half_range: dict[int, F64Array]
    width: dict[int, F64Array]

    @staticmethod
    def of(program: Program, boxes: list[Box]) -> Stairs:
        """`boxes`: the bounds of all wires."""
        half_range, width = {}, {}
        for wire, step in enumerate(program.steps, 1):
            if isinstance(step, Staircase):
                box = boxes[step.source]
                half_range[wire] = (box.hi - box.lo) / 2.0
                width[wire] = stair_width(step.rule)[step.channel]
        return Stairs(half_range, width)

    def reach(self, spread: F64Array, focus: F64Array) -> dict[int, F64Array]:
        """Half the width of the measured slopes: spread, focus [N, 1] → per wire [N, n]."""
        return {
            wire: np.maximum(np.maximum(spread * half, focus * self.width[wire]), 1.0)
            for wire, half in self.half_range.items()
        }


def stair_width(rule: Rule) -> F64Array:
    """The mean width of a rule's inner stairs in accumulators, per channel; 2 where it has none."""
    first, last = _edge(rule, rule.lo + 1), _edge(rule, rule.hi)
    n_inner = rule.hi - rule.lo - 1
    return np.maximum((last - first) / n_inner, 1.0) if n_inner > 0 else np.full(rule.n_channels, 2.0)


def _edge(rule: Rule, value: int) -> I64Array:
    """The least accumulator of each channel's domain that gives `value` or more (past it: none does)."""
    low, last = (end.copy() for end in rule.domain())
    high, channel = last + 1, np.arange(rule.n_channels)
    while np.any(low < high):
        middle = (low + high) >> 1
        reached = (middle <= last) & (rule.apply(np.minimum(middle, last), channel) >= value)
        high, low = np.where(reached, middle, high), np.where(reached, low, np.minimum(middle + 1, high))
    return low


@dataclass(frozen=True, eq=False)
class Rows:
    """Where a batch starts: x int64 [N, n], rival int64 [N], spread and focus float64 [N]."""

    x: I64Array
    rival: I64Array
    spread: F64Array
    focus: F64Array


def climb(runner: Runner, stairs: Stairs, rows: Rows, steps: int) -> tuple[I64Array, F64Array]:
    """Each row's best point, int64 [N, n], and its score [N].  Raises Found, OutOfTime, OutsideDomain."""
    lo, hi = runner.lo.astype(np.float64), runner.hi.astype(np.float64)
    here = before = rows.x.astype(np.float64)
    best, most = rows.x, np.full(len(here), -np.inf)
    for k in range(steps + 1):
        x = np.rint(here).astype(np.int64)
        wires = runner.run(x)
        score = runner.score.of_rows(wires, rows.rival)
        better = score > most
        best, most = np.where(better[:, None], x, best), np.maximum(score, most)
        if k == steps:
            break
        done = k / steps
        reach = stairs.reach(rows.spread[:, None] * (1 - done) ** 2, rows.focus[:, None])
        slope = runner.slope(wires, rows.rival, reach)
        size = _FIRST * (_LAST / _FIRST) ** done * (hi - lo)
        target = np.clip(here + size * np.sign(slope), lo, hi)
        pull = target if k == 0 else here + (1 - _MOMENTUM) * (target - here) + _MOMENTUM * (here - before)
        before, here = here, np.clip(pull, lo, hi)
    return best, most
