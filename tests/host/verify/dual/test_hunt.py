"""The attack in turns with a proof, on networks whose counterexamples are known by enumeration."""

import dataclasses

import numpy as np
import pytest

from coverify.verify.deadline import Deadline
from coverify.verify.dual import hunt
from coverify.verify.dual.hunt import Hunt
from coverify.verify.fixed_point import FixedPointNetwork
from coverify.verify.problem import Problem
from coverify.verify.query import Robustness
from fixed_point_networks import content, layers_of, outputs, points


@pytest.fixture
def corner() -> tuple[dict, Problem]:
    """Label 1 falls behind label 0 only at the upper corner: ten inputs, added, less 50 are 10 only there."""
    w = np.stack([np.ones(10, np.int64), np.zeros(10, np.int64)])
    arrays = layers_of([w], [[-50, 10]], [0], [(0, 127)])
    x0 = np.full(10, 5)
    program = FixedPointNetwork.from_bytes(content(arrays)).program
    return arrays, Problem(program, Robustness.around(x0, 1, 1, None, 0, 255))


def test_a_turn_finds_the_only_counterexample(corner, monkeypatch):
    arrays, problem = corner
    x = points(np.full(10, 5), 1)
    broken = x[outputs(arrays, x).argmax(axis=1) != 1]
    monkeypatch.setattr(hunt, "SHARE", 1e9)
    one = Hunt(problem, Deadline.in_s(60), 0)
    one.note(np.full(10, 5.0))
    assert one.turn().tolist() in broken.tolist()
    assert broken.tolist() == [[6] * 10]


def test_no_turn_is_taken_before_its_share_of_the_time_has_come(corner, monkeypatch):
    monkeypatch.setattr(hunt, "SHARE", 0.0)
    assert Hunt(corner[1], Deadline.in_s(60), 0).turn() is None


def test_a_query_that_allows_few_changes_is_left_alone(corner, monkeypatch):
    monkeypatch.setattr(hunt, "SHARE", 1e9)
    query = dataclasses.replace(corner[1].query, changes=3)
    one = Hunt(Problem(corner[1].program, query), Deadline.in_s(60), 0)
    assert one.turn() is None
    assert one.turn() is None
