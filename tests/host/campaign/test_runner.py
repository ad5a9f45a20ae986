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
from coverify.cli import campaign_rows
from coverify.cli.campaign import How, Work, _Campaign, agree
from coverify.report import Radius, Result
from coverify.report.rows import MAX_ROWS
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


@pytest.mark.slow
def test_more_answers_than_a_result_holds_are_a_result_that_counts_them_all(monkeypatch):
    """Of this call or of earlier ones; what does not hold keeps its row."""
    n = MAX_ROWS + 3
    weak = {5: "VIOLATED", n - 1: "UNKNOWN"}
    entries = [entry(k // 200, k % 200, weak.get(k, "HOLDS"), case=k) for k in range(n)]
    for indices, earlier in (([0], True), (range(1 + n // 200), False)):
        before = [earlier and e.index not in indices for e in entries]
        ledger = SimpleNamespace(
            shown=lambda: entries,
            earlier=lambda e, before=before: before[e.case],
            stays_unknown=lambda e: False,
        )
        cases = [Question(e.index, e.eps, case=e.case) for e in entries if e.index in indices]
        work = Work({}, indices, [0], None, None, None, Result(verb="verify", verdict="UNKNOWN"))
        monkeypatch.setattr(Work, "questions", lambda self, cases=cases: cases)
        result = _Campaign(work, How("auto", 1.0, 0, 1), ledger, None).result()
        result = Result.model_validate_json(result.to_json(), strict=True)
        assert result.verdict == "VIOLATED" and bool(result.message) is earlier
        assert len(result.queries) == MAX_ROWS
        assert [row.case for row in result.queries if row.verdict != "HOLDS"] == [5, n - 1]
        (said,) = result.not_covered
        assert (
            said.startswith("rows of 3 of 100\u202f003 queries, which count") and "100\u202f001 HOLDS" in said
        )
        (line,) = result.cactus
        assert (len(line.times_s), line.n) == (MAX_ROWS, n - 1)


def test_fewer_radii_than_there_are_keep_those_that_are_not_known(monkeypatch):
    monkeypatch.setattr(campaign_rows, "MAX_ROWS", 3)
    known = {"limit": 3, "certified": 3, "closed": True, "queries": 1, "time_s": 0.1}
    rows = [Radius(index=i, **{**known, "certified": 3 - i // 4, "closed": i < 4}) for i in range(5)]
    assert [row.index for row in campaign_rows.held(rows)] == [0, 1, 4]
    assert campaign_rows.left_out(rows, "inputs")[0].startswith("rows of 2 of 5 inputs, which count")
    assert campaign_rows.held(rows[:3]) == rows[:3] and not campaign_rows.left_out(rows[:3], "inputs")
