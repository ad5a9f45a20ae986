"""What is the largest radius that holds around one input? Attack from above, prove by bisection.

Regions of growing radius contain each other: a proof counts for every smaller radius, a counterexample for
every radius from its own distance on. So the attack comes first, from `limit` down; then the radius just
below the nearest counterexample is asked for (if it holds, the search is over), and what is left between
proof and counterexample is halved. A radius that stays unknown splits the rest in two: below it proofs are
sought first, then counterexamples above it. Closed: the largest proved radius and the smallest broken one
are neighbours, or `limit` itself is proved.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from coverify.campaign.entry import Entry
from coverify.campaign.errors import Contradiction
from coverify.campaign.inquiry import Question


@dataclass(eq=False)
class RadiusSearch:
    """The search around one input, radii 0..limit.

    proof: the entry of the largest proved radius; broken: that of the smallest broken one.
    """

    index: int
    limit: int
    proof: Entry | None = None
    broken: Entry | None = None
    _attacked: bool = field(default=False, init=False)
    _top_asked: bool = field(default=False, init=False)
    _unknown: set[int] = field(default_factory=set, init=False)

    @property
    def certified(self) -> int:
        """The largest proved radius; -1 where none is."""
        return self.proof.eps if self.proof is not None else -1

    @property
    def attacked(self) -> int:
        """The smallest broken radius; limit + 1 where none is known."""
        return self.broken.eps if self.broken is not None else self.limit + 1

    @property
    def closed(self) -> bool:
        """Is nothing left between them?"""
        return self.attacked - self.certified <= 1

    def recall(self, entries: Iterable[Entry]) -> None:
        """Take in what earlier runs found out; a counterexample beyond the limit says nothing of it."""
        for entry in sorted(entries, key=lambda entry: not entry.decided):
            if entry.eps <= self.limit or entry.row.verdict == "HOLDS":  # a proof counts for all below
                self.learn(entry)

    def next(self) -> Question | None:
        if self.closed:
            return None
        if not self._attacked:
            return Question(self.index, self.attacked - 1, "attack")
        if not self._top_asked:
            return Question(self.index, self.attacked - 1)
        open_ones = [eps for eps in self._unknown if self.certified < eps < self.attacked]
        lowest, highest = min(open_ones, default=self.attacked), max(open_ones, default=self.certified)
        for lo, hi in ((self.certified, lowest), (highest, self.attacked)):
            if hi - lo > 1:
                return Question(self.index, (lo + hi) // 2)
        return None

    def learn(self, entry: Entry) -> Entry | None:
        before = None
        if entry.eps >= self.attacked - 1 or entry.row.verdict == "VIOLATED":  # not of a narrower search
            self._top_asked = self._top_asked or entry.step == "decide"
            self._attacked = self._attacked or entry.step == "attack"
        if entry.row.verdict == "HOLDS":
            if entry.eps > self.certified:
                before, self.proof = self.proof, entry
        elif entry.row.verdict == "VIOLATED":
            if entry.eps < self.attacked:
                before, self.broken = self.broken, entry
        elif entry.step == "decide":
            self._unknown.add(entry.eps)
        if self.broken is not None and self.certified >= self.attacked:
            raise Contradiction(self.index, self.certified, self.attacked)
        return before
