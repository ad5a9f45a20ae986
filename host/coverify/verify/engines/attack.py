"""Search for a counterexample: VIOLATED or UNKNOWN, never HOLDS.

See attack/search.py, which other engines call as well. A point counts only if the whole program gives it
another label.
"""

from __future__ import annotations

from coverify.verify.attack.radius import smallest
from coverify.verify.attack.search import search
from coverify.verify.deadline import Deadline
from coverify.verify.problem import Problem
from coverify.verify.query import Outcome


def decide(problem: Problem, deadline: Deadline, seed: int) -> Outcome:
    """VIOLATED or UNKNOWN; CannotDecide."""
    witness = search(problem, (), deadline, seed)
    if witness is not None:
        return Outcome.violated("attack", witness)
    if not deadline.remaining:
        return Outcome.unknown("attack", "no counterexample found in the time given")
    return Outcome.unknown("attack", "no counterexample found")


def decide_smallest(problem: Problem, deadline: Deadline, seed: int) -> Outcome:
    """The same with a counterexample of the smallest radius that is found in the time; CannotDecide."""
    witness = smallest(problem, deadline, seed)
    if witness is not None:
        return Outcome.violated("attack", witness)
    return Outcome.unknown("attack", "no counterexample found")
