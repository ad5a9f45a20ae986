"""Search for a counterexample where only a few features may change: greedy, one feature after another.

For each near rival, the change that raises it most over the label is made, until no more may change; then
changed features are given back one by one for better ones, from random changes too. VIOLATED or UNKNOWN.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import count

import numpy as np

from coverify.verify.bounds import wire_bounds
from coverify.verify.deadline import Deadline, OutOfTime
from coverify.verify.decision import logits_wire
from coverify.verify.gradient import Gradient
from coverify.verify.problem import Problem
from coverify.verify.query import F64Array, I64Array, Outcome
from tflm_int8.program.concrete import OutsideDomain
from tflm_int8.program.primitives import Staircase

RESTARTS = 12
RIVALS = 5
FEATURES = 256
"""At most so many features are tried in one step, those of the greatest gain by the gradient."""


class _Found(Exception):
    def __init__(self, x: I64Array) -> None:
        self.x = x


def attack(problem: Problem, deadline: Deadline, seed: int, again: bool = False) -> Outcome:
    """VIOLATED or UNKNOWN; CannotDecide.  again: not over after RESTARTS, but at the deadline."""
    rng, query = np.random.default_rng(seed), problem.query
    boxes = wire_bounds(problem.program, query.lo, query.hi, deadline)
    search = _Search(problem, Gradient(problem.program, boxes), deadline, logits_wire(problem.program))
    try:
        for number in count() if again and math.isfinite(deadline.at_s) else range(RESTARTS):
            search.run(search.start(rng) if number else query.x0.astype(np.int64))
    except _Found as found:
        return Outcome.violated("attack", found.x, restarts=number)
    except OutOfTime:
        return Outcome.unknown("attack", "no counterexample found in the time given")
    return Outcome.unknown("attack", "no counterexample found")


@dataclass(frozen=True, eq=False)
class _Search:
    problem: Problem
    gradient: Gradient
    deadline: Deadline
    wire: int

    @property
    def changes(self) -> int:
        return self.problem.query.changes or 0

    def start(self, rng: np.random.Generator) -> I64Array:
        """The base input with as many random changes as are allowed."""
        query = self.problem.query
        x = query.x0.astype(np.int64)
        free = np.flatnonzero(query.hi > query.lo)
        chosen = rng.choice(free, min(self.changes, len(free)), replace=False)
        x[chosen] = np.where(rng.random(len(chosen)) < 0.5, query.lo[chosen], query.hi[chosen])
        return x

    def run(self, x: I64Array) -> None:
        """From x, towards every near rival; raises _Found, OutOfTime."""
        wires = self._wires(x[None])
        if wires is None:
            return
        label = self.problem.query.label
        order = np.argsort(-wires[self.wire][0], kind="stable")
        for rival in [int(j) for j in order if j != label][:RIVALS]:
            self._climb(x, rival)

    def _climb(self, x: I64Array, rival: int) -> None:
        score = -np.inf
        for _ in range(3 * self.changes + 3):
            moves = self._moves(x, rival)
            best, at = score, None
            for part in self.problem.batches(moves):
                wires = self._wires(part.astype(np.int64))
                if wires is not None:
                    scores = self._scores(wires, rival)
                    if scores.max() > best:
                        best, at = float(scores.max()), part[int(scores.argmax())].astype(np.int64)
            if at is None:
                return
            x, score = at, best

    def _moves(self, x: I64Array, rival: int) -> I64Array:
        """One feature changed or, where no more may, one given back for another: int64 [moves, n]."""
        query = self.problem.query
        base = query.x0.astype(np.int64)
        slope = self._slope(x, rival)
        gain = np.maximum(slope * (query.hi - x), slope * (query.lo - x))
        free = np.argsort(-gain, kind="stable")
        free = free[(query.hi > query.lo)[free]][:FEATURES]
        changed = np.flatnonzero(x != base)
        starts = [x]
        if len(changed) >= self.changes:
            starts = []
            for i in changed:
                starts.append(x.copy())
                starts[-1][i] = base[i]
        moves = []
        for start in starts:
            for ends in (query.lo, query.hi, np.maximum(x - 1, query.lo), np.minimum(x + 1, query.hi)):
                moved = np.repeat(start[None], len(free), axis=0)
                moved[np.arange(len(free)), free] = ends[free]
                moves.append(moved)
        if not moves:
            return x[None]
        every = np.concatenate(moves)
        allowed: I64Array = every[(every != base).sum(axis=1) <= self.changes]
        return allowed

    def _wires(self, x: I64Array) -> list[I64Array] | None:
        self.deadline.check()
        try:
            wires = self.problem.wires(x)
        except OutsideDomain:
            return None
        labels = wires[self.problem.program.output].argmax(axis=1)
        for row in x[labels != self.problem.query.label]:
            if self.problem.query.contains(row):
                raise _Found(row)
        return wires

    def _scores(self, wires: list[I64Array], rival: int) -> F64Array:
        """The rival's margin, and a fraction from the accumulators: [N]."""
        label, logits = self.problem.query.label, wires[self.wire]
        score = (logits[:, rival] - logits[:, label]).astype(np.float64)
        step = self.problem.program.steps[self.wire - 1] if self.wire else None
        if isinstance(step, Staircase):
            rise = (wires[step.source][:, rival] - wires[step.source][:, label]).astype(np.float64)
            score += rise / (1.0 + np.abs(rise))
        return score

    def _slope(self, x: I64Array, rival: int) -> F64Array:
        wires = self._wires(x[None])
        if wires is None:
            return np.zeros(len(x))
        seed = np.zeros((1, wires[self.wire].shape[1]))
        seed[0, rival], seed[0, self.problem.query.label] = 1.0, -1.0
        slope: F64Array = self.gradient.input_gradient(wires, self.wire, seed)[0]
        return slope
