"""A proof as one file that `coverify check` accepts: the network, the box, the label, and the evidence.

A `.zip` with `certificate.json` (schema coverify-certificate/8), the network, the box and the proof's
arrays; docs/certificates.md says what they mean. Written whole or not at all, and byte for byte the
same for the same certificate. It is read by coverify.check alone, which shares nothing with this file.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Final

import numpy as np

from coverify.files import keep_evidence
from coverify.npy import npy_bytes, zip_bytes
from coverify.verify.dual.tree import Op
from coverify.verify.query import Argument, I64Array, Robustness

SCHEMA: Final = "coverify-certificate/8"
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
    """c · y <= d of the outputs y: int64 [k, n_out] and [k]; some: None, or of the k that each row names,
    int64 [m, w], one holds.

    Its program ends in the affine step [0, c · y − d], or in that of all d − c · y, their maxima M, and
    [0, −M]: label 0 stays where the relation holds. Or, where there is a `top`, in a softmax (ranking.py):
    the k others are before and behind that label. Or, of limits that are `apart`, in the affine step of these
    (apart.py).
    """

    c: I64Array
    d: I64Array
    some: I64Array | None = None
    top: int | None = None
    apart: I64Array | None = None


class Step(IntEnum):
    """The steps of a certificate's script."""

    TIGHTEN = 0
    SPLIT = 1
    CLOSE = 2
    KNOW = 3


def normal(argument: Argument, relation: Relation | None, n_input: int) -> dict[str, I64Array]:
    """The proof's arrays as the checker reads them, of the network alone: see docs/certificates.md.

    Elements of wires become those of one vector, which begins with a constant. A closing row (scale 0) is one
    of the claim's own value there: z[rival], of the wire after the last. For a relation that wire takes the
    place of the program's last, and row k is rival k + 1 (k where it is before `top`). Rows of the claim that
    intervals show are closed as they are.
    """
    if argument.kind != "bounds":
        return {}
    top = None if relation is None else relation.top
    own, places = (0 if relation is None or top is not None else 1), argument.places
    claim = int(places[-1][0]) if own else 1 + max(int(place.max()) for place in places)
    wire, element, sign, scale, m = argument.arrays["rows"].T
    place = np.array([places[w][e] for w, e in zip(wire, element, strict=True)], np.int64)
    rows = np.stack([place, sign * scale, m], axis=1)
    parabolas, found = _parabolas(argument, n_input)
    steps, rival = list[tuple[int, ...]](), -1
    for op, first, second, third in argument.arrays["script"].tolist():
        if op == Op.RIVAL:
            row = first - own - (top is not None and first > top)
            steps += [(Step.CLOSE, 0, 0, 0)] * (row - rival - 1)
            rival = row
        elif op in (Op.TIGHTEN, Op.KNOW):
            steps.append((Step[Op(op).name], first, second, found.get(first, 0) if second == 1 else 0))
        elif op == Op.SPLIT:
            steps.append((Step.SPLIT, int(places[first][second]), third, 0))
        else:
            if first >= 0:
                rows[first] = claim + rival, rows[first, 2], 0
                steps.append((Step.TIGHTEN, first, 1, found.get(first, 0)))
            steps.append((Step.CLOSE, 0, 0, 0))
    scalars = sorted((int(key[3:]), values) for key, values in argument.arrays.items() if key[:3] == "xi-")
    xi = np.concatenate([np.zeros((len(rows), 0), np.int64), *(values for _, values in scalars)], axis=1)
    script = np.array(steps, np.int64).reshape(-1, 4)
    return {"script": script, "rows": rows, "xi": xi, "parabolas": parabolas}


def _parabolas(argument: Argument, n_input: int) -> tuple[I64Array, dict[int, int]]:
    """A row each: the first element of its stairs and of those above or 0, d_0, the inputs' weights, and all
    that is said of the stairs; and bound → number of its parabolas, from 1.
    """
    if "weights" not in argument.arrays:
        return np.zeros((0, 3 + n_input), np.int64), {}
    bound, wire, upper, *rest = argument.arrays["weights"].T
    first = [argument.places[w][0] for w in wire]
    above = [argument.places[w][0] if w else 0 for w in upper]
    return np.column_stack([first, above, *rest, argument.arrays["parabolas"]]), {
        int(b): k for k, b in enumerate(bound, 1)
    }


@dataclass(frozen=True, eq=False)
class Certificate:
    """The network `model` under `profile` keeps query.label on the query's box, as `argument` shows; or its
    outputs keep the relation, where the argument is about the program of that (see Relation).

    raised: a feature, where the program and the relation are of two runs (property/copies.py); head: which of
    the network's outputs it is about.
    """

    model: bytes
    profile: str
    query: Robustness
    argument: Argument
    engine: str
    relation: Relation | None = None
    raised: int | None = None
    head: int = 0

    def write(self, path: Path) -> None:
        """Put the file at `path`.  Raises OSError."""
        keep_evidence(path, self.to_bytes())

    def to_bytes(self) -> bytes:
        """The file's bytes."""
        name = _MEMBERS[self.profile]
        arrays = normal(self.argument, self.relation, len(self.query.lo))
        arrays["box"] = np.stack([self.query.lo, self.query.hi])
        if self.query.changes is not None:
            arrays["few"] = np.append(self.query.x0.astype(np.int64), self.query.changes)
        if self.raised is not None:
            arrays["raised"] = np.array(self.raised, np.int64)
        if self.relation is not None:
            arrays["claim"] = np.column_stack([self.relation.c, self.relation.d])
            if self.relation.some is not None:
                arrays["some"] = self.relation.some
            if self.relation.apart is not None:
                arrays["apart"] = self.relation.apart
        members = {name: self.model}
        members |= {f"{key}.npy": _narrow_npy(value) for key, value in sorted(arrays.items())}
        document = {
            "schema": SCHEMA,
            "model": name,
            "profile": self.profile,
            **({"head": self.head} if self.head else {}),
            "label": self.query.label if self.relation is None else None,
            "made_by": self.engine,
            "files": {key: hashlib.sha256(data).hexdigest() for key, data in members.items()},
        }
        text = json.dumps(document, indent=1) + "\n"
        return zip_bytes({"certificate.json": text.encode(), **members}, quick=("xi", "parabolas"))


def _narrow_npy(array: I64Array) -> bytes:
    """A .npy file of the narrowest integer type that holds the values; a single number is one of one."""
    for dtype in (np.int8, np.int16, np.int32):
        limits = np.iinfo(dtype)
        if not array.size or (limits.min <= array.min() and array.max() <= limits.max):
            array = array.astype(dtype)
            break
    return npy_bytes(np.atleast_1d(array))
