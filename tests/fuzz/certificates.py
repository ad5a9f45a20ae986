#!/usr/bin/env python3
"""Mutates certificates and looks what the checker says of them.

A mutated certificate that is accepted must claim something true. The networks are tiny, so that the truth is
known by running every input of the claimed box through TFLM's reference model, which the checker does not
use.

    python tests/fuzz/certificates.py --mutations 100000
"""

# ruff: noqa: E402  (the tests' own modules must be found before the imports)

from __future__ import annotations

import argparse
import hashlib
import io
import itertools
import json
import sys
import tempfile
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np

sys.path[:0] = [str(Path(__file__).resolve().parent.parent)]
sys.path[:0] = [str(Path(__file__).resolve().parent.parent / "host" / "verify")]

import test_against_tflm_brute_force as brute

import fixed_point_networks
from coverify.check import Rejected, check
from coverify.check.networks import Reader
from coverify.verify.certificate import Certificate
from coverify.verify.deadline import Deadline
from coverify.verify.engines import solve
from coverify.verify.errors import BadNetwork
from coverify.verify.fixed_point import FixedPointNetwork
from coverify.verify.problem import Problem
from coverify.verify.query import Robustness, Verdict
from tflm_int8 import Model, Reference, TflmError, lower
from tflm_int8.program.concrete import OutsideDomain, run

ENGINES = ("interval", "dual", "bab", "enumerate")
JSON = "certificate.json"


def members(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {info.filename: archive.read(info) for info in archive.infolist()}


def packed(parts: dict[str, bytes]) -> bytes:
    """The file again, its digests made right, so that the checker looks at what was changed."""
    document = json.loads(parts[JSON])
    document["files"] = {k: hashlib.sha256(v).hexdigest() for k, v in parts.items() if k != JSON}
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, data in {**parts, JSON: json.dumps(document).encode()}.items():
            archive.writestr(name, data)
    return stream.getvalue()


def array(data: bytes) -> np.ndarray:
    return np.load(io.BytesIO(data)).astype(np.int64)


def saved(values: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, values)
    return stream.getvalue()


def mutated(data: bytes, rng: np.random.Generator) -> bytes:
    """One to three changes of label, box, script, rows, multipliers or network; or of raw bytes."""
    if rng.random() < 0.02:
        raw = bytearray(data)
        raw[int(rng.integers(len(raw)))] ^= 1 << int(rng.integers(8))
        return bytes(raw)
    parts = members(data)
    for _ in range(int(rng.integers(1, 4))):
        name = str(rng.choice(list(parts)))
        if name == JSON:
            document = json.loads(parts[name])
            key = str(rng.choice(["label", "label", "evidence", "profile", "schema"]))
            document[key] = (
                int(rng.integers(-1, 5))
                if key == "label"
                else str(rng.choice(["bounds", "enumeration", "tflm", ""]))
            )
            parts[name] = json.dumps(document).encode()
        elif name.startswith("model"):
            raw = bytearray(parts[name])
            raw[int(rng.integers(len(raw)))] = int(rng.integers(256))
            parts[name] = bytes(raw)
        else:
            values = array(parts[name])
            kind = rng.random()
            if values.size and kind < 0.8:
                at = int(rng.integers(values.size))
                change = rng.choice([-1, 1, 2, -2, 16, -256, int(rng.integers(-(2**40), 2**40))])
                new = int(values.reshape(-1)[at]) + int(change)
                values.reshape(-1)[at] = rng.choice([new, 0, -int(values.reshape(-1)[at])])
            elif len(values) > 1 and kind < 0.9:
                values = np.delete(values, int(rng.integers(len(values))), axis=0)
            elif len(values) > 1:
                values = values[rng.permutation(len(values))]
            parts[name] = saved(values)
    return packed(parts)


def is_true(data: bytes) -> bool | None:
    """Does the claim hold, by running every point? None: the reference refuses the network, or too many."""
    parts = members(data)
    document, lo, hi = json.loads(parts[JSON]), array(parts["lo.npy"]), array(parts["hi.npy"])
    if np.prod((hi - lo + 1).astype(float)) > 1e5:
        return None
    points = np.array(list(itertools.product(*(range(a, b + 1) for a, b in zip(lo, hi, strict=True)))))
    try:
        if document["model"] == "model.npz":
            program = FixedPointNetwork.from_bytes(parts["model.npz"]).program
            outputs = run(program, points)[program.output]
        else:
            reference = Reference(Model.from_bytes(parts["model.tflite"]))
            outputs = reference.run(points.astype(np.int8).reshape(-1, *reference.input.shape[1:]))
    except (TflmError, OutsideDomain, ValueError, BadNetwork):
        return None
    return bool(np.all(outputs.reshape(len(points), -1).argmax(axis=1) == document["label"]))


def certificates(network_of, seeds: range) -> list[bytes]:
    """Certificates of all engines about small networks: network_of(seed) → (bytes, base input, radius)."""
    found = []
    for seed in seeds:
        content, x0, eps, pixels = network_of(seed)
        if pixels:
            program, profile = FixedPointNetwork.from_bytes(content).program, "fixed-point"
        else:
            try:
                program, profile = lower(Model.from_bytes(content)), "tflm"
                Reader(content)
            except (TflmError, Rejected):
                continue
        label = int(run(program, x0[None])[program.output][0].argmax())
        query = Robustness.around(x0, label, eps, None, program.input_lo, program.input_hi)
        for engine in ENGINES:
            outcome = solve(engine, Problem(program, query), Deadline.in_s(5))
            if outcome.verdict is Verdict.HOLDS and outcome.argument is not None:
                found.append(Certificate(content, profile, query, outcome.argument, engine).to_bytes())
    return found


def pixel_network(seed: int) -> tuple[bytes, np.ndarray, int, bool]:
    rng = np.random.default_rng([seed, 77])
    arrays = fixed_point_networks.random_network(rng)
    x0, eps = fixed_point_networks.region(arrays, rng, 750)
    return fixed_point_networks.content(arrays), x0.astype(np.int16), max(1, eps // 3), True


def tflite_network(seed: int) -> tuple[bytes, np.ndarray, int, bool]:
    content = brute.network(seed)
    model = Model.from_bytes(content)
    n = int(np.prod(model.tensors[model.inputs[0]].shape))
    x0, eps = brute.region(np.random.default_rng([seed, 32]), n)
    return content, x0.astype(np.int16), max(1, eps // 3), False


def sources(n: int) -> list[bytes]:
    """Certificates about n networks of either kind."""
    return certificates(tflite_network, range(n)) + certificates(pixel_network, range(n))


def campaign(sources: list[bytes], mutations: int, seed: int, folder: Path) -> tuple[Counter, list[Path]]:
    """How often mutations were rejected, accepted and true, accepted and unjudged; files that were wrongly
    accepted."""
    rng, counts, wrong = np.random.default_rng(seed), Counter(), []
    path = folder / "mutated.zip"
    for k in range(mutations):
        data = mutated(sources[int(rng.integers(len(sources)))], rng)
        path.write_bytes(data)
        try:
            check(path)
        except Rejected:
            counts["rejected"] += 1
            continue
        truth = is_true(data)
        if truth is None:
            (folder / f"unjudged-{seed}-{k}.zip").write_bytes(data)
        counts[{True: "accepted, true", False: "accepted, FALSE", None: "accepted, unjudged"}[truth]] += 1
        if truth is False:
            wrong.append(folder / f"wrong-{seed}-{k}.zip")
            wrong[-1].write_bytes(data)
    return counts, wrong


def main() -> int:
    """Run a campaign and print the counts."""
    parser = argparse.ArgumentParser(description="mutate certificates")
    parser.add_argument("--mutations", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="certificates-"))
    whole = sources(30)
    counts, wrong = campaign(whole, options.mutations, options.seed, folder)
    print(f"{len(whole)} certificates, seed {options.seed}: {dict(counts)}; wrongly accepted: {wrong}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
