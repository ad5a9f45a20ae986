"""HiGHS on programs of large numbers: the sums of a residual ADD reach 2**27."""

from __future__ import annotations

import numpy as np
import pytest

from coverify.verify.deadline import Deadline
from coverify.verify.engines import solve
from coverify.verify.engines.packages import PACKAGES
from coverify.verify.problem import Problem
from coverify.verify.query import Robustness, Verdict
from model_builder import Builder
from tflm_int8 import Model, lower

N_INPUT, WIDTH = 2, 4


def residual(rng: np.random.Generator) -> Problem:
    """Two dense layers, their sum, and a last layer; the box around 0."""
    b = Builder()
    x = b.input((1, N_INPUT), 0.02, int(rng.integers(-30, 30)))
    first = dense(rng, b, x, WIDTH, 0.025)
    second = dense(rng, b, first, WIDTH, 0.03)
    y = dense(rng, b, b.add(first, second, 0.05, int(rng.integers(-40, 40)), 0), 2, 0.05)
    program, x0 = lower(Model.from_bytes(b.finish(y))), np.zeros(N_INPUT, np.int64)
    label = int(Problem(program, Robustness.around(x0, 0, 0)).labels(x0[None])[0])
    return Problem(program, Robustness.around(x0, label, 9))


def dense(rng: np.random.Generator, b: Builder, x: int, n: int, scale: float) -> int:
    w = rng.integers(-127, 128, (n, b.tensors[x].shape[-1]))
    return b.fully_connected(x, w, rng.integers(-900, 900, n), 0.01, scale, int(rng.integers(-40, 40)))


@pytest.mark.skipif(not PACKAGES["milp"].installed, reason="HiGHS is not installed")
def test_a_residual_add_is_not_called_infeasible_for_its_large_numbers():
    said = []
    for seed in range(40):
        problem = residual(np.random.default_rng([seed, 31]))
        if solve("enumerate", problem, Deadline.in_s(60)).verdict is Verdict.VIOLATED:
            said.append(solve("milp", problem, Deadline.in_s(60)).verdict)
    assert said.count(Verdict.VIOLATED) > 4
    assert Verdict.HOLDS not in said
