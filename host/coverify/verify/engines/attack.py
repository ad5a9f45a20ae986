"""Search for a counterexample: VIOLATED or UNKNOWN, never HOLDS.

From the base input and from random points and corners of the box: sign steps along the straight-through
gradient (see gradient.py) towards each rival, then greedy moves of single features to an end of their range.
The score of a point is exact: the decision's own margin on the logits (0 or more where the label falls, for a
gap of 1), and the accumulators below them break ties, so that saturated logits still show a direction. A
point counts only if the whole program gives it another label. The seed fixes everything but the deadline.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from coverify.verify.bounds import wire_bounds
from coverify.verify.deadline import Deadline, OutOfTime
from coverify.verify.decision import logits_wire
from coverify.verify.gradient import F64Array, Gradient
from coverify.verify.problem import Problem
from coverify.verify.query import I64Array, Outcome
from tflm_int8.program.concrete import OutsideDomain
from tflm_int8.program.primitives import Staircase

RESTARTS = 24
STEPS = 12
GREEDY_ROUNDS = 40
GREEDY_FEATURES = 256
"""At most so many features are tried in one greedy round, those of the steepest gradient."""
RIVALS = 5
"""So many rivals are attacked from each start, the nearest first."""


class _Found(Exception):
    """A point whose label is not the query's."""

    def __init__(self, x: I64Array) -> None:
        self.x = x


def decide(problem: Problem, deadline: Deadline, seed: int) -> Outcome:
    """VIOLATED or UNKNOWN; CannotDecide."""
    query = problem.query
    boxes = wire_bounds(problem.program, query.lo, query.hi, deadline)
    search = _Search(problem, Gradient(problem.program, boxes), deadline, logits_wire(problem.program))
    rng = np.random.default_rng(seed)
    restarts = 0
    try:
        for restarts in range(RESTARTS):
            search.from_start(_start(problem, restarts, rng), rng)
    except _Found as found:
        return Outcome.violated("attack", found.x, restarts=restarts)
    except OutOfTime:
        return Outcome.unknown("attack", "no counterexample found in the time given", restarts=restarts)
    return Outcome.unknown("attack", "no counterexample found", restarts=restarts + 1)


def _start(problem: Problem, number: int, rng: np.random.Generator) -> I64Array:
    """The base input, then random points and random corners in turn."""
    query = problem.query
    if number == 0:
        return query.x0.astype(np.int64)
    if number % 2:
        return rng.integers(query.lo, query.hi + 1)
    return np.where(rng.random(len(query.lo)) < 0.5, query.lo, query.hi)


@dataclass(frozen=True, eq=False)
class _Search:
    problem: Problem
    gradient: Gradient
    deadline: Deadline
    wire: int

    def from_start(self, x: I64Array, rng: np.random.Generator) -> None:
        """Attack every near rival from x; raises _Found, OutOfTime."""
        wires = self._run(x[None])
        if wires is None:
            return
        logits = wires[self.wire][0]
        order = np.argsort(-logits, kind="stable")
        rivals = [int(j) for j in order if j != self.problem.query.label][:RIVALS]
        for rival in rivals:
            best = self._descend(x, rival, rng)
            self._greedy(best, rival)

    def _run(self, x: I64Array) -> list[I64Array] | None:
        """All wires, or None outside TFLM's domain; _Found as soon as a label differs."""
        self.deadline.check()
        try:
            wires = self.problem.wires(x)
        except OutsideDomain:
            return None
        labels = wires[self.problem.program.output].argmax(axis=1)
        broken = np.flatnonzero(labels != self.problem.query.label)
        if len(broken):
            raise _Found(x[broken[0]])
        return wires

    def _scores(self, wires: list[I64Array], rival: int) -> F64Array:
        """Per point: the logits' margin of the rival, plus a fraction from the accumulators: [N]."""
        label, logits = self.problem.query.label, wires[self.wire]
        score = (logits[:, rival] - logits[:, label]).astype(np.float64)
        step = self.problem.program.steps[self.wire - 1] if self.wire else None
        if isinstance(step, Staircase):
            acc = wires[step.source]
            rise = (acc[:, rival] - acc[:, label]).astype(np.float64)
            score += rise / (1.0 + np.abs(rise))  # below one code in magnitude: breaks ties only
        return score

    def _slope(self, x: I64Array, rival: int) -> F64Array:
        """The gradient of rival - label at one point: [n]."""
        wires = self._run(x[None])
        if wires is None:
            return np.zeros(len(x))
        seed = np.zeros((1, wires[self.wire].shape[1]))
        seed[0, rival], seed[0, self.problem.query.label] = 1.0, -1.0
        slope: F64Array = self.gradient.input_gradient(wires, self.wire, seed)[0]
        return slope

    def _descend(self, x: I64Array, rival: int, rng: np.random.Generator) -> I64Array:
        """Sign steps, from the whole range down to single codes; the best point seen."""
        lo, hi = self.problem.query.lo, self.problem.query.hi
        best, best_score = x, -np.inf
        for k in range(STEPS):
            slope = self._slope(x, rival)
            noise = 1e-9 * rng.standard_normal(len(x))
            size = np.ceil((hi - lo) / 2.0 ** (k // 2)).astype(np.int64)
            x = np.clip(x + (np.sign(slope + noise) * size).astype(np.int64), lo, hi)
            wires = self._run(x[None])
            if wires is None:
                break
            score = float(self._scores(wires, rival)[0])
            if score > best_score:
                best, best_score = x, score
        return best

    def _greedy(self, x: I64Array, rival: int) -> None:
        """Single-feature moves to either end, the best one at a time, while the score rises."""
        lo, hi = self.problem.query.lo, self.problem.query.hi
        wires = self._run(x[None])
        if wires is None:
            return
        score = float(self._scores(wires, rival)[0])
        for _ in range(GREEDY_ROUNDS):
            moves = self._moves(x, lo, hi, self._slope(x, rival))
            scores = np.full(len(moves), -np.inf)
            at = 0
            for part in self.problem.batches(moves):
                wires = self._run(part.astype(np.int64))
                if wires is not None:
                    scores[at : at + len(part)] = self._scores(wires, rival)
                at += len(part)
            if not len(moves) or scores.max() <= score:
                return
            best = int(scores.argmax())
            x, score = moves[best], float(scores[best])

    def _moves(self, x: I64Array, lo: I64Array, hi: I64Array, slope: F64Array) -> I64Array:
        """x with one feature at one of its ends, a code down or a code up: [moves, n]."""
        steep = np.argsort(-np.abs(slope), kind="stable")
        free = steep[(hi > lo)[steep]][:GREEDY_FEATURES]
        targets = (lo[free], hi[free], np.maximum(x[free] - 1, lo[free]), np.minimum(x[free] + 1, hi[free]))
        moves = np.repeat(x[None], 4 * len(free), axis=0)
        moves[np.arange(4 * len(free)), np.tile(free, 4)] = np.concatenate(targets)
        real: I64Array = moves[np.any(moves != x, axis=1)]
        return real
