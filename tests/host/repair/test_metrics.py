"""The seven metrics of fault localization. Expected: worked by hand from the papers' formulas."""

import math

import numpy as np
import pytest

from coverify.repair.cases import Cases, Fitness
from coverify.repair.metrics import METRICS, ranked
from coverify.repair.spectrum import Spectrum


def spectrum(*neurons):
    """Each neuron as (activated failing, silent failing, activated passing, silent passing)."""
    return Spectrum(*(np.array(column) for column in zip(*neurons, strict=True)))


# f = 3, F = 1, s = 2, S = 4
BY_HAND = {
    "tarantula": (3 / 4) / (3 / 4 + 2 / 6),  # 9/13
    "ochiai": 3 / math.sqrt(4 * 5),
    "dstar": 9 / 3,
    "jaccard": 3 / 6,
    "ample": 3 / 4 - 2 / 6,
    "euclid": math.sqrt(7),
    "wong3": 1.0,
}


@pytest.mark.parametrize("metric", METRICS)
def test_a_metric_is_its_formula(metric):
    assert METRICS[metric](spectrum((3, 1, 2, 4)))[0] == pytest.approx(BY_HAND[metric], rel=1e-12)


# f = 1, F = 2, s = 3, S = 0: more passing tests activate it than failing ones
AGAINST = {
    "tarantula": (1 / 3) / (1 / 3 + 3 / 3),  # 1/4
    "ochiai": 1 / math.sqrt(3 * 4),
    "dstar": 1 / 5,
    "jaccard": 1 / 6,
    "ample": 3 / 3 - 1 / 3,
    "euclid": 1.0,
    "wong3": 1 - 2.1,
}


@pytest.mark.parametrize("metric", METRICS)
def test_a_metric_is_its_formula_where_passing_tests_speak_against_the_neuron(metric):
    assert METRICS[metric](spectrum((1, 2, 3, 0)))[0] == pytest.approx(AGAINST[metric], rel=1e-12)


@pytest.mark.parametrize(("s", "h"), [(0, 0), (2, 2), (3, 2.1), (6, 2.4), (10, 2.8), (11, 2.801), (20, 2.81)])
def test_wong3_counts_passing_tests_less_the_more_there_are(s, h):
    assert METRICS["wong3"](spectrum((5, 0, s, 7)))[0] == pytest.approx(5 - h)


@pytest.mark.parametrize("metric", METRICS)
def test_a_neuron_that_no_test_activates_gets_a_number(metric):
    found = METRICS[metric](spectrum((0, 0, 0, 0), (0, 3, 0, 5)))
    assert np.all(np.isfinite(found))
    assert found[0] == 0
    assert found[1] == pytest.approx({"euclid": math.sqrt(5)}.get(metric, 0.0))


def test_a_neuron_beyond_doubt_is_the_first_of_dstar():
    order, scores = ranked("dstar", spectrum((2, 0, 1, 3), (2, 0, 0, 4)), 0)
    assert order.tolist() == [1, 0]
    assert scores[1] == math.inf


def test_equal_neurons_stand_in_their_order():
    order, _ = ranked("ochiai", spectrum((1, 1, 1, 1), (2, 0, 1, 1), (1, 1, 1, 1)), 0)
    assert order.tolist() == [1, 0, 2]


def test_random_is_a_permutation_that_the_seed_decides():
    many = spectrum(*[(1, 1, 1, 1)] * 50)
    first, again, other = (ranked("random", many, seed)[0].tolist() for seed in (3, 3, 4))
    assert first == again != other
    assert sorted(first) == list(range(50))


def test_counts_are_taken_from_failing_and_passing_tests_alone():
    activated = np.array([[1, 0], [1, 1], [0, 1], [1, 1], [0, 0]], bool)
    cases = Cases(np.array([2, 2, 0, -1, 1]), np.array([True, False, False, False, True]))
    found = Spectrum.of(activated, cases)
    # tests 0 and 4 fail, 1 and 2 pass, 3 says nothing
    assert found.activated_failing.tolist() == [1, 0]
    assert found.silent_failing.tolist() == [1, 2]
    assert found.activated_passing.tolist() == [1, 2]
    assert found.silent_passing.tolist() == [1, 0]


def test_without_labels_a_test_fails_where_the_networks_differ():
    cases = Cases.of(np.array([1, 2, 3]), np.array([1, 0, 3]), None)
    assert cases.failing.tolist() == [False, True, False]
    assert cases.wanted.tolist() == [1, 0, 3]


def test_with_labels_a_test_fails_only_where_the_float_network_is_right():
    ours, original, labels = np.array([1, 2, 0, 2]), np.array([1, 0, 3, 1]), np.array([1, 0, 2, 2])
    cases = Cases.of(ours, original, labels)
    assert cases.failing.tolist() == [False, True, False, False]
    assert cases.wanted.tolist() == [1, 0, -1, 2]  # both wrong: nothing is wanted; int8 alone right: it stays
    assert cases.passing.tolist() == [True, False, False, True]


def test_fitness_counts_agreement_and_right_classes():
    found = Fitness.of(np.array([1, 2, 0]), np.array([1, 2, 2]), np.array([0, 2, 0]))
    assert (found.n, found.agreeing, found.right) == (3, 2, 2)
