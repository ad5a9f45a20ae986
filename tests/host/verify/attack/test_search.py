"""What the search finds beside what enumeration knows, on networks whose counterexamples are rare."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import time

import numpy as np
import pytest

import verify_cases
from coverify.verify import portfolio
from coverify.verify.attack import search as search_module
from coverify.verify.attack.radius import drawn, radius, shrink, smallest, within
from coverify.verify.attack.search import search
from coverify.verify.deadline import Deadline
from coverify.verify.engines import BY_ROUNDS, SMALLEST, attack, solve
from coverify.verify.errors import CannotDecide
from coverify.verify.fixed_point import FixedPointNetwork
from coverify.verify.problem import Problem
from coverify.verify.query import Robustness, Verdict
from fixed_point_networks import content, layers_of, outputs
from tflm_int8.fixedpoint import Rounding
from tflm_int8.program.linear import Dense
from tflm_int8.program.primitives import Affine, Program, Requantize, Staircase, Term

SEEDS = 90
RARE = 0.0003
"""A counterexample is rare where at most this share of the box is one."""
STEPS = np.array(list(itertools.product((-1, 0, 1), repeat=9)))


@functools.cache
def rare(seed: int) -> tuple[Problem, np.ndarray] | None:
    """Nine inputs through two layers of stairs, radius 1 (19,683 inputs, all run by `outputs`): the problem,
    and its counterexamples; None where they are many or none.
    """
    rng = np.random.default_rng([seed, 83])
    top = int(rng.choice([3, 15, 63]))
    weights = [rng.integers(-100, 101, (10, 9)), rng.integers(-60, 61, (4, 10))]
    shifts = [{3: 7, 15: 6, 63: 4}[top], int(rng.integers(2, 6))]
    biases = [rng.integers(-9000, 9001, 10), rng.integers(-100, 101, 4)]
    arrays = layers_of(weights, biases, shifts, [(0, top), (-8 * top, 8 * top)])
    near, far = rng.integers(2, 254, (2, 9))  # near: none, far: many; a base input between them
    label = int(outputs(arrays, near[None])[0].argmax())
    for _ in range(9):
        x0 = (near + far) // 2
        every = x0 + STEPS
        broken = every[outputs(arrays, every).argmax(axis=1) != label]
        if 0 < len(broken) <= RARE * len(every):
            break
        near, far = (near, x0) if len(broken) else (x0, far)
    else:
        return None
    program = FixedPointNetwork.from_bytes(content(arrays)).program
    return Problem(program, Robustness.around(x0, label, 1, None, 0, 255)), broken


def found_share(seeds: range) -> tuple[int, int]:
    """How many of the rare cases the search solves, and how many there are."""
    found = total = 0
    for case in filter(None, map(rare, seeds)):
        problem, broken = case
        witness = search(problem, (), Deadline.never(), 0)
        found, total = found + (witness is not None), total + 1
        if witness is not None:
            assert witness.tolist() in broken.tolist()
    return found, total


def test_most_rare_counterexamples_are_found():
    found, total = found_share(range(SEEDS))
    assert total >= 6
    assert found >= 0.9 * total


@pytest.mark.parametrize("seed", range(30))
def test_the_same_seed_finds_the_same_point(seed):
    problem = verify_cases.pixels(seed).problem
    first, second = (search(problem, (), Deadline.never(), 5) for _ in range(2))
    assert (first is None) == (second is None)
    assert first is None or np.array_equal(first, second)


def test_nothing_is_found_where_enumeration_finds_nothing():
    cases = [verify_cases.pixels(seed) for seed in range(40)]
    held = [case for case in cases if case.holds]
    assert held
    assert all(search(case.problem, (), Deadline.never(), 0) is None for case in held)


def test_a_start_that_is_a_counterexample_is_taken():
    problem, broken = next(filter(None, map(rare, range(SEEDS))))
    witness = search(problem, [broken[-1]], Deadline.never(), 0, rounds=0)
    assert witness is not None and np.array_equal(witness, broken[-1])


def test_a_start_outside_the_box_is_drawn_into_it():
    problem, broken = next(filter(None, map(rare, range(SEEDS))))
    x0 = problem.query.x0.astype(np.int64)
    far = x0 + 2 * (broken[0] - x0)
    witness = search(problem, [far], Deadline.never(), 0, rounds=0)
    assert witness is not None and problem.query.contains(witness)


def wider(problem: Problem, eps: int) -> Problem:
    query = problem.query
    return Problem(problem.program, Robustness.around(query.x0, query.label, eps, None, 0, 255))


def test_the_smallest_radius_is_that_of_enumeration():
    checked = 0
    for case in filter(None, map(rare, range(SEEDS))):
        problem = wider(case[0], 12)
        witness = smallest(problem, Deadline.never(), 0)
        assert witness is not None and problem.first_violation(witness[None]) is not None
        checked += radius(problem, witness) == 1  # a counterexample of radius 1 exists, by enumeration
    assert checked >= 6


def test_nothing_is_searched_for_where_bounds_leave_nothing(monkeypatch):
    """Of y = (x, 9): 9 is first where x is below 9. Not a second search, nor one that finds what is there."""
    arrays = layers_of([[[1], [0]]], [[0, 9]], [0], [(0, 255)])
    program = FixedPointNetwork.from_bytes(content(arrays)).program

    def asked(eps):
        return Problem(program, Robustness.around(np.array([5]), 1, eps, None, 0, 255))

    found = solve(SMALLEST, asked(6), Deadline.never())
    assert found.verdict is Verdict.VIOLATED and found.witness is not None and found.witness.tolist() == [9]
    monkeypatch.setattr(attack, "smallest", lambda *_: pytest.fail("it searches"))
    assert solve(SMALLEST, asked(3), Deadline.never()).verdict is Verdict.UNKNOWN


def test_shrinking_never_loses_the_counterexample():
    problem, broken = next(filter(None, map(rare, range(SEEDS))))
    large = wider(problem, 40)
    far = np.clip(problem.query.x0 + 40 * (broken[0] - problem.query.x0), large.query.lo, large.query.hi)
    start = search(large, [far], Deadline.never(), 0)
    assert start is not None
    for least in (1, 5):
        end = shrink(large, start, Deadline.never(), 0, least)
        assert large.first_violation(end[None]) is not None
        assert radius(large, end) <= radius(large, start)
    assert radius(large, drawn(large, start)) <= radius(large, start)


def test_no_time_means_no_answer_and_no_loss():
    problem, broken = next(filter(None, map(rare, range(SEEDS))))
    assert search(problem, (), Deadline.in_s(0), 0) is None
    assert np.array_equal(shrink(problem, broken[0], Deadline.in_s(0), 0), broken[0])


def test_a_query_of_few_changes_is_refused():
    problem, _ = next(filter(None, map(rare, range(SEEDS))))
    few = Problem(problem.program, dataclasses.replace(problem.query, changes=2))
    with pytest.raises(CannotDecide):
        search(few, (), Deadline.never(), 0)


def test_a_smaller_radius_keeps_masked_features_masked():
    query = Robustness.around(np.array([10, 20, 30]), 0, 9, np.array([True, False, True]), 0, 255)
    problem = wider(next(filter(None, map(rare, range(SEEDS))))[0], 1)
    masked = dataclasses.replace(problem.query, lo=problem.query.x0.astype(np.int64))
    smaller = within(Problem(problem.program, masked), 0).query
    assert np.array_equal(smaller.lo, smaller.hi)
    assert query.lo[1] == query.hi[1] == 20


def steady(n: int, hi: int) -> Problem:
    """A network that always answers 0, and a box of (2 hi + 1)**n inputs."""
    weights = np.zeros((2, n), np.int64)
    weights[1] = 1
    rule = Requantize(np.array([1 << 30]), np.array([0]), Rounding.DOUBLE, 0, -128, 127)
    program = Program(
        n,
        (
            Affine((Term(0, Dense(weights), 0),), np.array([200, 0])),
            Staircase(1, rule, np.zeros(2, np.int64)),
        ),
        2,
    )
    return Problem(program, Robustness.around(np.zeros(n, np.int64), 0, hi))


@pytest.mark.parametrize("changes", [None, 2])
def test_alone_it_goes_on_until_its_time_is_over_and_in_auto_it_does_not(changes):
    base = steady(6, 9)
    problem = Problem(base.program, dataclasses.replace(base.query, changes=changes and 6))
    start = time.monotonic()
    outcome = solve("attack", problem, Deadline.in_s(2))
    assert time.monotonic() - start > 1.9
    assert (outcome.verdict, outcome.note) == (
        Verdict.UNKNOWN,
        "no counterexample found in the time given",
    )
    start = time.monotonic()
    outcome = solve(BY_ROUNDS, problem, Deadline.in_s(60))
    assert time.monotonic() - start < 30
    assert (outcome.verdict, outcome.note) == (Verdict.UNKNOWN, "no counterexample found")
    assert portfolio.asked_as("attack") == BY_ROUNDS
    assert portfolio.asked_as("z3") == "z3"


def test_of_a_small_region_all_is_run_and_no_more():
    start = time.monotonic()
    outcome = solve("attack", steady(3, 3), Deadline.in_s(60))
    assert time.monotonic() - start < 30
    assert outcome.verdict is Verdict.UNKNOWN
    assert "all inputs were run" in outcome.note


def test_without_a_deadline_it_ends_after_its_rounds():
    assert solve("attack", steady(6, 9), Deadline.never()).verdict is Verdict.UNKNOWN


def test_every_turn_has_other_starts(monkeypatch):
    """By the first number that each draws; the first turn is that of a search without more."""
    drawn = []
    monkeypatch.setattr(
        search_module, "shoot", lambda runner, rng, times: drawn.append((times, rng.integers(1 << 60)))
    )
    search(steady(6, 9), (), Deadline.in_s(0.5), 3, rounds=1, again=True)
    alone = list(drawn)
    drawn.clear()
    search(steady(6, 9), (), Deadline.in_s(0.5), 3, rounds=1)
    assert drawn == alone[:1]
    assert len(alone) > 2
    assert [times for times, _ in alone] == list(range(1, len(alone) + 1))
    assert len({number for _, number in alone}) == len(alone)
