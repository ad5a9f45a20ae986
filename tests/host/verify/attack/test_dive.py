"""The linear program around a point holds it; dives end in the box, and closer than moves of features."""

from __future__ import annotations

import numpy as np
import pytest

from coverify.verify.attack import region
from coverify.verify.attack.coordinates import polish
from coverify.verify.attack.dive import dive
from coverify.verify.attack.region import Regions
from coverify.verify.attack.runner import Found
from coverify.verify.attack.search import Attack, search
from coverify.verify.deadline import Deadline
from coverify.verify.fixed_point import FixedPointNetwork
from coverify.verify.problem import Problem
from coverify.verify.query import Robustness
from fixed_point_networks import content, layers_of
from verify_cases import wide_stairs

pytest.importorskip("highspy")


def attack(of: Problem) -> Attack:
    return Attack.of(of, Deadline.never(), 0)


@pytest.mark.parametrize("seed", range(40))
def test_the_program_around_a_point_holds_it(seed, monkeypatch):
    monkeypatch.setattr(region, "_ROUNDING", 0.0)
    rng = np.random.default_rng(seed)
    hidden = tuple(int(k) for k in rng.integers(2, 9, int(rng.integers(1, 3))))
    one = wide_stairs(seed, hidden, int(rng.choice([1, 2, 7, 30])), 12, int(rng.integers(1, 40)))
    runner = attack(one).runner
    regions = Regions.of(runner)
    for x in rng.integers(runner.lo, runner.hi + 1, (5, 12)):
        wires = one.wires(x[None])
        for rival in runner.score.rivals.tolist():
            assert regions is not None
            around = regions.around(x, rival)
            assert around.solved()
            score = float(runner.score.of_rows(wires, np.array([rival]))[0])
            assert around.score >= score - 1e-6 * max(1.0, abs(score))


@pytest.mark.parametrize("seed", range(40))
def test_what_a_score_aims_at_is_what_it_measures(seed):
    runner = attack(wide_stairs(seed, (5,), 7, 12, 20)).runner
    rng = np.random.default_rng(seed)
    for x in rng.integers(runner.lo, runner.hi + 1, (5, 12)):
        wires = runner.problem.wires(x[None])
        values = wires[runner.score.wire][0]
        for j in runner.score.rivals.tolist():
            least, most = runner.score.aims(j, int(values[j]), int(values[runner.score.label]))
            assert most is not None
            score = runner.score.of_rows(wires, np.array([j]))[0]
            assert score == min(values[j] - least, most - values[runner.score.label])
            if max(abs(least), abs(most)) < 1 << 40:  # else a logit's end, which is no stair
                rise = int(j > runner.score.label)
                assert logit(least) - logit(most) >= rise > logit(least - 1) - logit(most)
                assert rise > logit(least) - logit(most + 1)


def logit(acc: int) -> int:
    """Of the networks of `wide_stairs` with stairs up to 7, whose last shift is 4."""
    return max(-8, min(7, (acc + 8) // 16))


def polished(one: Attack, x: np.ndarray, rival: int) -> float:
    """The score after moves of features, 0 at a counterexample."""
    try:
        return polish(one.near, one.runner, one.stairs, x, rival, 40)[1]
    except Found:
        return 0.0


def test_a_dive_comes_closer_than_moves_of_features():
    """Of a hundred stairs, from the base input."""
    gains = list[float]()
    for seed in range(8):
        one = attack(wide_stairs(seed, (100,), 15, 784, 1))
        regions, base = Regions.of(one.runner), one.runner.problem.query.x0.astype(np.int64)
        rival = int(one.runner.score.rivals[0])
        assert regions is not None
        found = dive(regions, base, rival, np.random.default_rng(0))
        assert found is not None
        gains.append(polished(one, found, rival) - polished(one, base, rival))
    assert min(gains) > 0


@pytest.mark.parametrize("seed", range(12))
def test_a_dive_ends_in_the_box(seed):
    one = attack(wide_stairs(seed, (20,), 7, 60, 30))
    regions, rng = Regions.of(one.runner), np.random.default_rng(seed)
    assert regions is not None
    x = rng.integers(one.runner.lo, one.runner.hi + 1)
    found = dive(regions, x, int(one.runner.score.rivals[0]), rng)
    assert found is not None
    assert np.all((one.runner.lo <= found) & (found <= one.runner.hi))


def test_without_highs_the_search_goes_on(monkeypatch):
    monkeypatch.setattr(region, "available", lambda: False)
    assert Regions.of(attack(wide_stairs(0, (5,), 7, 12, 20)).runner) is None
    assert search(wide_stairs(1, (5,), 7, 12, 100), (), Deadline.never(), 0) is not None


@pytest.mark.parametrize(("big", "top"), [(0, 7), (7, 0)])
def test_networks_whose_stairs_are_constant_are_searched(big, top):
    rng = np.random.default_rng(0)
    weights = [rng.integers(-big, big + 1, (5, 12)), rng.integers(-7, 8, (4, 5))]
    biases = [rng.integers(-99, 100, 5), rng.integers(-9, 10, 4)]
    arrays = layers_of(weights, biases, [3, 2], [(0, top), (-8, 7)])
    program = FixedPointNetwork.from_bytes(content(arrays)).program
    for label in range(4):
        of = Problem(program, Robustness.around(np.full(12, 99), label, 3, None, 0, 255))
        try:
            one = attack(of)
            one.begin([])
            one.round(0)
        except Found as found:
            assert of.first_violation(found.x[None]) is not None
