"""Prove by Lagrangian bounds on the exact staircases: one bound per rival, its multipliers by descent.

HOLDS comes with the multipliers as its certificate. The input at which a bound is greatest is run: where it
has another label the answer is VIOLATED.
"""

from __future__ import annotations

from coverify.verify.deadline import Deadline
from coverify.verify.dual.prover import Prover
from coverify.verify.dual.search import AT_BOUND, Counterexample
from coverify.verify.problem import Problem
from coverify.verify.query import Outcome, rival_labels

ROUNDS = 80
"""Evaluations for the rivals that a glance at all of them leaves."""


def decide(problem: Problem, deadline: Deadline, seed: int) -> Outcome:
    """HOLDS, VIOLATED or UNKNOWN; CannotDecide, OutOfTime.  `seed` is not used."""
    prover = Prover.of(problem, deadline)
    try:
        left = prover.search.bounded(prover.search.glanced(prover.roots, 1), ROUNDS)
    except Counterexample as found:
        return Outcome.violated("dual", found.x, AT_BOUND)
    if left:
        return Outcome.unknown("dual", f"the bounds leave {rival_labels(len(left))} open", open=len(left))
    return Outcome.holds("dual", rivals=prover.n_rivals).with_argument(prover.argument())
