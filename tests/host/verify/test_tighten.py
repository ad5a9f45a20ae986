"""Bounds where a rival takes the label: no input on which it does is left out, and none is found of none."""

import numpy as np
import pytest

from coverify.verify.bounds import Box, wire_bounds
from coverify.verify.deadline import Deadline
from coverify.verify.decision import decision
from coverify.verify.errors import CannotDecide
from coverify.verify.overtaking import rival_claim
from coverify.verify.tighten import Rival, tightened
from tflm_int8.program.linear import Dense
from tflm_int8.program.primitives import Affine, HalfUpShift, Program, Staircase, Term
from verify_cases import all_points


@pytest.mark.parametrize("seed", range(40))
def test_no_input_on_which_the_rival_wins_leaves_its_bounds(problem_of, seed):
    problem, deadline = problem_of(seed), Deadline.in_s(20)
    boxes = wire_bounds(problem.program, problem.query.lo, problem.query.hi)
    wires = problem.wires(all_points(problem))
    try:
        last = decision(problem.program, boxes, deadline)
    except CannotDecide:
        pytest.skip("the softmax's sums vary too widely")
    logits, label = wires[last.wire], problem.query.label
    for rival in set(range(logits.shape[1])) - {label}:
        claim = rival_claim(rival, label, last)
        wins = logits[:, rival] - logits[:, label] >= claim.rise
        try:
            found = tightened(problem.program, boxes, claim, deadline)
        except CannotDecide:
            continue
        if found is None:
            assert not wins.any()
        else:
            for values, box in zip(wires, found, strict=True):
                assert np.all(box.lo <= values[wins])
                assert np.all(values[wins] <= box.hi)


def test_bounds_that_contradict_each_other_leave_no_input():
    def layer(source: int, weights: list[list[int]]) -> list[Affine | Staircase]:
        n = len(weights)
        rule, channel = HalfUpShift(np.zeros(1, np.int64), -100, 100), np.zeros(n, np.int64)
        term = Term(source, Dense(np.array(weights)), 0)
        return [Affine((term,), np.zeros(n, np.int64)), Staircase(source + 1, rule, channel)]

    program = Program(1, (*layer(0, [[1]]), *layer(2, [[1], [-1]])), 4)
    boxes = [Box(np.array([lo] * n), np.array([hi] * n)) for lo, hi, n in ((0, 1, 1), (5, 6, 1), (-9, 9, 1))]
    boxes += [Box(np.full(2, -9), np.full(2, 9))] * 2
    assert tightened(program, boxes, Rival(4, 0, 1, -1000), Deadline.in_s(20)) is None
