"""The rounding primitives against hand-worked ties and against exact rational arithmetic."""

from fractions import Fraction
from math import floor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tflm_int8.fixedpoint import (
    INT32_MAX,
    INT32_MIN,
    Multiplier,
    Rounding,
    multiply_by_quantized_multiplier,
    quantize_multiplier,
    rounding_divide_by_pot,
    srdhm,
)

int32 = st.integers(INT32_MIN, INT32_MAX)


def one(value: int) -> np.ndarray:
    return np.array([value], np.int64)


@pytest.mark.parametrize(
    ("x", "exponent", "expected"),
    [(5, 1, 3), (-5, 1, -3), (3, 1, 2), (-3, 1, -2), (6, 2, 2), (-6, 2, -2), (-7, 2, -2), (7, 0, 7)],
)
def test_division_by_a_power_of_two_rounds_ties_away_from_zero(x, exponent, expected):
    assert rounding_divide_by_pot(one(x), exponent)[0] == expected


@given(int32, st.integers(0, 31))
def test_division_by_a_power_of_two_equals_exact_rounding(x, exponent):
    exact = Fraction(abs(x), 2**exponent)
    expected = floor(exact + Fraction(1, 2)) * (1 if x >= 0 else -1)
    assert rounding_divide_by_pot(one(x), exponent)[0] == expected


@given(int32, int32)
def test_the_doubling_high_product_rounds_ties_up_and_saturates(a, b):
    expected = min(floor(Fraction(a * b, 2**31) + Fraction(1, 2)), INT32_MAX)
    assert srdhm(one(a), b)[0] == expected


def test_the_doubling_high_product_of_the_two_least_integers_saturates():
    assert srdhm(one(INT32_MIN), INT32_MIN)[0] == INT32_MAX


@pytest.mark.parametrize(
    ("real", "expected"),
    [
        (0.0, Multiplier(0, 0)),
        (0.5, Multiplier(2**30, 0)),
        (1.0, Multiplier(2**30, 1)),
        (0.75, Multiplier(3 * 2**29, 0)),
        (1 - 2.0**-40, Multiplier(2**30, 1)),  # rounds up to 2**31, which is halved
        (2.0**-33, Multiplier(0, 0)),  # below 31 right shifts
    ],
)
def test_a_scale_becomes_the_multiplier_worked_out_by_hand(real, expected):
    assert quantize_multiplier(real) == expected


@pytest.mark.parametrize("real", [-1.0, float("inf"), float("nan"), 2.0**40])
def test_a_scale_out_of_range_is_refused(real):
    with pytest.raises(ValueError, match="multiplier"):
        quantize_multiplier(real)


def test_double_and_single_rounding_differ_where_the_first_rounding_makes_a_tie():
    x = np.arange(-4000, 4000, dtype=np.int64)
    double = multiply_by_quantized_multiplier(x, 2**30 + 12345, -1, Rounding.DOUBLE)
    single = multiply_by_quantized_multiplier(x, 2**30 + 12345, -1, Rounding.SINGLE)
    exact = [Fraction(int(v) * (2**30 + 12345), 2**32) for v in x]
    assert [floor(e + Fraction(1, 2)) for e in exact] == list(single)
    assert set(np.abs(double - single)) == {0, 1}
