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
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from coverify.files import replace_file
from coverify.npy import BadArray, npy_bytes, opened_zip, parse_npy, read_member, zip_bytes
from coverify.verify.errors import BadWitness
from coverify.verify.witness import (
    MAX_ARRAY_BYTES,
    MAX_JSON_BYTES,
    MAX_MEMBERS,
    MAX_MODEL_BYTES,
    MAX_TOTAL_BYTES,
    Digest,
    Int64,
    Kind,
    Text,
    first_fault,
    parse_document,
)

SCHEMA: Final = "coverify-distinction/1"
JSON: Final = "distinction.json"
_INPUT: Final = "input.npy"
_TENSOR: Final = re.compile(r"(first|second)/t(0|[1-9][0-9]{0,5})\.npy")
_MODEL: Final = re.compile(r"(first|second)/model\.(tflite|npz)")
_CODES: Final = {"tflite": np.dtype(np.int8), "npz": np.dtype(np.int16)}


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class _Side(_Strict):
    file: Text
    sha256: Digest
    profile: Text
    label: Annotated[int, Field(ge=0, lt=2**31)]


class _Document(_Strict):
    schema_: Literal["coverify-distinction/1"] = Field(alias="schema")
    question: Literal["output", "class"]
    tolerance: Annotated[int, Field(ge=0, le=255)]
    kind: Literal["tflite", "npz"]
    first: _Side
    second: _Side
    engine: Text
    seed: Int64
    versions: Annotated[dict[Text, Text], Field(max_length=100)]
    files: Annotated[dict[Text, Digest], Field(max_length=MAX_MEMBERS)]


@dataclass(frozen=True, eq=False)
class Computed:
    """What one of the two computes: its file, whose arithmetic, its class, every tensor that is written."""

    model: bytes
    model_name: str
    profile: str
    label: int
    tensors: Mapping[int, NDArray[np.generic]]

    @property
    def sha256(self) -> str:
        """The digest of the file's bytes."""
        return hashlib.sha256(self.model).hexdigest()


@dataclass(frozen=True, eq=False)
class Distinction:
    """On `x` the two compute what differs.  x: int8 (tflite) or int16 (npz), the input's shape."""

    x: NDArray[np.int8] | NDArray[np.int16]
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
            members |= {f"{name}/t{t}.npy": npy_bytes(side.tensors[t]) for t in sorted(side.tensors)}
        files = {name: hashlib.sha256(data).hexdigest() for name, data in members.items()}
        text = self._document(files).model_dump_json(indent=1, by_alias=True) + "\n"
        return zip_bytes({JSON: text.encode(), **members})

    def _document(self, files: dict[str, str]) -> _Document:
        first, second = (
            _Side(file=s.model_name, sha256=s.sha256, profile=s.profile, label=s.label)
            for s in (self.first, self.second)
        )
        try:
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
                return _parsed(_members(archive))
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


def _members(archive: zipfile.ZipFile) -> dict[str, bytes]:
    """The bytes of every member, after a look at their names and sizes."""
    infos = archive.infolist()
    names = [info.filename for info in infos]
    if len(infos) > MAX_MEMBERS or len(set(names)) != len(names):
        raise BadArray("it has too many members, or two of one name")
    for name in names:
        if not (name in (JSON, _INPUT) or _TENSOR.fullmatch(name) or _MODEL.fullmatch(name)):
            raise BadArray(f"a member that does not belong there: {name[:100]!r}")
    if JSON not in names or _INPUT not in names:
        raise BadArray(f"there must be {JSON} and {_INPUT}")
    if sum(info.file_size for info in infos) > MAX_TOTAL_BYTES:
        raise BadArray(f"its members have more than {MAX_TOTAL_BYTES} bytes")
    return {info.filename: read_member(archive, info, _limit(info.filename)) for info in infos}


def _limit(name: str) -> int:
    if name == JSON:
        return MAX_JSON_BYTES
    return MAX_MODEL_BYTES if _MODEL.fullmatch(name) else MAX_ARRAY_BYTES


def _parsed(members: dict[str, bytes]) -> Distinction:
    """The content from the members, all digests checked."""
    document = parse_document(_Document, JSON, members[JSON])
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in members.items() if name != JSON}
    if document.files != digests:
        raise BadArray(f"{JSON} does not state the digests of exactly the other members")
    own = {f"first/model.{document.kind}", f"second/model.{document.kind}"}
    if not {name for name in members if _MODEL.fullmatch(name)} <= own or min(own) not in members:
        raise BadArray(f"there must be first/model.{document.kind}, and at most a second one")
    x = parse_npy(members[_INPUT])
    if x.dtype != _CODES[document.kind]:
        raise BadArray(f"{_INPUT} is {x.dtype}, not {_CODES[document.kind]}")
    if document.question == "class" and document.tolerance:
        raise BadArray(f"a class is equal or not: its tolerance is 0, not {document.tolerance}")
    if document.question == "class" and document.first.label == document.second.label:
        raise BadArray("it states one class for both: it tells nothing apart")
    return Distinction(
        x=x.astype(np.int8) if document.kind == "tflite" else x.astype(np.int16),
        first=_computed(document.first, "first", members, document.kind),
        second=_computed(document.second, "second", members, document.kind),
        question=document.question,
        tolerance=document.tolerance,
        engine=document.engine,
        seed=document.seed,
        kind=document.kind,
        versions=document.versions,
    )


def _computed(side: _Side, name: str, members: dict[str, bytes], kind: Kind) -> Computed:
    model = members.get(f"{name}/model.{kind}", members[f"first/model.{kind}"])
    computed = Computed(model, side.file, side.profile, side.label, _tensors(name, members))
    if computed.sha256 != side.sha256:
        raise BadArray(f"the {name} model is not the one whose digest it states")
    return computed


def _tensors(side: str, members: dict[str, bytes]) -> dict[int, NDArray[np.generic]]:
    found = {}
    for name, data in members.items():
        match = _TENSOR.fullmatch(name)
        if match and match[1] == side:
            found[int(match[2])] = parse_npy(data)
    return dict(sorted(found.items()))
