"""Newton's direction and the inverse it rests on, against dense matrices."""

import numpy as np
import pytest

from coverify.verify.dual import newton
from coverify.verify.dual.woodbury import Woodbury


def problem(seed: int, n: int = 30, m: int = 4, more: int = 3):
    """An inverse, z, a height, blocks whose whole is positive definite, and the large block twice: as it is,
    and with the rows' sums of what is not inverted.
    """
    rng = np.random.default_rng(seed)
    weights, e = rng.standard_normal((m, n)), rng.uniform(2, 4, n)
    curve = rng.uniform(0.1, 0.9, m)
    curve *= (
        0.8
        / np.linalg.eigvalsh((weights * np.sqrt(curve)[:, None] / e) @ (weights * np.sqrt(curve)[:, None]).T)[
            -1
        ]
    )
    inverse, height, z = Woodbury(weights, curve, e), 0.1, rng.uniform(-1, 1, n)
    c = np.linalg.inv(np.diag(e) - (weights.T * curve) @ weights)
    large = (2 * np.outer(z, z) + height * c) * c
    u = inverse.u
    rough = large + height * (np.diag(((u.T @ u) ** 2).sum(axis=1)) - (u.T @ u) ** 2)
    across = rng.standard_normal((n, more))
    small = across.T @ np.linalg.solve(large, across) + np.eye(more)
    return inverse, c, z, height, across, small, large, rough


@pytest.mark.parametrize("seed", range(4))
def test_the_inverse_is_that_of_the_whole_matrix(seed):
    inverse, c, *_ = problem(seed)
    rng = np.random.default_rng([seed, 1])
    weights = inverse.over * inverse.e
    linear = rng.standard_normal(len(c))
    np.testing.assert_allclose(np.diag(1 / inverse.e) + inverse.u.T @ inverse.u, c, atol=1e-9)
    np.testing.assert_allclose(inverse.times(linear), c @ linear, atol=1e-9)
    curve = inverse._root**2 if inverse._root.ndim == 1 else inverse._root @ inverse._root.T
    squared = Woodbury(weights, curve, inverse.e, linear)
    np.testing.assert_allclose(squared.square, linear @ c @ linear, rtol=1e-9)
    np.testing.assert_allclose((squared.edge, squared.logs), (inverse.edge, inverse.logs), rtol=1e-12)
    np.testing.assert_allclose(inverse.columns, c @ weights.T, atol=1e-9)
    np.testing.assert_allclose(inverse.rows, weights @ c @ weights.T, atol=1e-9)
    np.testing.assert_allclose(inverse.logs, -np.linalg.slogdet(c)[1], rtol=1e-9)


def test_what_has_no_positive_definite_matrix_is_refused():
    inverse, *_ = problem(0)
    with pytest.raises(np.linalg.LinAlgError):
        Woodbury(inverse.over * inverse.e, np.full(4, 100.0), inverse.e)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("whole", [False, True])
def test_a_direction_is_the_dense_solution(seed, whole, monkeypatch):
    monkeypatch.setattr(newton, "RESIDUE", 1e-10)
    inverse, _, z, height, across, small, large, rough = problem(seed)
    rng = np.random.default_rng([seed, 2])
    slope_e, slope = rng.standard_normal(30), rng.standard_normal(3)
    block = large if whole else rough
    dense = np.linalg.solve(np.block([[block, across], [across.T, small]]), -np.concatenate([slope_e, slope]))
    at = newton.Slopes(inverse, z, height, across, small, slope_e, slope)
    found = np.concatenate(newton.direction(at, whole))
    np.testing.assert_allclose(found, dense, atol=2e-3 * np.abs(dense).max())
    assert np.linalg.eigvalsh(rough - large)[0] > -1e-9  # never less than it


@pytest.mark.parametrize("whole", [False, True])
def test_a_direction_is_in_single_precision_under_numpy_2_too(whole):
    inverse, _, z, height, across, small, *_ = problem(0)
    rng = np.random.default_rng(3)
    at = newton.Slopes(inverse, z, height, across, small, rng.standard_normal(30), rng.standard_normal(3))
    assert [part.dtype for part in newton.direction(at, whole)] == [np.float32, np.float32]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("wide", [False, True])
def test_what_is_left_of_the_second_derivatives_is_that_of_dense_matrices(seed, wide, monkeypatch):
    inverse, _, z, height, across, small, large, rough = problem(seed)
    if wide:
        monkeypatch.setattr(newton, "MOST_INPUTS", len(z) - 1)
    block = rough if wide else large
    dense = np.linalg.inv(small - across.T @ np.linalg.solve(block, across))
    at = newton.Slopes(inverse, z, height, across, small, np.zeros(len(z)), np.zeros(len(small)))
    np.testing.assert_allclose(newton.lesser(at), dense, atol=0.02 * np.abs(dense).max())  # eased
