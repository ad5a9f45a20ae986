"""How far apart can the scores of two copies be? Both bounds.

A climb and a proof by cases meet where they can (closing.py); else splitting, then bisection on exact
queries. A group of few points is run as a whole instead.

`at_least` is the gap of a pair that was run; `at_most` is proved for every pair of the groups. They meet
unless a query was UNKNOWN. A HOLDS that is not proof-grade does not count.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from coverify.study.closing import closed
from coverify.study.splitting import Split, fixed, split
from coverify.study.twins import Group, Twins
from coverify.verify.bounds import wire_bounds
from coverify.verify.deadline import Deadline, OutOfTime
from coverify.verify.engines.enumerate import points
from coverify.verify.errors import CannotDecide
from coverify.verify.problem import Problem
from coverify.verify.query import I64Array, Outcome, Robustness, Verdict
from tflm_int8.program.concrete import run
from tflm_int8.program.primitives import Program

Decide = Callable[[Program, Robustness], Outcome]
SAMPLES = 512
"""Points of a group that are run before anything is asked."""
MAX_POINTS, MAX_VALUES = 1 << 18, 1 << 27
"""Most points of a group that is run as a whole, and most values of wires that are computed for that."""


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


@dataclass(frozen=True, eq=False)
class Progress:
    """What is known after `done` groups: the best gap, at the point [x, p], and the most in these groups."""

    done: int
    best: int
    most: int
    point: I64Array
    queries: int = 0
    time_s: float = 0.0


def largest(
    twins: Twins,
    parts: Sequence[Group],
    decide: Decide,
    seed: int = 0,
    split_s: float = 30.0,
    known: Progress | None = None,
    told: Callable[[Progress], None] = lambda progress: None,
) -> Gap:
    """The largest gap over all groups, of which there is at least one; split_s: for each group, for what
    comes before queries (closing, splitting).

    known: where an earlier call was ended; told: hears of every group that is done.
    """
    now = _start(twins, parts, seed) if known is None else known
    search = _Search(twins, decide, seed, split_s, now.best, now.most, now.point, now.queries, now.time_s)
    for number, group in enumerate(parts[now.done :], now.done + 1):
        search.look(group)
        told(search.progress(number))
    at_most = max(search.best, search.most)
    return Gap(search.best, at_most, twins.split(search.point), search.queries, search.time_s)


@dataclass(eq=False)
class _Search:
    """What is known while groups are looked at: the best gap that was seen, at the point [x, p], and the most
    that is proved of those that are done.
    """

    twins: Twins
    decide: Decide
    seed: int
    split_s: float
    best: int
    most: int
    point: I64Array
    queries: int
    time_s: float

    def progress(self, done: int) -> Progress:
        """What is known after so many groups."""
        return Progress(done, self.best, self.most, self.point, self.queries, self.time_s)

    def look(self, group: Group) -> None:
        """Find out the most of a group, and whether its gaps are better than the best."""
        start = time.monotonic()
        if few(self.twins, group):
            top = self._run(group)
            self.time_s += time.monotonic() - start
        else:
            top = self._bounded(group)
            self.time_s += time.monotonic() - start
            top = self._bisected(group, top)
        self.most = max(self.most, top)

    def _run(self, group: Group) -> int:
        """The largest gap of a group of few points."""
        query = query_of(group)
        found, at = _greatest(self.twins, group, points(query, 0, query.n_points))
        self._better(found, at)
        return found

    def _bounded(self, group: Group) -> int:
        """What is proved of a group without queries: by intervals, by closing, by splitting."""
        top = _bound(self.twins, group)
        if top > self.best:
            deadline = Deadline.in_s(self.split_s)
            ends = closed(self.twins, query_of(group), self.best, self.point, self.seed, deadline)
            self.best, self.point, self.queries = ends.best, ends.point, self.queries + ends.queries
            top = top if ends.top is None else min(top, ends.top)
        halved = _halved(self.twins, group, self.best, self.split_s) if top > self.best else None
        if halved is not None:
            top, self.best = min(top, halved.top), halved.best
            self.point = self.point if halved.point is None else halved.point
        return top

    def _bisected(self, group: Group, top: int) -> int:
        """What is proved of a group by queries, no gap being above `top`."""
        floor = self.best  # below it nothing is asked: a gap was seen, or a query was UNKNOWN
        while floor < top:
            middle = (floor + top) // 2
            outcome = self.decide(self.twins.claim(middle), query_of(group))
            self.queries, self.time_s = self.queries + 1, self.time_s + outcome.time_s
            if outcome.verdict is Verdict.VIOLATED and outcome.witness is not None:
                point = outcome.witness.astype(np.int64)
                self._better(self.twins.gap(point), point)
                floor = max(floor, self.best)
            elif outcome.verdict is Verdict.HOLDS and outcome.sound:
                top = middle
            else:
                floor = middle + 1
        return top

    def _better(self, gap: int, point: I64Array) -> None:
        """Keep a gap that was seen, where it is larger than the best."""
        if gap > self.best:
            self.best, self.point = gap, point


def _start(twins: Twins, parts: Sequence[Group], seed: int) -> Progress:
    """The best of some points of every group."""
    rng = np.random.default_rng(seed)
    found = [_sampled(twins, group, rng) for group in parts]
    best, point = max(found, key=lambda one: one[0])
    return Progress(0, best, best, point)


def few(twins: Twins, group: Group) -> bool:
    """Has the group so few points that all are run?"""
    n = query_of(group).n_points
    return n <= MAX_POINTS and n * 2 * sum(twins.program.sizes()) <= MAX_VALUES


def _halved(twins: Twins, group: Group, best: int, split_s: float) -> Split | None:
    """What splitting says of the group; None where it does not apply or had no time."""
    if split_s <= 0 or not fixed(group, twins.protected):
        return None
    try:
        return split(twins, group, best, Deadline.in_s(split_s))
    except (CannotDecide, OutOfTime):
        return None


def query_of(group: Group) -> Robustness:
    """The box of a group as a query whose label is 0 (see Twins.claim)."""
    lo = np.concatenate([group.lo, group.other_lo])
    hi = np.concatenate([group.hi, group.other_hi])
    middle = ((lo + hi) // 2).astype(np.int16)
    return Robustness(middle, 0, int((hi - lo).max(initial=0)), lo, hi)


def _bound(twins: Twins, group: Group) -> int:
    """What interval bounds say of the gap."""
    query, program = query_of(group), twins.claim(0)
    box = wire_bounds(program, query.lo, query.hi)[program.output]
    return max(0, int(box.hi[1:].max()))


def _gaps(twins: Twins, x: I64Array) -> I64Array:
    program = twins.claim(0)
    largest_of: I64Array = run(program, x)[program.output][:, 1:].max(axis=1)
    return largest_of


def _sampled(twins: Twins, group: Group, rng: np.random.Generator) -> tuple[int, I64Array]:
    """The best of some random points, among them corners."""
    query = query_of(group)
    n = len(query.lo)
    inside = rng.integers(query.lo, query.hi + 1, (SAMPLES, n))
    corners = np.where(rng.random((SAMPLES, n)) < 0.5, query.lo, query.hi)
    return _greatest(twins, group, np.concatenate([inside, corners]))


def _greatest(twins: Twins, group: Group, x: I64Array) -> tuple[int, I64Array]:
    """The largest gap of these points, and the point."""
    problem = Problem(twins.claim(0), query_of(group))
    found = np.concatenate([_gaps(twins, part) for part in problem.batches(x)])
    return int(found.max()), x[int(found.argmax())]
