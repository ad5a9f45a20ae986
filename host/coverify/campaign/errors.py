"""What can go wrong with a campaign, one class per thing that a caller can do about it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Final

from coverify.errors import BadInput, CoverifyError, LinkError


class JournalDamaged(BadInput):
    """The journal's file is not one of ours, or not as it was written; --fresh starts anew."""

    def __init__(self, path: Path, why: str) -> None:
        self.path, self.why = path, why
        super().__init__(f"{path}: the journal cannot be used: {why}; --fresh starts the campaign anew")


class JournalInTheWay(BadInput):
    """Where the journal or its lock belongs there is something that is none, and that is not removed."""

    def __init__(self, path: Path, what: str) -> None:
        self.path = path
        super().__init__(
            f"{path}: {what}; a campaign keeps a file of its own there: move it away, or take another --out"
        )


@dataclass(frozen=True)
class Difference:
    """One thing that two campaigns do not share: its name, and its value in the journal and in the call."""

    name: str
    journal: str
    call: str


MAX_QUOTED: Final = 80
"""Longest value of a campaign that is quoted, in characters."""
SHA256: Final = re.compile("[0-9a-f]{64}")


class JournalDiffers(BadInput):
    """The folder holds the journal of another campaign; take another folder, or --fresh."""

    def __init__(self, path: Path, differences: Sequence[Difference]) -> None:
        self.path, self.differences = path, tuple(differences)
        said = "; ".join(
            f"{d.name} {there!r} there, {here!r} here"
            for d in self.differences
            for there, here in [_quoted(d.journal, d.call)]
        )
        super().__init__(
            f"{path}: the journal of another campaign: {said}; give this one a folder of its own, "
            "or forget the other with --fresh"
        )


def _quoted(*values: str) -> list[str]:
    """Two values so that one sees where they differ: digests by first digits, long texts from there on."""
    same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(*values, strict=False)))
    if all(not value or SHA256.fullmatch(value) for value in values):
        return [value[: max(12, same + 1)] for value in values]
    skipped = max(0, same - MAX_QUOTED // 2)
    if skipped and max(map(len, values)) > MAX_QUOTED:
        values = tuple(f"…{value[skipped:]}" for value in values)
    return [v if len(v) <= MAX_QUOTED else f"{v[: MAX_QUOTED - 1]}…" for v in values]


class JournalBusy(BadInput):
    """Another process is at work on the same journal; wait for it, or end it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        super().__init__(f"{path}: another process is at work on this campaign; only one at a time may be")


class JournalUnwritable(CoverifyError):
    """The journal cannot be written (full disk, rights); what was committed before stays."""

    def __init__(self, path: Path, why: str) -> None:
        self.path, self.why = path, why
        super().__init__(f"{path}: the journal cannot be written: {why}")


class ClusterError(LinkError):
    """The cluster cannot be reached, was lost, or its workers cannot run coverify; the journal keeps what was
    decided.
    """


class Contradiction(CoverifyError):
    """A proof and a counterexample that exclude each other: a defect, never a verdict."""

    def __init__(self, index: int, certified: int, attacked: int) -> None:
        self.index, self.certified, self.attacked = index, certified, attacked
        super().__init__(
            f"internal error: sample {index} is proved within {certified} and broken within {attacked}; "
            "please report it with the model and the journal"
        )
