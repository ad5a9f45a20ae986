"""Bounds over all cases of some stairs at once, against every combination of signs, one by one.

`Signs.bound` proposes d and evaluates; the checker's `greatest`, which shares no code with it, gives the same
number for it, and refuses d that are too small.
"""

from itertools import product

import numpy as np
import pytest

from coverify.check import Rejected
from coverify.check.squares import greatest, positive
from coverify.verify.dual.squares import Signs


def random_signs(seed: int) -> Signs:
    rng = np.random.default_rng(seed)
    m, n = int(rng.integers(0, 6)), int(rng.integers(1, 9))
    lo = rng.integers(-50, 50, n)
    return Signs(
        rng.integers(-(2**10), 2**10, (1 + m, n)),
        rng.integers(-(2**12), 2**12, 1 + m),
        lo,
        lo + rng.integers(0, 20, n),
    )


def truth(signs: Signs) -> float:
    """Four times the form, at its greatest over all signs: x · (2 l + B (lo + hi)) + |x · B| · (hi − lo)."""
    best = -np.inf
    for tail in product((-1, 1), repeat=len(signs.constants) - 1):
        x = np.array((1, *tail))
        g = x @ signs.forms
        best = max(
            best, 2 * (x @ signs.constants) + g @ (signs.lo + signs.hi) + np.abs(g) @ (signs.hi - signs.lo)
        )
    return best / 4


def spare(h: np.ndarray) -> np.ndarray:
    """Some d: every row's magnitudes, so that the diagonal dominates."""
    return np.abs(h).sum(axis=1)


@pytest.mark.parametrize("seed", range(60))
def test_the_bound_is_no_less_than_any_combination_of_cases_and_the_checker_finds_the_same(seed):
    signs = random_signs(seed)
    p = np.random.default_rng(seed).integers(2**12, 2**18, len(signs.lo))
    bound, d = signs.bound(p, spare)
    assert bound >= np.floor(truth(signs))
    assert greatest(signs.forms, signs.constants, np.stack([signs.lo, signs.hi]), p, d) == bound


@pytest.mark.parametrize("seed", range(60))
def test_the_checker_refuses_every_d_whose_bound_would_be_false(seed):
    signs = random_signs(seed)
    p = np.random.default_rng(seed).integers(2**12, 2**18, len(signs.lo))
    _, d = signs.bound(p, spare)
    box = np.stack([signs.lo, signs.hi])
    for share in (0.0, 0.25, 0.5, 0.75, 0.9, 0.99):
        less = np.rint(d * share).astype(np.int64)
        try:
            found = greatest(signs.forms, signs.constants, box, p, less)
        except Rejected:
            continue
        assert found >= np.floor(truth(signs))


@pytest.mark.parametrize("seed", range(200))
def test_a_matrix_with_a_negative_direction_is_never_seen_as_positive(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 7))
    a = rng.integers(-(2 ** int(rng.integers(1, 58))), 2 ** int(rng.integers(1, 58)), (n, n))
    matrix = (a + a.T) // 2
    x = rng.integers(-3, 4, n).astype(object)
    if x @ matrix.astype(object) @ x < 0:
        assert not positive(matrix)
    assert positive(np.eye(n, dtype=np.int64) * 2**50)
