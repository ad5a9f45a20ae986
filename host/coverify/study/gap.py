"""How far apart can the scores of two copies be? Bisection on exact queries: bounds from both sides.

`at_least` is the gap of a pair that was run; `at_most` is proved for every pair of the groups. They meet
unless a query was UNKNOWN. A HOLDS that is not proof-grade does not count.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from coverify.study.twins import Group, Twins
from coverify.verify.bounds import wire_bounds
from coverify.verify.problem import Problem
from coverify.verify.query import I64Array, Outcome, Robustness, Verdict
from tflm_int8.program.concrete import run
from tflm_int8.program.primitives import Program

Decide = Callable[[Program, Robustness], Outcome]
SAMPLES = 512
"""Points of a group that are run before anything is asked."""


@dataclass(frozen=True, eq=False)
class Gap:
    """pair: the inputs of both copies with the gap at_least, int64 [n] each; queries: how many were asked."""

    at_least: int
    at_most: int
    pair: tuple[I64Array, I64Array]
    queries: int
    time_s: float

    @property
    def closed(self) -> bool:
        """Is the largest gap known exactly?"""
        return self.at_least == self.at_most


def largest(twins: Twins, parts: Sequence[Group], decide: Decide, seed: int = 0) -> Gap:
    """The largest gap over all groups, of which there is at least one."""
    rng = np.random.default_rng(seed)
    best, point = -1, np.zeros(0, np.int64)
    for group in parts:
        found, at = _sampled(twins, group, rng)
        if found > best:
            best, point = found, at
    most, queries, time_s = best, 0, 0.0
    for group in parts:
        top = _bound(twins, group)
        while best < top:
            middle = best if queries == 0 or top - best < 3 else (best + top) // 2
            problem = _query(twins, group)
            program = twins.claim(middle)
            outcome = decide(program, problem)
            queries, time_s = queries + 1, time_s + outcome.time_s
            if outcome.verdict is Verdict.VIOLATED and outcome.witness is not None:
                point = outcome.witness.astype(np.int64)
                best = max(best, _gap(twins, point))
            elif outcome.verdict is Verdict.HOLDS and outcome.sound:
                top = middle
            else:
                break
        most = max(most, top)
    return Gap(best, max(best, most), twins.split(point), queries, time_s)


def _query(twins: Twins, group: Group) -> Robustness:
    lo = np.concatenate([group.lo, group.other_lo])
    hi = np.concatenate([group.hi, group.other_hi])
    middle = ((lo + hi) // 2).astype(np.int16)
    return Robustness(middle, 0, int((hi - lo).max(initial=0)), lo, hi)


def _bound(twins: Twins, group: Group) -> int:
    """What interval bounds say of the gap."""
    query, program = _query(twins, group), twins.claim(0)
    box = wire_bounds(program, query.lo, query.hi)[program.output]
    return max(0, int(box.hi[1:].max()))


def _gap(twins: Twins, point: I64Array) -> int:
    """|gap| of one point of a group."""
    return int(_gaps(twins, point[None])[0])


def _gaps(twins: Twins, points: I64Array) -> I64Array:
    program = twins.claim(0)
    largest_of: I64Array = run(program, points)[program.output][:, 1:].max(axis=1)
    return largest_of


def _sampled(twins: Twins, group: Group, rng: np.random.Generator) -> tuple[int, I64Array]:
    """The best of some random points, among them corners."""
    query = _query(twins, group)
    n = len(query.lo)
    inside = rng.integers(query.lo, query.hi + 1, (SAMPLES, n))
    corners = np.where(rng.random((SAMPLES, n)) < 0.5, query.lo, query.hi)
    points = np.concatenate([inside, corners])
    found = np.concatenate([_gaps(twins, part) for part in Problem(twins.claim(0), query).batches(points)])
    return int(found.max()), points[int(found.argmax())]
