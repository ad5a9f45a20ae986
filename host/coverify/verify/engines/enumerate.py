"""Run every input of the region: HOLDS or VIOLATED, for regions of up to 10**7 points.

The concrete program decides; nothing about the network is assumed. Stops at the first violation in the order
of mixed-radix counting over the features that vary; where only few may change, by their combinations.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, product

import numpy as np

from coverify.verify.cone import worth_it
from coverify.verify.deadline import Deadline
from coverify.verify.errors import CannotDecide
from coverify.verify.problem import Problem
from coverify.verify.query import Argument, I64Array, Outcome, Robustness, counted

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
        witness, done = problem.first_violation(x, cone), done + len(x)
        if witness is not None:
            return Outcome.violated("enumerate", witness, points=done)
    return Outcome.holds("enumerate", points=n).with_argument(Argument("enumeration"))


def _all_points(problem: Problem) -> Iterator[I64Array]:
    """All inputs of the region, in batches: int64 [N, n] each."""
    if problem.query.changes is not None:
        yield from few_changes(problem.query, problem.batch)
        return
    n = problem.query.n_points
    for first in range(0, n, problem.batch):
        yield points(problem.query, first, min(first + problem.batch, n))


def few_changes(query: Robustness, batch: int) -> Iterator[I64Array]:
    """Every point that differs from x0 in at most query.changes features, once: int64 [at most batch, n]."""
    free = np.flatnonzero(query.hi > query.lo).tolist()
    base, changes = query.x0.astype(np.int64), query.changes or 0
    others = {i: [v for v in range(query.lo[i], query.hi[i] + 1) if v != base[i]] for i in free}
    rows: list[I64Array] = []
    for k in range(min(changes, len(free)) + 1):
        for chosen in combinations(free, k):
            for values in product(*(others[i] for i in chosen)):
                x = base.copy()
                x[list(chosen)] = values
                rows.append(x)
                if len(rows) == batch:
                    yield np.stack(rows)
                    rows = []
    if rows:
        yield np.stack(rows)


def points(query: Robustness, first: int, last: int) -> I64Array:
    """The inputs number first..last-1 of the box: int64 [last - first, n]."""
    number = np.arange(first, last, dtype=np.int64)
    x = np.tile(query.lo, (len(number), 1))
    for i in np.flatnonzero(query.hi > query.lo):
        size = query.hi[i] - query.lo[i] + 1
        x[:, i] += number % size
        number //= size
    return x
