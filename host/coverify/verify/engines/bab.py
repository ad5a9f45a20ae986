"""Branch and bound: Lagrangian bounds, accumulators narrowed where a rival wins, cases on stair edges.

Complete in the limit (the last cases are single inputs), so that only time ends it. HOLDS comes with the
whole tree as its certificate; VIOLATED is the maximising input of some part's bound, run on the
network, or found by the attack that starts there (dual/hunt.py).
"""

from __future__ import annotations

from coverify.verify.deadline import Deadline
from coverify.verify.dual.prover import Prover
from coverify.verify.dual.search import Counterexample
from coverify.verify.problem import Problem
from coverify.verify.query import Outcome


def decide(problem: Problem, deadline: Deadline, seed: int, jobs: int = 1) -> Outcome:
    """HOLDS, VIOLATED or UNKNOWN; CannotDecide, OutOfTime.  `seed` is that of the attack in between; jobs:
    in so many processes at most, this one among them.
    """
    prover = Prover.of(problem, deadline, seed, jobs)
    try:
        with prover.search:
            prover.search.run(prover.roots)
    except Counterexample as found:
        return Outcome.violated("bab", found.x, parts=prover.search.nodes)
    holds = Outcome.holds("bab", rivals=prover.n_rivals, parts=prover.search.nodes)
    return holds.with_argument(prover.argument())
