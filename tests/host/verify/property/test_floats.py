"""Real numbers of a network that is given floats, or gives them out."""

from fractions import Fraction

import numpy as np
import pytest

from coverify.verify.property.quantity import FloatsIn, FloatsOut, Scale

SCALES = [0.1, 0.05, 1 / 255, 1 / 256, 0.5, 3.7, 1e-3, 1e-30, 1e30]


def quantize(x: np.ndarray, scale: float, zero: int) -> np.ndarray:
    """TFLM's AffineQuantize of float32, in float32."""
    ratio = (x.astype(np.float32) / np.float32(scale)).astype(np.float64)
    return np.clip(np.trunc(ratio + np.copysign(0.5, ratio)) + zero, -128, 127).astype(int)


def floats_around(real: float, n: int = 3) -> list[np.float32]:
    """A float32 near a number, and its neighbours."""
    found = [np.float32(real)]
    for way in (np.inf, -np.inf):
        x = np.float32(real)
        for _ in range(n):
            x = np.nextafter(x, np.float32(way))
            found.append(x)
    return found


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("strict", [False, True])
def test_the_codes_of_a_range_are_those_that_its_floats_become(scale, strict):
    rng = np.random.default_rng(4)
    zero = int(rng.integers(-128, 128))
    given = FloatsIn(Fraction(float(np.float32(scale))), zero)
    halves = (rng.integers(-140, 140, 40) - zero + 0.5) * float(np.float32(scale))
    for real in [*halves, *(rng.uniform(-140, 140, 40) * scale), 0.0]:
        for limit in floats_around(real):
            step = Fraction(float(np.nextafter(limit, np.float32(np.inf)))) - Fraction(float(limit))
            for exact in (Fraction(float(limit)), Fraction(float(limit)) + step / 3):
                near = np.array(floats_around(limit, 6))
                worth = [Fraction(float(x)) for x in near]
                below = [x < exact if strict else x <= exact for x in worth]
                above = [x > exact if strict else x >= exact for x in worth]
                codes = quantize(near, scale, zero)
                assert given.last(exact, strict) == codes[below].max()
                assert given.first(exact, strict) == codes[above].min()


@pytest.mark.parametrize("scale", SCALES)
def test_a_radius_holds_every_code_of_the_floats_within_it(scale):
    rng, zero = np.random.default_rng(5), 7
    given = FloatsIn(Fraction(float(np.float32(scale))), zero)
    for real in [*(rng.uniform(0, 20, 10) * scale), 0.25 * scale, 0.5 * scale, 0.0]:
        radius = given.radius(Fraction(float(real)))
        reached = 0
        for code in rng.integers(-100, 100, 30):
            worth = given.real(int(code))
            x = np.array([float(worth) + side * real for side in (-1, 1)])
            reached = max(reached, int(np.abs(quantize(x, scale, zero) - code).max()))
        assert reached <= radius <= max(reached, 1 + int(real / scale))
    assert FloatsIn(Fraction(1, 10), 0).radius(Fraction(6, 100)) == 1
    assert Scale(Fraction(1, 10), 0).radius(Fraction(6, 100)) == 0


def test_a_float_beyond_what_the_codes_stand_for_is_the_last_code():
    given = FloatsIn(Fraction(1, 8), 3)
    assert (given.first(Fraction(1000)), given.last(Fraction(-1000))) == (127, -128)
    assert given.first(Fraction(10) ** 30) > 127, "beyond int32 the code is undefined"
    assert given.last(Fraction(10) ** 400) > 127


@pytest.mark.parametrize("scale", SCALES)
def test_what_an_output_is_worth_is_the_float_that_is_given_out(scale):
    left = FloatsOut(Fraction(float(np.float32(scale))), -9)
    codes = np.arange(-128, 128)
    values = (np.float64(np.float32(scale)) * (codes + 9)).astype(np.float32)
    assert [left.real(int(c)) for c in codes] == [Fraction(float(v)) for v in values]
    for value in values[::17]:
        for near in floats_around(float(value)):
            exact = Fraction(float(near))
            for strict in (False, True):
                low = codes[values < near if strict else values <= near]
                high = codes[values > near if strict else values >= near]
                assert left.last(exact, strict) == (low.max() if len(low) else -129)
                assert left.first(exact, strict) == (high.min() if len(high) else 128)
    assert (
        left.linear
        == (scale in (1 / 256, 0.5))
        == all(left.real(int(c)) == Scale.real(left, int(c)) for c in codes)
    )
