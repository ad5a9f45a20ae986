"""What divisions are said to gain, against problems solved densely and searches of both sides."""

from copy import copy
from dataclasses import replace

import numpy as np
import pytest

from coverify.verify.dual.above import Layer
from coverify.verify.dual.curved import Curved
from coverify.verify.dual.division import Divisions, Maxima, _gained
from coverify.verify.dual.levels import Levels, Smooth
from coverify.verify.dual.parabolas import Parabolas, Point, Reached
from stair_levels import levels_between

INPUTS, FIRST, SECOND = 30, 12, 6
LEVELS, STEP = 12, 48


def levels(lo, hi):
    """value, first, last of all levels on these boxes."""
    return levels_between(lo, hi, STEP, 0, LEVELS - 1)


def boxes_of(weights: list[np.ndarray]) -> list[list[np.ndarray]]:
    """Of the accumulators, [lo, hi] for each layer."""
    reach = np.abs(weights[0]).sum(axis=1) * 4
    ends = [(w * (w < 0)).sum(axis=1) * (LEVELS - 1) for w in (weights[1], -weights[1])]
    return [[-reach, reach], [ends[0], -ends[1]]]


def weights_of(seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng([seed, 7])
    return [rng.integers(-9, 10, (FIRST, INPUTS)), rng.integers(-12, 13, (SECOND, FIRST))]


def cut_by(seed: int, layer: int, edge: int) -> np.ndarray:
    """The stairs of a layer whose boxes an edge divides."""
    lo, hi = boxes_of(weights_of(seed))[layer]
    return np.flatnonzero((lo < edge) & (edge <= hi))


def form(seed: int) -> Curved:
    """Clamped stairs over sums of stairs over inputs of ±4."""
    weights, rng = weights_of(seed), np.random.default_rng([seed, 8])
    top = rng.integers(1, 10, SECOND) * rng.choice([-1.0, 1.0], SECOND)
    boxes = boxes_of(weights)
    value, first, last = levels(*boxes[1])
    mu = top / (2 * STEP)
    gains = top[:, None] * np.tile(value, 2) - mu[:, None] * np.concatenate([first, last], axis=1)
    floats = (x.astype(float) for x in (value, first, last))
    one = Layer(2, np.arange(SECOND), top, *floats, mu, np.zeros(SECOND), weights[1].astype(float))
    box = (np.full(INPUTS, -4.0), np.full(INPUTS, 4.0))
    own = Levels(mu @ weights[1], *levels(*boxes[0]))
    plain = (weights[0].astype(float), np.zeros(FIRST), np.zeros(INPUTS), float(gains.max(axis=1).sum()))
    return Curved.of(own, *plain, *box, [one])


def lowered(curved: Curved) -> Reached:
    """The search at its end."""
    parabolas = curved.parabolas
    chords = parabolas.stairs.chords()
    e = np.abs(parabolas.rest + chords @ parabolas.weights) / 2 + 1.0
    start = parabolas.inside(chords, np.full(FIRST, 0.1), e, 0.2, 0.8)
    return parabolas.lowered(start, 80, -np.inf, True, lambda: None)[0]


@pytest.mark.parametrize("seed", range(4))
def test_sides_are_parts_of_the_whole(seed):
    curved = form(seed)
    parabolas, point = curved.parabolas, lowered(curved).point
    stair = cut_by(seed, 0, 3 * STEP)
    level = curved.level(0, stair, np.full(len(stair), 3 * STEP))
    all_of = (parabolas.nu(point.mu), point.xi, point.curve)
    own = tuple(x[stair] for x in all_of)
    whole, below, others = parabolas.stairs.sides(stair, level)
    assert np.array_equal(whole.greatest(*own), parabolas.stairs.greatest(*all_of)[stair])
    assert np.array_equal(np.maximum(below.greatest(*own), others.greatest(*own)), whole.greatest(*own))
    assert np.all(below.value < 3) and np.all(others.value >= 3)
    heat, stair = 2.0, cut_by(seed, 1, 5 * STEP)
    middle = curved.level(1, stair, np.full(len(stair), 5 * STEP))
    (whole, slope, _), below, others = parabolas.above.sides(0, point.mu, stair, middle, heat)
    assert np.allclose(np.logaddexp(below[0] / heat, others[0] / heat) * heat, whole)
    assert np.all(others[1][:, 1] >= 5 - 1e-9) and np.all(below[1][:, 1] <= 4 + 1e-9)  # y
    move = 1e-4
    moved = parabolas.above.sides(0, point.mu + move, stair, middle, heat)[0][0]
    assert np.allclose((moved - whole) / move, slope[:, 0], atol=0.01 * np.abs(slope).max())


def test_what_is_gained_is_exact_where_all_is_quadratic():
    rng = np.random.default_rng(1)
    n, r = 7, 3
    basis = rng.normal(size=(n, r))
    root = rng.normal(size=(n, n))
    whole, side = (
        Maxima(
            rng.normal(size=1),
            rng.normal(size=(1, r)),
            (a := rng.normal(size=(1, r, r))) @ a.transpose(0, 2, 1),
        )
        for _ in range(2)
    )
    others = root @ root.T
    second = others + basis @ whole.bend[0] @ basis.T
    turned = others + basis @ side.bend[0] @ basis.T
    slope = basis @ (side.slope - whole.slope)[0]  # all slopes are 0 where the search ended
    fallen = whole.value[0] - side.value[0] + slope @ np.linalg.solve(turned, slope) / 2
    response = (basis.T @ np.linalg.solve(second, basis))[None]
    assert _gained(whole, side, response)[0] == pytest.approx(fallen, rel=1e-9)


def settled(parabolas: Parabolas, point: Point) -> tuple[Point, float, float]:
    """Where a search at a point's height ends, how little it is there, and what a step more would give."""
    for _ in range(120):
        new, inverse, _, decrement = parabolas._stepped(point, parabolas.inverse(point), True)
        if new is point:
            break
        point = new
    return point, parabolas._smoothed(point, inverse), abs(decrement)


def part(parabolas: Parabolas, layer: int, stair: int, level: int, upper: bool) -> Parabolas:
    """With the levels of one side of a stair alone."""
    found, above = copy(parabolas), parabolas.above.layers[0]
    whole = parabolas.stairs if layer == 0 else above
    value, first, last = (x.copy() for x in (whole.value, whole.first, whole.last))
    at = np.arange(value.shape[1])
    kept = np.minimum(at + level, at[-1]) if upper else np.minimum(at, level - 1)
    for x in (value, first, last):
        x[stair] = x[stair][kept]
    if layer == 0:
        found.stairs = Smooth(parabolas.stairs.nu, value, first, last)
    else:
        found.above = replace(parabolas.above, layers=(replace(above, value=value, first=first, last=last),))
    return found


@pytest.mark.parametrize(
    ("seed", "layer", "heights", "share"),
    [
        *((seed, 0, [4], (0.9, 1.05)) for seed in (2, 3, 4, 8)),
        (2, 1, [4, 12, 40, 120, 400], (0.3, 1.0)), (6, 1, [4, 12, 40, 120, 400], (0.2, 1.0)),
    ],
)  # fmt: skip
def test_gains_are_near_those_of_searches(seed, layer, heights, share):
    """In the first layer what is smooth is quadratic enough; above it, where a division takes a hundred times
    the heat, what is said is a third of it, in nearly the same order.
    """
    parabolas = (curved := form(seed)).parabolas
    point = lowered(curved).point
    for height in heights:  # from one to the next, as a search far from its end may stop before it
        point, before, more = settled(parabolas, replace(point, height=float(height)))
    assert more < 1e-6
    stair = cut_by(seed, layer, 4 * STEP)
    level = curved.level(layer, stair, np.full(len(stair), 4 * STEP))
    said = Divisions(parabolas, parabolas.valued(point)).gains(layer, stair, level).T.ravel()
    gained = np.array(
        [
            before - settled(part(parabolas, layer, k, middle, upper), point)[1]
            for k, middle in zip(stair, level, strict=True)
            for upper in (False, True)
        ]
    )
    assert len(said) > 8
    ranks = (np.argsort(np.argsort(x)) for x in (said, gained))
    assert np.corrcoef(*ranks)[0, 1] > 0.9
    assert layer > 0 or np.corrcoef(said, gained)[0, 1] > 0.99
    large = gained > gained.max() / 10
    assert share[0] < np.median(said[large] / gained[large]) < share[1]
