"""A campaign as the command line runs it: journal, pool, progress, and the result that the journal gives.

With --out the folder's journal has the last word: what it holds is not asked again, and <verb>.json is made
from it. Without, a journal in memory serves. Ctrl-C ends the workers, writes what is known, exits with 130.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from coverify import __version__
from coverify.campaign.cluster import LOST, DaskPool
from coverify.campaign.curve import cactus, curve
from coverify.campaign.entry import Entry, file_digest, query_digest
from coverify.campaign.errors import ClusterError, Contradiction
from coverify.campaign.inquiry import Inquiry, Question, Single
from coverify.campaign.journal import Identity, Journal
from coverify.campaign.ledger import Ledger, Retry
from coverify.campaign.pool import LocalPool, Pool, Solver, Task
from coverify.campaign.radius import RadiusSearch
from coverify.campaign.runner import Asking, opened, run
from coverify.campaign.tally import Tally
from coverify.cli.campaign_progress import CampaignBar, Saver
from coverify.cli.campaign_rows import held, left_out, radius_row, with_fewer_pictures
from coverify.cli.network import LATER_INVOCATIONS, Network, Samples, of_one_head
from coverify.cli.outcome import Interrupted, Output, noted, versions
from coverify.report import Query, Radius, Result
from coverify.report.curve_plot import write_plots
from coverify.report.grade import told_weak, weak
from coverify.report.plain import grouped, plural
from coverify.report.verdict import Verdict, worst
from coverify.verify.attack.radius import drawn, radius
from coverify.verify.engines.packages import PACKAGES
from coverify.verify.property.question import Question as Asked
from coverify.verify.query import Outcome
from coverify.verify.query import Verdict as Decision
from tflm_int8.program.concrete import OutsideDomain

CORES: Final = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True, eq=False)
class Work:
    """What is asked: queries by input, radius and case of a property; the row of an outcome (which writes its
    evidence); and the result that everything else goes into.

    name: of a question, in the names of its files; gaps: what rows leave open, for not_covered.
    """

    identity: Identity
    indices: Sequence[int]
    radii: Sequence[int]
    limit: int | None
    """The search for the largest radius goes up to this one; None: each of `radii` is asked."""
    asked: Callable[[Question], Asked]
    row: Callable[[Question, Outcome], Query]
    result: Result
    name: Callable[[Question], str] = field(default=lambda question: f"{question.index}-eps{question.eps}")
    cases: int = 1
    gaps: Callable[[Sequence[Query]], Sequence[str]] = field(default=lambda rows: ())
    solver: Callable[[Task], Solver] | None = None
    """Who decides, where it is not an engine of coverify.verify."""
    close: Callable[[], None] = field(default=lambda: None)
    """Ends what `row` has under way."""
    notes: Sequence[str] = ()
    """Lines of the message about the inputs."""

    def questions(self) -> list[Question]:
        """All of them, where no largest radius is searched for."""
        cases = range(self.cases)
        return [Question(i, eps, case=case) for i in self.indices for eps in self.radii for case in cases]


@dataclass(frozen=True)
class How:
    """How it is to be decided."""

    engine: str
    timeout_s: float
    seed: int
    jobs: int
    retry: Retry = Retry.LARGER
    fresh: bool = False
    cluster: str | None = None


def identity_of(network: Network, data: Samples | None, labels: Sequence[int]) -> dict[str, str]:
    """What any campaign about these inputs of a network belongs to."""
    x = None if data is None else np.ascontiguousarray(data.x).tobytes()
    return {
        **({} if network.head is None else {"head": str(network.head)}),
        "model": network.ref.sha256,
        "profile": network.profile,
        "inputs": "none" if x is None else hashlib.sha256(x).hexdigest(),
        "labels": "none" if x is None else hashlib.sha256(str(list(labels)).encode()).hexdigest(),
        "coverify": __version__,
    }


def unanswered(network: Network, gaps: Sequence[str], seed: int, message: str | None = None) -> Result:
    """The result of verify without any answer; `gaps`: what no answer covers."""
    return Result(
        verb="verify",
        verdict="UNKNOWN",
        model=network.ref,
        profile=network.profile,
        message=message,
        not_covered=(*gaps, *of_one_head(network), *((LATER_INVOCATIONS,) if network.stateful else ())),
        versions=versions(*(package.distribution for package in PACKAGES.values())),
        seed=seed,
    )


def carry_out(work: Work, how: How, output: Output) -> Result:
    """The result of the whole campaign; of a part, LINK_ERROR, where its cluster is lost.

    Raises Interrupted with the result of a part.
    """
    identity = {**work.identity, "engine": how.engine, "seed": str(how.seed)}
    out = output.out
    journal = Journal.in_memory() if out is None else Journal.open(out, identity, how.fresh)
    with journal, CampaignBar() as bar:
        ledger = Ledger(journal, out, how.timeout_s, how.retry, monotone=work.limit is not None)
        campaign = _Campaign(work, how, ledger, out)
        save = Saver(out, campaign.result)

        def told(tally: Tally) -> None:
            bar(tally)
            save()

        asking = Asking(work.asked, how.engine, how.timeout_s, how.seed)
        try:
            with opened(campaign.pool(), ledger) as pool, contextlib.closing(work):  # before it waits
                bar.watch(pool)
                run(campaign.inquiries, asking, ledger, pool, told)
        except KeyboardInterrupt:
            ledger.catch_up()
            campaign.recall()
            raise Interrupted(campaign.result()) from None
        except ClusterError as lost:
            ledger.catch_up()
            campaign.recall()
            return campaign.result().model_copy(update={"verdict": "LINK_ERROR", "message": str(lost)})
        finally:
            ledger.sweep()
        result = campaign.result()
        if out is None:
            return result
        try:
            write_plots(out, result)
        except OSError as err:
            said = noted(result.message, result.verdict, [f"its plots cannot be written: {err}"])
            return result.model_copy(update={"message": said})
        return result


class _Campaign:
    """The inquiries, how their answers are settled, and what they say together."""

    def __init__(self, work: Work, how: How, ledger: Ledger, out: Path | None) -> None:
        self._work, self._how, self._ledger, self._out = work, how, ledger, out
        self._asked = frozenset(work.indices)
        self._searches: list[RadiusSearch] = []
        self.inquiries: Sequence[Inquiry] = self._searches
        if work.limit is None:
            self.inquiries = [Single(question) for question in work.questions()]
            return
        self._searches.extend(RadiusSearch(i, work.limit) for i in work.indices)
        self.recall()

    def recall(self) -> None:
        """Let every search know what the journal has of its input."""
        for search in self._searches:
            search.recall(self._journalled(search.index))

    def _known(self, index: int, shown: Sequence[Entry]) -> Radius:
        """What the journal has of an input, also beyond this limit; of one that earlier calls asked about, up
        to the radius that they asked about. shown: all that is shown of it.
        """
        entries, asked = self._journalled(index), index in self._asked
        limits = [*([self._work.limit or 0] if asked else []), *(entry.eps for entry in shown)]
        search = RadiusSearch(index, max(limits, default=0))
        search.recall(entries)
        return radius_row(search, limits[0] if asked else search.limit, shown)

    def _journalled(self, index: int) -> list[Entry]:
        """What the journal has of an input, of the questions that are asked here."""
        return [entry for entry in self._ledger.of_input(index) if self._same(entry)]

    def _same(self, entry: Entry) -> bool:
        return entry.query == query_digest(self._work.asked(Question(entry.index, entry.eps)))

    def pool(self) -> Pool:
        if self._how.cluster is not None:
            return DaskPool(self._how.cluster, self.settle, self._how.jobs)
        if self._work.solver is not None:
            return LocalPool(self._how.jobs, self.settle, self._work.solver)
        return LocalPool(self._how.jobs, self.settle)

    def settle(self, task: Task, outcome: Outcome) -> Entry:
        """Write the evidence, then make the entry; in a search a counterexample counts at its distance."""
        question, asked = task.question, task.asked
        if self._work.limit is not None and outcome.witness is not None:
            problem = asked.plain()
            witness = outcome.witness.astype(np.int64)
            with contextlib.suppress(OutsideDomain):  # between the two the network is not defined
                witness = drawn(problem, witness)
            outcome = dataclasses.replace(outcome, witness=witness.astype(np.int16))
            question = dataclasses.replace(question, eps=radius(problem, witness))
            asked = self._work.asked(question)
        if self._out is not None and outcome.verdict is not Decision.UNKNOWN:
            self._ledger.begin(self._work.name(question))
        row = self._work.row(question, outcome)
        files = {}
        for name in (row.witness, row.certificate):
            digest = file_digest(self._out / name) if self._out is not None and name else None
            if name and digest:
                files[name] = digest
        timeout_s = 0.0 if LOST in outcome.evidence else self._how.timeout_s  # it is asked again
        return Entry(row, query_digest(asked), timeout_s, question.step, files)

    def result(self) -> Result:
        """What is known now, by the journal."""
        entries = self._ledger.shown()
        found = self._of_radii(entries) if self._work.limit is not None else self._of_queries(entries)
        return found.model_copy(update={"message": noted(found.message, found.verdict, self._work.notes)})

    def _of_queries(self, entries: list[Entry]) -> Result:
        work = self._work
        rows = [entry.row for entry in entries]
        known = {(entry.index, entry.eps, entry.case) for entry in entries}
        asked = {(q.index, q.eps, q.case) for q in work.questions()}
        n_left = len(asked - known)
        agree(entries)
        verdicts: list[Verdict] = [row.verdict for row in rows]
        verdicts += ["UNKNOWN"] * bool(n_left)
        several, verdict = len({row.eps for row in rows}) > 1, worst(verdicts)
        message = work.result.message
        if (said := weak(rows)) is not None:  # what holds may not be called proved then
            fresh = message is None and verdict == "HOLDS"
            of = f"{said} of {plural(len(rows), 'answer')}"
            message = told_weak(rows) if fresh else noted(message, verdict, [of])
        stay = [entry for entry in entries if (entry.index, entry.eps, entry.case) in asked]
        message = noted(message, verdict, [*self._of_earlier_calls(entries), *self._stay_unknown(stay)])
        return work.result.model_copy(
            update={
                "verdict": verdict,
                "message": message,
                "queries": tuple(with_fewer_pictures(held(rows))),
                "curve": curve(entries, *_asked(entries)) if several else None,
                "cactus": cactus(entries) if len(rows) > 1 else None,
                "not_covered": (
                    *work.result.not_covered,
                    *work.gaps(rows),
                    *left_out(rows, "queries"),
                    *_left(n_left, len(rows) + n_left, "queries"),
                ),
            }
        )

    def _of_earlier_calls(self, entries: Sequence[Entry]) -> list[str]:
        """How many answers this call did not find itself, where there are any."""
        n = sum(map(self._ledger.earlier, entries))
        if not n:
            return []
        if n == len(entries):
            which = "the answer" if n == 1 else f"all {grouped(n)} answers"
        else:
            which = f"{grouped(n)} of the {grouped(len(entries))} answers"
        return [f"{which} counted here {_of_calls(n)}"]

    def _stay_unknown(self, entries: Sequence[Entry]) -> list[str]:
        """How many of these answers are UNKNOWN because this call does not ask again, and what does."""
        n = sum(map(self._ledger.stays_unknown, entries))
        if not n:
            return []
        longer = self._how.retry is Retry.LARGER
        what = "a larger --timeout, or --retry always, asks" if longer else "--retry always asks"
        return [f"{grouped(n)} UNKNOWN {_of_calls(n)}: {what} {'it' if n == 1 else 'them'} again"]

    def _of_radii(self, entries: list[Entry]) -> Result:
        work, limit = self._work, self._work.limit
        assert limit is not None
        shown: dict[int, list[Entry]] = {index: [] for index in self._asked}
        for entry in entries:
            shown.setdefault(entry.index, []).append(entry)
        indices = sorted(shown)
        rows = [self._known(index, shown[index]) for index in indices]
        n_open = sum(not row.closed for row in rows)
        largest = max([limit, *(entry.eps for entry in entries)])
        now, before = ([r for r in rows if (r.index in self._asked) is asked] for asked in (True, False))
        told = f"the largest radius up to {limit} is known of {_closed(now)} inputs"
        if before:
            told += f", and up to what earlier calls asked of {_closed(before)} others"
        if (said := weak(rows)) is not None:
            told += f"; {said} of those certified"
        stay = [entry for row in now for entry in shown[row.index] if _between(entry, row)]
        more = [*self._of_earlier_calls(entries), *self._stay_unknown(stay)]
        told = "\n".join(filter(None, (work.result.message, told, *more)))
        return work.result.model_copy(
            update={
                "verdict": "UNKNOWN" if n_open else "OK",
                "message": told,
                "radii": tuple(with_fewer_pictures(held(rows))),
                "curve": curve(entries, indices, range(largest + 1)),
                "cactus": cactus(entries),
                "not_covered": (
                    *work.result.not_covered,
                    f"radii beyond {largest}",
                    *left_out(rows, "inputs"),
                    *_left(n_open, len(rows), "inputs"),
                ),
            }
        )


def agree(entries: Sequence[Entry]) -> None:
    """Contradiction where an input keeps its label within a radius and loses it within that or a lesser."""
    broken = {
        (entry.index, entry.case): entry.eps
        for entry in sorted(entries, key=lambda entry: -entry.eps)
        if entry.row.verdict == "VIOLATED"
    }
    for entry in entries:
        least = broken.get((entry.index, entry.case), entry.eps + 1)
        if entry.row.verdict == "HOLDS" and entry.eps >= least:
            raise Contradiction(entry.index, entry.eps, least)


def _asked(entries: Sequence[Entry]) -> tuple[list[int], list[int]]:
    return sorted({entry.index for entry in entries}), sorted({entry.eps for entry in entries})


def _left(n_left: int, total: int, what: str) -> list[str]:
    return [f"{n_left} of {total} {what}: not decided yet"] if n_left else []


def _of_calls(n: int) -> str:
    return "is of an earlier call" if n == 1 else "are of earlier calls"


def _between(entry: Entry, row: Radius) -> bool:
    """Is it about a radius that is neither certified nor attacked, where an input's search ended so?"""
    lowest = -1 if row.certified is None else row.certified
    highest = row.limit + 1 if row.attacked is None else row.attacked
    return entry.step == "decide" and not row.closed and lowest < entry.eps < highest


def _closed(rows: Sequence[Radius]) -> str:
    return f"{sum(row.closed for row in rows)} of {len(rows)}"
