"""HiGHS on programs of large numbers: the sums of a residual ADD reach 2**27."""

from __future__ import annotations

import numpy as np
import pytest

from coverify.verify.deadline import Deadline
from coverify.verify.decision import Decision
from coverify.verify.engines import solve
from coverify.verify.engines.packages import PACKAGES
from coverify.verify.few_changes import region_bounds
from coverify.verify.linear.milp import ask
from coverify.verify.problem import Problem
from coverify.verify.query import Robustness, Verdict
from coverify.verify.rivals import Answer, Question
from model_builder import Builder
from tflm_int8 import Model, lower
from tflm_int8.program.linear import Dense
from tflm_int8.program.primitives import Affine, Program, Term

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


@pytest.mark.parametrize(("rise", "answer"), [(2, "taken"), (0, Answer.NO), (-1, Answer.NO)])
def test_a_program_without_columns_is_decided(rise, answer):
    """y = (0, rise) on a box of one point: label 1 is first only where it is greater."""
    both = Term(0, Dense(np.array([[1], [1]])), 0)
    program = Program(1, (Affine((both,), np.array([0, rise])),), 1)
    problem = Problem(program, Robustness.around(np.array([5]), 0, 0))
    boxes = region_bounds(problem, Deadline.never())
    found = ask(Question(problem, boxes, boxes, Decision(1, 1, 1), 1, Deadline.in_s(60), 0))
    assert found == ([5] if answer == "taken" else answer)


@pytest.mark.skipif(not PACKAGES["milp"].installed, reason="HiGHS is not installed")
def test_a_residual_add_is_not_called_infeasible_for_its_large_numbers():
    said = []
    for seed in range(26):
        problem = residual(np.random.default_rng([seed, 31]))
        if solve("enumerate", problem, Deadline.in_s(60)).verdict is Verdict.VIOLATED:
            said.append(solve("milp", problem, Deadline.in_s(60)).verdict)
    assert said.count(Verdict.VIOLATED) > 4
    assert Verdict.HOLDS not in said
