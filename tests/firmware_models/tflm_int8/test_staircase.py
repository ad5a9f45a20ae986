"""The float form of a requantization equals the integer rule, at ties and extremes too, or is refused."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tflm_int8.fixedpoint import INT32_MAX, Rounding, multiply_by_quantized_multiplier
from tflm_int8.kernels.staircase import prove
from tflm_int8.program.primitives import Requantize

REACH = 1 << 24


def rule(multiplier: int, shift: int, zero_point: int, lo: int = -128, hi: int = 127) -> Requantize:
    one = (np.array([v], np.int64) for v in (multiplier, shift))
    return Requantize(*one, Rounding.DOUBLE, zero_point, lo, hi)


def expected(r: Requantize, acc: np.ndarray) -> np.ndarray:
    scaled = multiply_by_quantized_multiplier(acc, r.multiplier, r.shift, r.rounding)
    return np.clip(scaled + r.zero_point, r.lo, r.hi)


def computed(stage, raw: np.ndarray) -> np.ndarray:
    out = np.empty((len(raw), 1), np.int8)
    stage.write(raw[:, None].astype(np.float64), out)
    return out[:, 0]


@settings(max_examples=300, deadline=None)
@given(
    st.integers(1 << 30, INT32_MAX) | st.sampled_from([1 << 30, (1 << 30) + 1, 3 << 29, INT32_MAX]),
    st.integers(-14, 0),
    st.sampled_from([-128, -17, 0, 4, 127]),
    st.booleans(),
    st.integers(-(1 << 19), 1 << 19),
    st.integers(1, 1 << 21) | st.integers(1, REACH),
    st.randoms(use_true_random=False),
)
def test_a_proved_stage_equals_the_integer_rule(multiplier, shift, zero_point, relu, bias, reach, random):
    r = rule(multiplier, shift, zero_point, zero_point if relu else -128)
    stage = prove(r, np.array([bias]), reach)
    assert stage is not None or reach > 1 << 21
    assume(stage is not None)
    # Near every half of the output's steps, at the ends, and anywhere between.
    halves = (np.arange(-260, 261) + 0.5) / (multiplier * 2.0 ** (shift - 31))
    near = (np.round(halves)[:, None] + np.arange(-3, 4)).reshape(-1) - bias
    some = [random.randint(-reach, reach) for _ in range(200)]
    raw = np.clip(np.concatenate([near, some, [-reach, reach]]), -reach, reach).astype(np.int64)
    np.testing.assert_array_equal(computed(stage, raw), expected(r, raw + bias))


@pytest.mark.parametrize("shift", [0, -1, -5, -8, -12])
@pytest.mark.parametrize("zero_point", [-128, 0, 3])
def test_every_accumulator_of_a_tie_ridden_multiplier_is_requantized_exactly(shift, zero_point):
    r = rule(1 << 30, shift, zero_point)
    raw = np.arange(-(1 << 21), 1 << 21)
    stage = prove(r, np.array([0]), 1 << 21)
    np.testing.assert_array_equal(computed(stage, raw), expected(r, raw))


def test_a_stage_of_several_channels_repeats_along_a_row():
    r = Requantize(np.array([1 << 30, 3 << 29]), np.array([-6, -9]), Rounding.DOUBLE, -5, -128, 127)
    bias = np.array([7, -1000])
    raw = np.random.default_rng(3).integers(-(1 << 20), 1 << 20, (50, 6))
    out = np.empty(raw.shape, np.int8)
    prove(r, bias, 1 << 20).repeated(3).write(raw.astype(np.float32), out)
    np.testing.assert_array_equal(out, expected(r, raw.reshape(50, 3, 2) + bias).reshape(50, 6))


@pytest.mark.parametrize(
    ("multiplier", "shift", "rounding"),
    [
        (1 << 30, 1, Rounding.DOUBLE),
        (0, -1, Rounding.DOUBLE),
        (1 << 30, -4, Rounding.SINGLE),
    ],
)
def test_a_rule_beyond_the_proof_has_no_float_form(multiplier, shift, rounding):
    r = Requantize(np.array([multiplier]), np.array([shift]), rounding, 0, -128, 127)
    assert prove(r, np.array([0]), 1000) is None


def test_a_sum_that_can_leave_int32_has_no_float_form():
    assert prove(rule(1 << 30, -20, 0), np.array([2]), INT32_MAX - 1) is None
