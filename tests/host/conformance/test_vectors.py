"""Generated inputs: corners first, then bytes that depend on seed and number alone."""

import numpy as np

from coverify.conformance.vectors import CORNERS, vectors


def test_the_first_vectors_are_the_corners():
    x = vectors((2, 3), 4, seed=1, zero_point=-7)
    assert [set(one.reshape(-1).tolist()) for one in x] == [{-128}, {127}, {-7}, {-128, 127}]


def test_a_vector_does_not_depend_on_how_many_are_asked_for():
    np.testing.assert_array_equal(vectors((9,), 20, 5, 0)[:10], vectors((9,), 10, 5, 0))


def test_seeds_give_different_vectors_and_the_values_fill_int8():
    a, b = vectors((4096,), CORNERS + 1, 1, 0)[-1], vectors((4096,), CORNERS + 1, 2, 0)[-1]
    assert not np.array_equal(a, b)
    assert len(np.unique(a)) == 256
