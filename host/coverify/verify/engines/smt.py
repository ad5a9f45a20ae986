"""Decide with an SMT solver on bit-vectors, exactly: HOLDS, VIOLATED, or UNKNOWN when the time is over.

Engines z3, bitwuzla and boolector; `z3:balanced` and the like take the query as a whole in an encoding of the
literature, for comparison. The work is in coverify.verify.smt, which imports a solver on first use: only the
process that solves loads it.
"""

from __future__ import annotations

from dataclasses import dataclass

from coverify.verify.deadline import Deadline
from coverify.verify.problem import Problem
from coverify.verify.query import Outcome
from coverify.verify.rivals import search


@dataclass(frozen=True)
class Smt:
    """The engine that asks this solver; encoding: empty for the search by rivals, else one of ENCODINGS."""

    solver: str
    encoding: str = ""

    def __call__(self, problem: Problem, deadline: Deadline, seed: int) -> Outcome:
        """HOLDS, VIOLATED or UNKNOWN; CannotDecide, OutOfTime."""
        from coverify.verify.smt import whole
        from coverify.verify.smt.claim import Claim

        if self.encoding:
            return whole.decide(self.solver, self.encoding, problem, deadline, seed)
        return search(self.solver, Claim(self.solver), problem, deadline, seed)
