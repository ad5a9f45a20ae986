"""Comparisons, logical operators and SELECT_V2 on the device, against TFLM's interpreter."""

from __future__ import annotations

import numpy as np
import pytest

import random_elementwise
from coverify.conformance.stepping import Stepper
from coverify.errors import DeviceRefused
from coverify.link.requests import Status
from model_builder import Builder
from oracle import Tflm
from tflm_int8 import Model, Reference, TflmError

COMPARISONS = {
    "EQUAL": 53, "NOT_EQUAL": 54, "GREATER": 44, "GREATER_EQUAL": 45, "LESS": 41, "LESS_EQUAL": 46,
}  # fmt: skip
LOGICAL = {"LOGICAL_AND": 62, "LOGICAL_OR": 60}
VALUES = {"int32": (-(1 << 31), -1000, -2, -1, 0, 1, 2, 1000, (1 << 31) - 1), "bool": (False, True)}


def equals_tflm(client, content: bytes, *samples: np.ndarray) -> None:
    """Of samples of the model's only input, in its shape."""
    model, tflm = Model.from_bytes(content), Tflm(content)
    stepper = Stepper(client, model)
    for x in samples:
        tflm.run(x)
        for tensor, values in stepper.trace((x,)).items():
            assert values.tobytes() == np.asarray(tflm.tensor(tensor)).tobytes(), f"tensor {tensor}"


@pytest.mark.parametrize("name", [*COMPARISONS, *LOGICAL, "LOGICAL_NOT", "SELECT_V2"])
def test_random_models_agree_with_broadcasting(client, name):
    """Those that the reference refuses, by the scale of an operand, the device refuses too."""
    compared = 0
    for seed in range(8000, 8050):
        content = random_elementwise.one_op(name, seed)
        try:
            shape = Reference(Model.from_bytes(content)).input.shape
        except TflmError:
            with pytest.raises(DeviceRefused, match="its scale is not below one"):
                client.ensure_model(content)
            continue
        equals_tflm(client, content, *random_elementwise.samples(seed, shape, 5))
        compared += 1
    assert compared >= 40


def pair(name: str, union: int, dtype: str, *, first: bool = False) -> bytes:
    """An input beside a constant of other dimensions, on either side; the network's output is bool."""
    rng = np.random.default_rng(3)
    b = Builder()
    x = b.tensor((1, 9, 5), dtype)
    b.inputs.append(x)
    values = np.array(VALUES[dtype], dtype)[rng.integers(0, len(VALUES[dtype]), (9, 1))]
    c = b.tensor(values.shape, dtype, data=values)
    return b.finish(b.op(name, [c, x] if first else [x, c], b.tensor((1, 9, 5), "bool"), union))


@pytest.mark.parametrize("dtype", VALUES)
def test_int32_and_bool_agree_and_a_bool_may_be_the_output(client, dtype):
    rng = np.random.default_rng(4)
    names = COMPARISONS if dtype == "int32" else LOGICAL
    samples = np.array(VALUES[dtype], dtype)[rng.integers(0, len(VALUES[dtype]), (6, 1, 9, 5))]
    for name, union in names.items():
        for first in (False, True):
            equals_tflm(client, pair(name, union, dtype, first=first), *samples)


def test_every_pair_of_codes_is_compared_by_rescaled_values(client):
    """Operands of two scales, whose multipliers keep only the highest bits."""
    for name, union in COMPARISONS.items():
        for scales in ((0.5, 0.5), (0.004, 0.0041), (0.9, 0.3), (1e-5, 2e-5)):
            b = Builder()
            x = b.input((1, 256, 1), scales[0], -7)
            c = b.constant(np.arange(-128, 128), scales[1], 20)
            content = b.finish(b.op(name, [x, c], b.tensor((1, 256, 256), "bool"), union))
            equals_tflm(client, content, np.arange(-128, 128, dtype=np.int8).reshape(1, 256, 1))


def test_int16_and_floats_are_selected(client):
    rng = np.random.default_rng(5)
    for dtype, shape in (("int16", (3, 4)), ("float32", (3, 4)), ("int16", (1, 4)), ("float32", (1,))):
        b = Builder()
        c = b.tensor((3, 1), "bool")
        b.inputs.append(c)
        quantized = {"scales": [0.5], "zero_points": [0]} if dtype == "int16" else {}
        data = [(rng.normal(size=s) * 1000).astype(dtype) for s in (shape, (4,))]
        x, y = (b.tensor(d.shape, dtype, data=d, **quantized) for d in data)
        out = b.tensor((3, 4), dtype, **quantized)
        content = b.finish(b.op("SELECT_V2", [c, x, y], out, 98))
        equals_tflm(client, content, *(np.array(s, bool).reshape(3, 1) for s in ([0, 1, 1], [1, 0, 0])))


def test_floats_are_compared_by_the_reference_alone(client):
    b = Builder()
    x = b.tensor((1, 4), "float32")
    b.inputs.append(x)
    content = b.finish(b.op("LESS", [x, x], b.tensor((1, 4), "bool"), 41))
    Reference(Model.from_bytes(content))
    with pytest.raises(DeviceRefused, match="LESS: tensor 0: FLOAT32") as refused:
        client.ensure_model(content)
    assert refused.value.status == Status.UNSUPPORTED
