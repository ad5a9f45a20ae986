"""Prove by bounds alone: HOLDS when no rival logit can overtake the label's on the whole box, else UNKNOWN.

Intervals through the network, then the differences of two logits: with one back-substitution (difference.py),
and with a Lagrangian bound on the exact stairs (lagrangian.py) for the rivals that are left. They are held
against the gap at which outputs tie (decision.py), taken at its worst over the box: the label must win at the
least gap, and every earlier index must lose at the greatest.
"""

from __future__ import annotations

from coverify.verify.bounds import wire_bounds
from coverify.verify.deadline import Deadline
from coverify.verify.decision import Decision, decision
from coverify.verify.difference import Differences
from coverify.verify.errors import CannotDecide
from coverify.verify.problem import Problem
from coverify.verify.query import Outcome
from coverify.verify.tighten import Rival, impossible


def decide(problem: Problem, deadline: Deadline, seed: int) -> Outcome:
    """HOLDS or UNKNOWN; CannotDecide, OutOfTime.  `seed` is not used."""
    boxes = wire_bounds(problem.program, problem.query.lo, problem.query.hi, deadline)
    last = decision(problem.program, boxes, deadline)
    differences = Differences(problem.program, boxes, last.wire)
    label, n = problem.query.label, len(boxes[last.wire].lo)
    near = open_rivals(label, n, last, differences)
    still_open = 0
    for j in near:
        deadline.check()
        try:
            still_open += not impossible(problem.program, boxes, rival_claim(j, label, last), deadline)
        except CannotDecide:
            still_open += 1
    if not still_open:
        return Outcome.holds("interval", rivals=n - 1, by_intervals=n - 1 - len(near))
    return Outcome.unknown("interval", f"the bounds leave {still_open} rival labels open", open=still_open)


def rival_claim(j: int, label: int, last: Decision) -> Rival:
    """What follows wherever rival j takes the label.

    A later index must push the label out of the ties. An earlier one must only tie with the maximum, so that
    it is less than the greatest gap below the label's logit.
    """
    rise = last.least_gap if j > label else min(last.least_gap, 1 - last.greatest_gap)
    return Rival(last.wire, j, label, rise)


def open_rivals(label: int, n: int, last: Decision, differences: Differences) -> list[int]:
    """The indices that intervals cannot exclude from becoming the first maximum or pushing the label out."""
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
