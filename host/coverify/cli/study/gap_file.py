"""How far has the search for a network's largest gap come? A JSON file, so that it goes on after an end.

The file belongs to one question: network, boxes, score, engine, seed and version are in its `question`. It is
untrusted when it is read: the best pair is run again, and must be a pair of the boxes with that gap.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from coverify.files import replace_file
from coverify.study.gap import Progress
from coverify.study.twins import Group, Twins

NAME: Final = "gap.json"
MAX_BYTES: Final = 1 << 24
_Count = Annotated[int, Field(ge=0, lt=1 << 53)]


class _Kept(BaseModel):
    """The file's content."""

    model_config = ConfigDict(extra="forbid", strict=True)

    schema_: Literal["coverify-gap/1"] = Field(default="coverify-gap/1", alias="schema")
    question: str
    timeout_s: Annotated[float, Field(gt=0)]
    done: _Count
    best: _Count
    most: _Count
    point: list[Annotated[int, Field(ge=-(1 << 15), lt=1 << 15)]]
    queries: _Count
    time_s: Annotated[float, Field(ge=0)]


@dataclass(frozen=True)
class GapFile:
    """The file of one question; timeout_s: what this run gives a query."""

    path: Path
    question: str
    timeout_s: float

    def write(self, progress: Progress) -> None:
        """Put what is known in the file's place.  Raises OSError."""
        kept = _Kept(
            question=self.question,
            timeout_s=self.timeout_s,
            done=progress.done,
            best=progress.best,
            most=progress.most,
            point=progress.point.tolist(),
            queries=progress.queries,
            time_s=progress.time_s,
        )
        self.path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(self.path, kept.model_dump_json(by_alias=True).encode())

    def read(self, twins: Twins, parts: Sequence[Group]) -> Progress | None:
        """What the file says of this question; None where it says nothing, or where the gap is not known
        exactly and this run gives queries more time.
        """
        try:
            if self.path.stat().st_size > MAX_BYTES:
                return None
            kept = _Kept.model_validate_json(self.path.read_bytes())
        except (OSError, ValidationError):
            return None
        again = kept.timeout_s < self.timeout_s and kept.best < kept.most
        if kept.question != self.question or again or kept.done > len(parts) or kept.best > kept.most:
            return None
        point = np.array(kept.point, np.int64)
        if not any(_holds(group, point) for group in parts) or twins.gap(point) != kept.best:
            return None
        return Progress(kept.done, kept.best, kept.most, point, kept.queries, kept.time_s)


def question_digest(twins: Twins, parts: Sequence[Group], *said: str) -> str:
    """SHA-256 of the boxes, the score and what else there is to say."""
    digest = hashlib.sha256(repr((said, twins.protected, twins.score.tolist())).encode())
    for group in parts:
        for array in (group.lo, group.hi, group.other_lo, group.other_hi):
            digest.update(np.ascontiguousarray(array, "<i8").tobytes())
    return digest.hexdigest()


def _holds(group: Group, point: np.ndarray[tuple[int], np.dtype[np.int64]]) -> bool:
    lo, hi = np.concatenate([group.lo, group.other_lo]), np.concatenate([group.hi, group.other_hi])
    return point.shape == lo.shape and bool(np.all((lo <= point) & (point <= hi)))
