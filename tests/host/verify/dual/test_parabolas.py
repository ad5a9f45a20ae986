"""Stairs beside parabolas: maxima against every integer, bounds against inputs that are run."""

from fractions import Fraction

import numpy as np
import pytest

from coverify.check.steps import Pieces, Rejected
from coverify.verify.deadline import OutOfTime
from coverify.verify.dual.curved import Curved
from coverify.verify.dual.levels import DENSE, SHIFT, Levels, Smooth
from coverify.verify.dual.parabolas import NEAR
from stair_levels import levels_between


def random_stairs(seed: int) -> tuple[Levels, np.ndarray, np.ndarray]:
    """Three stairs with a step of 8 on boxes of their own, which begin in the middle of one; the boxes."""
    rng = np.random.default_rng(seed)
    lo = rng.integers(-60, 40, 3)
    hi = lo + rng.integers(8, 60, 3)
    return Levels(rng.integers(-9, 10, 3).astype(float), *levels_between(lo, hi, 8, -4, 3)), lo, hi


def stairs(a):
    return np.clip(a >> 3, -4, 3)


def true_maximum(nu, xi, curve, centre, lo, hi) -> int:
    """Of one stair, by every integer, rounded upwards."""
    gains = (
        nu * int(stairs(a)) - xi * a - Fraction(curve * (a - centre) ** 2, 1 << SHIFT)
        for a in range(lo, hi + 1)
    )
    best = max(gains)
    return -(-best.numerator // best.denominator)


def random_parabolas(seed: int):
    rng = np.random.default_rng([seed, 1])
    curve = rng.integers(0, 1 << int(rng.integers(1, SHIFT + 3)), 3) * rng.integers(0, 2, 3)
    return rng.integers(-60, 61, 3), rng.integers(-9, 10, 3), curve, rng.integers(-90, 90, 3)


@pytest.mark.parametrize("seed", range(60))
def test_the_maximum_beside_a_parabola_is_that_over_every_integer(seed):
    levels, lo, hi = random_stairs(seed)
    nu, xi, curve, centre = random_parabolas(seed)
    found = levels.greatest(nu, xi, curve, centre)
    true = [true_maximum(*map(int, numbers)) for numbers in zip(nu, xi, curve, centre, lo, hi, strict=True)]
    assert found.tolist() == true


def three_stairs() -> Pieces:
    """Of elements 1 to 3, as the checker has them."""
    channel, domain = np.zeros(3, np.int64), np.array([[-(2**31)], [2**31 - 1]])
    piece = lambda a, channel: stairs(a) + 4  # noqa: E731
    return Pieces(np.arange(4, 7), np.arange(1, 4), piece, np.arange(-4, 4), channel, domain)


@pytest.mark.parametrize("seed", range(60))
def test_the_checker_finds_the_same_maximum(seed):
    _, lo, hi = random_stairs(seed)
    nu, xi, curve, centre = random_parabolas(seed)
    pieces = three_stairs()
    corners = pieces.corners(
        np.pad(np.stack([lo, hi]), ((0, 0), (1, 3))), xi, centre, curve, *np.zeros((6, 3), np.int64)
    )
    form = np.concatenate([np.zeros(4, np.int64), nu])[:, None]
    found = pieces.back(form, xi[None], corners)
    assert form[1:4, 0].tolist() == xi.tolist()
    true = [true_maximum(*map(int, numbers)) for numbers in zip(nu, xi, curve, centre, lo, hi, strict=True)]
    assert found.tolist() == [sum(true)]


@pytest.mark.parametrize(
    ("xi", "centre", "curve"), [(2**40, 0, 1), (0, 2**62, 1), (0, 2**40, 1), (0, 0, 2**60), (-(2**63), 0, 1)]
)
def test_the_checker_refuses_parabolas_whose_arithmetic_would_overflow(xi, centre, curve):
    pieces, three = three_stairs(), np.ones(3, np.int64)
    with pytest.raises(Rejected):
        corners = pieces.corners(
            np.pad([[-60] * 3, [60] * 3], ((0, 0), (1, 3))),
            xi * three,
            centre * three,
            curve * three,
            *np.zeros((6, 3), np.int64),
        )
        pieces.back(np.ones((7, 1), np.int64), xi * three[None], corners)


@pytest.mark.parametrize("part", [False, True])
@pytest.mark.parametrize("seed", range(6))
def test_a_bound_is_lowered_and_no_input_exceeds_it(seed, part):
    rng = np.random.default_rng([seed, 2])
    weights, n = rng.integers(-3, 4, (3, 9)), 9
    reach = np.abs(weights).sum(axis=1) * 4
    nu = rng.integers(-9, 10, 3).astype(float)
    ends = (np.full(n, -4.0), np.full(n, 4.0))
    levels = Levels(nu, *levels_between(-reach, reach, 8, -4, 3))
    curved = Curved.of(levels, weights.astype(float), np.zeros(3), np.zeros(n), 0.0, *ends)
    parabolas = curved.parabolas
    chords = parabolas.stairs.chords()
    ends_of_form = np.abs(parabolas.rest + chords @ parabolas.weights) / 2 + 1.0
    start = parabolas.inside(chords, np.full(len(chords), 0.1), ends_of_form, 0.1, 0.8)  # hardly a curve
    asked = list[int]()
    reached, _ = curved.parabolas.lowered(start, 40, -np.inf, part, lambda: asked.append(1))
    assert reached.bound < curved.parabolas.valued(start).bound
    assert len(asked) > 1  # between steps it is asked whether there is time

    def ended():
        raise OutOfTime

    with pytest.raises(OutOfTime):
        curved.parabolas.lowered(start, 40, -np.inf, part, ended)
    x = rng.integers(-4, 5, (20_000, n))
    assert (stairs(x @ weights.T) @ nu).max() <= reached.bound / curved.scale + 1e-6


def many_levels(rng: np.random.Generator, n: int) -> Smooth:
    """Four stairs of up to n levels with steps of 8, some of few, in boxes that begin and end within one."""
    own = np.array([n, n, int(rng.integers(2, n)), int(rng.integers(1, 4))])
    value = np.minimum(np.arange(n), own[:, None] - 1)
    lo, hi = rng.integers(0, 3, (4, 1)), 8 * own[:, None] - 1 - rng.integers(0, 4, (4, 1))
    first, last = np.maximum(8 * value, lo), np.minimum(8 * value + 7, hi)
    centre, unit = 4.0 * own, 8.0 * own / 28
    return Smooth.of(Levels(rng.integers(-9, 10, 4).astype(float), value, first, last), centre, unit, 1 / n)


@pytest.mark.parametrize("n", [DENSE, DENSE + 1, 200])
@pytest.mark.parametrize("seed", range(8))
def test_what_is_smoothed_has_no_jumps_and_its_derivatives_are_the_moments(seed, n):
    rng = np.random.default_rng([seed, 3])
    smooth, heat = many_levels(rng, n), float(rng.choice([0.05, 1.0]))
    start = np.stack([smooth.nu, smooth.nu * rng.uniform(-0.5, 2.5, 4) * n / 28, rng.uniform(0.001, 0.05, 4)])
    move = np.stack([rng.normal(size=4) / 20, rng.normal(size=4), rng.uniform(0, 0.02, 4)])
    step = 1e-4
    for t in np.linspace(0, 1, 400):
        low, middle, high = (start + (t + k * step) * move for k in (-1, 0, 1))
        (one, means_one, _), (_, (a, square, y), both), (other, means_other, _) = (
            smooth.smoothed(*at, heat) for at in (low, middle, high)
        )
        dnu, dxi, dcurve = move
        slope = y * dnu - a * dxi - square * dcurve
        assert np.allclose((other - one) / (2 * step), slope, rtol=1e-3, atol=1e-3)
        assert np.all(one >= smooth.greatest(*low) - 1e-6)  # no level is forgotten
        turned = (means_other - means_one) / (2 * step)
        aa, asq, sqsq, ay, sqy, yy = both / heat
        expected = [
            ay * dnu - aa * dxi - asq * dcurve,
            sqy * dnu - asq * dxi - sqsq * dcurve,
            yy * dnu - ay * dxi - sqy * dcurve,
        ]
        near = np.abs(turned - expected) <= 0.05 * (1 + np.abs(expected))
        assert near.mean() > 0.7  # but where a vertex comes to the end of its level


@pytest.mark.parametrize("n", [DENSE, 200])
def test_a_level_that_fills_a_row_counts_once(n):
    rng = np.random.default_rng(3)
    many, heat = many_levels(rng, n), 1.0
    at = [many.nu, rng.normal(size=4), rng.uniform(0.001, 0.05, 4)]
    found, means, both = many.smoothed(*at, heat)
    for k, own in enumerate((many.first != many.first[:, -1:]).sum(axis=1) + 1):
        alone = Smooth(many.nu[[k]], *(x[[k], :own] for x in (many.value, many.first, many.last)))
        value, mean, bend = alone.smoothed(*(x[[k]] for x in at), heat)
        if (own > DENSE) == (n > DENSE):  # else other candidates: levels one by one, or lines through them
            assert np.allclose(value, found[k]) and np.allclose(mean[:, 0], means[:, k])
            assert np.allclose(bend[:, 0], both[:, k])


def wide(seed: int, cut: int | None) -> Curved:
    """Sixty clamped stairs of up to thirty levels over 300 inputs, the first `cut` of them on one side."""
    rng = np.random.default_rng([seed, 4])
    m, n, top = 60, 300, 30
    weights = rng.integers(-9, 10, (m, n)).astype(float)
    reach = np.abs(weights).sum(axis=1).astype(np.int64) * 4
    step = int(2 * reach.max()) // (2 * top)
    lo, hi = -reach, reach.copy()
    hi[: cut or 0] = step - 1
    levels = Levels(rng.integers(-9, 10, m).astype(float), *levels_between(lo, hi, step, 0, top - 1))
    ends = (np.full(n, -4.0), np.full(n, 4.0))
    return Curved.of(levels, weights, np.zeros(m), rng.normal(0, 3, n), 0.0, *ends)


@pytest.mark.parametrize("seed", range(4))
def test_a_part_is_bounded_no_worse_than_the_whole(seed):
    whole = wide(seed, None)
    parabolas, m = whole.parabolas, 60
    chords = parabolas.stairs.chords()
    e = np.abs(parabolas.rest + chords @ parabolas.weights) / 2 + 1.0
    start = parabolas.inside(chords, np.full(m, 0.1), e, NEAR.height, 0.8)
    reached, centred = parabolas.lowered(start, 40, -np.inf, False, lambda: None)
    before, kept = reached.bound / whole.scale, whole.kept(centred.point, np.arange(m), m)
    for cut in range(1, 7):
        part = wide(seed, cut)
        reached, centred = part.parabolas.lowered(
            part.warm(kept, np.arange(m)), 100, -np.inf, True, lambda: None
        )
        bound = reached.bound / part.scale
        assert bound <= before + 2.0 / part.scale  # of 450
        before, kept = bound, part.kept(centred.point, np.arange(m), m)
