"""Where one step of an accumulator skips outputs, no accumulator is on the levels in between."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from coverify.check import check
from coverify.verify.certificate import Certificate
from coverify.verify.deadline import Deadline
from coverify.verify.engines import solve
from coverify.verify.problem import Problem
from coverify.verify.query import Robustness, Verdict
from model_builder import Builder
from tflm_int8 import Model, lower

X0 = np.array([3, -8, 15])


def skipping(rng: np.random.Generator) -> bytes:
    """Weights of few codes, so that a layer's sums are multiplied by 3 instead of divided."""
    b = Builder()
    x = b.input((1, len(X0)), 0.05, 0)
    for n, most, scale in ((5, 40, 0.08), (4, 30, 0.006), (3, 2, 0.002)):
        w = rng.integers(-most, most + 1, (n, b.tensors[x].shape[1]))
        w_scale = 0.01 if most > 2 else 1.0
        zero_point = -128 if n > 3 else 0
        x = b.fully_connected(x, w, rng.integers(-9, 9, n) * most, w_scale, scale, zero_point, int(n > 3))
    return b.finish(x)


def test_proofs_about_such_networks_are_accepted(tmp_path: Path) -> None:
    accepted = 0
    for seed in range(25):
        content = skipping(np.random.default_rng([seed, 91]))
        program = lower(Model.from_bytes(content))
        label = int(Problem(program, Robustness.around(X0, 0, 0)).labels(X0[None])[0])
        for eps in (1, 2, 3, 4):
            query = Robustness.around(X0, label, eps)
            outcome = solve("bab", Problem(program, query), Deadline.in_s(1))
            if outcome.verdict is Verdict.HOLDS and outcome.argument is not None:
                Certificate(content, "tflm", query, outcome.argument, "bab").write(tmp_path / "c.zip")
                assert check(tmp_path / "c.zip").label == label
                accepted += len(outcome.argument.arrays["script"]) > 0
    assert accepted > 5
