"""What is known of one query of a campaign: its row in the result, what it was given, and its files.

The search for an input's largest radius asks two kinds of questions, which `step` tells apart: "attack" looks
for a counterexample only, "decide" is the engine that was asked for.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

import numpy as np

from coverify.report import Query
from coverify.verify.property.question import Question

Step = Literal["decide", "attack"]
STEPS: Final[tuple[Step, ...]] = ("decide", "attack")
DECIDED: Final = ("HOLDS", "VIOLATED")
_NUMBER: Final = "[0-9]{1,19}"
EVIDENCE: Final = re.compile(
    rf"(witness|certificate)-({_NUMBER}-eps{_NUMBER}|({_NUMBER}-)?property(-{_NUMBER})?(-eps{_NUMBER})?)\.zip"
    rf"|point-{_NUMBER}-eps{_NUMBER}\.npz"
)
"""The names that a campaign's evidence has; nothing else is read or removed on a journal's word."""


_TEMPORARY: Final = re.compile(r"\.(.+)\.[0-9a-f]{12}\.tmp")
"""A file that was being written (files.py), and its name."""


def remove_begun(folder: Path, begun: Iterable[str], since: float, kept: Container[str]) -> None:
    """Remove the evidence of questions of these names, whole or in part, that is not older and not kept."""
    files = {f"{kind}-{name}" for name in begun for kind in ("witness", "certificate", "point")}
    for path in folder.iterdir():
        part = _TEMPORARY.fullmatch(path.name)
        name = part[1] if part else path.name
        ours = EVIDENCE.fullmatch(name) and name.rpartition(".")[0] in files and (part or name not in kept)
        if ours and path.is_file() and path.stat().st_mtime >= since:
            path.unlink(missing_ok=True)


@dataclass(frozen=True)
class Entry:
    """The answer to the query of radius row.eps around input row.index, or to a case of a property.

    query: the digest of what was asked (query_digest); timeout_s: the time that it was given; files: name in
    the campaign's folder → SHA-256.
    """

    row: Query
    query: str
    timeout_s: float
    step: Step = "decide"
    files: Mapping[str, str] = field(default_factory=dict)

    @property
    def index(self) -> int:
        """The number of the input; 0 for a property that needs none."""
        return self.row.index or 0

    @property
    def eps(self) -> int:
        """The radius in codes; 0 where a property says the region."""
        return self.row.eps or 0

    @property
    def case(self) -> int:
        """Which of a property's regions."""
        return self.row.case or 0

    @property
    def decided(self) -> bool:
        """Is it HOLDS or VIOLATED?"""
        return self.row.verdict in DECIDED

    def intact(self, folder: Path) -> bool:
        """Are all its files there, as they were written?"""
        return all(file_digest(folder / name) == digest for name, digest in self.files.items())

    def digest(self) -> str:
        """SHA-256 of all of it."""
        said = [self.row.model_dump_json(), self.query, repr(self.timeout_s), self.step, dict(self.files)]
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def file_digest(path: Path) -> str | None:
    """The SHA-256 of a regular file's bytes; None when it is not there or cannot be read."""
    try:
        if path.is_symlink() or not path.is_file():
            return None
        digest = hashlib.sha256()
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    except OSError:
        return None
    return digest.hexdigest()


def query_digest(asked: Question) -> str:
    """SHA-256 of the region and of what is said there."""
    region = asked.query
    said = (region.label, region.eps, region.changes, len(region.x0), asked.raised, asked.formula)
    digest = hashlib.sha256(repr(said).encode())
    for array in (region.x0, region.lo, region.hi):
        digest.update(np.ascontiguousarray(array, "<i8").tobytes())
    return digest.hexdigest()
