"""Run every input of the region: HOLDS or VIOLATED, for regions of up to 10**7 points.

The concrete program decides; nothing about the network is assumed. Stops at the first violation in the order
of mixed-radix counting over the features that vary; where only few may change, by their combinations.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, islice

import numpy as np

from coverify.verify.cone import worth_it
from coverify.verify.deadline import Deadline
from coverify.verify.errors import CannotDecide
from coverify.verify.problem import Problem
from coverify.verify.query import Argument, I64Array, IntArray, Outcome, Robustness, counted

MAX_POINTS = 10**7
MANY = 100
"""So many points are worth a look at what moves in their box, which takes as long as some 15 of them."""


def decide(problem: Problem, deadline: Deadline, seed: int) -> Outcome:
    """HOLDS or VIOLATED; CannotDecide for a larger box, OutOfTime.  `seed` is not used."""
    n = problem.query.n_points
    if n > MAX_POINTS:
        raise CannotDecide(f"the box has {counted(n)} points, more than {MAX_POINTS:.0e}")
    done, query = 0, problem.query
    cone = worth_it(problem.program, query.lo, query.hi) if query.changes is None and n >= MANY else None
    for x in _all_points(problem):
        deadline.check()
        witness, done = problem.first_other(x, cone), done + len(x)
        if witness is not None:
            return Outcome.violated("enumerate", witness, points=done)
    return Outcome.holds("enumerate", points=n).with_argument(Argument("enumeration"))


def _all_points(problem: Problem) -> Iterator[IntArray]:
    """All inputs of the region, in batches: int [N, n] each."""
    if problem.query.changes is not None:
        yield from few_changes(problem.query, problem.batch)
        return
    n = problem.query.n_points
    for first in range(0, n, problem.batch):
        yield points(problem.query, first, min(first + problem.batch, n))


def few_changes(query: Robustness, batch: int) -> Iterator[IntArray]:
    """Every point that differs from x0 in at most query.changes features, once: int [at most batch, n]."""
    free = np.flatnonzero(query.hi > query.lo)
    most = int((query.hi - query.lo).max(initial=1))
    for k in range(min(query.changes or 0, len(free)) + 1):
        chosen = combinations(free.tolist(), k)
        while some := list(islice(chosen, max(1, batch // most**k))):
            features = np.array(some, np.int64).reshape(len(some), k)
            n = int((query.hi - query.lo)[features].prod(axis=1).sum())
            for first in range(0, n, batch):
                yield _changed(query, features, first, min(first + batch, n))


def _changed(query: Robustness, features: I64Array, first: int, last: int) -> IntArray:
    """The points number first..last-1 of those that differ from x0 in all features of one row of `features`:
    row by row, the last feature first.
    """
    others = query.hi - query.lo
    ends = others[features].prod(axis=1).cumsum()
    number = np.arange(first, last)
    row = np.searchsorted(ends, number, side="right")
    number += others[features[row]].prod(axis=1) - ends[row]
    x = np.tile(query.x0, (len(number), 1))
    for i in features[row].T[::-1]:
        value = query.lo[i] + number % others[i]
        x[np.arange(len(x)), i] = value + (value >= query.x0[i])
        number //= others[i]
    return x


def points(query: Robustness, first: int, last: int) -> I64Array:
    """The inputs number first..last-1 of the box: int64 [last - first, n]."""
    number = np.arange(first, last, dtype=np.int64)
    x = np.tile(query.lo, (len(number), 1))
    for i in np.flatnonzero(query.hi > query.lo):
        size = query.hi[i] - query.lo[i] + 1
        x[:, i] += number % size
        number //= size
    return x
