"""Which rivals can overtake the label, as far as intervals show, and what follows where one does."""

from __future__ import annotations

from coverify.verify.decision import Decision
from coverify.verify.difference import Differences
from coverify.verify.tighten import Rival


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
        if overtakes or (j < label and not _stays_behind(j, label, last, differences)):
            rivals.append(j)
    return rivals


def _stays_behind(j: int, label: int, last: Decision, differences: Differences) -> bool:
    """Is some logit always at least the greatest gap above x_j, so that j never ties with the maximum?"""
    if differences.upper(j, label) <= -last.greatest_gap:
        return True
    box = differences.boxes[last.wire]
    return bool((box.lo - box.hi[j]).max() >= last.greatest_gap)
