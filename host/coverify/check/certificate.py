"""A certificate: what it claims, how its file is read, and when it is accepted.

A .zip with `certificate.json` (schema, digests of the other members, profile, label, evidence), the network
(`model.tflite` or `model.npz`), the box `lo.npy`, `hi.npy`, and for evidence "bounds" the proof's arrays
(`script.npy`, `rows.npy`, `xi-<wire>.npy`). Accepted means that the claim printed below is true; what else
the file says (who made it) is not part of the claim.
"""

from __future__ import annotations

import hashlib
import json
import struct
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from coverify.check.networks import MAX_BYTES, Reader, fixed_point, read_array, read_zip
from coverify.check.proof import Proof, Squares
from coverify.check.steps import Ints, Network, Rejected, need

SCHEMA = "coverify-certificate/1"
MAX_POINTS = 10**7
BATCH = 1 << 12
DAMAGE = (
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    MemoryError,
    RuntimeError,
    OSError,
    EOFError,
    struct.error,
    zlib.error,
    zipfile.BadZipFile,
)


@dataclass(frozen=True)
class Claim:
    """For every integer input x with lo <= x <= hi, the network gives `label` as the first greatest output.

    model, box: SHA-256 of the network's bytes, and of lo and hi as little-endian int64; profile: whose
    arithmetic; evidence: how it was shown; inputs, free: how many, and how many of them vary; steps: the
    proof's.
    """

    model: str
    profile: str
    box: str
    label: int
    evidence: str
    inputs: int
    free: int
    steps: int

    def __str__(self) -> str:
        return (
            f"for every integer x in box {self.box} ({self.free} of {self.inputs} inputs vary) the network "
            f"{self.model} under profile {self.profile} gives label {self.label} (first greatest output)"
        )


def check(path: Path | str) -> Claim:
    """The claim of a certificate that proves it.  Raises Rejected, whatever the file holds."""
    try:
        with Path(path).open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
        need(len(data) <= MAX_BYTES, "the file is too large")
        return _checked(read_zip(data))
    except DAMAGE as err:
        raise Rejected(f"the file is damaged: {type(err).__name__}: {str(err)[:200]}") from err


def _checked(members: dict[str, bytes]) -> Claim:
    document = json.loads(members.pop("certificate.json"))
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in members.items()}
    need(document["schema"] == SCHEMA and document["files"] == digests, "not the digests of its members")
    name, profile, label = document["model"], document["profile"], document["label"]
    need(type(label) is int and (name, profile) in (("model.tflite", "tflm"), ("model.npz", "fixed-point")),
         "a network or profile that is not known")  # fmt: skip
    content = members.pop(name)
    net = Reader(content).network if profile == "tflm" else fixed_point(content)
    arrays = {key.removesuffix(".npy"): read_array(data) for key, data in members.items()}
    lo, hi = arrays.pop("lo"), arrays.pop("hi")
    need(lo.shape == hi.shape == (net.n_input,), "a box of another size")
    need(
        net.least <= lo.min() and hi.max() <= net.most and np.all(lo <= hi), "a box outside the inputs' range"
    )
    outputs = net.run(lo[None])
    need(0 <= label < outputs.shape[1], "a label that is no output")
    script = np.zeros((0, 4), np.int64)
    if document["evidence"] == "enumeration":
        need(not arrays, "arrays that do not belong there")
        _enumerate(net, lo, hi, label)
    else:
        script, rows = arrays.pop("script"), arrays.pop("rows")
        need(
            document["evidence"] == "bounds" and script.shape[1:] == (4,) and rows.shape[1:] == (5,),
            "the arrays",
        )
        squares = _squares(arrays.pop("cases", None), arrays.pop("weights", None), len(lo))
        xi = {int(key.removeprefix("xi-")): value for key, value in arrays.items()}
        need(all(v.ndim == 2 and len(v) == len(rows) for v in xi.values()), "multipliers of the wrong shape")
        Proof(net, label, lo, hi, rows, xi, squares).run(script)
    box = hashlib.sha256(lo.astype("<i8").tobytes() + hi.astype("<i8").tobytes()).hexdigest()
    return Claim(
        digests[name], profile, box, label, document["evidence"], len(lo), int((lo < hi).sum()), len(script)
    )


def _squares(cases: Ints | None, weights: Ints | None, n: int) -> Squares:
    """Rows that are bounded over cases: cases [c, 6]: (row, case), weights [q, 2 + n]: (row, d0, weights)."""
    if cases is None or weights is None:
        return {}
    need(cases.shape[1:] == (6,) and weights.shape[1:] == (2 + n,), "cases of the wrong shape")
    need(set(cases[:, 0].tolist()) == set(weights[:, 0].tolist()), "cases without weights")
    return {int(w[0]): (cases[cases[:, 0] == w[0], 1:].T, int(w[1]), w[2:]) for w in weights}


def _enumerate(net: Network, lo: Ints, hi: Ints, label: int) -> None:
    """Run every point of the box, in mixed-radix order."""
    sizes = [int(n) for n in hi - lo + 1]
    total = 1
    for n in sizes:
        total *= n
    need(total <= MAX_POINTS, "a box of too many points to enumerate")
    for start in range(0, total, BATCH):
        number = np.arange(start, min(start + BATCH, total))
        x = np.tile(lo, (len(number), 1))
        for i, n in enumerate(sizes):
            if n > 1:
                x[:, i] += number % n
                number = number // n
        need(np.all(net.run(x).argmax(axis=1) == label), "an input of the box has another label")
