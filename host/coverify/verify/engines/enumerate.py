"""Run every input of the box: HOLDS or VIOLATED, for boxes of up to 10**7 points.

The concrete program decides; nothing about the network is assumed. Stops at the first violation in the order
of mixed-radix counting over the features that vary.
"""

from __future__ import annotations

import numpy as np

from coverify.verify.deadline import Deadline
from coverify.verify.errors import CannotDecide
from coverify.verify.problem import Problem
from coverify.verify.query import Argument, I64Array, Outcome, Robustness

MAX_POINTS = 10**7


def decide(problem: Problem, deadline: Deadline, seed: int) -> Outcome:
    """HOLDS or VIOLATED; CannotDecide for a larger box, OutOfTime.  `seed` is not used."""
    n = problem.query.n_points
    if n > MAX_POINTS:
        raise CannotDecide(f"the box has {n:.3g} points, more than {MAX_POINTS:.0e}")
    for first in range(0, n, problem.batch):
        deadline.check()
        x = points(problem.query, first, min(first + problem.batch, n))
        witness = problem.first_violation(x)
        if witness is not None:
            return Outcome.violated("enumerate", witness, points=first + len(x))
    return Outcome.holds("enumerate", points=n).with_argument(Argument("enumeration"))


def points(query: Robustness, first: int, last: int) -> I64Array:
    """The inputs number first..last-1 of the box: int64 [last - first, n]."""
    number = np.arange(first, last, dtype=np.int64)
    x = np.tile(query.lo, (len(number), 1))
    for i in np.flatnonzero(query.hi > query.lo):
        size = query.hi[i] - query.lo[i] + 1
        x[:, i] += number % size
        number //= size
    return x
