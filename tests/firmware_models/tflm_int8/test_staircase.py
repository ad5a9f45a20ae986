"""The float form of a requantization equals the integer rule, at ties and extremes too, or is refused."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tflm_int8.fixedpoint import INT32_MAX, Rounding, multiply_by_quantized_multiplier
from tflm_int8.kernels import staircase
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
    stage.write(raw[:, None].astype(stage.dtype), out)
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


def test_a_stage_of_several_channels_covers_any_number_of_rows():
    r = Requantize(np.array([1 << 30, 3 << 29]), np.array([-6, -9]), Rounding.DOUBLE, -5, -128, 127)
    bias = np.array([7, -1000])
    stage = prove(r, bias, 1 << 20)
    for n in (1, 3, 4096, 4097, 70_000):
        raw = np.random.default_rng(n).integers(-(1 << 20), 1 << 20, (n, 2))
        out = np.empty(raw.shape, np.int8)
        stage.write(raw.astype(stage.dtype), out)
        np.testing.assert_array_equal(out, expected(r, raw + bias))


@pytest.mark.parametrize("rounding", list(Rounding))
@pytest.mark.parametrize("zero_point", [-128, -3, 127])
def test_either_rounding_has_a_float_form_that_equals_it_on_every_accumulator(rounding, zero_point):
    r = Requantize(np.array([1518500250]), np.array([-7]), rounding, zero_point, -128, 127)
    raw = np.arange(-(1 << 16), 1 << 16)
    stage = prove(r, np.array([-321]), 1 << 16)
    assert stage.dtype == np.float32
    np.testing.assert_array_equal(computed(stage, raw), expected(r, raw - 321))


def test_a_thousand_channels_are_proved_part_by_part_and_joined():
    rng = np.random.default_rng(5)
    multiplier, shift = rng.integers(1 << 30, 1 << 31, 1000), rng.integers(-9, -4, 1000)
    r = Requantize(multiplier, shift, Rounding.DOUBLE, -5, -128, 127)
    bias = rng.integers(-(1 << 16), 1 << 16, 1000)
    stage = prove(r, bias, 1 << 18)
    assert stage.dtype == np.float32 and stage.rise is not None
    assert stage.offset.shape == stage.drop.shape == (1000,)
    raw = rng.integers(-(1 << 18), 1 << 18, (200, 1000))
    out = np.empty(raw.shape, np.int8)
    stage.write(raw.astype(stage.dtype), out)
    np.testing.assert_array_equal(out, expected(r, raw + bias))


def test_float32_is_left_where_it_stops_to_hold_every_sum():
    r = rule(3 << 29, -12, 0)
    assert prove(r, np.array([5]), (1 << 24) - 1).dtype == np.float32
    assert prove(r, np.array([5]), 1 << 24).dtype == np.float64


def test_a_line_that_float32_cannot_draw_is_drawn_in_float64():
    r = rule(1718498312, -16, -128, -128)
    stage = prove(r, np.array([0]), 1 << 23)
    assert stage.dtype == np.float64
    steps = np.flatnonzero(np.diff(expected(r, np.arange(1 << 23))))
    raw = np.concatenate([steps, steps + 1])
    np.testing.assert_array_equal(computed(stage, raw), expected(r, raw))


@pytest.mark.parametrize(("multiplier", "shift"), [(1 << 30, 1), (0, -1)])
def test_a_rule_beyond_the_proof_has_no_float_form(multiplier, shift):
    r = Requantize(np.array([multiplier]), np.array([shift]), Rounding.DOUBLE, 0, -128, 127)
    assert prove(r, np.array([0]), 1000) is None


def test_a_line_that_misses_one_stair_by_one_accumulator_is_not_taken_for_proved(monkeypatch):
    """The proof does not trust the search: shifted by one accumulator, a stage is refused."""
    r = rule(3 << 29, -6, -4)
    honest = staircase.search

    def shifted(edges, dtype):
        lines = honest(edges, dtype)
        lines.offset[...] += 1
        return lines

    assert prove(r, np.array([3]), 1 << 16) is not None
    monkeypatch.setattr(staircase, "search", shifted)
    assert prove(r, np.array([3]), 1 << 16) is None


def test_a_sum_that_can_leave_int32_has_no_float_form():
    assert prove(rule(1 << 30, -20, 0), np.array([2]), INT32_MAX - 1) is None
