"""The engines against brute force through the concrete program, in both directions.

COVERIFY_FUZZ_CASES=5000 runs more cases than the default; a failure names its seed.
"""

from __future__ import annotations

import os

import numpy as np
import pytest

from coverify.verify.bounds import wire_bounds
from coverify.verify.deadline import Deadline
from coverify.verify.engines import ENGINES, engine_named, solve
from coverify.verify.engines.packages import PACKAGES
from coverify.verify.errors import BadQuery
from coverify.verify.query import Verdict, rival_labels
from verify_cases import all_points

CASES = int(os.environ.get("COVERIFY_FUZZ_CASES", "40"))
COMPLETE = ("enumerate", "z3")
IN_PROCESS = [name for name in ENGINES if name not in PACKAGES or name == "z3"]
"""The other solvers run in processes of their own: test_solvers.py."""


@pytest.mark.parametrize("seed", range(CASES))
def test_every_engine_agrees_with_brute_force(problem_of, seed):
    problem = problem_of(seed)
    outputs = problem.wires(all_points(problem))[problem.program.output]
    holds = bool(np.all(outputs.argmax(axis=1) == problem.query.label))
    truth = Verdict.HOLDS if holds else Verdict.VIOLATED
    for engine in IN_PROCESS:
        limit_s = {"z3": 10, "bab": 10}.get(engine, 60)
        outcome = solve(engine, problem, Deadline.in_s(limit_s), seed)
        may_be_open = engine not in COMPLETE or (engine == "z3" and "out of time" in outcome.note)
        allowed = {truth, Verdict.UNKNOWN} if may_be_open else {truth}
        assert outcome.verdict in allowed, (engine, outcome)


@pytest.mark.parametrize("seed", range(0, 10 * CASES, 10))
def test_no_value_leaves_its_bounds(problem_of, seed):
    problem = problem_of(seed)
    boxes = wire_bounds(problem.program, problem.query.lo, problem.query.hi)
    for values, box in zip(problem.wires(all_points(problem)), boxes, strict=True):
        assert np.all(box.lo <= values.min(axis=0))
        assert np.all(values.max(axis=0) <= box.hi)


def test_one_rival_label_is_no_rival_labels():
    assert [rival_labels(n) for n in (1, 2)] == ["1 rival label", "2 rival labels"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("attack:foo", "engine attack has no 'foo'; there are: rounds, smallest"),
        ("z3:foo", "engine z3 has no 'foo'; there are: threshold"),
        ("dual:foo", "engine dual has no 'foo', nor other parts; attack, "),
    ],
)
def test_a_part_that_an_engine_lacks_is_told_with_those_that_it_has(name, said):
    with pytest.raises(BadQuery, match=said):
        engine_named(name)
