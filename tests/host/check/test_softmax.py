"""Bounds of a softmax's outputs from limits of its inputs' differences, against every row within them."""

import itertools

import numpy as np
import pytest

from coverify.check import Rejected
from coverify.check.certificate import shown_by
from coverify.check.networks.softmax import FAR, Softmax, falls
from model_builder import Builder
from oracle import Tflm

BUDGET = 10**11


def softmax(n: int, scale: float) -> Softmax:
    return Softmax(n + 1 + np.arange(n), 1 + np.arange(n), scale, False)


def by_interpreter(rows: np.ndarray, scale: float) -> np.ndarray:
    """TFLM's outputs of rows of logits, int64."""
    b = Builder()
    tflm = Tflm(b.finish(b.softmax(b.input((1, rows.shape[1]), scale, 0))))
    return np.stack([tflm.run(row[None].astype(np.int8)).reshape(-1) for row in rows]).astype(np.int64)


@pytest.mark.parametrize("scale", [0.004, 0.05, 0.3])
@pytest.mark.parametrize("seed", range(3))
def test_they_hold_of_every_row_within_the_limits(scale, seed):
    """And no limit can be left out: where one is only a code wider, so is some bound, now and then."""
    rng, n = np.random.default_rng([seed, 55]), 3
    lo = rng.integers(-40, 40, n)
    hi = lo + rng.integers(0, 9, n)
    rows = np.array(list(itertools.product(*map(range, lo, hi + 1))))
    y, apart, step = by_interpreter(rows, scale), rows[:, None, :] - rows[:, :, None], softmax(n, scale)
    for _ in range(20):
        some = rng.random(len(rows)) < rng.choice([0.01, 0.1, 1])
        some[int(rng.integers(len(rows)))] = True
        limits = apart[some].max(axis=0)
        loose = np.where(rng.random((n, n)) < 0.3, FAR, limits)
        np.fill_diagonal(loose, 0)
        for said in (limits, loose):
            within = np.all(apart <= said, axis=(1, 2))
            least, most = step.ends(lo, hi, said, BUDGET)
            assert np.all(least <= y[within].min(axis=0)) and np.all(y[within].max(axis=0) <= most)


@pytest.mark.parametrize("scale", [0.004, 0.05, 0.3])
def test_of_one_row_they_are_its_outputs(scale):
    rng, n = np.random.default_rng(7), 4
    rows = rng.integers(-128, 128, (30, n)) // rng.choice([1, 8], (30, 1))
    for row, y in zip(rows, by_interpreter(rows, scale), strict=True):
        ends = softmax(n, scale).ends(row - 1, row + 1, row[None] - row[:, None], BUDGET)
        assert np.array_equal(ends, [y, y])


def test_where_outputs_may_rise_along_the_sum_they_are_refused():
    """TFLM's reciprocal is not monotone where neighbouring sums differ by one of its last digits."""
    assert all(map(falls, range(8, 64)))
    assert not all(map(falls, range(1 << 14, (1 << 14) + 16)))
    n = 2050
    with pytest.raises(Rejected, match="rise with the sum"):
        softmax(n, 0.05).ends(np.zeros(n, np.int64), 2 + np.zeros(n, np.int64), np.zeros((n, n)), BUDGET)


def test_sums_beyond_the_budget_are_refused():
    step, box = softmax(10, 0.01), np.zeros(10, np.int64)
    with pytest.raises(Rejected, match="multiply-adds; the budget is"):
        step.ends(box - 100, box + 100, 200 * (1 - np.eye(10, dtype=np.int64)), 10**6)


def test_the_outputs_themselves_are_counted():
    """Each by all distances to all others."""
    n = 400
    step, box = softmax(n, 0.05), np.append(100, np.full(n - 1, -100))
    apart = np.where(np.eye(n, dtype=bool), 0, FAR)
    step.ends(box, box, apart, n**2 << 14)
    with pytest.raises(Rejected, match="multiply-adds; the budget is"):
        step.ends(box, box, apart, n**2 << 13)


@pytest.mark.parametrize(
    ("c", "d", "held"),
    [
        ([1, 0, 0], 9, True),
        ([1, 0, 0], 8, False),
        ([-1, 0, 0], 3, True),
        ([-1, 0, 0], 2, False),
        ([2, -1, 0], 2 * 9 - 20, True),
        ([2, -1, 0], 2 * 9 - 21, False),
        ([0, 1, -1], 0, True),  # by the order of the inputs alone
        ([0, 3, -3], 0, True),
        ([0, 1, -1], -1, False),
        ([0, -1, 1], 0, False),
        ([0, 1, -2], 0, False),
        ([0, 1, 1], 0, False),
        ([0, 0, 0], 0, True),
        ([0, 0, 0], -1, False),
    ],
)
def test_a_relation_follows_from_the_ends_or_from_the_order_of_two(c, d, held):
    """Outputs in −3..9, 20..50, 20..50, the second of which is not above the third."""
    ends, apart = np.array([[-3, 20, 20], [9, 50, 50]]), np.array([[0, 5, 5], [5, 0, 5], [5, 0, 0]])
    c, d = np.array([c, [1, 0, 0]]), np.array([d, -4])
    assert shown_by(apart, ends, c, d, np.array([[0]])) == held
    assert shown_by(apart, ends, c, d, np.array([[1, 0]])) == held  # the other one never follows
    assert not shown_by(apart, ends, c, d, np.array([[0], [1]]))
