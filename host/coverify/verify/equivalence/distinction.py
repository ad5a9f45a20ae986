"""An input that tells two networks apart, as one file: both networks, the input, every tensor of both.

A `.zip` with `distinction.json` (schema coverify-distinction/1), `input.npy`, `first/model.tflite` (or .npz),
`second/model.…` unless it is the same file, and `first/t<tensor>.npy`, `second/t<tensor>.npy` for every
tensor that an operator writes. Written atomically and byte for byte the same for the same content. Read as
untrusted data: only these names, bounded sizes, no pickles, every digest checked; anything else is a
`BadWitness`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationError

from coverify.files import replace_file
from coverify.npy import BadArray, npy_bytes, opened_zip
from coverify.verify.archive import (
    MAX_ARRAY_BYTES,
    MAX_JSON_BYTES,
    MAX_MODEL_BYTES,
    MAX_TOTAL_BYTES,
    Closed,
    Codes,
    Count,
    Digest,
    Digests,
    Int64,
    Kind,
    Text,
    Versions,
    archive_bytes,
    digests,
    first_fault,
    members_of,
    parse_codes,
    parse_document,
    parse_tensors,
    tensor_members,
)
from coverify.verify.errors import BadWitness

SCHEMA: Final = "coverify-distinction/1"
JSON: Final = "distinction.json"
_INPUT: Final = "input.npy"
_TENSORS: Final = {side: re.compile(rf"{side}/t(0|[1-9][0-9]{{0,5}})\.npy") for side in ("first", "second")}
_MODEL: Final = re.compile(r"(first|second)/model\.(tflite|npz)")


class _Side(Closed):
    file: Text
    sha256: Digest
    profile: Text
    label: Count


class _Head(_Side):
    """One of a network's outputs."""

    head: Annotated[int, Field(ge=0, lt=10_000)]


class _Document(Closed):
    schema_: Literal["coverify-distinction/1"] = Field(alias="schema")
    question: Literal["output", "class"]
    tolerance: Annotated[int, Field(ge=0, le=255)]
    kind: Kind
    first: _Side | _Head
    second: _Side | _Head
    engine: Text
    seed: Int64
    versions: Versions
    files: Digests


@dataclass(frozen=True, eq=False)
class Computed:
    """What one of the two computes: its file, whose arithmetic, its class, every tensor that is written; of
    one output alone where the network has several.
    """

    model: bytes
    model_name: str
    profile: str
    label: int
    tensors: Mapping[int, NDArray[np.generic]]
    head: int | None = None

    @property
    def sha256(self) -> str:
        """The digest of the file's bytes."""
        return hashlib.sha256(self.model).hexdigest()


@dataclass(frozen=True, eq=False)
class Distinction:
    """On `x` the two compute what differs.  x: int8 (tflite) or int16 (npz), the input's shape."""

    x: Codes
    first: Computed
    second: Computed
    question: Literal["output", "class"]
    tolerance: int
    engine: str
    seed: int = 0
    kind: Kind = "tflite"
    versions: Mapping[str, str] = field(default_factory=dict)

    def write(self, path: Path | str) -> None:
        """Put the file at `path`, whole or not at all.  Raises BadWitness (own limits), OSError."""
        replace_file(Path(path), self.to_bytes())

    def to_bytes(self) -> bytes:
        """The file's bytes: a function of the content alone."""
        members = {_INPUT: npy_bytes(self.x), f"first/model.{self.kind}": self.first.model}
        if self.second.model != self.first.model:
            members[f"second/model.{self.kind}"] = self.second.model
        for name, side in (("first", self.first), ("second", self.second)):
            members |= tensor_members(f"{name}/t", side.tensors)
        return archive_bytes(JSON, self._document(digests(members, JSON)), members)

    def _document(self, files: dict[str, str]) -> _Document:
        try:
            first, second = map(_side, (self.first, self.second))
            return _Document(
                schema=SCHEMA,
                question=self.question,
                tolerance=self.tolerance,
                kind=self.kind,
                first=first,
                second=second,
                engine=self.engine,
                seed=self.seed,
                versions=dict(self.versions),
                files=files,
            )
        except ValidationError as err:
            raise BadWitness(f"the distinction cannot be written: {first_fault(err)}") from err

    @staticmethod
    def read(path: Path | str) -> Distinction:
        """The content of a file that may be anything.  Raises BadWitness."""
        path = Path(path)
        try:
            with opened_zip(path, MAX_TOTAL_BYTES) as archive:
                return _parsed(members_of(archive, _limit))
        except BadArray as err:
            raise BadWitness(f"{path}: not a distinction: {err}") from err
        except OSError as err:
            raise BadWitness(f"{path}: cannot be read: {err}") from err


def is_distinction(path: Path) -> bool:
    """Does the file look like one?  False for anything that is no zip archive."""
    try:
        with opened_zip(path, MAX_TOTAL_BYTES) as archive:
            return JSON in archive.namelist()
    except (BadArray, OSError):
        return False


def _limit(name: str) -> int | None:
    """The most bytes of a member; None of what is none."""
    if name == JSON:
        return MAX_JSON_BYTES
    if _MODEL.fullmatch(name):
        return MAX_MODEL_BYTES
    tensor = any(one.fullmatch(name) for one in _TENSORS.values())
    return MAX_ARRAY_BYTES if tensor or name == _INPUT else None


def _parsed(members: dict[str, bytes]) -> Distinction:
    """The content from the members, all digests checked."""
    if JSON not in members or _INPUT not in members:
        raise BadArray(f"there must be {JSON} and {_INPUT}")
    document = parse_document(_Document, JSON, members[JSON])
    if document.files != digests(members, JSON):
        raise BadArray(f"{JSON} does not state the digests of exactly the other members")
    own = {f"first/model.{document.kind}", f"second/model.{document.kind}"}
    if not {name for name in members if _MODEL.fullmatch(name)} <= own or min(own) not in members:
        raise BadArray(f"there must be first/model.{document.kind}, and at most a second one")
    x = parse_codes(members[_INPUT], _INPUT, document.kind)
    if document.question == "class" and document.tolerance:
        raise BadArray(f"a class is equal or not: its tolerance is 0, not {document.tolerance}")
    if document.question == "class" and document.first.label == document.second.label:
        raise BadArray("it states one class for both: it tells nothing apart")
    return Distinction(
        x=x,
        first=_computed(document.first, "first", members, document.kind),
        second=_computed(document.second, "second", members, document.kind),
        question=document.question,
        tolerance=document.tolerance,
        engine=document.engine,
        seed=document.seed,
        kind=document.kind,
        versions=document.versions,
    )


def _side(of: Computed) -> _Side:
    """Raises ValidationError."""
    side = _Side(file=of.model_name, sha256=of.sha256, profile=of.profile, label=of.label)
    return side if of.head is None else _Head(**side.model_dump(), head=of.head)


def _computed(side: _Side, name: str, members: dict[str, bytes], kind: Kind) -> Computed:
    model = members.get(f"{name}/model.{kind}", members[f"first/model.{kind}"])
    tensors, head = parse_tensors(members, _TENSORS[name]), side.head if isinstance(side, _Head) else None
    computed = Computed(model, side.file, side.profile, side.label, tensors, head)
    if computed.sha256 != side.sha256:
        raise BadArray(f"the {name} model is not the one whose digest it states")
    return computed
