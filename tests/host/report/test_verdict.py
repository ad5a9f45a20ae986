"""Which verdict wins, and what the shell is told. Expected: the exit codes of the design."""

from __future__ import annotations

import itertools
from typing import get_args

import pytest

from coverify.report import Verdict, exit_code, worst

# 0 conforms, holds, confirmed, repaired · 1 mismatch, violated, refuted, not repaired
# 2 bad input · 3 link, device · 4 open
CODES: dict[Verdict, int] = {
    "OK": 0, "MATCH": 0, "HOLDS": 0, "CONFIRMED": 0, "REPAIRED": 0,
    "MISMATCH": 1, "VIOLATED": 1, "REFUTED": 1, "NOT_REPAIRED": 1,
    "ERROR": 2, "UNSUPPORTED": 2,
    "LINK_ERROR": 3, "DEVICE_FAULT": 3,
    "UNKNOWN": 4, "FLAKY": 4,
}  # fmt: skip


@pytest.mark.parametrize("verdict", get_args(Verdict))
def test_the_exit_code_of_a_verdict_is_the_one_of_the_design(verdict: Verdict) -> None:
    assert exit_code(verdict) == CODES[verdict]


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        (["MATCH", "VIOLATED", "CONFIRMED"], "VIOLATED"),
        (["MISMATCH", "LINK_ERROR"], "MISMATCH"),
        (["LINK_ERROR", "VIOLATED"], "VIOLATED"),
        (["HOLDS", "UNKNOWN", "HOLDS"], "UNKNOWN"),
        (["UNKNOWN", "LINK_ERROR"], "LINK_ERROR"),
        (["VIOLATED", "REFUTED"], "REFUTED"),
        (["MATCH", "FLAKY"], "FLAKY"),
        (["OK", "MATCH"], "MATCH"),
        (["OK"], "OK"),
    ],
)
def test_the_worst_verdict_wins(verdicts: list[Verdict], expected: Verdict) -> None:
    assert worst(verdicts) == expected
    assert worst(reversed(verdicts)) == expected


def test_a_good_verdict_never_wins_over_another_kind() -> None:
    for one, other in itertools.permutations(CODES, 2):
        if CODES[other] != 0:
            assert CODES[worst([one, other])] != 0


def test_a_definite_finding_is_never_hidden() -> None:
    for one, other in itertools.permutations(CODES, 2):
        if CODES[one] == 1:
            assert CODES[worst([one, other])] == 1


def test_a_merge_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError):
        worst([])
