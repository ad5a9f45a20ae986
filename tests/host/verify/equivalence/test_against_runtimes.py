"""Networks told apart, or proved equal, against the interpreters themselves: TFLM, tflite-runtime, LiteRT.

Two random networks are run on every point of a region by TFLM's own interpreter; one network under two
profiles by the two runtimes that the profiles are of.
"""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest

import equivalence_cases as cases
import verify_cases
from coverify.conformance.oracles import OF_PROFILE, Oracle, available
from coverify.verify.equivalence.claim import Question
from coverify.verify.equivalence.decide import Decider
from coverify.verify.equivalence.sides import Pair
from coverify.verify.query import Robustness, Verdict
from oracle import NETWORKS, Tflm
from tflm_int8 import Model, UnsupportedOp, lower

ENGINES = ("structure", "difference", "classes", "search", "bab", "z3")


def changed(content: bytes, model: Model, rng: np.random.Generator) -> bytes:
    """The file with one to three bytes of its int8 weights changed."""
    weights = [t for t in model.tensors if t.dtype == "int8" and t.data is not None and t.data.size >= 4]
    tensor = weights[int(rng.integers(len(weights)))]
    raw = tensor.data.tobytes()
    at, bytes_ = content.find(raw), bytearray(content)
    assert at > 0
    for _ in range(int(rng.integers(1, 4))):
        bytes_[at + int(rng.integers(len(raw)))] = int(rng.integers(256))
    return bytes(bytes_)


def outputs(content: bytes, shape: tuple[int, ...], x: np.ndarray) -> np.ndarray:
    """By TFLM's interpreter, row by row."""
    tflm = Tflm(content, 1 << 18)
    return np.stack([tflm.run(row.astype(np.int8).reshape(shape)).reshape(-1).copy() for row in x])


def test_two_networks_agree_with_brute_force_through_tflm():
    seen, wrong = Counter(), []
    for seed in range(25):
        rng = np.random.default_rng([seed, 71])
        content = verify_cases.tflite_network(rng)
        model = Model.from_bytes(content, "first")
        if not any(t.dtype == "int8" and t.data is not None and t.data.size >= 4 for t in model.tensors):
            continue
        other = changed(content, model, rng)
        try:
            programs = [lower(Model.from_bytes(c, "net")) for c in (content, other)]
        except UnsupportedOp:
            continue
        shape = model.tensors[model.inputs[0]].shape
        n = int(np.prod(shape))
        x0 = rng.integers(-128, 128, n)
        region = Robustness.around(x0, 0, max(1, int((500 ** (1 / n) - 1) // 2)))
        ranges = [range(lo, hi + 1) for lo, hi in zip(region.lo, region.hi, strict=True)]
        x = np.array(list(itertools.product(*ranges)))
        a, b = (outputs(c, shape, x) for c in (content, other))
        for question in Question:
            apart = np.any(a != b) if question is Question.OUTPUT else np.any(a.argmax(1) != b.argmax(1))
            if question is Question.CLASS and a.shape[1] < 2:
                continue
            pair = Pair(*(cases.side(name, p) for name, p in zip("ab", programs, strict=True)), question)
            for engine in ENGINES:
                decider = Decider(pair, cases.InProcess(programs[0]), region.x0[None].astype(np.int64))
                said = decider.decide(region, engine, 0.3 if engine == "search" else 20.0, seed)
                seen[engine, said.verdict] += 1
                seen[question, bool(apart)] += 1
                if said.verdict is not Verdict.UNKNOWN and (said.verdict is Verdict.VIOLATED) != bool(apart):
                    wrong.append((seed, question, engine, said.verdict, bool(apart)))
    assert not wrong
    assert seen["z3", Verdict.HOLDS] and seen["z3", Verdict.VIOLATED] and seen["search", Verdict.VIOLATED]
    assert seen[Question.CLASS, True] and seen[Question.CLASS, False]


@pytest.mark.parametrize("profile", ["tflite-ref", "litert-ref"])
@pytest.mark.parametrize("name", ["digits_mlp", "digits_cnn"])
def test_the_runtimes_give_the_bytes_that_tell_two_profiles_apart(name, profile):
    """A found input separates the real runtimes; where the profiles are proved equal, so are they."""
    if not available(OF_PROFILE[profile]):
        pytest.skip(f"{OF_PROFILE[profile]} is not installed")
    model = Model.read(NETWORKS / f"{name}.tflite")
    programs = [lower(model, p) for p in ("tflm", profile)]
    pair = Pair(*(cases.side(n, p) for n, p in zip("ab", programs, strict=True)), Question.OUTPUT)
    everything = Robustness.around(np.zeros(programs[0].n_input, np.int64), 0, 255)
    decider = Decider(pair, cases.InProcess(programs[0]), everything.x0[None].astype(np.int64))
    said = decider.decide(everything, "structure", 10.0, 0)
    if said.verdict is Verdict.UNKNOWN:
        said = decider.decide(everything, "search", 20.0, 0)
    assert said.verdict is not Verdict.UNKNOWN
    x = np.random.default_rng(3).integers(-128, 128, (20, programs[0].n_input))
    if said.witness is not None:
        x = said.witness[None]
    out = model.outputs[0]
    x = x.astype(np.int8).reshape(len(x), *model.tensors[model.inputs[0]].shape[1:])
    traces = []
    for oracle in ("tflm", OF_PROFILE[profile]):
        with Oracle(oracle, model) as runtime:
            traces.append(runtime.trace(x)[out])
    assert np.array_equal(*traces) is (said.verdict is Verdict.HOLDS)
