"""Operators that move, reduce and resize: every tensor equals TFLM's, and the lowered program equals both."""

import os

import numpy as np
import pytest

import random_graphs
import random_movement
from oracle import Tflm
from tflm_int8 import Model, Reference, TflmError, sample_shape
from tflm_int8.program.concrete import run as run_program
from tflm_int8.program.lowering import lower_reference
from tflm_int8.program.primitives import Affine
from tflm_int8.program.sparse import Sparse

CASES = int(os.environ.get("COVERIFY_FUZZ_CASES", "30"))


def inputs(reference: Reference, seed: int, n: int) -> np.ndarray:
    rng = np.random.default_rng([seed, 41])
    return random_movement.values(rng, (n, *sample_shape(reference.input)), reference.input.dtype)


def assert_equals_tflm(content: bytes, trace: dict[int, np.ndarray], x: np.ndarray, shape) -> None:
    tflm = Tflm(content, 1 << 20)
    for i, one in enumerate(x):
        tflm.run(one.reshape(shape))
        for tensor, values in trace.items():
            np.testing.assert_array_equal(values[i], tflm.tensor(tensor), f"sample {i}, tensor {tensor}")


def assert_equals_program(reference: Reference, trace: dict[int, np.ndarray], x: np.ndarray) -> None:
    program = lower_reference(reference)
    wires = run_program(program, x.reshape(len(x), -1))
    for wire, tensor in program.tensors.items():
        if tensor in trace and trace[tensor].dtype != np.float32:
            np.testing.assert_array_equal(wires[wire], trace[tensor].reshape(len(x), -1), f"wire {wire}")
    out = reference.model.outputs[0]
    np.testing.assert_array_equal(wires[program.output], trace[out].reshape(len(x), -1), "output")
    assert_maps_agree_with_their_rows(program)


def assert_maps_agree_with_their_rows(program) -> None:
    """`row`, `transposed` and `interval` of every linear map say the same as `apply` on unit vectors."""
    for step in program.steps:
        for term in step.terms if isinstance(step, Affine) else ():
            if term.map.n_in * term.map.n_out > 20_000:
                continue
            matrix = term.map.apply(np.eye(term.map.n_in, dtype=np.int64)).T
            rows = np.zeros_like(matrix)
            for i in range(term.map.n_out):
                columns, weights = term.map.row(i)
                rows[i, columns] = weights
            np.testing.assert_array_equal(rows, matrix)
            np.testing.assert_array_equal(term.map.transposed(np.eye(term.map.n_out)), matrix)
            lo, hi = np.full(term.map.n_in, -3), np.full(term.map.n_in, 5)
            low, high = term.map.interval(lo, hi)
            positive, negative = np.maximum(matrix, 0), np.minimum(matrix, 0)
            np.testing.assert_array_equal(low, positive @ lo + negative @ hi)
            np.testing.assert_array_equal(high, positive @ hi + negative @ lo)


@pytest.mark.parametrize("name", random_movement.ONE_OP)
def test_one_random_operator_equals_tflm(name):
    lowered = 0
    for seed in range(CASES):
        content = random_movement.one_op(name, seed)
        reference = Reference(Model.from_bytes(content, f"{name}-{seed}"))
        x = inputs(reference, seed, 4)
        trace = reference.trace(x)
        assert_equals_tflm(content, trace, x, reference.input.shape)
        if reference.input.dtype == reference.output.dtype == "int8":
            assert_equals_program(reference, trace, x)
            lowered += 1
    assert lowered or name.startswith("ARG")


def test_a_convolution_of_a_padded_image_equals_tflm():
    """It reads the image itself, and so do engines that know sums of the input."""
    read = 0
    for seed in range(2 * CASES):
        content = random_graphs.padded_convolution(seed)
        try:
            reference = Reference(Model.from_bytes(content, f"padded-{seed}"))
        except TflmError:
            continue
        x = inputs(reference, seed, 4)
        trace = reference.trace(x)
        assert_equals_tflm(content, trace, x, reference.input.shape)
        assert_equals_program(reference, trace, x)
        linear = [s for s in lower_reference(reference).steps if isinstance(s, Affine) and s.terms]
        read += all(term.source == 0 and not isinstance(term.map, Sparse) for term in linear[0].terms)
    assert read > CASES / 2
