"""int4 weights, int16, int32 and bool operands, DIV: every tensor equals TFLM's, the lowered program both."""

import os

import numpy as np
import pytest

import random_operands
from model_builder import Builder
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


@pytest.mark.parametrize(("out", "kernel", "stride"), [(1, 8, 4), (2, 8, 4), (3, 8, 5), (2, 7, 6), (4, 3, 2)])
def test_a_transposed_convolution_whose_kernel_is_larger_than_its_output_pads_as_c_divides(
    out, kernel, stride
):
    """VALID: (out + stride − kernel) / stride is truncated by C, and the padding follows from it."""
    rng = np.random.default_rng(out)
    b = Builder()
    x = b.input((1, 1, 1, 2), 0.05, 3)
    w_scale = np.array([0.01, 0.02, 0.03], np.float32)
    weights = rng.integers(-127, 128, (3, kernel, kernel, 2))
    operands = b.layer_inputs(x, weights, rng.integers(-900, 900, 3), w_scale, 0)
    inputs = [b.integers([1, out, out, 3]), operands[1], x, operands[2]]
    y = b.activation((1, out, out, 3), 0.3, -5)
    content = b.finish(b.op("TRANSPOSE_CONV", inputs, y, 49, Padding=1, StrideH=stride, StrideW=stride))
    samples = rng.integers(-128, 128, (4, 1, 1, 2)).astype(np.int8)
    model, tflm = Model.from_bytes(content), Tflm(content)
    expected = np.stack([tflm.run(one[None])[0] for one in samples])
    np.testing.assert_array_equal(Reference(model).run(samples), expected)
    program = lower(model)
    (wire,) = (w for w, tensor in program.tensors.items() if tensor == model.outputs[0])
    np.testing.assert_array_equal(run_program(program, samples.reshape(4, -1))[wire], expected.reshape(4, -1))
