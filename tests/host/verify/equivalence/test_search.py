"""The search drives accumulators to where two requantizations differ, which random inputs never meet."""

from __future__ import annotations

import numpy as np

import equivalence_cases as cases
from coverify.conformance.suite.model_file import OneOp, TensorSpec
from coverify.verify.bounds import wire_bounds
from coverify.verify.deadline import Deadline
from coverify.verify.equivalence.claim import Question
from coverify.verify.equivalence.directed import Directed, Layer, layers
from coverify.verify.equivalence.search import Search
from coverify.verify.equivalence.sides import Pair
from oracle import Tflm
from tflm_int8 import Model, lower
from tflm_int8.program.primitives import Program


def dense(rng: np.random.Generator) -> Model:
    """64 inputs, 8 outputs, a product of scales that float32 and double round differently."""
    s = [float(np.float32(v)) for v in 2.0 ** rng.uniform((-6, -9, -4), (-4, -7, 0))]
    weights = rng.integers(-127, 128, (8, 64)).astype(np.int8)
    bias = rng.integers(-9999, 9999, 8).astype(np.int32)
    x, w = TensorSpec((1, 64), "int8", (s[0],)), TensorSpec((8, 64), "int8", (s[1],), data=weights)
    b = TensorSpec((8,), "int32", (float(np.float32(s[0] * s[1])),), 0, 0, bias)
    return Model.from_bytes(
        OneOp("FULLY_CONNECTED", [x, w, b], TensorSpec((1, 8), "int8", (s[2],)), 8, {0: ("b", 0)}).content()
    )


def reachable(n: int) -> list[tuple[Model, Program, Program, list[Layer]]]:
    """Models in which bounds let some accumulator be where the two profiles differ."""
    rng, found = np.random.default_rng(0), []
    while len(found) < n:
        model = dense(rng)
        first, second = lower(model), lower(model, "tflm-2026-08")
        at = layers(first, second, wire_bounds(first, np.full(64, -128), np.full(64, 127)))
        found += [(model, first, second, at)] if at else []
    return found


def test_it_finds_one_accumulator_in_a_million():
    lo, hi = np.full(64, -128), np.full(64, 127)
    found, by_chance = 0, 0
    for model, first, second, at in reachable(5):
        pair = Pair(cases.side("first", first), cases.side("second", second), Question.OUTPUT)
        directed = Directed(first, wire_bounds(first, lo, hi), at)
        given = np.zeros((1, 64), np.int64)
        by_chance += Search(pair, lo, hi, given).run(Deadline.in_s(20), 0, rounds=40) is not None
        x = Search(pair, lo, hi, given, directed).run(Deadline.in_s(20), 0, rounds=40)
        if x is not None:
            found += 1
            by_tflm = Tflm(model.content).run(x.astype(np.int8)[None]).reshape(-1).tolist()
            assert by_tflm == pair.first.run(x[None])[0].tolist() != pair.second.run(x[None])[0].tolist()
    assert found >= 2 and by_chance < found
