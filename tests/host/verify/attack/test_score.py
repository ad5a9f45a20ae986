"""The score of a point against the labels that the concrete program gives: exact where the decision is."""

from __future__ import annotations

import numpy as np
import pytest

from coverify.verify.attack.score import Score
from coverify.verify.bounds import wire_bounds
from coverify.verify.deadline import Deadline
from coverify.verify.decision import decision
from verify_cases import all_points

SEEDS = range(60)


@pytest.mark.parametrize("seed", SEEDS)
def test_some_score_is_0_or_more_exactly_where_the_label_is_another(problem_of, seed):
    problem = problem_of(seed)
    boxes = wire_bounds(problem.program, problem.query.lo, problem.query.hi)
    score = Score.of(problem, boxes, Deadline.never())
    wires = problem.wires(all_points(problem))
    lost = wires[problem.program.output].argmax(axis=1) != problem.query.label
    best = np.full(len(lost), -np.inf)
    for rival in score.rivals.tolist():
        best = np.maximum(best, score.of_rows(wires, np.full(len(lost), rival)))
    assert np.all(best[lost] >= 0)
    last = decision(problem.program, boxes, Deadline.never())
    if last.wire == problem.program.output:  # no softmax, whose ties depend on all logits
        assert np.all(best[~lost] < 0)


def test_both_outcomes_occur_in_these_cases(problem_of):
    outcomes = set()
    for seed in SEEDS:
        problem = problem_of(seed)
        labels = problem.labels(all_points(problem))
        outcomes |= {*(labels != problem.query.label).tolist()}
    assert outcomes == {True, False}
