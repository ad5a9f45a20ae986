"""Bounds by multipliers: what they refuse, and how their linear maps agree with plain matrices."""

from __future__ import annotations

import itertools
import time

import numpy as np
import pytest

from coverify.verify.deadline import LATE_S, Deadline
from coverify.verify.dual.maxima import moved
from coverify.verify.dual.relaxation import Relaxation
from coverify.verify.engines import solve
from coverify.verify.problem import Problem
from coverify.verify.query import Robustness, Verdict
from oracle import NETWORKS
from tflm_int8 import Model, Reference
from tflm_int8.program.linear import Dense
from tflm_int8.program.lowering import lower_reference
from tflm_int8.program.primitives import Affine, Max, Program, Term


def test_alternatives_of_which_none_holds_everywhere_are_proved_by_their_mean() -> None:
    """x_0 <= x_1 or x_1 <= x_0, on 40 inputs of which 38 do not matter: no one of them suffices."""
    slack = np.zeros((2, 40), np.int64)
    slack[:, :2] = [[-1, 1], [1, -1]]
    steps = (
        Affine((Term(0, Dense(slack), 0),), np.zeros(2, np.int64)),
        Max(1, np.array([[0, 1]]), -(2**31), 2**31 - 1),
        Affine((Term(2, Dense(np.array([[0], [-1]])), 0),), np.zeros(2, np.int64)),
    )
    problem = Problem(Program(40, steps, 3), Robustness.around(np.zeros(40, np.int8), 0, 50))
    assert solve("interval", problem, Deadline.in_s(60)).verdict is Verdict.UNKNOWN
    assert solve("dual", problem, Deadline.in_s(60)).verdict is Verdict.HOLDS


@pytest.mark.parametrize("seed", range(30))
def test_bounds_of_maxima_hold_at_every_point_whatever_the_multipliers(seed) -> None:
    """Of x in a box, m windows; forms of their maxima, with random shares of their elements, in integers."""
    rng = np.random.default_rng(seed)
    n, m, w = (int(v) for v in rng.integers(1, 4, 3))
    windows = rng.integers(0, n, (m, w))
    lo, hi = np.sort(rng.integers(-6, 7, (2, n)), axis=0)
    step = Max(0, windows, int(rng.choice([-(2**31), -2])), int(rng.choice([2**31 - 1, 3])))
    relaxation = Relaxation(Program(n, (step,), 1, -128, 127), 1)
    x = np.array(list(itertools.product(*(range(a, b + 1) for a, b in zip(lo, hi, strict=True)))))
    y = np.clip(x[:, windows].max(axis=2), step.lo, step.hi)
    boxes = [(lo[None], hi[None]), (y.min(axis=0)[None], y.max(axis=0)[None])]
    form = {1: rng.integers(-9, 10, (8, m)).astype(float)}
    given = rng.integers(-9, 10, (8, relaxation.width(1))).astype(float)
    given[:, m:] = -np.abs(given[:, m:])
    for multipliers in ({}, {1: given}):
        done = relaxation.evaluate(form, boxes, {}, multipliers, exact=True)
        assert np.all(done.bound >= (y @ form[1].T).max(axis=0))
        used = done.multipliers[1]
        assert np.array_equal(used, np.rint(used)) and np.all(used[:, m:] <= 0)


@pytest.mark.parametrize("seed", range(10))
def test_shares_stay_shares_and_move_to_the_highest(seed) -> None:
    rng = np.random.default_rng(seed)
    share = rng.dirichlet(np.ones(4), (3, 5))
    share[0, 0] = 0.0  # of a maximum that is not bounded from below
    height = rng.permuted(np.tile(np.arange(4.0), (3, 5, 1)), axis=2) * 10.0 ** rng.integers(-3, 5)
    left = share
    for _ in range(200):
        left = moved(left, height, 0.3)
        assert np.all(left >= 0) and np.all(left[0, 0] == 0)
        assert np.allclose(left.sum(axis=2)[share.any(axis=2)], 1)
    assert np.array_equal(left.argmax(axis=2)[share.any(axis=2)], height.argmax(axis=2)[share.any(axis=2)])
    assert np.all(left.max(axis=2)[share.any(axis=2)] > 0.99)


def test_a_great_bias_of_an_output_that_no_bound_asks_for_does_not_matter() -> None:
    """By hand: x0 + x1 against x0 + x1 − 1 and an output that is always −9·10⁸; the first stays greatest.

    Such biases occur: a channel whose weights are near 0 has a tiny scale of its own.
    """
    logits = Affine((Term(0, Dense(np.array([[1, 1], [1, 1], [0, 0]])), 0),), np.array([0, -1, -900_000_000]))
    problem = Problem(Program(2, (logits,), 1), Robustness.around(np.zeros(2, np.int8), 0, 4))
    for engine in ("interval", "dual", "bab"):
        assert solve(engine, problem, Deadline.in_s(60)).verdict is Verdict.HOLDS, engine


@pytest.mark.parametrize("engine", ["interval", "dual", "bab"])
def test_a_pass_through_a_network_of_large_layers_ends_at_its_time(monkeypatch, engine) -> None:
    """Each layer takes a second here."""
    bounded = Relaxation._scalar

    def slowly(*arguments):
        time.sleep(1)
        return bounded(*arguments)

    program = lower_reference(Reference(Model.read(NETWORKS / "mnist_conv.tflite")))
    x = np.zeros(program.n_input, np.int8)
    label = int(Problem(program, Robustness.around(x, 0, 0)).labels(x[None])[0])
    problem = Problem(program, Robustness.around(x, label, 3))
    monkeypatch.setattr(Relaxation, "_scalar", slowly)
    start = time.monotonic()
    assert solve(engine, problem, Deadline.in_s(0.3)).verdict is Verdict.UNKNOWN
    assert time.monotonic() - start < 0.3 + LATE_S + 3
