"""The search for the largest radius: against every hidden truth, and brute force on small networks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from campaign_entries import entry
from coverify.campaign.entry import Entry, query_digest
from coverify.campaign.errors import Contradiction
from coverify.campaign.journal import Journal
from coverify.campaign.ledger import Ledger
from coverify.campaign.pool import LocalPool
from coverify.campaign.radius import RadiusSearch
from coverify.campaign.runner import Asking, run
from coverify.report import Query
from coverify.verify.attack.radius import drawn, radius
from coverify.verify.deadline import Deadline
from coverify.verify.fixed_point import FixedPointNetwork
from coverify.verify.property.claim import stays
from coverify.verify.property.question import Question
from coverify.verify.query import Robustness
from fixed_point_networks import content, outputs, points, random_network

LIMIT = 12


def played(truth, rng, hardness=0.0, entries=()):
    """A search whose questions are answered by the truth: broken from `truth` on; the answers in order."""
    search = RadiusSearch(0, LIMIT)
    search.recall(entries)
    answers = []
    while (question := search.next()) is not None:
        eps, verdict = question.eps, "HOLDS" if question.eps < truth else "VIOLATED"
        if rng.random() < hardness or (question.step == "attack" and verdict == "HOLDS"):
            verdict = "UNKNOWN"
        if verdict == "VIOLATED":  # a counterexample lies anywhere from the nearest one to the region's end
            eps = int(rng.integers(truth, eps + 1))
        answers.append(entry(0, eps, verdict, question.step))
        search.learn(answers[-1])
        assert len(answers) < 4 * LIMIT
    return search, answers


@pytest.mark.parametrize("truth", range(LIMIT + 2))
def test_every_radius_is_found_when_every_question_is_answered(truth):
    for seed in range(30):
        search, _ = played(truth, np.random.default_rng(seed))
        assert search.closed
        assert (search.certified, search.attacked) == (truth - 1, truth)


@pytest.mark.parametrize("truth", range(LIMIT + 2))
@pytest.mark.parametrize("hardness", [0.3, 0.7, 1.0])
def test_unknown_answers_leave_a_gap_and_never_a_wrong_bound(truth, hardness):
    for seed in range(30):
        search, answers = played(truth, np.random.default_rng(seed), hardness)
        assert search.certified < truth <= search.attacked
        unknown = {a.eps for a in answers if a.row.verdict == "UNKNOWN" and a.step == "decide"}
        gap = set(range(search.certified + 1, search.attacked))
        assert not gap or {min(gap), max(gap)} <= unknown  # both ends of what is open were asked in vain


def test_a_wider_search_attacks_from_its_own_limit_down():
    narrow = [entry(0, 3, "UNKNOWN", "attack"), entry(0, 3, "HOLDS", "decide")]
    search = RadiusSearch(0, LIMIT)
    search.recall(narrow)
    question = search.next()
    assert question is not None and (question.eps, question.step) == (LIMIT, "attack")
    search.learn(entry(0, LIMIT, "UNKNOWN", "attack"))
    question = search.next()
    assert question is not None and (question.eps, question.step) == (LIMIT, "decide")


def test_a_search_that_was_cut_off_anywhere_goes_on_without_asking_anything_again():
    for seed in range(60):
        truth = seed % (LIMIT + 2)
        whole, answers = played(truth, np.random.default_rng(seed), 0.3)
        for cut in range(len(answers)):
            search = RadiusSearch(0, LIMIT)
            search.recall(answers[:cut])
            question = search.next()
            known = {(a.eps, a.step) for a in answers[:cut] if a.row.verdict != "VIOLATED"}
            assert question is None or (question.eps, question.step) not in known
            assert cut == 0 or question is None or question.step == "decide"
        search = RadiusSearch(0, LIMIT)
        search.recall(answers)
        assert (search.certified, search.attacked) == (whole.certified, whole.attacked)
        assert search.next() is None


def test_a_proof_beyond_a_counterexample_is_a_defect():
    search = RadiusSearch(0, LIMIT)
    search.learn(entry(0, 5, "VIOLATED"))
    with pytest.raises(Contradiction, match="proved within 6 and broken within 5"):
        search.learn(entry(0, 6, "HOLDS"))


def brute_radius(arrays, x0, label, limit):
    """The least radius at which some input has another class, limit + 1 where none does."""
    for eps in range(limit + 1):
        if np.any(outputs(arrays, points(x0, eps)).argmax(axis=1) != label):
            return eps
    return limit + 1


@pytest.mark.parametrize("jobs", [1, 2])
def test_radii_of_small_networks_are_those_of_brute_force(jobs):
    rng, cases, limit = np.random.default_rng(7), [], 6
    while len(cases) < 10:
        arrays = random_network(rng)
        if arrays["w0"].shape[1] > 3:
            continue
        x0 = rng.integers(0, 256, arrays["w0"].shape[1])
        label = int(outputs(arrays, x0[None])[0].argmax())
        found = brute_radius(arrays, x0, label, limit)
        if found <= limit or len(cases) < 3:
            program = FixedPointNetwork.from_bytes(content(arrays)).program
            cases.append((program, x0, label, found, arrays))

    def asked(question):
        program, x0, label, *_ = cases[question.index]
        return Question(program, Robustness.around(x0, label, question.eps, None, 0, 255), stays(label))

    def settle(task, outcome):
        index, eps, problem = task.question.index, task.question.eps, task.asked.problem(Deadline.never())
        if outcome.witness is not None:
            witness = drawn(problem, outcome.witness.astype(np.int64))
            eps = radius(problem, witness)
            assert outputs(cases[index][4], witness[None])[0].argmax() != problem.query.label
            assert np.abs(witness - problem.query.x0).max() == eps
        row = Query(index=index, eps=eps, verdict=outcome.verdict.value, engine=outcome.engine, time_s=0)
        return Entry(row, query_digest(asked(replace(task.question, eps=eps))), 30.0, task.question.step)

    searches = [RadiusSearch(i, limit) for i in range(len(cases))]
    with Journal.in_memory() as journal, LocalPool(jobs, settle) as pool:
        run(searches, Asking(asked, "auto", 30.0, 0), Ledger(journal, None, 30.0), pool)
    assert [search.closed for search in searches] == [True] * len(cases)
    assert [search.attacked for search in searches] == [found for *_, found, _ in cases]
