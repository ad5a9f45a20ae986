"""Each stage of the engine eqv alone and in turn, against brute force."""

from __future__ import annotations

import numpy as np
import pytest

from coverify.verify.deadline import Deadline
from coverify.verify.engines import engine_named, eqv, solve
from coverify.verify.engines.packages import usable
from coverify.verify.errors import BadQuery, CannotDecide
from coverify.verify.query import Verdict
from verify_cases import pixels

pytestmark = pytest.mark.skipif(not usable("eqv"), reason="highspy is not installed")


ATTACK, INTERVALS, PROGRAM = "eqv:attack", "eqv:intervals", "eqv:program"


def decided(seeds, engine="eqv"):
    for seed in seeds:
        case = pixels(seed)
        yield case, solve(engine, case.problem, Deadline.in_s(60))


def test_it_says_which_stage_decided_and_only_interval_analysis_is_proof_grade():
    stages = set()
    for case, outcome in decided(range(25)):
        assert outcome.verdict is (Verdict.HOLDS if case.holds else Verdict.VIOLATED), case.name
        stages.add((outcome.verdict.value, outcome.engine))
        if case.holds:
            assert outcome.sound is (outcome.engine == INTERVALS)
    assert stages == {("HOLDS", INTERVALS), ("HOLDS", PROGRAM), ("VIOLATED", ATTACK)}


def test_a_stage_alone_decides_what_it_can_and_leaves_the_rest():
    """The attack no proof, the intervals no counterexample, the program (with its intervals) all of these."""
    answers = {}
    for engine in (ATTACK, INTERVALS, PROGRAM):
        answers[engine] = set()
        for case, outcome in decided(range(25), engine):
            answers[engine].add((case.holds, outcome.verdict.value))
            assert outcome.engine == engine or engine == PROGRAM
    assert answers[ATTACK] == {(False, "VIOLATED"), (True, "UNKNOWN")}
    assert answers[INTERVALS] == {(False, "UNKNOWN"), (True, "UNKNOWN"), (True, "HOLDS")}
    assert answers[PROGRAM] == {(False, "VIOLATED"), (True, "HOLDS")}
    with pytest.raises(BadQuery, match="there are: attack, intervals, program"):
        engine_named("eqv:milp")


def test_intervals_that_are_too_wide_leave_the_attack_and_are_blamed(monkeypatch):
    def too_wide(*_):
        raise CannotDecide("an accumulator may overflow")

    monkeypatch.setattr(eqv, "two_relu_bounds", too_wide)
    answers = set()
    for case, outcome in decided(range(10)):
        answers.add((case.holds, outcome.verdict.value, outcome.note if case.holds else outcome.engine))
    said = "the intervals of clips as two ReLUs are too wide: an accumulator may overflow"
    assert answers == {(False, "VIOLATED", ATTACK), (True, "UNKNOWN", said)}


def test_the_integer_program_finds_what_an_attack_that_finds_nothing_leaves(monkeypatch):
    monkeypatch.setattr(eqv, "_attacked", lambda *_: None)
    n_violated = 0
    for case, outcome in decided(range(15)):
        assert outcome.verdict is (Verdict.HOLDS if case.holds else Verdict.VIOLATED), case.name
        if not case.holds:
            n_violated += 1
            assert outcome.engine == PROGRAM
            assert case.problem.breaks(outcome.witness.astype(np.int64))
    assert n_violated > 4
