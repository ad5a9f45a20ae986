"""Free multipliers of two layers of stairs above the first: derivatives, and bounds against inputs run."""

import numpy as np
import pytest

from coverify.verify.dual.above import FLAT, REACH, Above, Layer
from coverify.verify.dual.curved import Curved
from coverify.verify.dual.levels import Levels
from stair_levels import levels_between


def stairs(a):
    return np.clip(a >> 3, -4, 3)


def levels(lo, hi):
    """value, first, last of all levels on these boxes."""
    return levels_between(lo, hi, 8, -4, 3)


def network(seed):
    """Weights of three layers on nine inputs of ±4; on top, what the last stairs are weighed with."""
    rng = np.random.default_rng([seed, 5])
    weights = [rng.integers(-3, 4, shape) for shape in ((5, 9), (4, 5), (2, 4))]
    weights[1] *= 4
    weights[2] *= 4
    return weights, np.array([1.0, -1.0])


def form(seed):
    """The network's form with parabolas, all multipliers above free, from small random ones."""
    weights, top = network(seed)
    rng, reach, found, nu = np.random.default_rng([seed, 6]), np.full(9, 4), [], top
    boxes, constant = [], 0.0
    for w in weights:
        most = np.abs(w) @ reach
        boxes.append((-most, most))
        reach = np.full(len(w), 4)
    for k in (2, 1):
        value, first, last = levels(*boxes[k])
        mu = rng.normal(0, 0.05, len(value))
        floats = (x.astype(float) for x in (value, first, last))
        one = Layer(k, np.arange(len(mu)), nu, *floats, mu, np.zeros(len(mu)), weights[k].astype(float))
        found.insert(0, one)
        gains = nu[:, None] * np.tile(value, 2) - mu[:, None] * np.concatenate([first, last], axis=1)
        constant += gains.max(axis=1).sum()
        nu = mu @ weights[k]
    ends = (np.full(9, -4.0), np.full(9, 4.0))
    first = Levels(nu, *levels(*boxes[0]))
    return Curved.of(first, weights[0].astype(float), np.zeros(5), np.zeros(9), constant, *ends, found)


@pytest.mark.parametrize("seed", range(4))
def test_a_bound_with_free_multipliers_is_lowered_and_no_input_exceeds_it(seed):
    curved = form(seed)
    parabolas = curved.parabolas
    assert len(parabolas.above.layers) == 2
    chords = parabolas.stairs.chords()
    e = np.abs(parabolas.rest + chords @ parabolas.weights) / 2 + 1.0
    start = parabolas.inside(chords, np.full(5, 0.1), e, 2.0, 0.8)
    reached, _ = parabolas.lowered(start, 40, -np.inf, False, lambda: None)
    assert reached.bound < parabolas.valued(start).bound
    assert not np.allclose(reached.point.mu, start.mu)
    y, top = np.random.default_rng(seed).integers(-4, 5, (20_000, 9)), network(seed)[1]
    for w in network(seed)[0]:
        y = stairs(y @ w.T)
    assert (y @ top).max() <= reached.bound / curved.scale + 1e-6


@pytest.mark.parametrize("seed", range(3))
def test_the_derivatives_are_those_of_differences(seed):
    above: Above = form(seed).parabolas.above
    rng = np.random.default_rng(seed)
    mu, heat, step = above.mu + rng.normal(0, 0.3, len(above.mu)), 5.0, 1e-5
    slope, curve = above.smoothed(mu, heat)
    assert above.softest(mu, heat) >= above.greatest(mu)
    curve -= FLAT * REACH**2 / heat * np.eye(len(mu))
    for k, move in enumerate(step * np.eye(len(mu))):
        up, down = (above.softest(x, heat) for x in (mu + move, mu - move))
        (slope_up, _), (slope_down, _) = (above.smoothed(x, heat) for x in (mu + move, mu - move))
        assert slope[k] == pytest.approx((up - down) / (2 * step), rel=1e-4, abs=1e-5)
        np.testing.assert_allclose(curve[k], (slope_up - slope_down) / (2 * step), rtol=1e-4, atol=1e-5)
