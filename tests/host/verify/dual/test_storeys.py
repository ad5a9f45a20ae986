"""A smaller part begins with the parabolas of two layers that a larger one had; none is lost on the way."""

from dataclasses import replace

import numpy as np
import pytest

from coverify.verify.dual.above import Layer
from coverify.verify.dual.curved import Curved
from coverify.verify.dual.levels import Levels
from coverify.verify.dual.storeys import Storeys

INPUTS, STAIRS, UPPER, LEVELS = 9, 5, 4, 7
ELEMENTS, UPPER_ELEMENTS = np.array([1, 2, 4, 6, 7]), np.array([0, 2, 3, 5])


def levels_of(rng, ends):
    """Stairs over these ends [n, 2]: value, first, last, [n, LEVELS]."""
    edges = np.sort(rng.integers(ends[:, :1] + 1, ends[:, 1:], (len(ends), LEVELS - 1)), axis=1)
    value = np.cumsum(rng.integers(1, 4, (len(ends), LEVELS)), axis=1)
    return value, np.hstack([ends[:, :1], edges]), np.hstack([edges - 1, ends[:, 1:]])


def narrowed(levels, stair, least, most):
    """The levels least..most of one stair alone."""
    at = np.tile(np.arange(LEVELS), (len(levels[0]), 1))
    at[stair] = np.minimum(least + np.arange(LEVELS), most)
    return tuple(np.take_along_axis(one, at, axis=1) for one in levels)


class Query:
    """A form on inputs, stairs and upper stairs, of which parts are taken."""

    def __init__(self, seed):
        rng = np.random.default_rng([seed, 61])
        self.weights, self.bias = rng.integers(-9, 10, (STAIRS, INPUTS)), rng.integers(-20, 20, STAIRS)
        self.box = np.full(INPUTS, 10.0), np.full(INPUTS, 18.0)
        reach = np.abs(self.weights) @ np.full(INPUTS, 4) + 1
        middle = self.weights @ np.full(INPUTS, 14) + self.bias
        self.first = levels_of(rng, np.stack([middle - reach, middle + reach], axis=1))
        self.up = rng.integers(-6, 7, (UPPER, STAIRS))
        ends = [self.up * self.first[0][:, k] for k in (0, -1)]
        ends = np.stack([np.minimum(*ends).sum(axis=1), np.maximum(*ends).sum(axis=1)], axis=1)
        self.upper = levels_of(rng, ends + np.array([-9, 9]))
        self.nu, self.own = 9 * rng.normal(size=UPPER), 3 * rng.normal(size=STAIRS)
        self.g, self.mu = rng.normal(0, 5, INPUTS), rng.normal(size=UPPER) / 2

    def part(self, mu, first, upper):
        """Its form with these multipliers above."""
        constant = np.zeros(UPPER)
        floats = tuple(one.astype(float) for one in upper)
        layer = Layer(4, UPPER_ELEMENTS, self.nu, *floats, mu, constant, self.up.astype(float))
        nu = self.own + mu @ self.up
        most = max_of(self.nu, mu, floats).sum()
        plain = self.weights.astype(float), self.bias.astype(float), self.g, float(most)
        return Storeys.of(Curved.of(Levels(nu, *first), *plain, *self.box, [layer]), [layer])


def max_of(nu, mu, levels):
    value, first, last = levels
    return np.maximum(*((nu[:, None] * value - mu[:, None] * end).max(axis=1) for end in (first, last)))


def bound(storeys, at):
    lifted = storeys.lifted
    return lifted.found(at, lifted.matrix(at)).bound / storeys.curved.scale


def searched(query):
    """The whole box's, and where its search ends."""
    storeys = query.part(query.mu, query.first, query.upper)
    parabolas = storeys.curved.parabolas
    start = parabolas.inside(np.zeros(STAIRS), np.full(STAIRS, 0.1), np.full(INPUTS, 5.0), 0.5, 0.8)
    return storeys, storeys.lifted.lowered(
        storeys.lifted.started(start, 0.0), 25, -np.inf, lambda: None
    ).point


def kept(storeys, at):
    return storeys.kept(at, ELEMENTS, 9, 6)


@pytest.mark.parametrize("seed", range(8))
def test_the_same_part_begins_where_the_search_ended_whatever_multipliers_are_counted_from(seed):
    query = Query(seed)
    whole, at = searched(query)
    other = np.rint(8 * (query.mu + 0.2)) / 8
    for mu in (query.mu, other):
        part = query.part(mu, query.first, query.upper)
        again = part.start(kept(whole, at), ELEMENTS, 0)
        assert bound(part, again) == pytest.approx(bound(whole, at), rel=1e-9, abs=1e-6)
        assert part.start(kept(whole, at), ELEMENTS, 1) is None


@pytest.mark.parametrize("seed", range(8))
def test_a_smaller_part_begins_no_higher(seed):
    """Levels are dropped at either end, so that outputs and accumulators are counted from elsewhere."""
    query = Query(seed)
    whole, at = searched(query)
    before = bound(whole, at)
    lower = 0
    for stair in range(STAIRS):
        for least, most in ((0, 2), (4, LEVELS - 1)):
            part = query.part(query.mu, narrowed(query.first, stair, least, most), query.upper)
            assert np.any(part.middle != whole.middle)
            now = bound(part, part.start(kept(whole, at), ELEMENTS, 0))
            assert now <= before + 1e-6 * abs(before)
            lower += now < before - 1e-3
    for stair in range(UPPER):
        for least, most in ((0, 2), (4, LEVELS - 1)):
            part = query.part(query.mu, query.first, narrowed(query.upper, stair, least, most))
            assert np.any(part.lifted.above.centre != whole.lifted.above.centre)
            now = bound(part, part.start(kept(whole, at), ELEMENTS, 0))
            assert now <= before + 1e-6 * abs(before)
            lower += now < before - 1e-3
    assert lower > 2


def test_a_part_does_not_begin_with_stairs_of_which_nothing_is_known():
    query = Query(0)
    whole, at = searched(query)
    known = kept(whole, at)
    assert whole.start(known, np.array([1, 2, 4, 6, 8]), 0) is None
    above = known.above.copy()
    above[:, UPPER_ELEMENTS[1]] = np.nan
    assert whole.start(replace(known, above=above), ELEMENTS, 0) is None
