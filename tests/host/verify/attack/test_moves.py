"""The score after some moves does not depend on whether the whole program is run or only what follows."""

from __future__ import annotations

import numpy as np
import pytest

from coverify.verify.attack.moves import Incremental, Moves, Whole, neighbourhood
from coverify.verify.attack.runner import Found, Runner
from coverify.verify.attack.score import Score
from coverify.verify.bounds import wire_bounds
from coverify.verify.deadline import Deadline
from coverify.verify.problem import Problem
from verify_cases import pixels


def runner_of(problem: Problem) -> Runner:
    boxes = wire_bounds(problem.program, problem.query.lo, problem.query.hi)
    return Runner(problem, boxes, Score.of(problem, boxes, Deadline.never()), Deadline.never())


def scores_of(near, x, moves, groups, rival):
    try:
        return near.scores(x, moves, groups, rival).tolist()
    except Found as found:
        return found.x.tolist()


@pytest.mark.parametrize("seed", range(40))
def test_incremental_scores_equal_those_of_the_moved_points(seed):
    problem = pixels(seed).problem
    runner = runner_of(problem)
    near = neighbourhood(runner)
    assert isinstance(near, Incremental)
    rng, n = np.random.default_rng(seed), problem.program.n_input
    lo, hi = problem.query.lo, problem.query.hi
    x = problem.query.x0.astype(np.int64)
    moves = Moves(np.tile(np.arange(n), 2), np.concatenate([rng.integers(lo, hi + 1), hi]))
    groups = np.array([[k, -1] for k in range(2 * n)] + [[0, k] for k in range(1, n)])
    for rival in runner.score.rivals.tolist():
        incremental = scores_of(near, x, moves, groups, rival)
        assert incremental == scores_of(Whole(runner), x, moves, groups, rival)


def test_a_program_that_reads_its_input_twice_is_run_whole(problem_of):
    kinds = {type(neighbourhood(runner_of(problem_of(seed)))) for seed in range(40)}
    assert kinds == {Incremental, Whole}
