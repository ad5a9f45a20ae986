"""Prove by bounds alone: HOLDS when no rival logit can overtake the label's on the whole box, else UNKNOWN.

Intervals through the network, then the differences of logits (see difference.py) against the gap at which
outputs tie (see decision.py), taken at its worst over the box: the label must win at the least gap, and every
earlier index must lose at the greatest.
"""

from __future__ import annotations

from coverify.verify.bounds import wire_bounds
from coverify.verify.deadline import Deadline
from coverify.verify.decision import Decision, decision
from coverify.verify.difference import Differences
from coverify.verify.problem import Problem
from coverify.verify.query import Outcome


def decide(problem: Problem, deadline: Deadline, seed: int) -> Outcome:
    """HOLDS or UNKNOWN; CannotDecide, OutOfTime.  `seed` is not used."""
    boxes = wire_bounds(problem.program, problem.query.lo, problem.query.hi, deadline)
    last = decision(problem.program, boxes, deadline)
    differences = Differences(problem.program, boxes, last.wire)
    n = len(boxes[last.wire].lo)
    rivals = open_rivals(problem.query.label, n, last, differences)
    if not rivals:
        return Outcome.holds("interval", rivals=n - 1)
    return Outcome.unknown("interval", f"the bounds leave {len(rivals)} rival labels open", open=len(rivals))


def open_rivals(label: int, n: int, last: Decision, differences: Differences) -> list[int]:
    """The indices that the bounds cannot exclude from becoming the first maximum or pushing the label out."""
    rivals = []
    for j in range(n):
        if j == label:
            continue
        overtakes = differences.upper(j, label) >= last.least_gap
        if overtakes or (j < label and not _stays_behind(j, label, n, last, differences)):
            rivals.append(j)
    return rivals


def _stays_behind(j: int, label: int, n: int, last: Decision, differences: Differences) -> bool:
    """Is some logit always at least the greatest gap above x_j, so that j never ties with the maximum?"""
    if differences.upper(j, label) <= -last.greatest_gap:
        return True
    box = differences.boxes[last.wire]
    return bool((box.lo - box.hi[j]).max() >= last.greatest_gap)
