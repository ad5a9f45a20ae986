"""The signal library's operators on the device: successive invocations equal TFLM's on every tensor."""

from __future__ import annotations

import numpy as np
import pytest

import random_signal
from coverify.conformance.stepping import Stepper
from coverify.conformance.suite.grids import GRIDS
from coverify.conformance.suite.run import Suite
from coverify.conformance.suite.signal_grid import SIGNAL
from oracle import Tflm
from preprocessor import frames, preprocessor
from tflm_int8 import AccumulatorOverflow, Model, Reference

CASES = 14
INVOCATIONS = 5


@pytest.mark.parametrize("name", random_signal.ONE_OP)
def test_successive_invocations_equal_tflm_on_every_tensor(client, name):
    checked = 0
    for seed in range(9000, 9000 + CASES):
        content = random_signal.one_op(name, seed)
        reference = Reference(Model.from_bytes(content))
        x = random_signal.samples(seed, reference, INVOCATIONS)
        try:
            reference.run(x)
        except AccumulatorOverflow:
            continue
        equals_tflm(client, content, x)
        checked += 1
    assert checked >= 0.8 * CASES


def equals_tflm(client, content: bytes, x: np.ndarray) -> None:
    """Every tensor of successive invocations; where nobody writes, zeros as in the reference."""
    reference, tflm = Reference(Model.from_bytes(content)), Tflm(content)
    trace = reference.trace(x)
    for i, got in enumerate(Stepper(client, reference.model).traces(x)):
        tflm.run(x[i].reshape(reference.input.shape))
        for t in reference.model.written:
            unwritten = reference.unwritten.get(t, np.zeros((), bool))
            want = np.where(unwritten, trace[t][i], tflm.tensor(t))
            np.testing.assert_array_equal(got[t], want, f"invocation {i}, tensor {t}")


def test_a_whole_preprocessor_equals_tflm_frame_after_frame(client):
    for n, length in ((60, 64), (150, 160)):
        equals_tflm(client, preprocessor(n, length), frames(18, n))


def test_the_grid_of_kernels_agrees(client):
    suite = Suite(client)
    for op in SIGNAL:
        suite.run(list(GRIDS[op](op, 5))[::3])
    assert not suite.refusals
    assert all(row.differing == row.flaky == 0 for row in suite.rows)
    assert {row.op for row in suite.rows} == set(SIGNAL)
