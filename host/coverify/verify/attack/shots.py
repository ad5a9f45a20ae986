"""Points drawn at random, before anything is climbed: what a thousandth of the region breaks is found so."""

from __future__ import annotations

import numpy as np

from coverify.verify.attack.runner import Runner
from coverify.verify.property.copies import raised_feature

ELEMENTS = 4_000_000
"""Of all wires that are run: a tenth of a second."""
POINTS = 20_000
_NEAR = (1, 2, 4, 16)
"""How far a feature is raised, where two runs are compared: three times in four, else anywhere."""


def shoot(runner: Runner, rng: np.random.Generator, times: int = 1) -> None:
    """Run some thousand points of the box, `times` as many.  Raises Found, OutOfTime, OutsideDomain."""
    problem, lo, hi = runner.problem, runner.lo, runner.hi
    feature, left = raised_feature(problem.program), ELEMENTS // sum(problem.program.sizes())
    left = min(times * min(left, POINTS), problem.query.n_points)
    while left > 0:
        n = min(left, problem.batch)
        x = rng.integers(lo, hi, (n, len(lo)), np.int64, endpoint=True)
        left -= n
        if feature is not None:
            near = x[:, feature] + rng.choice(_NEAR, n)
            x[:, -1] = np.where(rng.random(n) < 0.75, np.clip(near, lo[-1], hi[-1]), x[:, -1])
        runner.run(x)
