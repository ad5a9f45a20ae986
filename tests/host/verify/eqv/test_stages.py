"""Each stage of the engine eqv alone and in turn, against brute force."""

from __future__ import annotations

import numpy as np
import pytest

from coverify.verify.deadline import Deadline
from coverify.verify.engines import eqv, solve
from coverify.verify.engines.packages import usable
from coverify.verify.query import Verdict
from verify_cases import pixels

pytestmark = pytest.mark.skipif(not usable("eqv"), reason="highspy is not installed")


def decided(seeds):
    for seed in seeds:
        case = pixels(seed)
        yield case, solve("eqv", case.problem, Deadline.in_s(60))


def test_it_says_which_stage_decided_and_only_interval_analysis_is_proof_grade():
    stages = set()
    for case, outcome in decided(range(25)):
        assert outcome.verdict is (Verdict.HOLDS if case.holds else Verdict.VIOLATED), case.name
        stage = outcome.evidence["stage"]
        stages.add((outcome.verdict.value, stage))
        if case.holds:
            assert outcome.sound is (stage == eqv.INTERVALS)
    assert stages == {
        ("HOLDS", eqv.INTERVALS), ("HOLDS", eqv.PROGRAM), ("VIOLATED", eqv.ATTACK),
    }  # fmt: skip


def test_the_integer_program_finds_what_an_attack_that_finds_nothing_leaves(monkeypatch):
    monkeypatch.setattr(eqv, "_attacked", lambda *_: None)
    n_violated = 0
    for case, outcome in decided(range(15)):
        assert outcome.verdict is (Verdict.HOLDS if case.holds else Verdict.VIOLATED), case.name
        if not case.holds:
            n_violated += 1
            assert outcome.evidence["stage"] == eqv.PROGRAM
            assert case.problem.breaks(outcome.witness.astype(np.int64))
    assert n_violated > 4
