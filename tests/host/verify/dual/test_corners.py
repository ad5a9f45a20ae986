"""The corners of a step's pieces have the maximum of all pieces, for any coefficients and multipliers."""

import numpy as np
import pytest

from coverify.verify.bounds import wire_bounds
from coverify.verify.deadline import Deadline, OutOfTime
from coverify.verify.dual.claim import stacked
from coverify.verify.dual.corners import corners
from coverify.verify.dual.relaxation import Pieces, Relaxation, _greatest
from tflm_int8.fixedpoint import Rounding
from tflm_int8.program.linear import Dense
from tflm_int8.program.primitives import (
    Affine,
    HalfUpShift,
    Program,
    Requantize,
    Rule,
    Staircase,
    Table,
    Term,
)

ROWS = 50


def relaxed(rng: np.random.Generator) -> tuple[Relaxation, list]:
    """A dense layer, its stairs (steep ones skip levels), then a table, on a box."""
    n, m = int(rng.integers(1, 4)), int(rng.integers(1, 6))
    weights = rng.integers(-127, 128, (m, n))
    rule: Rule = Requantize(
        rng.integers(1 << 30, 1 << 31, m), rng.integers(-9, 2, m), Rounding.DOUBLE,
        int(rng.integers(-99, 99)), -128, 127,
    )  # fmt: skip
    if rng.random() < 0.3:
        rule = HalfUpShift(rng.integers(0, 9, m), -128, 127)  # even: only the ends are listed
    values = np.round(255 / (1 + np.exp(-np.linspace(-6, 6, 256)))) - 128
    if rng.random() < 0.5:
        values = rng.integers(-128, 128, 256)
    steps = (
        Affine((Term(0, Dense(weights), 0),), rng.integers(-999, 999, m)),
        Staircase(1, rule, np.arange(m)),
        Table(2, values.astype(np.int64)),
    )
    lo = rng.integers(-128, 100, n)
    hi = np.minimum(lo + rng.integers(0, rng.choice([2, 60]), n), 127)
    program = Program(n, steps, 3)
    return Relaxation(program, 3), stacked([(b.lo, b.hi) for b in wire_bounds(program, lo, hi)])


@pytest.mark.parametrize("part", range(4))
def test_the_maximum_is_that_of_all_pieces(part):
    fewer = 0
    for seed in range(40):
        rng = np.random.default_rng([part, seed])
        relaxation, boxes = relaxed(rng)
        for p in relaxation.pieces(boxes, boxes, True).values():
            n = p.value.shape[1]
            nu = rng.integers(-(1 << 22), 1 << 22, (ROWS, n, 1)) * rng.choice([0, 1, 1], (ROWS, n, 1))
            slope = rng.choice([0.0, 0.001, 0.1, 1.0, 3.0], (ROWS, n, 1)) * rng.uniform(-1, 1.5, (ROWS, n, 1))
            xi = np.rint(slope * nu)
            found = []
            for q in (p, corners(p)):
                found.append((nu * q.value - xi * np.where(xi > 0, q.first, q.last)).max(axis=2))
            np.testing.assert_array_equal(*found)
            for before, after in ((p.value, q.value), (p.first, q.first), (p.last, q.last)):
                assert np.abs(before).max() == np.abs(after).max()  # on which checks of exactness rest
            fewer += 2 * q.value.shape[2] < p.value.shape[2]
    assert fewer > 10


def test_time_that_is_over_ends_a_maximum_over_many_pieces():
    """A layer of a large network has seconds of them."""
    rng = np.random.default_rng(1)
    a = np.arange(100.0)[None, None] + np.zeros((1, 3, 1))
    p = Pieces(a, a, a, *(np.zeros((1, 3)) for _ in range(4)))
    nu, xi = rng.normal(size=(5, 3)), rng.normal(size=(5, 3))
    best, _, _ = _greatest(nu, xi, p)
    np.testing.assert_allclose(best, np.maximum(0, 99 * (nu - xi)))
    with pytest.raises(OutOfTime):
        _greatest(nu, xi, p, Deadline.in_s(-1))
