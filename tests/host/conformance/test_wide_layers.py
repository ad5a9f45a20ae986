"""Layers of int16 with sums of 64 bits, diagnosed: the layer in the open is the kernel, defects are named."""

from __future__ import annotations

import numpy as np
import pytest

import random_elementwise
import random_operands
from coverify.conformance.batch import Batch
from coverify.conformance.diagnosis.explain import diagnose, inputs_by_tensor, inputs_of
from coverify.conformance.diagnosis.wide_variants import wide_layer_of
from coverify.conformance.ranges import vectors_of
from model_builder import Builder
from tflm_int8 import Model, Reference, TflmError

RNG = np.random.default_rng(4)
BIAS = RNG.integers(-(10**7), 10**7, 3)
WEIGHTS = RNG.integers(-127, 128, (3, 2, 2, 4)).astype(np.int8)
W_SCALES = [0.011, 0.02, 0.007]
OPTIONS = {"Padding": 0, "StrideH": 1, "StrideW": 2, "DilationHFactor": 1, "DilationWFactor": 1}


def conv(bias: np.ndarray) -> Model:
    b = Builder()
    x = b.input((1, 5, 6, 4), 0.01, 0, "int16")
    w = b.tensor(WEIGHTS.shape, "int8", W_SCALES, [0, 0, 0], 0, WEIGHTS)
    inputs = [x, w, b.tensor((3,), "int64", data=bias.astype(np.int64))]
    return Model.from_bytes(
        b.finish(b.op("CONV_2D", inputs, b.activation((1, 5, 3, 3), 0.9, 0, "int16"), 1, **OPTIONS))
    )


REFERENCE = Reference(conv(BIAS))
X = vectors_of(REFERENCE, 8, 1).batch
OUTPUT = REFERENCE.model.outputs[0]


def names(got: np.ndarray) -> list[str]:
    (found,) = diagnose(REFERENCE, X, [{OUTPUT: y} for y in got])
    assert found.op == "CONV_2D"
    return [e.name for e in found.explained_by]


def test_a_missing_bias_is_named_with_the_steps_to_the_first_element():
    other = Reference(conv(0 * BIAS)).trace(*X.arrays)[OUTPUT]
    assert names(other) == ["bias-missing"]
    (found,) = diagnose(REFERENCE, X, [{OUTPUT: y} for y in other])
    steps = {stage.name: stage.value for stage in found.steps}
    assert steps["accumulator"] == steps["sum of products"] + BIAS[found.element[-1]]
    assert steps["clamped"] == found.expected


def test_a_multiplier_taken_in_full_is_named():
    """Computed in Python's integers: TFLM's QuantizeMultiplier, one rounding."""
    right = REFERENCE.trace(*X.arrays)[OUTPUT]
    wide = wide_layer_of(REFERENCE.kernels[0])
    assert wide is not None
    acc = wide.accumulators(X.arrays[0])
    got = right.copy()
    for at in np.ndindex(acc.shape):
        fraction, exponent = np.frexp(
            float(np.float32(0.01)) * float(np.float32(W_SCALES[at[-1]])) / float(np.float32(0.9))
        )
        total = 31 - int(exponent)
        scaled = (int(acc[at]) * round(float(fraction) * 2**31) + (1 << total - 1)) >> total
        got[at] = min(max(scaled, -32768), 32767)
    assert not np.array_equal(got, right)
    assert names(got) == ["multiplier-in-31-bits"]


@pytest.mark.parametrize(
    "name", ["CONV_2D_INT16", "DEPTHWISE_CONV_2D_INT16", "FULLY_CONNECTED_INT16", "TRANSPOSE_CONV any"]
)
def test_the_layer_in_the_open_computes_what_the_kernel_does(name):
    family = random_operands if name in random_operands.ONE_OP else random_elementwise
    compared = 0
    for seed in range(12):
        try:
            reference = Reference(Model.from_bytes(family.one_op(name, seed)))
            x: Batch = vectors_of(reference, 6, 1).batch
            trace = reference.trace(*x.arrays)
        except TflmError:
            continue
        known = {**inputs_by_tensor(reference.model, x), **trace}
        for kernel in reference.kernels:
            layer, output = wide_layer_of(kernel), kernel.node.op.outputs[0]
            if layer is not None:
                got = layer.run(inputs_of(kernel, known, 6))
                np.testing.assert_array_equal(got.reshape(trace[output].shape), trace[output])
                compared += 1
    assert compared >= 4
