"""A proof as one file that `coverify check` accepts: the network, the box, the label, and the evidence.

A `.zip` with `certificate.json` (schema coverify-certificate/1), the network, `lo.npy`, `hi.npy` and the
proof's arrays; docs/certificates.md says what they mean. Written whole or not at all, and byte for byte the
same for the same certificate. It is read by coverify.check alone, which shares nothing with this file.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from coverify.files import replace_file
from coverify.verify.dual.tree import Op
from coverify.verify.query import Argument, I64Array, Robustness

SCHEMA: Final = "coverify-certificate/1"
_TIMESTAMP: Final = (1980, 1, 1, 0, 0, 0)
_MEMBERS: Final = {
    "tflm": "model.tflite",
    "tflm-single-rounding": "model.tflite",
    "fixed-point": "model.npz",
}


def certifiable(profile: str) -> bool:
    """Does the checker know this profile's arithmetic?"""
    return profile in _MEMBERS


@dataclass(frozen=True, eq=False)
class Relation:
    """c · y <= d of the outputs y: int64 [k, n_out] and [k].

    Its program ends in the affine step [0, c · y − d]: label 0 stays where the relation holds.
    """

    c: I64Array
    d: I64Array

    def claimed(self, argument: Argument) -> Argument:
        """The argument about that program as one about the network: row k is rival k + 1, and the last wire,
        which only closing bounds name, is gone."""
        arrays = dict(argument.arrays)
        if argument.kind == "bounds":
            script, rows = arrays["script"].copy(), arrays["rows"].copy()
            script[script[:, 0] == Op.RIVAL, 1] -= 1
            rows[rows[:, 3] == 0, :2] = 0
            arrays |= {"script": script, "rows": rows}
        return Argument(argument.kind, {**arrays, "c": self.c, "d": self.d})


@dataclass(frozen=True, eq=False)
class Certificate:
    """The network `model` under `profile` keeps query.label on the query's box, as `argument` shows; or its
    outputs keep the relation, where the argument is about the program of that (see Relation).
    """

    model: bytes
    profile: str
    query: Robustness
    argument: Argument
    engine: str
    relation: Relation | None = None

    def write(self, path: Path) -> None:
        """Put the file at `path`.  Raises OSError."""
        replace_file(path, self.to_bytes())

    def to_bytes(self) -> bytes:
        """The file's bytes."""
        name = _MEMBERS[self.profile]
        argument = self.argument if self.relation is None else self.relation.claimed(self.argument)
        arrays = {"lo": self.query.lo, "hi": self.query.hi, **argument.arrays}
        members = {name: self.model} | {f"{key}.npy": _npy(value) for key, value in sorted(arrays.items())}
        document = {
            "schema": SCHEMA,
            "model": name,
            "profile": self.profile,
            "label": self.query.label if self.relation is None else None,
            "evidence": self.argument.kind,
            "made_by": self.engine,
            "files": {key: hashlib.sha256(data).hexdigest() for key, data in members.items()},
        }
        text = json.dumps(document, indent=1) + "\n"
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
            for key, data in {"certificate.json": text.encode(), **members}.items():
                info = zipfile.ZipInfo(key, _TIMESTAMP)
                info.compress_type, info.create_system, info.external_attr = (
                    zipfile.ZIP_DEFLATED,
                    3,
                    0o644 << 16,
                )
                archive.writestr(info, data, compresslevel=1 if key.startswith("xi") else 6)
        return stream.getvalue()


def _npy(array: I64Array) -> bytes:
    """The narrowest integer type that holds the values."""
    for dtype in (np.int8, np.int16, np.int32):
        limits = np.iinfo(dtype)
        if not array.size or (limits.min <= array.min() and array.max() <= limits.max):
            array = array.astype(dtype)
            break
    stream = io.BytesIO()
    np.save(stream, np.ascontiguousarray(array), allow_pickle=False)
    return stream.getvalue()
