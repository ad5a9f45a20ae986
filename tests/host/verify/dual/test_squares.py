"""Bounds of a form of the input and of real y, less squares of y, against the corners of its box, one by one.

`Form.bound` proposes d_0 and evaluates; the checker's `greatest`, which shares no code with it, gives the
same number for it, and refuses every d_0 that is too small.
"""

from fractions import Fraction
from itertools import product

import numpy as np
import pytest

from coverify.check import Rejected
from coverify.check.squares import greatest, positive
from coverify.verify.dual.squares import SCALE, Form


def random_form(seed: int) -> tuple[Form, np.ndarray, np.ndarray]:
    """A form, d that leave its squares room, and weights."""
    rng = np.random.default_rng(seed)
    m, n = int(rng.integers(0, 6)), int(rng.integers(1, 7))
    lo = rng.integers(-50, 50, n)
    form = Form(
        2 * rng.integers(-(2**9), 2**9, (1 + m, n)),
        2 * rng.integers(-(2**11), 2**11, 1 + m),
        lo,
        lo + rng.integers(0, 20, n),
    )
    p = rng.integers(2**12, 2**18, n)
    h = np.abs((form.forms * ((form.hi - lo) * p)) @ form.forms.T)[1:, 1:]
    return form, 3 * h.sum(axis=1) + rng.integers(2**40, 2**44, m), p


def truth(form: Form, d: np.ndarray) -> Fraction:
    """The greatest value: it is convex in the input, and best in every y by itself."""
    best = None
    for corner in product(*zip(form.lo.tolist(), form.hi.tolist(), strict=True)):
        first, *rest = (form.constants + form.forms @ np.array(corner)).tolist()
        squares = (Fraction(s * s << SCALE, d_k) for s, d_k in zip(rest, d.tolist(), strict=True))
        value = Fraction(first, 2) + sum(squares)
        best = value if best is None else max(best, value)
    return best


@pytest.mark.parametrize("seed", range(60))
def test_the_bound_is_no_less_than_the_form_anywhere_and_the_checker_finds_the_same(seed):
    form, d, p = random_form(seed)
    bound, d0 = form.bound(p, d)
    assert bound >= np.floor(truth(form, d))
    box = np.stack([form.lo, form.hi])
    none = np.zeros((len(form.forms), len(form.forms)), np.int64)
    assert greatest(form.forms // 2, form.constants // 2, none, box, p, np.array([d0, *d])) == bound


@pytest.mark.parametrize("seed", range(60))
def test_the_checker_refuses_every_d_whose_bound_would_be_false(seed):
    form, d, p = random_form(seed)
    _, d0 = form.bound(p, d)
    box, true = np.stack([form.lo, form.hi]), np.floor(truth(form, d))
    none = np.zeros((len(form.forms), len(form.forms)), np.int64)
    for share in (0.0, 0.25, 0.5, 0.75, 0.9, 0.99):
        try:
            least = np.array([int(d0 * share), *d])
            found = greatest(form.forms // 2, form.constants // 2, none, box, p, least)
        except (Rejected, np.linalg.LinAlgError):
            continue
        assert found >= true


def seen(matrix: np.ndarray) -> bool:
    """Numpy's refusal to take a root of the matrix makes the checker reject, too."""
    try:
        return positive(matrix)
    except np.linalg.LinAlgError:
        return False


@pytest.mark.parametrize("seed", range(200))
def test_a_matrix_with_a_negative_direction_is_never_seen_as_positive(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 7))
    a = rng.integers(-(2 ** int(rng.integers(1, 58))), 2 ** int(rng.integers(1, 58)), (n, n))
    matrix = (a + a.T) // 2
    x = rng.integers(-3, 4, n).astype(object)
    if x @ matrix.astype(object) @ x < 0:
        assert not seen(matrix)
    assert seen(np.eye(n, dtype=np.int64) * 2**50)
