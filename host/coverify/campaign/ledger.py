"""What is known already, and still stands? The journal's answers, as far as their evidence is intact.

Of several answers to one query a decided one wins, then the last. An answer whose witness or certificate is
missing or damaged does not count: its query is asked again. An UNKNOWN counts unless this run would give it
another chance (`Retry`). What does not count is shown, as UNKNOWN, until there is a new one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from enum import Enum
from pathlib import Path

from coverify.campaign.entry import EVIDENCE, STEPS, Entry, Step, remove_begun
from coverify.campaign.inquiry import Question
from coverify.campaign.journal import Journal


class Retry(Enum):
    """When is an UNKNOWN asked again? `LARGER`: when the new time-out is larger than its own."""

    LARGER = "larger"
    NEVER = "never"
    ALWAYS = "always"


class Ledger:
    """The answers of a campaign by input, radius and case; a new one is committed to the journal first."""

    def __init__(
        self,
        journal: Journal,
        folder: Path | None,
        timeout_s: float,
        retry: Retry = Retry.LARGER,
        monotone: bool = False,
    ) -> None:
        """`folder` holds the evidence (None: there is none); `timeout_s` is what this run gives a query;
        `monotone`: an answer without its evidence still counts where a stronger one of its input has it.
        """
        self._journal, self._folder = journal, folder
        self._known: dict[int, dict[tuple[int, int, Step], Entry]] = {}
        self._again: dict[tuple[int, int, int, Step], Entry] = {}
        self._made: set[tuple[int, int, int, Step]] = set()
        self._named: set[str] = set()
        self._n_read = 0
        bare = []
        for entry in journal.entries():
            self._n_read += 1
            self._named.update(entry.files)
            if entry.decided and not (folder is None or entry.intact(folder)):
                bare.append(entry)
                self._again[_key(entry)] = _without_evidence(entry)
            elif entry.decided or _left_alone(entry, timeout_s, retry):
                self._keep(entry)
            else:
                self._again[_key(entry)] = entry
        for entry in bare:
            if monotone and any(_implies(known, entry) for known in self.of_input(entry.index)):
                self._keep(entry)
        self.sweep()

    def _keep(self, entry: Entry) -> None:
        known, key = self._known.setdefault(entry.index, {}), (entry.eps, entry.case, entry.step)
        if entry.decided or key not in known or not known[key].decided:
            known[key] = entry

    def begin(self, name: str) -> None:
        """The evidence of a question of this name is written next."""
        self._journal.begin(name)

    def record(self, entry: Entry) -> None:
        """A new answer, whose files are there.  Raises JournalUnwritable."""
        self._journal.record(entry)
        self._take(entry)

    def catch_up(self) -> None:
        """Take in what was committed and not kept here: Ctrl-C may fall between the two."""
        for entry in self._journal.entries(skip=self._n_read):
            self._take(entry)

    def _take(self, entry: Entry) -> None:
        self._named.update(entry.files)
        self._made.add(_key(entry))
        self._keep(entry)
        self._n_read += 1  # last: an answer that is taken twice is the same answer

    def answer(self, question: Question, query: str) -> Entry | None:
        """What is known of this very query (its digest is `query`): decided, or tried by the same step."""
        known = self._known.get(question.index, {})
        for step in STEPS:
            entry = known.get((question.eps, question.case, step))
            if entry is not None and entry.query == query and (entry.decided or step == question.step):
                return entry
        return None

    def of_input(self, index: int) -> list[Entry]:
        """All that is known of one input, by radius and case."""
        return sorted(self._known.get(index, {}).values(), key=lambda entry: (entry.eps, entry.case))

    def __iter__(self) -> Iterator[Entry]:
        """All answers that count, by input, radius and case."""
        return iter([entry for index in sorted(self._known) for entry in self.of_input(index)])

    def shown(self) -> list[Entry]:
        """All answers in the same order; also those that would be asked for again."""
        counted = list(self)
        there = {_key(entry)[:3] for entry in counted}
        again = [entry for key, entry in self._again.items() if key[:3] not in there]
        return sorted([*counted, *again], key=_key) if again else counted

    def earlier(self, entry: Entry) -> bool:
        """Was this answer there before this run?"""
        return _key(entry) not in self._made

    def stays_unknown(self, entry: Entry) -> bool:
        """Is it an UNKNOWN of an earlier run that this one does not ask again?"""
        known = self._known.get(entry.index, {}).get((entry.eps, entry.case, entry.step))
        return known is entry and not entry.decided and self.earlier(entry)

    def drop_files(self, entry: Entry) -> None:
        """Remove the evidence of an answer that a stronger one has made needless."""
        for name in entry.files:
            if self._folder is not None and EVIDENCE.fullmatch(name):
                (self._folder / name).unlink(missing_ok=True)

    def sweep(self) -> None:
        """Remove evidence that this campaign began to write and that no answer names: its process ended
        before the answer was committed. Other files that are called so are others'.
        """
        self.catch_up()
        if self._folder is not None:
            remove_begun(self._folder, self._journal.begun(), self._journal.started, self._named)


def _key(entry: Entry) -> tuple[int, int, int, Step]:
    return entry.index, entry.eps, entry.case, entry.step


def _without_evidence(entry: Entry) -> Entry:
    """An answer whose witness or certificate is gone."""
    why = f"it was {entry.row.verdict}, whose evidence is missing or damaged; ask again"
    gone = dict.fromkeys(("witness", "certificate", "certificate_against", "picture", "inputs", "outputs"))
    row = entry.row.model_copy(update={**gone, "verdict": "UNKNOWN", "note": why, "proof": None})
    return replace(entry, row=row, files={})


def _left_alone(unknown: Entry, timeout_s: float, retry: Retry) -> bool:
    """Does an UNKNOWN stay one?"""
    if retry is Retry.LARGER:
        return unknown.timeout_s >= timeout_s
    return retry is Retry.NEVER


def _implies(strong: Entry, weak: Entry) -> bool:
    """Does one answer give the other? The regions around one input contain each other."""
    if strong.row.verdict != weak.row.verdict or not strong.decided:
        return False
    return strong.eps > weak.eps if strong.row.verdict == "HOLDS" else strong.eps < weak.eps
