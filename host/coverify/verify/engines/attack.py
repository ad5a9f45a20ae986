"""Search for a counterexample: VIOLATED or UNKNOWN, never HOLDS.

See attack/search.py, which other engines call as well. A point counts only if the whole program gives it
another label. Asked alone it goes on until its time is over, each time from other points, but where the
region is SMALL: all of that is run, and no more. In `auto` it ends after its rounds.
"""

from __future__ import annotations

import contextlib
import dataclasses
from typing import Protocol

import numpy as np

from coverify.verify.attack.radius import smallest
from coverify.verify.attack.search import search
from coverify.verify.deadline import Deadline, OutOfTime
from coverify.verify.engines import enumerate, interval
from coverify.verify.errors import CannotDecide
from coverify.verify.problem import Problem
from coverify.verify.query import I64Array, Outcome, Verdict

GLANCE = 0.1
"""Share of the time for a look whether there is anything to search for."""
SMALL = 20_000
"""Points of a region that are run rather than searched again."""
NOTHING = "no counterexample found"


class Search(Protocol):
    """Until its rounds are over or (`again`) its time."""

    def __call__(self, problem: Problem, deadline: Deadline, seed: int, again: bool) -> Outcome: ...


def decide(problem: Problem, deadline: Deadline, seed: int) -> Outcome:
    """VIOLATED or UNKNOWN; CannotDecide."""
    return persistent(_search, problem, deadline, seed)


def decide_by_rounds(problem: Problem, deadline: Deadline, seed: int) -> Outcome:
    """The same, over after its rounds; CannotDecide."""
    return _search(problem, deadline, seed, again=False)


def persistent(once: Search, problem: Problem, deadline: Deadline, seed: int) -> Outcome:
    """A search until the time is over, or all of a small region is run."""
    if problem.query.n_points > SMALL:
        return once(problem, deadline, seed, again=True)
    outcome = once(problem, deadline, seed, again=False)
    if outcome.verdict is Verdict.VIOLATED or not deadline.remaining:
        return outcome
    everything = enumerate.decide(problem, deadline, seed)
    if everything.verdict is Verdict.VIOLATED:
        return dataclasses.replace(everything, engine="attack")
    return Outcome.unknown(
        "attack", "no counterexample: all inputs were run, of which `enumerate` makes a proof"
    )


def _search(problem: Problem, deadline: Deadline, seed: int, again: bool) -> Outcome:
    witness = search(problem, (), deadline, seed, again=again)
    if witness is not None:
        return Outcome.violated("attack", witness)
    return Outcome.unknown("attack", NOTHING if deadline.remaining else f"{NOTHING} in the time given")


def decide_smallest(problem: Problem, deadline: Deadline, seed: int) -> Outcome:
    """The same with a counterexample of the smallest radius that is found in the time; CannotDecide.

    Where intervals show at once that there is none, none is searched for.
    """
    starts = list[I64Array]()
    with contextlib.suppress(CannotDecide, OutOfTime):
        seen = interval.decide(problem, deadline.share(GLANCE), seed)
        if seen.verdict is Verdict.HOLDS:
            return Outcome.unknown("attack", "bounds leave no counterexample to search for")
        starts += [] if seen.witness is None else [seen.witness.astype(np.int64)]
    witness = smallest(problem, deadline, seed, starts)
    if witness is not None:
        return Outcome.violated("attack", witness)
    return Outcome.unknown("attack", NOTHING)
