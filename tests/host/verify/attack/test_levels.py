"""Levels of an input are reached, and no cut refuses them; a score of levels is that of what was run."""

from __future__ import annotations

import numpy as np
import pytest

from coverify.verify.attack import reachable, region
from coverify.verify.attack.levels import LevelSearch
from coverify.verify.attack.reachable import Reachable
from coverify.verify.attack.runner import Found
from coverify.verify.attack.search import Attack, search
from coverify.verify.deadline import Deadline
from verify_cases import wide_stairs

pytest.importorskip("highspy")

NONE = np.zeros(0, np.int64)


def of(seed: int, hidden: tuple[int, ...], top: int, n: int, eps: int) -> tuple[Attack, Reachable]:
    one = Attack.of(wide_stairs(seed, hidden, top, n, eps), Deadline.never(), 0)
    reach = Reachable.of(one.runner, np.random.default_rng(seed))
    assert reach is not None
    return one, reach


def levels(one: Attack, x: np.ndarray) -> np.ndarray:
    return one.runner.problem.wires(x)[2]


def excess(reach: Reachable, level: np.ndarray) -> float:
    return float(reach.excess(level, NONE, NONE, np.zeros((1, 0), np.int64))[0])


@pytest.mark.parametrize("seed", range(20))
def test_levels_of_an_input_are_reached_and_never_refused(seed, monkeypatch):
    monkeypatch.setattr(region, "_ROUNDING", 0.0)
    rng = np.random.default_rng(seed)
    one, reach = of(seed, (int(rng.integers(3, 12)), 5), int(rng.choice([1, 7, 30])), 12, 20)
    lo, hi = one.runner.lo, one.runner.hi
    had = levels(one, rng.integers(lo, hi + 1, (30, 12)))
    for level in rng.integers(reach.least, reach.most + 1, (30, len(reach.least))):
        x = reach.input(level)
        if x is not None:
            assert np.all((lo - 1e-6 <= x) & (x <= hi + 1e-6))
            acc, at = reach.weights @ x + reach.bias, (np.arange(len(level)), level - reach.first)
            assert np.all((reach.lower[at] - 1e-2 <= acc) & (acc <= reach.upper[at] + 1e-2))
    assert all(excess(reach, level) <= 1e-6 for level in had)
    assert all(reach.input(level) is not None for level in had)


def test_cuts_refuse_what_no_input_reaches():
    one, reach = of(0, (30,), 7, 60, 5)
    rng, refused = np.random.default_rng(0), 0
    base = levels(one, one.runner.problem.query.x0[None].astype(np.int64))[0]
    for _ in range(50):
        level = np.clip(base + rng.integers(-1, 2, 30), reach.least, reach.most)
        if reach.input(level) is None:
            refused += 1
            assert excess(reach, level) > 0
    assert refused


@pytest.mark.parametrize("seed", range(10))
def test_changes_together_exceed_what_the_changed_levels_do(seed):
    one, reach = of(seed, (20,), 7, 60, 10)
    rng = np.random.default_rng(seed)
    for level in rng.integers(reach.least, reach.most + 1, (20, 20)):
        reach.input(level)
    level = levels(one, one.runner.problem.query.x0[None].astype(np.int64))[0]
    stair = np.flatnonzero(level < reach.most)[:6]
    groups = np.array([[a, b] for a in range(len(stair) + 1) for b in range(a + 1, len(stair) + 1)])
    together = reach.excess(level, stair, np.ones(len(stair), np.int64), groups)
    for group, value in zip(groups, together, strict=True):
        changed = level.copy()
        changed[stair[group[group < len(stair)]]] += 1
        assert value == pytest.approx(excess(reach, changed), abs=1e-6)


@pytest.mark.parametrize("seed", range(10))
def test_rounded_inputs_stay_in_the_box_and_on_their_levels(seed):
    one, reach = of(seed, (40,), 7, 400, 20)
    x = np.random.default_rng(seed).integers(one.runner.lo, one.runner.hi + 1, (1, 400))
    level = levels(one, x)[0]
    found = reach.input(level)
    if found is not None:  # with margins, not all levels of inputs are
        whole = reach.rounded(found, level)
        assert np.all((one.runner.lo <= whole) & (whole <= one.runner.hi))
        assert np.array_equal(levels(one, whole[None])[0], level)


@pytest.mark.parametrize("hidden", [(40,), (30, 12)])
def test_a_search_of_levels_gains_and_its_scores_are_of_what_was_run(hidden):
    gained = 0
    for seed in range(6):
        one, reach = of(seed, hidden, 7, 400, 8)
        base = one.runner.problem.query.x0.astype(np.int64)
        rival = int(one.runner.score.rivals[0])
        start = best = float(one.runner.score.of_rows(one.runner.run(base[None]), np.array([rival]))[0])
        steps = LevelSearch(reach, rival, np.random.default_rng(0), levels(one, base[None])[0], start)
        try:
            for _ in range(10):
                found = steps.step()
                if found is not None:
                    wires = one.runner.problem.wires(found[0][None])
                    assert found[1] == one.runner.score.of_rows(wires, np.array([rival]))[0]
                    best = max(best, found[1])
        except Found as broken:
            assert one.runner.problem.first_violation(broken.x[None]) is not None
            best = 0.0
        gained += best > start
    assert gained == 6


def test_programs_without_a_dense_first_layer_and_stairs_between_have_none():
    one = Attack.of(wide_stairs(0, (), 7, 12, 20), Deadline.never(), 0)
    assert Reachable.of(one.runner, np.random.default_rng(0)) is None


def test_without_highs_the_search_goes_on(monkeypatch):
    monkeypatch.setattr(reachable, "available", lambda: False)
    assert search(wide_stairs(1, (5,), 7, 12, 100), (), Deadline.never(), 0) is not None
