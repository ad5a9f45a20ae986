"""Intervals with clip as two ReLUs: by hand, sound on random points, and never tighter than exact ones."""

from __future__ import annotations

import numpy as np

from coverify.verify.bounds import wire_bounds
from coverify.verify.deadline import Deadline
from coverify.verify.eqv.intervals import two_relu_bounds
from tflm_int8.program.linear import Dense
from tflm_int8.program.primitives import Affine, HalfUpShift, Program, Staircase, Term


def clipped(lo: int, hi: int) -> Program:
    """y = clip(x, lo, hi) of one pixel."""
    identity = Affine((Term(0, Dense(np.array([[1]])), 0),), np.array([0]))
    return Program(1, (identity, Staircase(1, HalfUpShift(np.array([0]), lo, hi), np.array([0]))), 2)


def test_the_two_relus_forget_that_they_have_one_argument():
    """x in 5..30, clip to 0..20: relu(x) in 5..30, relu(x − 20) in 0..10, so 0 + 5 − 10 .. 0 + 30 − 0."""
    boxes = two_relu_bounds(clipped(0, 20), np.array([5]), np.array([30]), Deadline.never())
    assert (boxes[2].lo[0], boxes[2].hi[0]) == (-5, 30)


def test_they_are_exact_where_nothing_saturates_and_below_the_floor():
    for lo, hi, least, greatest in ((3, 20, 3, 20), (-9, -2, 0, 0), (-9, 5, 0, 5)):
        boxes = two_relu_bounds(clipped(0, 20), np.array([lo]), np.array([hi]), Deadline.never())
        assert (boxes[2].lo[0], boxes[2].hi[0]) == (least, greatest)


def test_no_value_of_a_random_program_leaves_them_and_none_is_tighter_than_exact_intervals(problem_of):
    rng, looser = np.random.default_rng(8), 0
    for seed in range(40):
        problem = problem_of(seed)
        query = problem.query
        boxes = two_relu_bounds(problem.program, query.lo, query.hi, Deadline.never())
        exact = wire_bounds(problem.program, query.lo, query.hi)
        x = rng.integers(query.lo, query.hi + 1, (200, len(query.lo)))
        for box, tight, values in zip(boxes, exact, problem.wires(x), strict=True):
            assert np.all((box.lo <= values) & (values <= box.hi))
            looser += bool(np.any((box.lo < tight.lo) | (box.hi > tight.hi)))
    assert looser > 5
