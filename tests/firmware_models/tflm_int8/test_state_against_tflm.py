"""Models that remember: successive invocations equal TFLM's, from the reset state on, as does the program."""

import os

import numpy as np
import pytest

import random_state
from oracle import Tflm
from tflm_int8 import AccumulatorOverflow, Model, Reference, lower
from tflm_int8.program.concrete import run as run_program

CASES = int(os.environ.get("COVERIFY_FUZZ_CASES", "60"))


@pytest.mark.parametrize("name", random_state.ONE_OP)
def test_successive_invocations_equal_tflm(name):
    checked = lively = 0
    for seed in range(CASES):
        content = random_state.one_op(name, seed)
        reference = Reference(Model.from_bytes(content, f"{name}-{seed}"))
        x = random_state.samples(seed, reference, 9)
        try:
            ours = reference.run(x.reshape(len(x), *reference.input.shape))
        except AccumulatorOverflow:
            continue
        tflm = Tflm(content, 1 << 20)
        for _ in range(2):  # the same again after a reset
            for i, one in enumerate(x):
                expected = tflm.run(one)
                np.testing.assert_array_equal(
                    ours[i].reshape(expected.shape), expected, f"{seed}: sample {i}"
                )
            tflm.reset()
        lively += len(np.unique(ours)) > 8
        checked += 1
    assert checked >= 0.7 * CASES and lively >= 0.5 * CASES, (checked, lively)


@pytest.mark.parametrize("name", random_state.ONE_OP)
def test_the_program_and_from_reset_are_the_first_invocation_after_a_reset(name):
    checked = 0
    for seed in range(CASES):
        content = random_state.one_op(name, seed)
        reference = Reference(Model.from_bytes(content, f"{name}-{seed}"))
        x = random_state.samples(seed, reference, 5)
        try:
            alone = reference.from_reset(x)
        except AccumulatorOverflow:
            continue
        tflm = Tflm(content, 1 << 20)
        for i, one in enumerate(x):
            tflm.reset()
            np.testing.assert_array_equal(alone[i].reshape(reference.output.shape), tflm.run(one))
        if reference.input.dtype == "int8":
            program = lower(reference.model)
            wires = run_program(program, x.reshape(len(x), -1))
            np.testing.assert_array_equal(wires[program.output], alone.reshape(len(x), -1))
            checked += 1
    assert checked >= 0.4 * CASES
