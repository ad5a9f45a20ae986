"""Prove by one pass of bounds: HOLDS when no rival logit can overtake the label's on the whole box, else
UNKNOWN.

Intervals through the network, then the difference of two logits substituted back to the inputs, each
staircase replaced by lines whose offsets are exact; where that is not enough the accumulators of inner layers
first, layer by layer. It is held against the gap at which outputs tie
(decision.py), taken at its worst over the box. A network with a primitive that has no such bound is left to
intervals and the difference of the last accumulators (difference.py), without a certificate.
"""

from __future__ import annotations

from coverify.verify.deadline import Deadline
from coverify.verify.decision import decision
from coverify.verify.difference import Differences
from coverify.verify.dual.prover import Prover
from coverify.verify.dual.search import AT_BOUND, Counterexample
from coverify.verify.errors import CannotDecide
from coverify.verify.few_changes import region_bounds
from coverify.verify.overtaking import open_rivals
from coverify.verify.problem import Problem
from coverify.verify.query import Outcome, rival_labels


def decide(problem: Problem, deadline: Deadline, seed: int) -> Outcome:
    """HOLDS, UNKNOWN, or VIOLATED by the input where a bound is greatest; CannotDecide, OutOfTime.  `seed` is
    not used.
    """
    try:
        prover = Prover.of(problem, deadline)
        left = len(prover.search.glanced(prover.roots, 1))
    except Counterexample as found:
        return Outcome.violated("interval", found.x, AT_BOUND)
    except CannotDecide:
        return _by_intervals(problem, deadline)
    if left:
        return Outcome.unknown("interval", f"the bounds leave {rival_labels(left)} open", open=left)
    by_intervals = prover.n_rivals - len(prover.roots)
    holds = Outcome.holds("interval", rivals=prover.n_rivals, by_intervals=by_intervals)
    return holds.with_argument(prover.argument())


def _by_intervals(problem: Problem, deadline: Deadline) -> Outcome:
    boxes = region_bounds(problem, deadline)
    last = decision(problem.program, boxes, deadline)
    differences = Differences(problem.program, boxes, last.wire)
    label, n = problem.query.label, len(boxes[last.wire].lo)
    near = open_rivals(label, n, last, differences)
    if near:
        return Outcome.unknown("interval", f"the bounds leave {rival_labels(len(near))} open", open=len(near))
    return Outcome.holds("interval", rivals=n - 1, by_intervals=n - 1)
