"""Which verdicts there are, which one wins when several are merged, and what the shell is told.

The order puts a definite finding (exit 1) above a broken measurement, and that above "nothing was decided": a
link error in one part must never hide a mismatch in another. A merge of nothing is refused; it is not OK.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal

Verdict = Literal[
    "OK",
    "CONFIRMED",
    "MATCH",
    "HOLDS",
    "REPAIRED",
    "UNKNOWN",
    "FLAKY",
    "UNSUPPORTED",
    "LINK_ERROR",
    "ERROR",
    "DEVICE_FAULT",
    "VIOLATED",
    "MISMATCH",
    "REFUTED",
    "NOT_REPAIRED",
]

EXIT_CODES: Final[dict[Verdict, int]] = {
    "OK": 0,
    "CONFIRMED": 0,
    "MATCH": 0,
    "HOLDS": 0,
    "REPAIRED": 0,
    "UNKNOWN": 4,
    "FLAKY": 4,
    "UNSUPPORTED": 2,
    "LINK_ERROR": 3,
    "ERROR": 2,
    "DEVICE_FAULT": 3,
    "VIOLATED": 1,
    "MISMATCH": 1,
    "REFUTED": 1,
    "NOT_REPAIRED": 1,
}
"""Every verdict, best first, and its exit code."""

MEANINGS: Final[dict[Verdict, str]] = {
    "OK": "done",
    "CONFIRMED": "the device did what the witness says",
    "MATCH": "every compared byte is equal",
    "HOLDS": "proved over the whole region",
    "REPAIRED": "failing tests pass, and the validation part did not get worse",
    "UNKNOWN": "the solver or the budget ended before a decision",
    "FLAKY": "same input, two answers",
    "UNSUPPORTED": "an operator or shape was refused",
    "LINK_ERROR": "no trustworthy answer; says nothing of the model",
    "ERROR": "could not be carried out",
    "DEVICE_FAULT": "the firmware died",
    "VIOLATED": "a counterexample was found and executed",
    "MISMATCH": "the device's bytes differ, repeatedly",
    "REFUTED": "the device does not do what the witness says",
    "NOT_REPAIRED": "no change that helps, or the validation part got worse: nothing was written",
}

_RANK: Final = {verdict: rank for rank, verdict in enumerate(EXIT_CODES)}


def severity(verdict: Verdict) -> int:
    """Rank of a verdict, 0 for the best; the worst of several has the highest."""
    return _RANK[verdict]


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The verdict of a whole from those of its parts; ValueError when there is no part."""
    return max(verdicts, key=severity)


def exit_code(verdict: Verdict) -> int:
    """0 conforms, holds, confirmed · 1 mismatch, violated, refuted · 2 input · 3 link, device · 4 open."""
    return EXIT_CODES[verdict]
