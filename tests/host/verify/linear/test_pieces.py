"""Runs, strips and hulls of stairs and tables hold for every argument, checked one by one."""

from __future__ import annotations

import numpy as np
import pytest

from coverify.verify.linear.pieces import hull, stair_pieces, strip, table_pieces
from tflm_int8.fixedpoint import Rounding
from tflm_int8.program.primitives import HalfUpShift, Requantize, thresholds


def rule(seed: int):
    rng = np.random.default_rng(seed)
    if seed % 2:
        lo = int(rng.choice([0, -8, -3]))
        return HalfUpShift(np.array([int(rng.integers(0, 6))]), lo, lo + int(rng.integers(1, 20)))
    multiplier = np.array([int(rng.integers(1 << 30, 1 << 31))])
    rounding = rng.choice([Rounding.DOUBLE, Rounding.SINGLE])
    return Requantize(multiplier, np.array([int(rng.integers(-5, 3))]), rounding, 3, -20, 25)


@pytest.mark.parametrize("seed", range(60))
def test_stairs(seed):
    rng = np.random.default_rng([seed, 1])
    stairs = rule(seed)
    lo = int(rng.integers(-400, 300))
    hi = lo + int(rng.integers(0, 400))
    pieces = stair_pieces(stairs, thresholds(stairs), 0, lo, hi)
    a = np.arange(lo, hi + 1)
    y = stairs.apply(a[:, None], np.zeros(1, np.int64))[:, 0]
    check_runs(pieces, a, y)
    check_hull(pieces, a, y)
    check_strip(pieces, a, y)


@pytest.mark.parametrize("seed", range(40))
def test_tables(seed):
    rng = np.random.default_rng([seed, 2])
    lo = int(rng.integers(-128, 100))
    n = int(rng.integers(1, 100 - lo + 28))
    y = rng.integers(-128, 128, n) if seed % 2 else np.sort(rng.integers(-5, 6, n))
    pieces = table_pieces(y, lo)
    a = np.arange(lo, lo + n)
    check_runs(pieces, a, y)
    check_hull(pieces, a, y)


def check_runs(pieces, a, y):
    assert pieces.first[0] == a[0] and pieces.last[-1] == a[-1]
    assert np.array_equal(pieces.first[1:], pieces.last[:-1] + 1)
    assert np.array_equal(np.repeat(pieces.value, pieces.last - pieces.first + 1), y)


def check_hull(pieces, a, y):
    for edge in hull(pieces):
        slack = edge.constant - (edge.rise * a - edge.run * y)
        assert slack.min() == 0  # it holds, and it touches the graph


def check_strip(pieces, a, y):
    s = strip(pieces)
    if s is None:
        return
    first, last = pieces.value[0], pieces.value[-1]
    for arg, out in zip(a.tolist(), y.tolist(), strict=True):
        rest = arg - s.slope * out
        assert rest >= s.below or (pieces.floor and out == first)
        assert rest <= s.above or (pieces.ceiling and out == last)
        if s.exact and rest >= s.below and rest <= s.above:
            for other in range(int(first), int(last) + 1):
                inside = s.below <= arg - s.slope * other <= s.above
                assert inside == (other == out)
