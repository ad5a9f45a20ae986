"""Bounds of products against every pair of factors, and gated networks against every input."""

from __future__ import annotations

import numpy as np
import pytest

from coverify.check import check
from coverify.verify.certificate import Certificate
from coverify.verify.deadline import Deadline
from coverify.verify.dual.products import bounded, magnitudes
from coverify.verify.engines import solve
from coverify.verify.problem import Problem
from coverify.verify.query import Robustness, Verdict
from tflm_int8 import Model, lower
from tflm_int8.program.primitives import Product
from verify_cases import gated_network


@pytest.mark.parametrize("right", [0, 1])
def test_no_pair_of_factors_is_above_the_bound_and_one_reaches_it(right):
    rng = np.random.default_rng(8)
    for _ in range(300):
        step = Product(0, right, *(int(n) for n in rng.integers(-128, 128, 2)))
        lo = rng.integers(-20, 20, (2, 1, 1))
        boxes = [(end, end + rng.integers(0, 9, (1, 1))) for end in lo]
        nu = np.array([[float(rng.integers(-50, 51))]])
        most, slopes = bounded(step, nu, boxes, exact=True)
        s, t = (int(slope[0, 0]) for slope in slopes)
        ranges = [range(int(lo[0, 0]), int(hi[0, 0]) + 1) for lo, hi in boxes]
        pairs = [(a, b) for a in ranges[0] for b in ranges[1]] if right else [(a, a) for a in ranges[0]]
        found = [
            (int(nu[0, 0]) * (a - step.left_offset) * (b - step.right_offset), -s * a, -t * b)
            for a, b in pairs
        ]
        assert most[0, 0] == max(map(sum, found))
        held = magnitudes(step, nu, slopes, boxes)[0, 0]
        assert held >= max(sum(map(abs, terms)) for terms in found)


def test_gated_networks_are_decided_as_all_their_inputs_say_with_certificates(tmp_path):
    said = []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        content = gated_network(rng)
        program = lower(Model.from_bytes(content))
        x0 = rng.integers(-100, 100, 3)
        label = int(Problem(program, Robustness.around(x0, 0, 0)).labels(x0[None])[0])
        problem = Problem(program, Robustness.around(x0, label, 12))
        truth = solve("enumerate", problem, Deadline.in_s(60)).verdict
        outcome = solve("bab", problem, Deadline.in_s(60))
        assert outcome.verdict is truth
        said.append(truth)
        if truth is Verdict.HOLDS:
            query = Robustness.around(x0, label, 12)
            Certificate(content, "tflm", query, outcome.argument, "bab").write(tmp_path / "c.zip")
            assert check(tmp_path / "c.zip").label == label
    assert said.count(Verdict.HOLDS) > 3
