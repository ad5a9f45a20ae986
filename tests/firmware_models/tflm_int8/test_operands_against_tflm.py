"""int4 weights, int16, int32 and bool operands, DIV: every tensor equals TFLM's, the lowered program both."""

import os

import numpy as np
import pytest

import random_operands
from oracle import Tflm
from tflm_int8 import AccumulatorOverflow, Model, Reference, UnsupportedOp, lower
from tflm_int8.program.concrete import run as run_program
from tflm_int8.program.lowering.builder import integers

CASES = int(os.environ.get("COVERIFY_FUZZ_CASES", "40"))
REFUSALS = ("can leave", "not below one", "leaves no value", "out of the range of the 64-bit", "left shift")


def bits(values: np.ndarray) -> np.ndarray:
    values = np.ascontiguousarray(values)
    return values.view(np.uint32) if values.dtype == np.float32 else values


@pytest.mark.parametrize("name", random_operands.ONE_OP)
def test_one_random_operator_equals_tflm(name):
    checked = 0
    for seed in range(CASES):
        content = random_operands.one_op(name, seed)
        try:
            reference = Reference(Model.from_bytes(content, f"{name}-{seed}"))
            x = random_operands.samples(seed, reference, 5)
            trace = reference.trace(x)
        except AccumulatorOverflow:
            continue
        except UnsupportedOp as refusal:
            assert any(known in str(refusal) for known in REFUSALS), refusal
            continue
        tflm = Tflm(content, 1 << 20)
        for i, one in enumerate(x):
            tflm.run(one)
            for tensor, values in trace.items():
                expected = np.asarray(tflm.tensor(tensor))
                assert expected.dtype == values.dtype
                np.testing.assert_array_equal(
                    bits(values[i]), bits(expected), f"{seed}: sample {i}, tensor {tensor}"
                )
        checked += 1
        if reference.input.dtype == reference.output.dtype == "int8":
            program = lower(reference.model)
            wires = run_program(program, x.reshape(len(x), -1))
            for wire, tensor in program.tensors.items():
                if tensor in trace:
                    np.testing.assert_array_equal(wires[wire], integers(trace[tensor]), f"wire {wire}")
    assert checked >= 0.6 * CASES, f"{checked} of {CASES} cases were run"
