"""int16 activations and QUANTIZE between all types on the device, against TFLM's own interpreter."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import random_elementwise
import random_operands
from coverify.conformance.batch import Batch
from coverify.conformance.compare import Comparison, compare
from coverify.conformance.ranges import vectors_of
from coverify.conformance.stepping import Stepper
from coverify.errors import DeviceRefused
from coverify.link.client import Client
from coverify.link.requests import Status
from model_builder import Builder
from oracle import Tflm
from tflm_int8 import Model, Reference, TflmError

THROUGH_INT16 = (
    "ABS_INT16", "ADD_INT16", "CONV_2D_INT16", "DEPTHWISE_CONV_2D_INT16", "LEAKY_RELU_INT16",
    "SQUARED_DIFFERENCE_INT16", "SUB_INT16",
)  # fmt: skip
PAIRS = (
    ("int8", "int16"), ("int8", "int32"), ("uint8", "int8"), ("int16", "int8"), ("int16", "int16"),
    ("int16", "int32"), ("int32", "int8"), ("int32", "int16"), ("float32", "int8"), ("float32", "int16"),
)  # fmt: skip


def agrees(client: Client, content: bytes, samples: Callable[[Reference], Batch]) -> bool:
    """False when reference or device refuse the model; fails at the first tensor that is not TFLM's."""
    try:
        reference = Reference(Model.from_bytes(content))
        x = samples(reference)
        reference.run(*x.arrays)
    except TflmError:
        return False
    model = reference.model
    try:
        stepper = Stepper(client, model)
    except DeviceRefused as refused:
        assert refused.status == Status.UNSUPPORTED, refused
        return False
    oracle = Tflm(content, 1 << 20)
    for one in x:
        oracle.run(*(a.reshape(model.tensors[i].shape) for a, i in zip(one, model.inputs, strict=True)))
        for tensor, values in stepper.trace(one).items():
            want = np.asarray(oracle.tensor(tensor))
            assert values.tobytes() == want.tobytes(), f"tensor {tensor}"
    return True


@pytest.mark.parametrize("name", THROUGH_INT16)
def test_an_operator_of_int16_agrees(client: Client, name: str) -> None:
    def samples(reference: Reference) -> Batch:
        return Batch.of(random_elementwise.samples(1, reference.input.shape, 5))

    contents = [random_elementwise.one_op(name, seed) for seed in range(6000, 6024)]
    assert sum(agrees(client, content, samples) for content in contents) >= 12


@pytest.mark.parametrize("name", ["SOFTMAX int16", "TRANSPOSE_CONV any"])
def test_an_operator_on_other_operands_agrees(client: Client, name: str) -> None:
    def samples(reference: Reference) -> Batch:
        return Batch.of(random_operands.samples(2, reference, 4))

    contents = [random_operands.one_op(name, seed) for seed in range(7000, 7024)]
    assert sum(agrees(client, content, samples) for content in contents) >= 12


@pytest.mark.parametrize(("before", "after"), PAIRS)
def test_quantize_agrees_between_all_types(client: Client, before: str, after: str) -> None:
    assert sum(agrees(client, quantize(before, after, seed), made) for seed in range(10)) >= 5


def made(reference: Reference) -> Batch:
    return vectors_of(reference, 7, 3).batch


def quantize(before: str, after: str, seed: int) -> bytes:
    """One QUANTIZE of 200 elements; scales of which much of the output's range is reached."""
    rng = np.random.default_rng(seed)
    b = Builder()
    width = {"int8": 8, "uint8": 8, "int16": 16, "int32": 32}
    scale = float(np.float32(10.0 ** rng.uniform(-3, 1)))

    def zero(dtype: str) -> int:
        limits = np.iinfo(dtype)
        return int(rng.integers(limits.min, limits.max + 1)) if width[dtype] < 32 else 0

    if before == "float32":
        x = b.tensor((1, 200), "float32")
        b.inputs.append(x)
    else:
        x = b.input((1, 200), scale, zero(before), before)
        scale *= 2.0 ** (width[before] - min(width[after], 20)) * 10.0 ** rng.uniform(-0.5, 0.3)
    y = b.activation((1, 200), float(np.float32(scale)), zero(after), after)
    return b.finish(b.op("QUANTIZE", [x], y))


EDGES = np.array(
    [0.0, -0.0, 1e-45, -1e-45, 1e-38, 0.125, -0.125, 0.375, 0.37499997, 0.625, 31.875, 31.874998, -32.125,
     1e8, 0.24999999, 0.25000003, 5e-39, 3e-39], np.float32,
)  # fmt: skip


@pytest.mark.parametrize("scale", [0.25, 1 / 3, 1e-38, 5e-39, 1e-40])
@pytest.mark.parametrize("after", ["int8", "int16"])
def test_a_float_is_quantized_as_ieee_division_and_rounding_do_it(
    client: Client, scale: float, after: str
) -> None:
    """Halves, their neighbours, denormal numbers as quotient, dividend and divisor."""
    b = Builder()
    x = b.tensor((1, len(EDGES)), "float32")
    b.inputs.append(x)
    content = b.finish(b.op("QUANTIZE", [x], b.activation((1, len(EDGES)), scale, -1, after)))
    values = EDGES if scale > 1e-3 else np.where(np.abs(EDGES) < 1e-30, EDGES, np.float32(0))
    assert agrees(client, content, lambda _: Batch.of(values[None]))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e20])
def test_a_float_that_is_no_number_within_int32_ends_the_run(client: Client, value: float) -> None:
    b = Builder()
    x = b.tensor((1, 1), "float32")
    b.inputs.append(x)
    model = Model.from_bytes(b.finish(b.op("QUANTIZE", [x], b.activation((1, 1), 0.5, 0))))
    one = np.array([[value]], np.float32)
    with pytest.raises(TflmError, match="not a number within int32"):
        Reference(model).run(one)
    with pytest.raises(DeviceRefused, match="QUANTIZE: failed while running") as refused:
        Stepper(client, model).trace(one[0])
    assert refused.value.status == Status.ENGINE


def test_a_convolution_of_int16_whose_requantized_sum_leaves_int32_ends_the_run(client: Client) -> None:
    b = Builder()
    x = b.input((1, 1, 1, 64), 1.0, 0, "int16")
    w = b.tensor((1, 1, 1, 64), "int8", [1.0], [0], 0, np.full((1, 1, 1, 64), 127, np.int8))
    y = b.activation((1, 1, 1, 1), 1 / 64, 0, "int16")
    options = {"Padding": 1, "StrideH": 1, "StrideW": 1, "DilationHFactor": 1, "DilationWFactor": 1}
    model = Model.from_bytes(b.finish(b.op("CONV_2D", [x, w], y, 1, **options)))
    high, low = np.full((1, 1, 1, 64), 32767, np.int16), np.full((1, 1, 1, 64), 100, np.int16)
    with pytest.raises(TflmError, match="leaves int32"):
        Reference(model).run(high)
    stepper = Stepper(client, model)
    with pytest.raises(DeviceRefused, match="CONV_2D: failed while running"):
        stepper.trace(high[0])
    comparison = Comparison(model)
    compare(comparison, Reference(model), stepper, low)
    assert comparison.verdict == "MATCH"
