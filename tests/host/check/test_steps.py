"""Linear steps by groups and windows, against their definition in Python's integers; in little memory."""

import tracemalloc

import numpy as np
import pytest

from coverify.check import Rejected
from coverify.check.steps import Ints, Linear


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
            constants, parts = step.back(nu, None, boxes)
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


def test_a_convolution_s_products_are_made_for_one_bound_at_a_time():
    positions, taps, bounds = 4096, 64, 64
    step = Linear(
        (0,),
        np.ones((1, 1, taps), np.int64),
        np.arange(positions)[None, :, None] + np.arange(taps),
        np.zeros(positions, np.int64),
    )
    boxes = [np.zeros((2, positions + taps), np.int64)]
    tracemalloc.start()
    _, (form,) = step.back(np.ones((bounds, positions), np.int64), None, boxes)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert form[:, 63:4096].min() == form.max() == taps
    assert most < 8 * positions * taps * bounds / 4
