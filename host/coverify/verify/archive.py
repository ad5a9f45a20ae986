"""Evidence as one file: a zip archive of members, and of a JSON document that states the others' digests.

Written byte for byte the same for the same content. Read as untrusted data: known names only, bounded sizes,
no pickles, no key twice; whatever is wrong is a `BadArray`, of which the reader makes its own error.
`witness.py` and `equivalence/distinction.py` say which members their files have.
"""

from __future__ import annotations

import hashlib
import json
import re
import zipfile
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from coverify.npy import BadArray, npy_bytes, parse_npy, read_member, zip_bytes

Kind = Literal["tflite", "npz"]
Codes = NDArray[np.int8] | NDArray[np.int16]
D = TypeVar("D", bound=BaseModel)

MAX_JSON_BYTES: Final = 4 << 20
MAX_MODEL_BYTES: Final = 64 << 20
MAX_ARRAY_BYTES: Final = 64 << 20
MAX_TOTAL_BYTES: Final = 512 << 20
MAX_MEMBERS: Final = 10_000

CODES: Final[dict[Kind, type[np.int8] | type[np.int16]]] = {"tflite": np.int8, "npz": np.int16}
"""What the inputs of a network are."""

Int64 = Annotated[int, Field(ge=-(2**63), lt=2**63)]
Count = Annotated[int, Field(ge=0, lt=2**31)]
Text = Annotated[str, Field(max_length=1000)]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Digests = Annotated[dict[Text, Digest], Field(max_length=MAX_MEMBERS)]
"""By name, of every member but the document."""
Versions = Annotated[dict[Text, Text], Field(max_length=100)]


class Closed(BaseModel):
    """Base of a document's parts: frozen, and no key but those declared."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


def digests(members: Mapping[str, bytes], document: str) -> dict[str, str]:
    """SHA-256 of every member but the document, 64 hexadecimal digits each."""
    return {name: hashlib.sha256(data).hexdigest() for name, data in members.items() if name != document}


def archive_bytes(name: str, document: BaseModel, members: Mapping[str, bytes]) -> bytes:
    """The archive; name: the document's."""
    text = document.model_dump_json(indent=1, by_alias=True) + "\n"
    return zip_bytes({name: text.encode(), **members})


def tensor_members(prefix: str, tensors: Mapping[int, NDArray[np.generic]]) -> dict[str, bytes]:
    """A member for every tensor, whose name ends in its number."""
    return {f"{prefix}{t}.npy": npy_bytes(tensors[t]) for t in sorted(tensors)}


def members_of(archive: zipfile.ZipFile, limit: Callable[[str], int | None]) -> dict[str, bytes]:
    """The bytes of every member, after a look at their names and sizes.  Raises BadArray.

    limit: the most bytes that a member of a name may have; None: no member is called so.
    """
    infos = archive.infolist()
    limits = {info.filename: limit(info.filename) for info in infos}
    if len(infos) > MAX_MEMBERS or len(limits) != len(infos):
        raise BadArray("it has too many members, or two of one name")
    known = {name: n for name, n in limits.items() if n is not None}
    if foreign := [name for name in limits if name not in known]:
        raise BadArray(f"a member that does not belong there: {foreign[0][:100]!r}")
    if sum(info.file_size for info in infos) > MAX_TOTAL_BYTES:
        raise BadArray(f"its members have more than {MAX_TOTAL_BYTES} bytes")
    return {info.filename: read_member(archive, info, known[info.filename]) for info in infos}


def parse_document(kind: type[D], name: str, data: bytes) -> D:
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


def parse_codes(data: bytes, name: str, kind: Kind) -> Codes:
    """The input in a member of that name, of what such a network takes.  Raises BadArray."""
    array, codes = parse_npy(data), CODES[kind]
    if array.dtype != codes:
        raise BadArray(f"{name} is {array.dtype}, not {codes.__name__}")
    return array.astype(np.int8) if codes is np.int8 else array.astype(np.int16)


def parse_tensors(members: Mapping[str, bytes], name: re.Pattern[str]) -> dict[int, NDArray[np.generic]]:
    """The tensors in members of such names, by the number that is the name's one group.  Raises BadArray."""
    found = ((name.fullmatch(member), data) for member, data in members.items())
    return dict(sorted((int(match[1]), parse_npy(data)) for match, data in found if match))


def first_fault(err: ValidationError) -> str:
    """Where a document is wrong, as far as there is a place, and what is wrong there."""
    first = err.errors(include_url=False, include_input=False, include_context=False)[0]
    where, why = ".".join(str(step) for step in first["loc"])[:200], first["msg"][:500]
    return f"{where}: {why}" if where else why
