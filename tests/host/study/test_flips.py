"""Inputs whose class changes with the protected features alone, against all assignments."""

from __future__ import annotations

import itertools

import numpy as np

from coverify.study.flips import MOST, SAMPLED, assignments, flipped


def test_all_assignments_are_tried_where_they_are_few():
    tried, complete = assignments([range(3, 259), (7, 9)], 0)
    assert complete and len(tried) == 512 <= MOST
    assert {tuple(row) for row in tried.tolist()} == set(itertools.product(range(3, 259), (7, 9)))


def test_of_many_assignments_a_sample_is_tried_the_same_for_a_seed():
    choices = [range(10, 200)] * 40
    tried, complete = assignments(choices, 5)
    assert not complete and tried.shape == (SAMPLED, 40)
    assert tried.min() == 10 and tried.max() == 199
    assert np.array_equal(tried, assignments(choices, 5)[0])
    assert not np.array_equal(tried, assignments(choices, 6)[0])


def test_an_input_that_any_value_flips_is_counted():
    def classes(x):
        return (x.sum(axis=1) == 50).astype(np.int64)

    inputs = np.array([[20, 0], [40, 10], [60, 0], [0, 0]])
    tried, _ = assignments([range(0, 41)], 0)
    assert flipped(classes, inputs, (1,), tried) == 2  # [20, 30] and [40, 10], whose own value alone gives 1


def test_the_input_itself_is_one_of_what_is_compared():
    inputs = np.array([[3, 5], [3, 6]])
    assert flipped(lambda x: (x[:, 1] == 5).astype(np.int64), inputs, (1,), np.array([[0], [9]])) == 1
