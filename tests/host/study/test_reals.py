"""Float networks over the reals: arithmetic against fractions, verdicts against Z3 on rationals."""

from __future__ import annotations

import dataclasses
import functools
import os
from fractions import Fraction

import numpy as np
import pytest

from coverify.study.float_network import FloatLayer, FloatNetwork
from coverify.study.reals import decide as deciding
from coverify.study.reals.bound import Range, Region, intervals, proved, rounded_down
from coverify.study.reals.decide import RealBox, decide
from coverify.study.reals.decider import Decider, breaks
from coverify.study.reals.exact import ExactNetwork, dyadic
from coverify.study.reals.relaxation import Relaxation
from coverify.verify.deadline import Deadline
from coverify.verify.query import Verdict
from real_networks import holds, outputs, random_network

CASES = int(os.environ.get("COVERIFY_FUZZ_CASES", "24"))
SIZES = ((3, 4, 3), (2, 5, 4, 3), (4, 6, 2), (3, 1, 2), (2, 3, 3, 3, 2), (3, 3))
ENDS = ((0.0, 1.0), (-1.0, 1.0), (-0.1, 0.7))


@functools.cache
def truth(seed: int) -> bool:
    """Does the box of a case hold, by Z3?"""
    network, _, ends, box = case(seed)
    return holds(network, box.x0, box.eps, box.label, *ends)


@pytest.fixture(autouse=True)
def _solver():
    pytest.importorskip("highspy", reason="highspy is not installed")


def case(seed: int) -> tuple[FloatNetwork, ExactNetwork, tuple[float, float], RealBox]:
    network = random_network(seed, SIZES[seed % len(SIZES)], (1.0, 3.0)[seed % 5 > 1])
    ends = ENDS[seed % 3]
    exact, rng = ExactNetwork.of(network, *ends), np.random.default_rng(seed)
    x0 = rng.integers(0, 256, network.n_input)
    box = RealBox(x0, int(rng.choice([8, 30, 90, 255])), exact.predicted(x0.astype(float)))
    return network, exact, ends, box


def test_floats_are_integers_over_powers_of_two():
    values = np.array([0.1, -3.0, 0.0, 1e-310, 2.0**70, 5e-324, -0.75, 1 / 3])
    integers, k = dyadic(values)
    assert [Fraction(int(i), 1 << k) for i in integers] == [Fraction(v) for v in values]


@pytest.mark.parametrize("seed", range(12))
def test_classes_are_those_of_exact_outputs_also_where_floats_do_not_tell(seed):
    network, exact, ends, _ = case(seed)
    x = np.random.default_rng(seed).integers(0, 256, (700, network.n_input))
    assert exact.classes(x).tolist() == [exact.predicted(row) for row in x.astype(float)]
    last = network.layers[-1]
    rows = np.repeat(last.weights[:1], 2, axis=0)
    near = last.bias[0] + np.array([0, 2.0**-50])  # less than the roundings of the sums before
    tied = dataclasses.replace(network, layers=(*network.layers[:-1], FloatLayer(rows, near)))
    assert ExactNetwork.of(tied, *ends).classes(x).tolist() == [1] * 700


@pytest.mark.parametrize("seed", range(12))
def test_outputs_are_those_of_fractions_up_to_one_factor(seed):
    network, exact, ends, box = case(seed)
    point = np.random.default_rng(seed).uniform(0, 255, network.n_input)
    for x in (box.x0.astype(float), point):
        want, got = outputs(network, x, *ends), exact.outputs(x)
        factors = {Fraction(g) / w for g, w in zip(got, want, strict=True)}
        assert len(factors) == 1 and factors.pop() > 0
        assert exact.predicted(x) == want.index(max(want))
        near = exact.nearly(x[None])[0]
        assert np.allclose(near, [255 * float(v) for v in want], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("seed", range(12))
def test_whatever_the_multipliers_a_bound_is_below_every_point(seed):
    network, exact, ends, box = case(seed)
    rng = np.random.default_rng(seed)
    region = Region(box.inputs)
    for _ in network.layers[:-1]:
        region = Region(region.inputs, (*region.sums, intervals(exact, region)))
    points = [rng.uniform(box.inputs.lo, box.inputs.hi) for _ in range(8)]
    points += [np.where(rng.random(network.n_input) < 0.5, box.inputs.lo, box.inputs.hi) for _ in range(8)]
    aim = np.array([int(v) for v in rng.integers(-3, 4, network.n_output)], object)
    least = min(
        255 * sum(a * v for a, v in zip(aim, outputs(network, x, *ends), strict=True)) for x in points
    )
    for scale in (0.0, 0.3, 3.0):
        multipliers = [rng.normal(0, scale, len(sums.lo)) for sums in region.sums]
        bound = proved(exact, region, aim, multipliers)
        assert bound <= least
        assert rounded_down(bound) <= bound
        assert proved(exact, region, aim * 0, multipliers) <= 0  # the box is not empty


def test_the_multipliers_of_the_linear_program_give_its_optimum():
    network, exact, _, box = case(1)
    region = Region(dataclasses.replace(box, eps=40).inputs)
    while len(region.sums) < len(network.layers) - 1:
        region = Region(region.inputs, (*region.sums, intervals(exact, region)))
    aim = np.array([1, -1, 0], object)
    relaxed = Relaxation(exact, region).least(aim.astype(float), Deadline.in_s(10))
    assert float(proved(exact, region, aim, relaxed.multipliers)) == pytest.approx(relaxed.least, abs=1e-5)


def test_a_part_without_points_is_proved_empty():
    # z0 = x, z1 = −x: both cannot be above 0
    layers = (
        FloatLayer(np.array([[1.0], [-1.0]]), np.array([-0.5, 0.45])),
        FloatLayer(np.eye(2), np.zeros(2)),
    )
    exact = ExactNetwork.of(FloatNetwork("hand", layers))
    whole = intervals(exact, Region(Range(np.zeros(1), np.full(1, 255.0))))
    region = Region(Range(np.zeros(1), np.full(1, 255.0)), (whole,))
    relaxation = Relaxation(exact, region)
    both_on = Region(region.inputs, (Range(np.zeros(2), whole.hi),))
    relaxation.narrow(both_on)
    relaxed = relaxation.least(np.array([1.0, -1.0]), Deadline.in_s(10))
    assert relaxed.least is None
    assert proved(exact, both_on, np.array([0, 0], object), relaxed.multipliers) > 0
    relaxation.narrow(region)
    assert relaxation.least(np.array([1.0, -1.0]), Deadline.in_s(10)).least is not None


def test_verdicts_on_random_networks_are_those_of_z3_on_rationals():
    said: dict[tuple[Verdict, bool], int] = {}
    for seed in range(CASES):
        network, exact, ends, box = case(seed)
        found = decide(exact, box, 20, seed)
        assert found.verdict is not Verdict.UNKNOWN, (seed, found.note)
        assert (found.verdict is Verdict.HOLDS) == truth(seed), seed
        if found.point is not None:
            assert np.all(np.abs(found.point - box.x0) <= box.eps)
            values = outputs(network, found.point, *ends)
            assert values.index(max(values)) != box.label
        split = found.cases > network.n_output - 1
        said[found.verdict, split] = said.get((found.verdict, split), 0) + 1
    assert said[Verdict.HOLDS, False] > 3 and said[Verdict.VIOLATED, False] > 3
    assert said.get((Verdict.HOLDS, True), 0) > 0, "no case was split: choose other networks"


@pytest.mark.parametrize(("label", "want"), [(0, Verdict.HOLDS), (1, Verdict.VIOLATED)])
def test_ties_go_to_the_first_of_two_equal_outputs(label, want):
    same = FloatLayer(np.array([[0.1, 0.2], [0.1, 0.2]]), np.array([0.3, 0.3]))
    hidden = FloatLayer(np.array([[0.7, -0.2], [0.1, 0.9]]), np.array([-0.3, 0.1]))
    exact = ExactNetwork.of(FloatNetwork("ties", (hidden, same)))
    assert decide(exact, RealBox(np.array([100, 100]), 60, label), 10).verdict is want


def test_a_margin_that_touches_zero_at_one_point_is_not_proved_away():
    # label 1 wins but where x = 255, where the first class ties with it: a tie goes to the first
    layers = (FloatLayer(np.array([[1.0], [0.0]]), np.array([0.0, 1.0])),)
    exact = ExactNetwork.of(FloatNetwork("touching", layers))
    assert decide(exact, RealBox(np.array([250]), 4, 1), 10).verdict is Verdict.HOLDS
    assert decide(exact, RealBox(np.array([250]), 5, 1), 10).verdict is not Verdict.HOLDS


@pytest.mark.parametrize("lie", ["multipliers", "optimum"])
def test_a_solver_that_lies_makes_no_verdict_wrong(lie, monkeypatch):
    class Liar(Relaxation):
        def least(self, aim, deadline):
            said = super().least(aim, deadline)
            if lie == "optimum":
                return dataclasses.replace(said, least=1e3, point=self._root.inputs.lo)
            return dataclasses.replace(said, multipliers=[-3 * m for m in said.multipliers])

    monkeypatch.setattr(deciding, "Relaxation", Liar)
    n_broken = 0
    monkeypatch.setattr(deciding, "candidates", lambda *_: iter(()))
    for seed in range(14):
        _, exact, _, box = case(seed)
        if not truth(seed):
            n_broken += 1
            assert decide(exact, box, 10, seed).verdict is not Verdict.HOLDS
    assert n_broken > 2


def test_the_child_decides_as_its_parent_would_and_time_is_a_limit():
    _, exact, _, box = case(3)
    with Decider(exact) as decider:
        said = decider.decide(box, 20)
        assert said.verdict is decide(exact, box, 20).verdict is not Verdict.UNKNOWN
        assert (said.point is not None) == (said.verdict is Verdict.VIOLATED)
        assert said.point is None or breaks(exact, box, said.point)
        decider.stop()
        assert decider.decide(box, 20).verdict is Verdict.UNKNOWN
    wide = ExactNetwork.of(random_network(0, (200, 60, 60, 5), 6.0))
    late = decide(wide, RealBox(np.full(200, 128), 40, wide.predicted(np.full(200, 128.0))), 0.001)
    assert (late.verdict, late.note) == (Verdict.UNKNOWN, "out of time")
