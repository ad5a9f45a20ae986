"""Linear steps by groups and windows, against their definition in Python's integers; in little memory."""

import tracemalloc

import numpy as np
import pytest

from coverify.check import Rejected
from coverify.check.certificate import network
from coverify.check.proof import CLOSE, TIGHTEN, Proof
from coverify.check.steps import Ints, Linear, Network
from fixed_point_networks import content, layers_of


def numbers(rng: np.random.Generator, shape, most_bits: int) -> Ints:
    """Of all magnitudes up to 2^most_bits."""
    return rng.integers(-(2**62), 2**62, shape) >> (62 - rng.integers(0, most_bits + 1, shape))


def random_step(rng: np.random.Generator) -> tuple[Linear, list[Ints]]:
    """One or two sources; taps outside the image, and some that read the same; small and large numbers."""
    groups, positions, channels, taps = rng.integers(1, 4, 4)
    sizes = rng.integers(1, 4, int(rng.integers(1, 3)))
    most = sizes.sum() if rng.random() < 0.9 else 0  # none within the image
    columns = rng.integers(-1, most, (groups, positions, taps))
    weights = numbers(rng, (groups, channels, taps), int(rng.choice([3, 30, 60])))
    bias = numbers(rng, groups * positions * channels, int(rng.choice([5, 60])))
    boxes = []
    for n in sizes:
        low = numbers(rng, n, int(rng.choice([3, 31, 60])))
        boxes.append(np.stack([low, low + np.abs(numbers(rng, n, int(rng.choice([3, 31, 59]))))]))
    return Linear(tuple(range(len(sizes))), weights, columns, bias), boxes


def terms(step: Linear, output: int) -> list[tuple[int, int]]:
    """(weight, element) of one output; y[p, g, c] lies at (p · groups + g) · channels + c."""
    groups, channels, _ = step.weights.shape
    p, g, c = output // channels // groups, output // channels % groups, output % channels
    pairs = zip(step.weights[g, c].tolist(), step.columns[g, p].tolist(), strict=True)
    return [(w, k) for w, k in pairs if k >= 0]


@pytest.mark.parametrize("seed", range(8))
def test_a_linear_step_is_its_definition_or_refused_where_it_leaves_64_bits(seed):
    rng, seen = np.random.default_rng(seed), set()
    for _ in range(60):
        step, boxes = random_step(rng)
        lo, hi = (np.concatenate(ends).tolist() for ends in zip(*boxes, strict=True))
        nu = numbers(rng, (2, len(step.bias)), int(rng.choice([3, 30, 60])))
        try:
            low, high = step.interval(boxes).tolist()
            for i, bias in enumerate(step.bias.tolist()):
                ends = [sorted((w * lo[k], w * hi[k])) for w, k in terms(step, i)]
                assert (low[i], high[i]) == tuple(bias + sum(end[s] for end in ends) for s in (0, 1))
            seen.add("interval")
        except Rejected:
            seen.add("no interval")
        try:
            constants, parts = step.back(nu, None, step.corners(boxes))
        except Rejected:
            seen.add("no form")
            continue
        found = np.concatenate(parts, axis=1).tolist()
        for row, constant, form in zip(nu.tolist(), constants.tolist(), found, strict=True):
            true = [0] * len(lo)
            for v, (w, k) in ((v, term) for i, v in enumerate(row) for term in terms(step, i)):
                true[k] += v * w
            assert form == true
            assert constant == sum(v * b for v, b in zip(row, step.bias.tolist(), strict=True))
        seen.add("form")
    assert seen == {"interval", "no interval", "form", "no form"}


def test_bounds_of_a_convolution_are_shown_so_many_at_a_time_that_its_products_fit_into_memory():
    positions, taps, bounds = 4096, 64, 64
    columns = np.arange(positions)[None, :, None] + np.arange(taps)
    step = Linear((0,), np.ones((1, 1, taps), np.int64), columns, np.zeros(positions, np.int64))
    net = Network(np.zeros((2, positions + taps), np.int64), (step,))
    rows = np.tile([1, 0, 1, 0], (bounds, 1))
    rows[:, 1] = np.arange(bounds)
    none = {name: np.zeros((0, n), np.int64) for name, n in (("parabolas", 0), ("weights", 0))}
    proof = Proof(net, net.domain, np.zeros((1, positions + 1), np.int64), {"rows": rows, **none})
    tracemalloc.start()
    facts = proof.shown(proof.root, 0, bounds)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert facts == [[1, k, 1, 0] for k in range(bounds)]
    assert most < 8 * positions * taps * bounds / 3


def test_only_a_bound_with_parabolas_that_is_shown_alone_is_counted_with_their_matrix():
    n, m = 50, 20
    layer = layers_of([np.ones((m, n), int)], [np.zeros(m, int)], [2], [(0, 15)])
    net = network(content(layer), "fixed-point")

    def products(script: list[list[int]], curves: int) -> int:
        parabolas = np.repeat([[0, curves, 1]], m, axis=1).reshape(1, -1)
        weights = np.ones((1, 3 + n), np.int64) * np.array([0, 2, *[1] * (n + 1)])
        rows, xi = np.array([[2, 0, 1, 0]] * 2), np.zeros((2, m), np.int64)
        arrays = {"rows": rows, "weights": weights, "parabolas": parabolas, "xi-2": xi}
        proof = Proof(net, net.domain, np.zeros((1, m + 1), np.int64), arrays)
        return proof.products(np.array([*script, [CLOSE, 0, 0, 0]]))

    for free in ([[TIGHTEN, 1, 1, 0]] * 9, [[TIGHTEN, 0, 2, 0]]):
        assert products(free, 1) == products(free, 0)
    alone = [[TIGHTEN, 0, 1, 0]]
    matrix = products(alone, 1) - products(alone, 0)
    assert matrix > m * m * n
    assert products(3 * alone, 1) - products(3 * alone, 0) == 3 * matrix
