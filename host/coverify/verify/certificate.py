"""A proof as one file that `coverify check` accepts: the network, the box, the label, and the evidence.

A `.zip` with `certificate.json` (schema coverify-certificate/2), the network, `lo.npy`, `hi.npy` and the
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

SCHEMA: Final = "coverify-certificate/2"
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


def normal(argument: Argument, relation: Relation | None, n_input: int) -> dict[str, I64Array]:
    """The arrays of an argument as the checker reads them, of the network alone: see docs/certificates.md.

    A closing row (scale 0) is one of the claim's own value there: z[rival], of the wire after the last. For a
    relation that wire takes the place of the program's last, and row k is rival k + 1.
    """
    arrays = dict(argument.arrays)
    if argument.kind == "bounds":
        own = 0 if relation is None else 1
        steps, rows, rival = list[tuple[int, ...]](), arrays["rows"].copy(), -1
        for op, first, second, third in arrays["script"].tolist():
            if op == Op.RIVAL:
                rival = first - own
                steps.append((op, rival, 0, 0))
            elif op == Op.CLOSE and first >= 0:
                rows[first] = rows[first, 0] + 1 - own, rival, 1, rows[first, 4], 0
                steps += [(Op.TIGHTEN, first, 1, 0), (Op.CLOSE, 0, 0, 0)]
            else:
                steps.append((op, first, second, third))
        arrays |= {"script": np.array(steps, np.int64).reshape(-1, 4), "rows": rows}
        none = {"parabolas": np.zeros((0, 6), np.int64), "weights": np.zeros((0, 2 + n_input), np.int64)}
        arrays = none | arrays
    return arrays if relation is None else {**arrays, "c": relation.c, "d": relation.d}


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
        proof = normal(self.argument, self.relation, len(self.query.lo))
        arrays = {"lo": self.query.lo, "hi": self.query.hi, **proof}
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
