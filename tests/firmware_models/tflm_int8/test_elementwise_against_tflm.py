"""Element-by-element operators: every tensor equals TFLM's bit for bit, and the lowered program both."""

import os

import numpy as np
import pytest

import random_elementwise
from oracle import Tflm
from tflm_int8 import Model, Reference, UnsupportedOp, lower, sample_shape
from tflm_int8.program.concrete import run as run_program
from tflm_int8.program.lowering.builder import integers

CASES = int(os.environ.get("COVERIFY_FUZZ_CASES", "40"))
REFUSALS = (
    "not below one", "leaves no value", "can leave int32", "of the C library", "leaves int32",
)  # fmt: skip


def assert_equals_tflm(content: bytes, reference: Reference, x: np.ndarray) -> None:
    trace, tflm = reference.trace(x), Tflm(content, 1 << 20)
    for i, one in enumerate(x):
        tflm.run(one.reshape(reference.input.shape))
        for tensor, values in trace.items():
            expected = np.asarray(tflm.tensor(tensor))
            assert expected.dtype == values.dtype
            bits = (lambda a: a.view(np.uint32)) if expected.dtype == np.float32 else np.asarray
            np.testing.assert_array_equal(
                bits(np.ascontiguousarray(values[i])), bits(expected), f"sample {i}, tensor {tensor}"
            )
    program = lower(reference.model)
    wires = run_program(program, x.reshape(len(x), -1))
    compared = 0
    for wire, tensor in program.tensors.items():
        if tensor in trace:
            np.testing.assert_array_equal(wires[wire], integers(trace[tensor]), f"wire {wire}")
            compared += 1
    assert compared == len(reference.kernels)


@pytest.mark.parametrize("name", random_elementwise.ONE_OP)
def test_one_random_operator_equals_tflm(name):
    checked = 0
    for seed in range(CASES):
        content = random_elementwise.one_op(name, seed)
        try:
            reference = Reference(Model.from_bytes(content, f"{name}-{seed}"))
        except UnsupportedOp as refusal:
            assert any(known in str(refusal) for known in REFUSALS), refusal
            continue
        least = reference.input.quantization.zero_point if name == "RSQRT" else -128
        x = random_elementwise.samples(seed, sample_shape(reference.input), 6, least)
        assert_equals_tflm(content, reference, x)
        checked += 1
    assert checked >= 0.7 * CASES, f"{checked} of {CASES} cases were accepted"
