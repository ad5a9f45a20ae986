"""Decide with Boolean cardinality or pseudo-Boolean constraints, exactly: HOLDS, VIOLATED, or UNKNOWN.

Engine cardinality, in the manner of VerBiNe (Kiss, Kovásznai) for networks of few bits:
cardinality:minicard (its default) counts natively, cardinality:cadical with totalizers where sums are
small, cardinality:pb with adders. The work is in coverify.verify.cardinality, which imports python-sat on
first use. The solver is asked with the intervals of the box first: it is often quicker than tighter
bounds are.
"""

from __future__ import annotations

from dataclasses import dataclass

from coverify.verify.deadline import Deadline
from coverify.verify.problem import Problem
from coverify.verify.query import Outcome
from coverify.verify.rivals import search


@dataclass(frozen=True)
class Cardinality:
    """The engine in the way of one of cardinality.VARIANTS."""

    variant: str = "minicard"

    def __call__(self, problem: Problem, deadline: Deadline, seed: int) -> Outcome:
        """HOLDS, VIOLATED or UNKNOWN; CannotDecide, OutOfTime.  `seed` is not used: the solvers have none."""
        from coverify.verify.cardinality.claim import Claim

        return search("cardinality", Claim(self.variant), problem, deadline, seed, plain=True)
