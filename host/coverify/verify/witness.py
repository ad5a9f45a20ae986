"""A counterexample as one file: the network, the input, what it breaks, and every tensor that must come out.

A `.zip` with `witness.json` (schema coverify-witness/1), `model.tflite` or `model.npz` (a fixed-point
network), `x0.npy` (the base input), `input.npy` (the counterexample; both int8, or int16 for a fixed-point
network, whose inputs are pixels) and `expected/t<tensor>.npy` for every tensor that an operator or a layer
writes; of a property other than "the label stays" also `lo.npy` and `hi.npy` (its ranges). Written atomically
and byte for byte the same for the same witness. Read as untrusted data: only these names, bounded sizes, no
pickles, every digest checked; anything else is a `BadWitness`.
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

from coverify.files import keep_evidence
from coverify.npy import BadArray, npy_bytes, opened_zip, parse_npy
from coverify.verify.archive import (
    CODES,
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
from coverify.verify.breach import Breach
from coverify.verify.errors import BadWitness
from coverify.verify.property.written import Written, written
from coverify.verify.property.written import read as read_formula

SCHEMA: Final = "coverify-witness/1"

_JSON, _BASE, _INPUT = "witness.json", "x0.npy", "input.npy"
_NEEDED = (_JSON, _BASE, _INPUT)
_LO, _HI = "lo.npy", "hi.npy"
_OF_CLAIMS = frozenset({_LO, _HI})
_MODELS: Final[dict[str, Kind]] = {"model.tflite": "tflite", "model.npz": "npz"}
_EXPECTED = re.compile(r"expected/t(0|[1-9][0-9]{0,5})\.npy")


class _Model(Closed):
    file: Text
    sha256: Digest


class _Head(_Model):
    """One of a network's outputs."""

    head: Annotated[int, Field(ge=0, lt=10_000)]


class _Property(Closed):
    kind: Literal["robustness"]
    label: Count
    eps: Annotated[int, Field(ge=0, le=255)]
    index: Annotated[int, Field(ge=0, lt=2**63)] | None = None
    note: Text = ""


class _Claim(Closed):
    kind: Literal["claim"]
    words: Text
    formula: Written
    label: Count | None = None
    changes: Count | None = None
    raised: Count | None = None
    index: Annotated[int, Field(ge=0, lt=2**63)] | None = None
    note: Text = ""


class _Document(Closed):
    schema_: Literal["coverify-witness/1"] = Field(alias="schema")
    model: _Model | _Head
    profile: Text
    property: Annotated[_Property | _Claim, Field(discriminator="kind")]
    got: Count
    engine: Text
    seed: Int64
    versions: Versions
    files: Digests


@dataclass(frozen=True, eq=False)
class Witness:
    """`x` is within eps of `x0`, and the network, run as `profile` says, gives it `predicted` and not
    `label`; with `breach`: it is in the breach's region, and breaks its property.

    model: the bytes of the file model_name, whose format is `kind`; x0, x: int8 (tflite) or int16 (npz), of
    one shape; tensors: tensor index → what an operator writes on x, of those that output `head` needs where
    there are several; index: the number of x0 in its input file.
    """

    model: bytes
    model_name: str
    profile: str
    x0: Codes
    x: Codes
    label: int
    predicted: int
    eps: int
    tensors: Mapping[int, NDArray[np.generic]]
    engine: str
    seed: int = 0
    index: int | None = None
    note: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    kind: Kind = "tflite"
    breach: Breach | None = None
    head: int | None = None

    @property
    def model_sha256(self) -> str:
        """The digest of the model's bytes, 64 hexadecimal digits."""
        return hashlib.sha256(self.model).hexdigest()

    def write(self, path: Path | str) -> None:
        """Put the file at `path`, whole or not at all.  Raises BadWitness (own limits), OSError."""
        keep_evidence(Path(path), self.to_bytes())

    def to_bytes(self) -> bytes:
        """The file's bytes: a function of the witness alone."""
        if not self.x0.dtype == self.x.dtype == CODES[self.kind]:
            raise BadWitness(f"the inputs of a .{self.kind} network are {CODES[self.kind].__name__}")
        members = {f"model.{self.kind}": self.model, _BASE: npy_bytes(self.x0), _INPUT: npy_bytes(self.x)}
        if self.breach is not None:
            members |= {_LO: npy_bytes(self.breach.lo), _HI: npy_bytes(self.breach.hi)}
        members |= tensor_members("expected/t", self.tensors)
        return archive_bytes(_JSON, self._document(digests(members, _JSON)), members)

    def _document(self, files: dict[str, str]) -> _Document:
        try:
            sha256 = files[f"model.{self.kind}"]
            model = _Model(file=self.model_name, sha256=sha256)
            if self.head is not None:
                model = _Head(file=self.model_name, sha256=sha256, head=self.head)
            return _Document(
                schema=SCHEMA,
                model=model,
                profile=self.profile,
                property=self._property(),
                got=self.predicted,
                engine=self.engine,
                seed=self.seed,
                versions=dict(self.versions),
                files=files,
            )
        except ValidationError as err:
            raise BadWitness(f"the witness cannot be written: {first_fault(err)}") from err

    def _property(self) -> _Property | _Claim:
        note = self.note[:1000]
        if self.breach is None:
            return _Property(kind="robustness", label=self.label, eps=self.eps, index=self.index, note=note)
        return _Claim(
            kind="claim",
            words=self.breach.words[:1000],
            formula=written(self.breach.formula),
            label=self.label,
            changes=self.breach.changes,
            raised=self.breach.raised,
            index=self.index,
            note=note,
        )

    @staticmethod
    def read(path: Path | str) -> Witness:
        """The witness in a file that may be anything.  Raises BadWitness."""
        path = Path(path)
        try:
            with opened_zip(path, MAX_TOTAL_BYTES) as archive:
                return _parsed(members_of(archive, _limit))
        except BadArray as err:
            raise BadWitness(f"{path}: not a witness: {err}") from err
        except OSError as err:
            raise BadWitness(f"{path}: cannot be read: {err}") from err


def _limit(name: str) -> int | None:
    """The most bytes of a member; None of what is none."""
    if name == _JSON:
        return MAX_JSON_BYTES
    if name in _MODELS:
        return MAX_MODEL_BYTES
    return MAX_ARRAY_BYTES if name in (*_NEEDED, *_OF_CLAIMS) or _EXPECTED.fullmatch(name) else None


def _parsed(members: dict[str, bytes]) -> Witness:
    """The witness from its members, all digests and shapes checked."""
    missing = [name for name in _NEEDED if name not in members]
    if missing:
        raise BadArray(f"there is no {missing[0]}")
    if len(_MODELS.keys() & members.keys()) != 1:
        raise BadArray(f"there must be one of {' and '.join(_MODELS)}")
    document, found = parse_document(_Document, _JSON, members[_JSON]), digests(members, _JSON)
    model = next(name for name in _MODELS if name in members)
    if document.model.sha256 != found[model]:
        raise BadArray("the model is not the one whose digest it states")
    if document.files != found:
        raise BadArray(f"{_JSON} does not state the digests of exactly the other members")
    x0, x = (parse_codes(members[name], name, _MODELS[model]) for name in (_BASE, _INPUT))
    if x0.shape != x.shape:
        raise BadArray(f"{_BASE} is {list(x0.shape)}, {_INPUT} is {list(x.shape)}")
    said = document.property
    apart = int(np.abs(x.astype(np.int64) - x0.astype(np.int64)).max(initial=0))
    breach = _breach(said, members, x0, x) if isinstance(said, _Claim) else None
    if isinstance(said, _Property):
        if _OF_CLAIMS & members.keys():
            raise BadArray(f"{_LO} and {_HI} do not belong there")
        if apart > said.eps:
            raise BadArray(f"{_INPUT} is more than eps = {said.eps} from {_BASE}")
        if document.got == said.label:
            raise BadArray("it states that the label stays: it breaks nothing")
    return Witness(
        model=members[model],
        kind=_MODELS[model],
        model_name=document.model.file,
        profile=document.profile,
        x0=x0,
        x=x,
        label=said.label if said.label is not None else document.got,
        predicted=document.got,
        eps=said.eps if isinstance(said, _Property) else apart,
        tensors=parse_tensors(members, _EXPECTED),
        engine=document.engine,
        seed=document.seed,
        index=document.property.index,
        note=document.property.note,
        versions=document.versions,
        breach=breach,
        head=document.model.head if isinstance(document.model, _Head) else None,
    )


def _breach(said: _Claim, members: dict[str, bytes], x0: Codes, x: Codes) -> Breach:
    """What the property of the file is, the inputs being in its region."""
    missing = sorted(_OF_CLAIMS - members.keys())
    if missing:
        raise BadArray(f"there is no {missing[0]}")
    ends = [parse_npy(members[name]) for name in (_LO, _HI)]
    if any(end.dtype != np.int16 for end in ends):
        raise BadArray(f"{_LO} and {_HI} must hold int16")
    try:
        formula = read_formula(said.formula)
    except ValueError as err:
        raise BadArray(f"{_JSON}: {err}") from err
    lo, hi = (end.astype(np.int16) for end in ends)
    breach = Breach(said.words, formula, lo, hi, said.changes, said.raised)
    why = breach.outside(x0, x)
    if why is not None:
        raise BadArray(why)
    return breach
