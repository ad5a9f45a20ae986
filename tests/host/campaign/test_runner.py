"""What a campaign keeps of the answers that are settled while it ends."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest

from campaign_entries import entry
from coverify.campaign.errors import Contradiction
from coverify.campaign.inquiry import Question
from coverify.campaign.journal import Journal
from coverify.campaign.ledger import Ledger
from coverify.campaign.pool import LocalPool, Task
from coverify.campaign.runner import opened
from coverify.cli.campaign import agree
from coverify.verify.query import Outcome, Verdict


class Knows:
    """A solver that knows every answer; `stopped` when it is told to stop."""

    jobs, at_work = 1, ()

    def __init__(self):
        self.stopped = threading.Event()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        pass

    def answer(self, task):
        return Outcome(Verdict.HOLDS, "enumerate", 0.0)

    def stop(self):
        self.stopped.set()


def test_what_is_being_settled_when_a_campaign_is_interrupted_is_kept():
    """Its check takes longer than the answer took; what was not begun is not."""
    asked = SimpleNamespace(region=None)
    solver, at_it = Knows(), threading.Event()

    def settle(task, outcome):
        at_it.set()
        assert solver.stopped.wait(60)
        return entry(task.question.index, task.question.eps, "HOLDS")

    with Journal.in_memory() as journal:
        ledger = Ledger(journal, None, 30.0)
        pool = LocalPool(1, settle, lambda task: solver)
        with pytest.raises(KeyboardInterrupt), opened(pool, ledger):
            for index in range(3):
                pool.submit(Task(Question(index, 2), asked, "enumerate", 9.0, 0))
            assert at_it.wait(60)
            raise KeyboardInterrupt
        assert [(kept.index, kept.eps) for kept in ledger.shown()] == [(0, 2)]


def test_answers_of_one_input_that_exclude_each_other_are_an_error():
    broken = entry(1, 16, "VIOLATED")
    agree(
        [
            entry(1, 15),
            broken,
            entry(1, 20, "VIOLATED"),
            entry(2, 24),
            entry(1, 0, case=3),
            entry(1, 30, "UNKNOWN"),
        ]
    )
    for eps in (16, 24):
        with pytest.raises(Contradiction, match=f"sample 1 is proved within {eps} and broken within 16"):
            agree([entry(1, eps), entry(2, 8, "UNKNOWN"), entry(1, 20, "VIOLATED"), broken])
