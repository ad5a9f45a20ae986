"""Where two roundings of a product differ: Z3's numbers through exact rationals, its proofs by sampling."""

from __future__ import annotations

from fractions import Fraction
from math import floor

import numpy as np
import pytest

from coverify.verify.deadline import Deadline
from coverify.verify.equivalence.primitive import Roundings, differing
from tflm_int8.fixedpoint import Rounding

ASKED = Roundings(Rounding.DOUBLE, Rounding.SINGLE)


def once(acc: int, multiplier: int, shift: int) -> int:
    """One rounding, halves up, by rationals."""
    return floor(Fraction(acc * multiplier) * Fraction(2) ** (shift - 31) + Fraction(1, 2))


def twice(acc: int, multiplier: int, shift: int) -> int:
    """To 31 bits with halves up, then the right shift with halves away from zero."""
    high = floor(Fraction(acc * 2 ** max(shift, 0) * multiplier, 2**31) + Fraction(1, 2))
    last = Fraction(high) / 2 ** max(-shift, 0)
    away = floor(abs(last) + Fraction(1, 2))
    return away if last >= 0 else -away


@pytest.mark.parametrize("shift", [-2, -5, -8])
def test_the_numbers_found_differ_by_exact_rationals(shift):
    found = differing(ASKED, shift, Deadline.in_s(60))
    assert found is not None
    assert 2**30 <= found.multiplier < 2**31 and found.multiplier % 128 == 0
    assert found.first == twice(found.acc, found.multiplier, shift)
    assert found.second == once(found.acc, found.multiplier, shift)
    assert found.first != found.second
    assert max(abs(found.first), abs(found.second)) <= ASKED.reach


@pytest.mark.parametrize("shift", [0, 1, 3])
def test_nothing_differs_where_the_multiplier_is_not_shifted_right(shift):
    assert differing(ASKED, shift, Deadline.in_s(60)) is None
    rng = np.random.default_rng(shift)
    for _ in range(300):
        acc, m = int(rng.integers(-(2**23), 2**23)), int(rng.integers(2**30, 2**31))
        assert once(acc, m, shift) == twice(acc, m, shift)
