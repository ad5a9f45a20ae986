"""Bounds by multipliers: what they refuse, and how their linear maps agree with plain matrices."""

from __future__ import annotations

import time

import numpy as np
import pytest

from coverify.verify.deadline import LATE_S, Deadline
from coverify.verify.dual.relaxation import Relaxation
from coverify.verify.engines import solve
from coverify.verify.problem import Problem
from coverify.verify.query import Robustness, Verdict
from oracle import NETWORKS
from tflm_int8 import Model, Reference
from tflm_int8.program.linear import Dense
from tflm_int8.program.lowering import lower_reference
from tflm_int8.program.primitives import Affine, Program, Term


def test_a_great_bias_of_an_output_that_no_bound_asks_for_does_not_matter() -> None:
    """By hand: x0 + x1 against x0 + x1 − 1 and an output that is always −9·10⁸; the first stays greatest.

    Such biases occur: a channel whose weights are near 0 has a tiny scale of its own.
    """
    logits = Affine((Term(0, Dense(np.array([[1, 1], [1, 1], [0, 0]])), 0),), np.array([0, -1, -900_000_000]))
    problem = Problem(Program(2, (logits,), 1), Robustness.around(np.zeros(2, np.int8), 0, 4))
    for engine in ("interval", "dual", "bab"):
        assert solve(engine, problem, Deadline.in_s(60)).verdict is Verdict.HOLDS, engine


@pytest.mark.parametrize("engine", ["interval", "dual", "bab"])
def test_a_pass_through_a_network_of_large_layers_ends_at_its_time(monkeypatch, engine) -> None:
    """Each layer takes a second here."""
    bounded = Relaxation._scalar

    def slowly(*arguments):
        time.sleep(1)
        return bounded(*arguments)

    program = lower_reference(Reference(Model.read(NETWORKS / "mnist_conv.tflite")))
    x = np.zeros(program.n_input, np.int8)
    label = int(Problem(program, Robustness.around(x, 0, 0)).labels(x[None])[0])
    problem = Problem(program, Robustness.around(x, label, 3))
    monkeypatch.setattr(Relaxation, "_scalar", slowly)
    start = time.monotonic()
    assert solve(engine, problem, Deadline.in_s(0.3)).verdict is Verdict.UNKNOWN
    assert time.monotonic() - start < 0.3 + LATE_S + 3
