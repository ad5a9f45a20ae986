"""Linear steps and maxima of windows against their definition in Python's integers; in little memory."""

import itertools
import tracemalloc

import numpy as np
import pytest

from coverify.check import Rejected
from coverify.check.certificate import network
from coverify.check.proof import CLOSE, TIGHTEN, Proof
from coverify.check.steps import INT8, SMALL, Highest, Ints, Linear, Network, Pieces, Product
from fixed_point_networks import content, layers_of


def numbers(rng: np.random.Generator, shape, most_bits: int) -> Ints:
    """Of all magnitudes up to 2^most_bits."""
    return rng.integers(-(2**62), 2**62, shape) >> (62 - rng.integers(0, most_bits + 1, shape))


def random_step(rng: np.random.Generator) -> tuple[Linear, Ints]:
    """And the box of what it may read; taps outside the image, and some that read the same; small and large
    numbers.
    """
    groups, positions, channels, taps = rng.integers(1, 4, 4)
    n = int(rng.integers(1, 7))
    most = n + 1 if rng.random() < 0.9 else 1  # none within the image
    columns = rng.integers(0, most, (groups, positions, taps))
    weights = numbers(rng, (groups, channels, taps), int(rng.choice([3, 30, 60])))
    bias = numbers(rng, groups * positions * channels, int(rng.choice([5, 60])))
    low = numbers(rng, n, int(rng.choice([3, 31, 60])))
    box = np.stack([low, low + np.abs(numbers(rng, n, int(rng.choice([3, 31, 59]))))])
    return Linear(1 + n + np.arange(len(bias)), weights, columns, bias), np.pad(box, ((0, 0), (1, 0)))


def terms(step: Linear, output: int) -> list[tuple[int, int]]:
    """(weight, element) of one output; y[p, g, c] lies at (p · groups + g) · channels + c."""
    groups, channels, _ = step.weights.shape
    p, g, c = output // channels // groups, output // channels % groups, output % channels
    pairs = zip(step.weights[g, c].tolist(), step.columns[g, p].tolist(), strict=True)
    return [(w, k) for w, k in pairs if k > 0]


@pytest.mark.parametrize("seed", range(8))
def test_a_linear_step_is_its_definition_or_refused_where_it_leaves_64_bits(seed):
    rng, seen = np.random.default_rng(seed), set()
    for _ in range(60):
        step, boxes = random_step(rng)
        lo, hi = boxes.tolist()
        nu = numbers(rng, (boxes.shape[1] + len(step.bias), 2), int(rng.choice([3, 30, 60])))
        nu[: boxes.shape[1]] = 0
        try:
            low, high = step.interval(boxes).tolist()
            for i, bias in enumerate(step.bias.tolist()):
                ends = [sorted((w * lo[k], w * hi[k])) for w, k in terms(step, i)]
                assert (low[i], high[i]) == tuple(bias + sum(end[s] for end in ends) for s in (0, 1))
            seen.add("interval")
        except Rejected:
            seen.add("no interval")
        try:
            given = nu[step.out].T.tolist()
            constants = step.back(nu, None, step.corners(boxes))
        except Rejected:
            seen.add("no form")
            continue
        found = nu[: boxes.shape[1]].T.tolist()
        for row, constant, form in zip(given, constants.tolist(), found, strict=True):
            true = [0] * len(lo)
            for v, (w, k) in ((v, term) for i, v in enumerate(row) for term in terms(step, i)):
                true[k] += v * w
            assert form[1:] == true[1:]
            assert constant == sum(v * b for v, b in zip(row, step.bias.tolist(), strict=True))
        seen.add("form")
    assert seen == {"interval", "no interval", "form", "no form"}


@pytest.mark.parametrize("clamp", [(-SMALL, SMALL), (-3, 127), (-2, 4)])
def test_a_maximum_is_bounded_at_every_point_and_no_higher_than_it_gets(clamp):
    """Whatever the multipliers; where no two windows read the same element, the constants are the maxima."""
    rng, apart = np.random.default_rng(4), 0
    for _ in range(200):
        n, m, w = (int(v) for v in rng.integers(1, 4, 3))
        windows = rng.integers(1, n + 1, (m, w))
        step = Highest(1 + n + np.arange(m), windows, clamp)
        box = np.sort(rng.integers(-6, 7, (2, n)), axis=0)
        boxes = np.pad(box, ((0, 0), (1, m)))
        own, xi = rng.integers(-5, 6, (m, 8)), rng.integers(-5, 6, (8, m, w))
        if rng.random() < 0.5:  # means
            xi = -np.abs(xi)
            own = xi.sum(axis=2).T
        nu = np.zeros((1 + n + m, 8), np.int64)
        nu[step.out] = own
        constants = step.back(nu, xi.reshape(8, -1), step.corners(boxes))
        x = np.array(list(itertools.product(*(range(a, b + 1) for a, b in box.T))))
        y = np.clip(x[:, windows - 1].max(axis=2), *clamp)
        gap = constants + x @ nu[1 : 1 + n] - y @ own
        assert np.all(gap >= 0)
        if len(np.unique(windows)) == windows.size:
            assert np.all(gap.min(axis=0) == 0)
            apart += 1
        with pytest.raises(Rejected):
            step.back(nu.copy(), xi.reshape(8, -1)[:, 1:], step.corners(boxes))
    assert apart > 30


def test_a_product_is_bounded_at_every_pair_of_factors_and_reached():
    rng = np.random.default_rng(6)
    for same in [False] * 200 + [True] * 50:
        offsets = rng.integers(-128, 128, 2)
        step = Product(np.array([3]), np.array([[1], [1 if same else 2]]), offsets)
        low = rng.integers(-30, 30, 3)
        boxes = np.stack([low, low + rng.integers(0, 9, 3)])
        x = np.array([*itertools.product(*(range(lo, hi + 1) for lo, hi in boxes.T[1:].tolist()))])
        at = step.pick[:, 0] - 1
        y = np.prod(x[:, at] - offsets, axis=1)
        own = rng.integers(-50, 51, (1, 3))
        nu = np.concatenate([np.zeros((3, 3), np.int64), own])
        gap = step.back(nu, None, step.corners(boxes)) + x @ nu[1:3] - y[:, None] * own
        assert np.all(gap >= 0)
        points = step.interval(np.pad(x, ((0, 0), (1, 1)))[None])
        np.testing.assert_array_equal(points[0, :, 0], y)
        least, most = step.interval(boxes)[:, 0]
        assert least <= y.min() and y.max() <= most
        if not same:
            assert np.all(gap.min(axis=0) == 0) and (least, most) == (y.min(), y.max())


def test_a_product_that_leaves_64_bits_is_refused():
    step, far = Product(np.array([3]), np.array([[1], [2]]), np.zeros(2, np.int64)), 2**31
    boxes = np.array([[0, -far, -far], [0, far, far]])
    with pytest.raises(Rejected, match="64-bit"):
        step.interval(boxes)
    nu = np.array([[0], [0], [0], [1]])
    with pytest.raises(Rejected, match="64-bit"):
        step.back(nu, None, step.corners(boxes))
    step.back(nu, None, step.corners(boxes // 4))


def test_a_table_that_falls_is_bounded_by_all_that_lies_between_the_ends():
    rng, element = np.random.default_rng(7), np.zeros(1, np.int64)
    for _ in range(100):
        values = rng.integers(-128, 128, 256)
        step = Pieces(element + 2, element + 1, lambda a, c: a + 128, values, element, INT8)
        lo = int(rng.integers(-128, 128))
        hi = int(rng.integers(lo, 128))
        boxes, y = np.array([[0, lo, 0], [0, hi, 0]]), values[lo + 128 : hi + 129]
        assert step.interval(boxes).tolist() == [[y.min()], [y.max()]]
        own, xi = rng.integers(-20, 21, (2, 4))
        nu = np.stack([0 * own, 0 * own, own])
        constant = step.back(nu, xi[:, None], step.corners(boxes))
        gap = constant + np.arange(lo, hi + 1)[:, None] * nu[1] - y[:, None] * own
        assert np.all(gap.min(axis=0) == 0)


def test_bounds_of_a_convolution_are_shown_so_many_at_a_time_that_its_products_fit_into_memory():
    positions, taps, bounds = 4096, 64, 64
    columns = 1 + np.arange(positions)[None, :, None] + np.arange(taps)
    net, n = Network(positions + taps, 0, 0), positions + taps
    none = np.zeros(positions, np.int64)
    net.put(Linear, positions, np.ones((1, 1, taps), np.int64), columns, none)
    net.put(Linear, 1, np.zeros((1, 1, positions), np.int64), net.outputs[None, None], none[:1] - 1)
    rows = np.tile([1, 1, 0], (bounds, 1))
    rows[:, 0] = 1 + n + np.arange(bounds)
    arrays = {
        "rows": rows,
        "xi": np.zeros((bounds, 0)),
        "script": np.zeros((0, 4)),
        "parabolas": np.zeros((0, 3 + n)),
    }
    proof = Proof(net, net.domain, arrays)
    proof.j = int(net.outputs[0])
    tracemalloc.start()
    facts = proof.shown(proof.root, 0, bounds, 0)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert facts == [[1 + n + k, 1, 0] for k in range(bounds)]
    assert most < 8 * positions * taps * bounds / 3


def test_a_bound_with_parabolas_is_counted_with_their_matrix():
    n, m = 50, 20
    layer = layers_of([np.ones((m, n), int)], [np.zeros(m, int)], [2], [(0, 15)])

    def products(script: list[list[int]], curves: int) -> int:
        net = network(content(layer), "fixed-point")
        net.put(Linear, 1, np.ones((1, 1, m), np.int64), net.outputs[None, None], np.array([-1]))
        parabolas = np.array([[1 + n + m, 0, 1, *[1] * n, *[0] * m, *[curves] * m, *[1] * m]])
        arrays = {
            "rows": np.array([[1 + n, 1, 0]] * 2),
            "xi": np.zeros((2, m), np.int64),
            "parabolas": parabolas,
        }
        return Proof(net, net.domain, {**arrays, "script": np.array([*script, [CLOSE, 0, 0, 0]])}).products(
            10**12
        )

    for free in ([[TIGHTEN, 1, 1, 0]] * 9, [[TIGHTEN, 0, 2, 0]]):
        assert products(free, 1) == products(free, 0)
    alone = [[TIGHTEN, 0, 1, 1]]
    matrix = products(alone, 1) - products(alone, 0)
    assert matrix > m * m * n
    assert products(3 * alone, 1) - products(3 * alone, 0) == 3 * matrix
