"""How is a campaign carried through? Every inquiry asks one question at a time, as many at once as the pool
takes; every answer is committed before anything is made of it.

An answer that the journal has is not asked for again. Whatever ends the loop (Ctrl-C, a fault, kill -9), what
was committed stays, and the same call goes on from there.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from coverify.campaign.entry import Entry, query_digest
from coverify.campaign.inquiry import Inquiry, Question
from coverify.campaign.ledger import Ledger
from coverify.campaign.pool import Pool, Task
from coverify.campaign.tally import Tally
from coverify.verify.engines import SMALLEST
from coverify.verify.property.question import Question as Asked

ATTACK_S: Final = 3.0
"""Longest time for a question that only attacks; a third of the time-out where that is less. Three times as
much found nothing smaller on 30 images of three networks (docs/verifier-notes.md).
"""


@dataclass(frozen=True, eq=False)
class Asking:
    """How questions become tasks: what they ask of the network, the engine, its time and seed."""

    asked: Callable[[Question], Asked]
    engine: str
    timeout_s: float
    seed: int

    def task(self, question: Question) -> Task:
        """What a pool decides.  Raises BadQuery."""
        asked = self.asked(question)
        if question.step == "attack":
            return Task(question, asked, SMALLEST, min(ATTACK_S, self.timeout_s / 3), self.seed)
        return Task(question, asked, self.engine, self.timeout_s, self.seed)


@contextlib.contextmanager
def opened(pool: Pool, ledger: Ledger) -> Iterator[Pool]:
    """The pool at work. What it is settling when it is closed is kept, too: the check of a certificate may
    take longer than the answer took.

    Raises what `Ledger.record` does.
    """
    try:
        with pool:
            yield pool
    finally:
        ledger.catch_up()
        for answer in pool.left():
            if isinstance(answer.entry, Entry):
                ledger.record(answer.entry)


def run(
    inquiries: Sequence[Inquiry],
    asking: Asking,
    ledger: Ledger,
    pool: Pool,
    told: Callable[[Tally], None] = lambda tally: None,
) -> None:
    """Ask until no inquiry has a question left.

    Raises what a task raised (EngineFault, BadQuery, …), JournalUnwritable, Contradiction, ClusterError.
    """
    tally = Tally(len(inquiries))
    waiting, running = iter(inquiries), dict[Task, Inquiry]()

    def start(inquiry: Inquiry) -> bool:
        """Submit its next question that the journal does not answer; False when there is none."""
        nonlocal tally
        while (question := inquiry.next()) is not None:
            task = asking.task(question)
            known = ledger.answer(question, query_digest(task.asked))
            if known is None:
                running[task] = inquiry
                pool.submit(task)
                return True
            inquiry.learn(known)
            tally = tally.counted(known)
        tally = tally.finished()
        told(tally)
        return False

    def fill() -> None:
        while len(running) < pool.capacity and (inquiry := next(waiting, None)) is not None:
            start(inquiry)

    told(tally)
    fill()
    while running:
        answer = pool.wait()
        inquiry = running.pop(answer.task)
        if isinstance(answer.entry, BaseException):
            raise answer.entry
        ledger.record(answer.entry)
        tally = tally.counted(answer.entry)
        told(tally)
        needless = inquiry.learn(answer.entry)
        if needless is not None:
            ledger.drop_files(needless)
        start(inquiry)
        fill()
