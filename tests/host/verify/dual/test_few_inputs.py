"""Where few inputs vary, these are divided: deep networks whose neurons' cases lead nowhere close."""

from __future__ import annotations

import numpy as np
import pytest

from coverify.check import check
from coverify.verify.certificate import Certificate
from coverify.verify.deadline import Deadline
from coverify.verify.dual import branching
from coverify.verify.engines import solve
from coverify.verify.problem import Problem
from coverify.verify.query import Robustness, Verdict
from model_builder import Builder
from tflm_int8 import Model, lower

PARTS = 60
"""Both queries take 5 and 29 of them; with cases of stairs alone they are open after two seconds."""


def deep(seed: int) -> tuple[bytes, Problem]:
    """Three inputs, three hidden layers of eight, three classes; a box of 33 codes for each input."""
    rng = np.random.default_rng(seed)
    b = Builder()
    x = b.input((1, 3), 0.05, 0)
    for n in (8, 8, 8, 3):
        n_in, hidden = b.tensors[x].shape[1], n == 8
        w, bias = rng.integers(-127, 127, (n, n_in)), rng.integers(-3000, 3000, n)
        scale = float(np.float32(b.tensors[x].scales[0] * 0.01 * 74 * 0.4 * np.sqrt(n_in)))
        x = b.fully_connected(x, w, bias, 0.01, scale, -128 if hidden else 0, int(hidden))
    program = lower(Model.from_bytes(content := b.finish(x)))
    x0 = np.random.default_rng(seed).integers(-60, 60, 3)
    label = int(Problem(program, Robustness.around(x0, 0, 0)).labels(x0[None])[0])
    return content, Problem(program, Robustness.around(x0, label, 16))


@pytest.mark.parametrize("seed", [4, 19])
def test_a_deep_network_of_three_inputs_closes_by_halves_of_them(seed, tmp_path):
    content, problem = deep(seed)
    assert solve("enumerate", problem, Deadline.in_s(60)).verdict is Verdict.HOLDS
    outcome = solve("bab", problem, Deadline.in_s(60))
    assert outcome.verdict is Verdict.HOLDS
    assert int(outcome.evidence["parts"]) <= PARTS
    path = tmp_path / "certificate.zip"
    Certificate(content, "tflm", problem.query, outcome.argument, "bab").write(path)
    assert check(path).label == problem.query.label


def test_few_are_those_that_vary():
    lo, hi = np.zeros(784, np.int64), np.zeros(784, np.int64)
    hi[: branching.FEW] = 5
    assert branching.few_vary(lo, hi)
    hi[branching.FEW] = 5
    assert not branching.few_vary(lo, hi)
