"""Every engine against brute force through TFLM's own interpreter on random small networks.

The expected verdict does not come from coverify at all: each point of the region is run by tflite-micro, and
the class is the index of the first maximum of its output.
"""

import itertools
import os
from collections import Counter

import numpy as np
import pytest

import random_graphs
from coverify.verify.deadline import Deadline
from coverify.verify.engines import ENGINES, solve
from coverify.verify.engines.packages import PACKAGES
from coverify.verify.problem import Problem
from coverify.verify.query import Robustness, Verdict
from model_builder import Builder
from oracle import Tflm
from random_numbers import zero_point
from tflm_int8 import Model, UnsupportedOp, lower

IN_PROCESS = [name for name in ENGINES if name not in PACKAGES or name == "z3"]
"""The other solvers run in processes of their own: test_solvers.py."""
CASES = int(os.environ.get("COVERIFY_FUZZ_CASES", "40"))
MAX_POINTS = 750


def dense(rng, b: Builder) -> int:
    x = b.input((1, int(rng.integers(1, 5))), 0.05, zero_point(rng))
    for _ in range(int(rng.integers(1, 4))):
        x = random_graphs.fully_connected(rng, b, x)
    return x


def image(rng, b: Builder) -> int:
    """A tiny image through convolution, pooling or a residual ADD, then a dense layer."""
    x = b.input((1, 2, 2, 1), 0.05, zero_point(rng))
    x = (random_graphs.conv, random_graphs.depthwise)[int(rng.integers(0, 2))](rng, b, x)
    kind = int(rng.integers(0, 3))
    if kind == 0:
        x = random_graphs.pool(rng, b, x)
    elif kind == 1:
        x = random_graphs.add(rng, b, x)
    return random_graphs.fully_connected(rng, b, random_graphs.reshape(rng, b, x))


def network(seed: int) -> bytes:
    """A network of at most four inputs, half of them with a softmax (whose outputs tie)."""
    rng = np.random.default_rng([seed, 31])
    b = Builder()
    y = (dense if rng.random() < 0.6 else image)(rng, b)
    if rng.random() < 0.5:
        if rng.random() < 0.4:
            b.tensors[y].scales[0] = float(np.float32(10 ** rng.uniform(-4, -2)))  # many ties
        y = random_graphs.softmax(rng, b, y)
    return b.finish(y)


def region(rng: np.random.Generator, n: int) -> tuple[np.ndarray, int]:
    """A base input and the largest radius (at least 1) that keeps the region small."""
    x0 = rng.choice(np.array([-128, -127, 0, 126, 127, *rng.integers(-128, 128, 5)]), n).astype(np.int8)
    most = max(1, int((MAX_POINTS ** (1 / n) - 1) // 2))
    return x0, int(rng.integers(1, most + 1))


def brute_force(content: bytes, shape, query: Robustness) -> tuple[int, Counter]:
    """The class of the base input, and how often each class occurs in the region, both by TFLM."""
    tflm = Tflm(content, 1 << 18)

    def label(x) -> int:
        return int(np.argmax(tflm.run(np.array(x, np.int8).reshape(shape)).reshape(-1)))

    ranges = [range(lo, hi + 1) for lo, hi in zip(query.lo, query.hi, strict=True)]
    return label(query.x0), Counter(label(x) for x in itertools.product(*ranges))


@pytest.mark.slow
def test_verdicts_agree_with_brute_force_through_tflm():
    seen, wrong = Counter(), []
    for seed in range(CASES):
        content = network(seed)
        model = Model.from_bytes(content, f"case-{seed}")
        try:
            program = lower(model)
        except UnsupportedOp:
            continue
        rng = np.random.default_rng([seed, 32])
        shape = model.tensors[model.inputs[0]].shape
        x0, eps = region(rng, int(np.prod(shape)))
        label, classes = brute_force(content, shape, Robustness.around(x0, 0, eps))
        query = Robustness.around(x0, label, eps)
        expected = Verdict.HOLDS if set(classes) == {label} else Verdict.VIOLATED
        for engine in IN_PROCESS:
            limit_s = {"attack": 0.3, "z3": 10}.get(engine, 30)  # an attack never ends by proving
            outcome = solve(engine, Problem(program, query), Deadline.in_s(limit_s), seed=seed)
            seen[engine, outcome.verdict.name] += 1
            if outcome.verdict not in (expected, Verdict.UNKNOWN):
                wrong.append((seed, engine, outcome.verdict, expected))
            # enumeration is complete; a solver may run out of time, but not often (see below)
            if engine == "enumerate" and outcome.verdict is Verdict.UNKNOWN:
                wrong.append((seed, engine, outcome.note, expected))
    assert not wrong
    assert seen["z3", "UNKNOWN"] <= CASES / 20, seen
    for engine, verdict in [
        ("enumerate", "HOLDS"), ("enumerate", "VIOLATED"), ("interval", "HOLDS"), ("attack", "VIOLATED"),
        ("z3", "HOLDS"), ("z3", "VIOLATED"),
    ]:  # fmt: skip
        assert seen[engine, verdict] >= CASES / 20, seen
