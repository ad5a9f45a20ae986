"""Bounds by multipliers: what they refuse, and how their linear maps agree with plain matrices."""

from __future__ import annotations

import itertools
import time
from dataclasses import replace

import numpy as np
import pytest

from coverify.verify.deadline import LATE_S, Deadline
from coverify.verify.dual.maxima import Ends, Guide, greatest
from coverify.verify.dual.relaxation import Relaxation
from coverify.verify.engines import solve
from coverify.verify.errors import CannotDecide
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
    """Of x in a box, m windows; forms of their maxima, with random multipliers of their elements."""
    rng = np.random.default_rng(seed)
    n, m, w = (int(v) for v in rng.integers(1, 4, 3))
    w += 20 * (seed % 3 == 0)  # more elements than they have values
    windows = rng.integers(0, n, (m, w))
    lo, hi = np.sort(rng.integers(-6, 7, (2, n)), axis=0)
    step = Max(0, windows, int(rng.choice([-(2**31), -2])), int(rng.choice([2**31 - 1, 3])))
    relaxation = Relaxation(Program(n, (step,), 1, -128, 127), 1)
    x = np.array(list(itertools.product(*(range(a, b + 1) for a, b in zip(lo, hi, strict=True)))))
    y = np.clip(x[:, windows].max(axis=2), step.lo, step.hi)
    boxes = [(lo[None], hi[None]), (y.min(axis=0)[None], y.max(axis=0)[None])]
    form = {1: rng.integers(-9, 10, (8, m)).astype(float)}
    given = rng.integers(-9, 10, (8, relaxation.width(1))).astype(float)
    true = (y @ form[1].T).max(axis=0)
    for multipliers in ({}, {1: given}, {1: -np.abs(given)}):
        for exact, least in ((False, true - 1e-9), (True, true)):
            done = relaxation.evaluate(form, boxes, {}, multipliers, exact=exact)
            assert np.all(done.bound >= least)
            guides = {1: replace(done.guides[1], level=rng.uniform(-9, 9, (8, m)))}
            assert np.all(relaxation.evaluate(form, boxes, {}, {}, exact, guides=guides).bound >= least)
        used = done.multipliers[1]
        assert np.array_equal(used, np.rint(used))


@pytest.mark.parametrize("seed", range(10))
def test_shares_stay_shares_and_move_to_the_highest(seed) -> None:
    rng, step = np.random.default_rng(seed), Max(0, np.arange(20).reshape(5, 4), -(2**31), 2**31 - 1)
    share = rng.dirichlet(np.ones(4), (3, 5))
    share[0, 0] = 0.0  # of a maximum that is not bounded from below
    height = rng.permuted(np.tile(np.arange(4.0), (3, 5, 1)), axis=2) * 10.0 ** rng.integers(-3, 5)
    ends = Ends.of(step, [(np.full((1, 20), -9), np.full((1, 20), 9))])
    guide = replace(Guide.first(step, -np.ones((3, 5)), ends), share=share)
    for _ in range(200):
        guide = guide.moved(height, 0.3)
        left = guide.share
        assert np.all(left >= 0) and np.all(left[0, 0] == 0)
        assert np.allclose(left.sum(axis=2)[share.any(axis=2)], 1)
    assert np.array_equal(left.argmax(axis=2)[share.any(axis=2)], height.argmax(axis=2)[share.any(axis=2)])
    assert np.all(left.max(axis=2)[share.any(axis=2)] > 0.99)


@pytest.mark.parametrize("seed", range(20))
def test_moving_levels_and_shares_ends_at_the_least_concave_and_the_greatest_convex_bound(seed) -> None:
    """Of the maximum of one window at a point x of its box; the concave one is the best mean of corners."""
    optimize = pytest.importorskip("scipy.optimize", reason="scipy is not installed")
    rng, w = np.random.default_rng(seed), 4
    lo, hi = np.sort(rng.integers(-20, 20, (2, w)), axis=0)
    hi[0] += 40 * (seed % 2)  # one that is the greatest wherever the others are, more often
    x = rng.uniform(lo, hi + 1e-9)
    step = Max(0, np.arange(w)[None], -(2**31), 2**31 - 1)
    ends = Ends.of(step, [(lo[None], hi[None])])
    corners = np.array(list(itertools.product(*zip(lo, hi, strict=True))), float)
    rows = np.vstack([corners.T, np.ones(len(corners))])
    envelope = optimize.linprog(-corners.max(axis=1), A_eq=rows, b_eq=np.append(x, 1.0))
    for nu, true in ((np.array([[3.0]]), 3 * -envelope.fun), (np.array([[-3.0]]), -3 * x.max())):
        guide = Guide.first(step, nu, ends)
        found = list[float]()
        for k in range(300):
            xi = nu[:, :, None] * guide.slopes
            found.append(float(greatest(step, nu, xi, ends)[0][0, 0] + (xi[0, 0] * x).sum()))
            guide = guide.moved(x[None, None], 0.3 * (0.97**k if nu > 0 else 1))
        assert min(found) == pytest.approx(true, abs=0.5)
        assert min(found) >= true - 1e-6
        assert Guide.to(step, nu, xi, ends).slopes == pytest.approx(xi / nu[0, 0])


def test_sums_of_exact_bounds_over_several_steps_do_not_leave_the_range_either() -> None:
    """Each of four steps adds 0.2 or 0.4 · 2**52 to the constant; each alone would be held to be small."""
    one, n = Dense(np.ones((1, 1), np.int64)), 4
    steps = tuple(Affine((Term(k, one, 0),), np.array([2**20])) for k in range(n))
    relaxation = Relaxation(Program(1, steps, n, 0, 0), n)
    boxes = [(np.array([[k * 2**20]]),) * 2 for k in range(n + 1)]
    for scale, refused in ((0.2, False), (0.4, True)):
        form = {n: np.full((1, 1), np.rint(scale * 2**32))}
        if refused:
            with pytest.raises(CannotDecide):
                relaxation.evaluate(form, boxes, {}, {}, exact=True)
        else:
            assert relaxation.evaluate(form, boxes, {}, {}, exact=True).bound == n * form[n] * 2**20


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
