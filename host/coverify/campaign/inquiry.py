"""What is asked next about one input? A plain query has one question; the search for the radius has many."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from coverify.campaign.entry import Entry, Step


@dataclass(frozen=True)
class Question:
    """The query of radius `eps` around input `index`, to be decided or only attacked.

    case: which of a property's regions, where there are several (then eps is 0: the property says it).
    """

    index: int
    eps: int
    step: Step = "decide"
    case: int = 0


class Inquiry(Protocol):
    """What is to be found out about one input; one question at a time."""

    def next(self) -> Question | None:
        """What to ask; None when there is nothing left to ask."""

    def learn(self, entry: Entry) -> Entry | None:
        """Take an answer in; an older answer that it makes needless, or None.  Raises Contradiction."""


@dataclass(eq=False)
class Single:
    """One question, asked once."""

    question: Question
    asked: bool = False

    def next(self) -> Question | None:
        return None if self.asked else self.question

    def learn(self, entry: Entry) -> Entry | None:
        learnt = Question(entry.index, entry.eps, entry.step, entry.case)
        self.asked = self.asked or learnt == self.question
        return None
