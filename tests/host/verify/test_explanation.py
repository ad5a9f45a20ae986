"""What a HOLDS rests on: cores are held against brute force with everything else left free."""

import dataclasses

import numpy as np
import pytest

from coverify.verify.deadline import Deadline
from coverify.verify.explanation import explain
from coverify.verify.fixed_point import FixedPointNetwork
from coverify.verify.problem import Problem
from coverify.verify.query import Robustness
from fixed_point_networks import content, layers_of

X0 = np.array([100, 50])


def problem(weights, last, eps=3):
    """A network of two pixels and two hidden neurons whose outputs are `last` of them."""
    arrays = layers_of([weights, last], [[0, 0], [0, 0]], [0, 0], [(0, 600), (-600, 600)])
    program = FixedPointNetwork.from_bytes(content(arrays)).program
    return Problem(program, Robustness.around(X0, 0, eps, None, 0, 255))


def test_a_neuron_that_does_not_matter_is_not_named():
    """y0 = h0, y1 = 0: with h0 >= 0 by its operator's clamp alone the label 0 stays; nothing is needed."""
    explanation = explain(problem([[1, 0], [0, 1]], [[1, 0], [0, 0]]), Deadline.in_s(20))
    assert explanation.reasons == () and explanation.minimal


def test_bounds_are_named_where_they_suffice():
    """y0 = h0 = x0 in 97..103, y1 = h1 = x1 in 47..53: both bounds are needed, and no neuron's value."""
    explanation = explain(problem([[1, 0], [0, 1]], [[1, 0], [0, 1]]), Deadline.in_s(20))
    assert explanation.minimal
    assert {(r.what, r.element, r.lo, r.hi) for r in explanation.reasons} == {
        ("bounds", 0, 97, 103),
        ("bounds", 1, 47, 53),
    }


def test_values_and_ranges_are_named_where_bounds_do_not_suffice():
    """h0 = x0 + x1 is at least h1 = x1 whatever x1 is, but their bounds overlap: the values are needed, and
    nothing of the ranges, because pixels are 0 or more."""
    explanation = explain(problem([[1, 1], [0, 1]], [[1, 0], [0, 1]], eps=90), Deadline.in_s(20))
    named = {(r.what, r.element) for r in explanation.reasons}
    assert {("value", 0), ("value", 1)} <= named and not any(what == "range" for what, _ in named)


def test_what_does_not_hold_is_not_explained():
    explanation = explain(problem([[1, 0], [0, 1]], [[1, 0], [0, 1]], eps=90), Deadline.in_s(20))
    assert explanation.reasons is None and "does not hold" in explanation.summary()


@pytest.mark.parametrize("changes", [0, 1])
def test_few_changes_are_part_of_what_is_explained(changes):
    """x0 − x1 > 0 with eps 30: only where not both may move by 30."""
    whole = problem([[1, 0], [0, 1]], [[1, 0], [0, 1]], eps=30)
    query = dataclasses.replace(whole.query, changes=changes)
    explanation = explain(Problem(whole.program, query), Deadline.in_s(20))
    assert explanation.reasons is not None
