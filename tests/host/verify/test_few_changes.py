"""Regions in which only a few features may change, against brute force over the box."""

import dataclasses
import itertools

import numpy as np
import pytest

from coverify.verify.deadline import Deadline
from coverify.verify.engines import ENGINES, solve
from coverify.verify.engines.enumerate import few_changes
from coverify.verify.engines.packages import usable
from coverify.verify.few_changes import region_bounds
from coverify.verify.fixed_point import FixedPointNetwork
from coverify.verify.problem import Problem
from coverify.verify.query import Robustness, Verdict
from fixed_point_networks import content, layers_of, outputs, points
from tflm_int8.program.concrete import run

SOLVERS = [name for name in (*ENGINES, "z3:balanced", "z3:literal") if usable(name.partition(":")[0])]
COMPLETE = ("enumerate", "z3", "bitwuzla", "boolector", "cpsat", "z3:balanced")


def case(seed):
    """A network of four pixels, a query in which at most 0 to 3 change, its points and whether it holds."""
    rng = np.random.default_rng([seed, 4])
    hidden = int(rng.integers(2, 5))
    arrays = layers_of(
        [rng.integers(-9, 10, (hidden, 4)), rng.integers(-9, 10, (3, hidden))],
        [rng.integers(-900, 900, hidden), rng.integers(-900, 900, 3)],
        [int(rng.integers(2, 6)), int(rng.integers(1, 6))],
        [(0, 255), (-128, 127)],
    )
    x0, eps = rng.integers(0, 256, 4), int(rng.integers(1, 4))
    if rng.random() < 0.5:  # an input near which the class changes
        other = rng.integers(0, 256, 4)
        label = outputs(arrays, x0[None]).argmax()
        for _ in range(7):
            middle = (x0 + other) // 2
            x0, other = (middle, other) if outputs(arrays, middle[None]).argmax() == label else (x0, middle)
    changes = int(rng.integers(0, 4))
    every = points(x0, eps)
    every = every[(every != x0).sum(axis=1) <= changes]
    label = int(outputs(arrays, x0[None]).argmax())
    query = dataclasses.replace(Robustness.around(x0, label, eps, None, 0, 255), changes=changes)
    program = FixedPointNetwork.from_bytes(content(arrays)).program
    return Problem(program, query), every, bool(np.all(outputs(arrays, every).argmax(axis=1) == label))


@pytest.mark.parametrize("engine", SOLVERS)
def test_every_engine_answers_as_brute_force_does(engine):
    verdicts = set()
    for seed in range(25 if engine != "marabou" else 5):
        problem, _, wanted = case(seed)
        outcome = solve(engine, problem, Deadline.in_s(20))
        assert outcome.verdict in (Verdict.UNKNOWN, Verdict.HOLDS if wanted else Verdict.VIOLATED), seed
        assert outcome.argument is None
        if engine in COMPLETE:
            assert outcome.verdict is not Verdict.UNKNOWN, (seed, outcome.note)
        if outcome.witness is not None:
            assert problem.query.contains(outcome.witness)
        verdicts.add(outcome.verdict)
    assert engine not in COMPLETE or {Verdict.HOLDS, Verdict.VIOLATED} <= verdicts


@pytest.mark.parametrize("seed", range(20))
def test_the_bounds_hold_and_the_points_are_counted(seed):
    problem, every, _ = case(seed)
    assert problem.query.n_points == len(every)
    for wire, box in zip(run(problem.program, every), region_bounds(problem, Deadline.never()), strict=True):
        assert np.all(wire >= box.lo) and np.all(wire <= box.hi)
    first = run(problem.program, every)[1]
    box = region_bounds(problem, Deadline.never())[1]
    assert np.array_equal(first.max(axis=0), box.hi) and np.array_equal(first.min(axis=0), box.lo)


def test_bounds_prove_more_than_those_of_the_whole_box():
    proved = {None: 0, 1: 0}
    for seed in range(30):
        problem, _, _ = case(seed)
        for changes in proved:
            wide = Robustness.around(problem.query.x0, problem.query.label, 25, None, 0, 255)
            query = dataclasses.replace(wide, changes=changes)
            outcome = solve("dual", Problem(problem.program, query), Deadline.in_s(20))
            proved[changes] += outcome.verdict is Verdict.HOLDS
    assert proved[1] > proved[None] > 0


def test_an_engine_that_does_not_count_changes_says_so():
    if not usable("marabou"):
        pytest.skip("marabou is not installed")
    problem, *_ = next(c for c in map(case, range(30)) if c[2])
    assert "does not count" in solve("marabou", problem, Deadline.in_s(5)).note


@pytest.mark.parametrize("engine", ["dual", "bab"])
def test_bounds_on_wide_boxes_never_prove_what_is_broken(engine):
    """Six pixels, two changed by up to 60 codes: where most stairs of the first layer have both clamps."""
    broken = 0
    for seed in range(40):
        rng = np.random.default_rng([seed, 5])
        arrays = layers_of(
            [rng.integers(-9, 10, (6, 6)), rng.integers(-9, 10, (3, 6))],
            [rng.integers(-900, 900, 6), rng.integers(-900, 900, 3)],
            [4, 5],
            [(0, 60), (-128, 127)],
        )
        x0, program = rng.integers(0, 256, 6), FixedPointNetwork.from_bytes(content(arrays)).program
        label = int(outputs(arrays, x0[None]).argmax())
        query = dataclasses.replace(Robustness.around(x0, label, 30, None, 0, 255), changes=2)
        problem = Problem(program, query)
        said = solve(engine, problem, Deadline.in_s(5)).verdict
        x = np.concatenate(list(few_changes(query, 1 << 15)))
        wanted = bool(np.all(outputs(arrays, x).argmax(axis=1) == label))
        assert said in (Verdict.UNKNOWN, Verdict.HOLDS if wanted else Verdict.VIOLATED), seed
        broken += not wanted
    assert broken > 5


def test_points_of_few_changes_come_once_each_feature_after_feature():
    """As itertools counts them, in batches of any size."""
    for seed in range(60):
        rng = np.random.default_rng([seed, 13])
        n, changes, batch = int(rng.integers(1, 6)), int(rng.integers(0, 4)), int(rng.integers(1, 40))
        around = Robustness.around(
            rng.integers(-128, 128, n), 0, int(rng.integers(0, 4)), rng.random(n) < 0.8
        )
        query, expected = dataclasses.replace(around, changes=changes), []
        values = [range(lo, hi + 1) for lo, hi in zip(query.lo, query.hi, strict=True)]
        for k in range(changes + 1):
            for chosen in itertools.combinations(np.flatnonzero(query.hi > query.lo).tolist(), k):
                for new in itertools.product(*([v for v in values[i] if v != query.x0[i]] for i in chosen)):
                    expected.append(
                        [dict(zip(chosen, new, strict=True)).get(i, query.x0[i]) for i in range(n)]
                    )
        parts = list(few_changes(query, batch))
        assert all(0 < len(part) <= batch for part in parts)
        assert np.concatenate(parts).tolist() == expected
        assert len(expected) == query.n_points
