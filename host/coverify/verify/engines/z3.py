"""Decide with Z3's bit-vector solver, exactly: HOLDS, VIOLATED, or UNKNOWN when the time is over.

The work is in coverify.verify.smt, which imports Z3 on first use: only the process that solves loads it.
"""

from __future__ import annotations

from coverify.verify.bounds import wire_bounds
from coverify.verify.deadline import Deadline
from coverify.verify.decision import decision
from coverify.verify.problem import Problem
from coverify.verify.query import Outcome


def decide(problem: Problem, deadline: Deadline, seed: int) -> Outcome:
    """HOLDS, VIOLATED or UNKNOWN; CannotDecide, OutOfTime."""
    from coverify.verify.smt.search import Search

    boxes = wire_bounds(problem.program, problem.query.lo, problem.query.hi, deadline)
    last = decision(problem.program, boxes, deadline)
    return Search(problem, boxes, last, deadline, seed).run()
