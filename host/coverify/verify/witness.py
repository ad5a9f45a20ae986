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
import json
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from coverify.files import keep_evidence
from coverify.npy import BadArray, npy_bytes, opened_zip, parse_npy, read_member, zip_bytes
from coverify.verify.breach import Breach
from coverify.verify.errors import BadWitness
from coverify.verify.property.written import Written, written
from coverify.verify.property.written import read as read_formula
from coverify.verify.query import IntArray

Kind = Literal["tflite", "npz"]
Document = TypeVar("Document", bound=BaseModel)

SCHEMA: Final = "coverify-witness/1"
MAX_JSON_BYTES: Final = 4 << 20
MAX_MODEL_BYTES: Final = 64 << 20
MAX_ARRAY_BYTES: Final = 64 << 20
MAX_TOTAL_BYTES: Final = 512 << 20
MAX_MEMBERS: Final = 10_000

_JSON, _BASE, _INPUT = "witness.json", "x0.npy", "input.npy"
_MODELS: Final[dict[str, Kind]] = {"model.tflite": "tflite", "model.npz": "npz"}
_CODES: Final[dict[Kind, type[np.int8] | type[np.int16]]] = {"tflite": np.int8, "npz": np.int16}
"""What the inputs of a network are."""
_EXPECTED = re.compile(r"expected/t(0|[1-9][0-9]{0,5})\.npy")

Int64 = Annotated[int, Field(ge=-(2**63), lt=2**63)]
Text = Annotated[str, Field(max_length=1000)]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class _Model(_Strict):
    file: Text
    sha256: Digest


class _Property(_Strict):
    kind: Literal["robustness"]
    label: Annotated[int, Field(ge=0, lt=2**31)]
    eps: Annotated[int, Field(ge=0, le=255)]
    index: Annotated[int, Field(ge=0, lt=2**63)] | None = None
    note: Text = ""


class _Claim(_Strict):
    kind: Literal["claim"]
    words: Text
    formula: Written
    label: Annotated[int, Field(ge=0, lt=2**31)] | None = None
    changes: Annotated[int, Field(ge=0, lt=2**31)] | None = None
    raised: Annotated[int, Field(ge=0, lt=2**31)] | None = None
    index: Annotated[int, Field(ge=0, lt=2**63)] | None = None
    note: Text = ""


class _Document(_Strict):
    schema_: Literal["coverify-witness/1"] = Field(alias="schema")
    model: _Model
    profile: Text
    property: Annotated[_Property | _Claim, Field(discriminator="kind")]
    got: Annotated[int, Field(ge=0, lt=2**31)]
    engine: Text
    seed: Int64
    versions: Annotated[dict[Text, Text], Field(max_length=100)]
    files: Annotated[dict[Text, Digest], Field(max_length=MAX_MEMBERS)]


@dataclass(frozen=True, eq=False)
class Witness:
    """`x` is within eps of `x0`, and the network, run as `profile` says, gives it `predicted` and not
    `label`; with `breach`: it is in the breach's region, and breaks its property.

    model: the bytes of the file model_name, whose format is `kind`; x0, x: int8 (tflite) or int16 (npz), of
    one shape; tensors: tensor index → what an operator writes on x; index: the number of x0 in its input
    file.
    """

    model: bytes
    model_name: str
    profile: str
    x0: NDArray[np.int8] | NDArray[np.int16]
    x: NDArray[np.int8] | NDArray[np.int16]
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

    @property
    def model_sha256(self) -> str:
        """The digest of the model's bytes, 64 hexadecimal digits."""
        return hashlib.sha256(self.model).hexdigest()

    def write(self, path: Path | str) -> None:
        """Put the file at `path`, whole or not at all.  Raises BadWitness (own limits), OSError."""
        keep_evidence(Path(path), self.to_bytes())

    def to_bytes(self) -> bytes:
        """The file's bytes: a function of the witness alone."""
        if not self.x0.dtype == self.x.dtype == _CODES[self.kind]:
            raise BadWitness(f"the inputs of a .{self.kind} network are {_CODES[self.kind].__name__}")
        members = {f"model.{self.kind}": self.model, _BASE: npy_bytes(self.x0), _INPUT: npy_bytes(self.x)}
        if self.breach is not None:
            members |= {_LO: npy_bytes(self.breach.lo), _HI: npy_bytes(self.breach.hi)}
        members |= {f"expected/t{t}.npy": npy_bytes(self.tensors[t]) for t in sorted(self.tensors)}
        document = self._document({name: hashlib.sha256(data).hexdigest() for name, data in members.items()})
        text = document.model_dump_json(indent=1, by_alias=True) + "\n"
        return zip_bytes({_JSON: text.encode(), **members})

    def _document(self, files: dict[str, str]) -> _Document:
        try:
            return _Document(
                schema=SCHEMA,
                model=_Model(file=self.model_name, sha256=files[f"model.{self.kind}"]),
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
                members = _members(archive)
            return _parsed(members)
        except BadArray as err:
            raise BadWitness(f"{path}: not a witness: {err}") from err
        except OSError as err:
            raise BadWitness(f"{path}: cannot be read: {err}") from err


def _members(archive: zipfile.ZipFile) -> dict[str, bytes]:
    """The bytes of every member, after a look at their names and sizes."""
    infos = archive.infolist()
    names = [info.filename for info in infos]
    if len(infos) > MAX_MEMBERS or len(set(names)) != len(names):
        raise BadArray("it has too many members, or two of one name")
    known = {**_LIMITS, **_OPTIONAL, **dict.fromkeys(_MODELS, MAX_MODEL_BYTES)}
    foreign = [name for name in names if not (name in known or _EXPECTED.fullmatch(name))]
    if foreign:
        raise BadArray(f"a member that does not belong there: {foreign[0][:100]!r}")
    missing = [name for name in _LIMITS if name not in names]
    if missing:
        raise BadArray(f"there is no {missing[0]}")
    if len(_MODELS.keys() & set(names)) != 1:
        raise BadArray(f"there must be one of {' and '.join(_MODELS)}")
    if sum(info.file_size for info in infos) > MAX_TOTAL_BYTES:
        raise BadArray(f"its members have more than {MAX_TOTAL_BYTES} bytes")
    return {i.filename: read_member(archive, i, known.get(i.filename, MAX_ARRAY_BYTES)) for i in infos}


_LIMITS: Final = {
    _JSON: MAX_JSON_BYTES,
    _BASE: MAX_ARRAY_BYTES,
    _INPUT: MAX_ARRAY_BYTES,
}


_LO, _HI = "lo.npy", "hi.npy"
_OPTIONAL: Final = {_LO: MAX_ARRAY_BYTES, _HI: MAX_ARRAY_BYTES}


def parse_document(kind: type[Document], name: str, data: bytes) -> Document:
    """The document in a JSON member of that name, which has no key twice.  Raises BadArray."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        keys = dict(pairs)
        if len(keys) != len(pairs):
            raise BadArray(f"{name}: the same key twice in one object")
        return keys

    try:
        document = kind.model_validate_json(data)
    except ValidationError as err:
        raise BadArray(f"{name}: {first_fault(err)}") from err
    json.loads(data, object_pairs_hook=unique)
    return document


def _parsed(members: dict[str, bytes]) -> Witness:
    """The witness from its members, all digests and shapes checked."""
    document = parse_document(_Document, _JSON, members[_JSON])
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in members.items() if name != _JSON}
    model = next(name for name in _MODELS if name in members)
    if document.model.sha256 != digests[model]:
        raise BadArray("the model is not the one whose digest it states")
    if document.files != digests:
        raise BadArray(f"{_JSON} does not state the digests of exactly the other members")
    x0, x = (_codes(members, name, _CODES[_MODELS[model]]) for name in (_BASE, _INPUT))
    if x0.shape != x.shape:
        raise BadArray(f"{_BASE} is {list(x0.shape)}, {_INPUT} is {list(x.shape)}")
    said = document.property
    apart = int(np.abs(x.astype(np.int64) - x0.astype(np.int64)).max(initial=0))
    breach = _breach(said, members, x0, x) if isinstance(said, _Claim) else None
    if isinstance(said, _Property):
        if _OPTIONAL.keys() & members.keys():
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
        tensors=_tensors(members),
        engine=document.engine,
        seed=document.seed,
        index=document.property.index,
        note=document.property.note,
        versions=document.versions,
        breach=breach,
    )


def _breach(said: _Claim, members: dict[str, bytes], x0: IntArray, x: IntArray) -> Breach:
    """What the property of the file is, the inputs being in its region."""
    missing = sorted(_OPTIONAL.keys() - members.keys())
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


def _tensors(members: dict[str, bytes]) -> dict[int, NDArray[np.generic]]:
    tensors = {}
    for name, data in members.items():
        if match := _EXPECTED.fullmatch(name):
            tensors[int(match[1])] = parse_npy(data)
    return dict(sorted(tensors.items()))


def _codes(
    members: dict[str, bytes], name: str, codes: type[np.int8] | type[np.int16]
) -> NDArray[np.int8] | NDArray[np.int16]:
    array = parse_npy(members[name])
    if array.dtype != codes:
        raise BadArray(f"{name} is {array.dtype}, not {codes.__name__}")
    return array.astype(np.int8) if codes is np.int8 else array.astype(np.int16)


def first_fault(err: ValidationError) -> str:
    """Where a document is wrong, as far as there is a place, and what is wrong there."""
    first = err.errors(include_url=False, include_input=False, include_context=False)[0]
    where, why = ".".join(str(step) for step in first["loc"])[:200], first["msg"][:500]
    return f"{where}: {why}" if where else why
