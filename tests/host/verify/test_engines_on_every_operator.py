"""Every engine against brute force on networks of one operator each: whatever the lowering emits.

The box has few points, so that the truth is known; an engine may say UNKNOWN, never the contrary.
"""

import os

import numpy as np
import pytest

from coverify.verify.deadline import Deadline
from coverify.verify.engines import ENGINES, solve
from coverify.verify.engines.packages import PACKAGES, usable
from coverify.verify.problem import Problem
from coverify.verify.query import Robustness, Verdict
from one_op import CASES_OF
from tflm_int8 import Model, Reference, UnsupportedModel, UnsupportedOp, lower
from tflm_int8.operators import OPERATORS
from tflm_int8.program.concrete import OutsideDomain, run

CASES = int(os.environ.get("COVERIFY_FUZZ_CASES", "2"))
LIMIT_S = 10.0 if "COVERIFY_FUZZ_CASES" in os.environ else 0.5
MAX_INPUTS = 400
MAX_OUTPUTS = 100
"""Every other output is a question for each engine."""


def problem_of(case, seed: int) -> tuple[Problem, np.ndarray] | None:
    """A query on at most three free elements, and all points of its box."""
    try:
        model = Model.from_bytes(case.model(seed), f"{case.key}-{seed}")
        program = lower(model)
    except (UnsupportedOp, UnsupportedModel):
        return None
    if program.n_input > MAX_INPUTS or not 2 <= program.sizes()[program.output] <= MAX_OUTPUTS:
        return None
    rng = np.random.default_rng([seed, 77])
    x0 = case.inputs(Reference(model), seed, 5)[4].reshape(-1).astype(np.int64)
    free = rng.permutation(program.n_input)[: int(rng.integers(1, 4))]
    mask = np.isin(np.arange(program.n_input), free)
    query = Robustness.around(x0, 0, int(rng.integers(1, 4)), mask)
    points = np.repeat(x0[None], query.n_points, axis=0)
    ranges = [np.arange(query.lo[i], query.hi[i] + 1) for i in free]
    points[:, free] = np.stack(np.meshgrid(*ranges, indexing="ij"), -1).reshape(-1, len(free))
    try:
        label = int(run(program, x0[None])[program.output][0].argmax())
    except OutsideDomain:
        return None
    return Problem(program, Robustness.around(x0, label, query.eps, mask)), points


@pytest.mark.parametrize("operator", sorted(OPERATORS))
def test_no_engine_contradicts_brute_force(operator):
    for case in CASES_OF[operator]:
        for seed in range(CASES):
            found = problem_of(case, seed)
            if found is None:
                continue
            problem, points = found
            try:
                holds = problem.first_violation(points) is None
            except OutsideDomain:  # then no engine may prove anything
                holds = False
            for engine in filter(usable, ENGINES):
                verdict = solve(engine, problem, Deadline.in_s(LIMIT_S), seed).verdict
                wrong = Verdict.VIOLATED if holds else Verdict.HOLDS
                assert verdict is not wrong, (case.key, seed, engine)


@pytest.mark.parametrize("engine", ENGINES)
def test_the_engine_is_here_to_be_asked(engine):
    if not usable(engine):
        pytest.skip(f"not asked about any operator: {PACKAGES[engine].distribution} is not installed")
