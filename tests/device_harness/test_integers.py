"""Arithmetic on int32 and casts on the device, equal to TFLM's; what TFLM leaves undefined ends the run."""

from __future__ import annotations

import numpy as np
import pytest

from coverify.conformance.stepping import Stepper
from coverify.errors import DeviceRefused
from coverify.link.requests import Status
from model_builder import Builder
from oracle import Tflm
from tflm_int8 import AccumulatorOverflow, Model, Reference

UNIONS = {"ADD": 11, "SUB": 28, "MUL": 21, "DIV": 29, "MAXIMUM": 39, "MINIMUM": 39, "SQUARED_DIFFERENCE": 76}
#: The largest constant of which no result leaves int32; 1 << 30 for the others.
MOST = {"MUL": (1 << 23) - 1, "SQUARED_DIFFERENCE": 46340 - 128}
CODES = np.arange(-128, 128).astype(np.int8)


def binary(name: str, constant: np.ndarray, *, first: bool = False, activation: int | None = None) -> bytes:
    """An operator on 256 codes, 8 x 32, and a constant; first: the constant is the left operand."""
    b = Builder()
    x = b.tensor((1, 8, 32), "int8")
    b.inputs.append(x)
    x = b.op("CAST", [x], b.tensor((1, 8, 32), "int32"), 37)
    pair = [b.integers(constant), x] if first else [x, b.integers(constant)]
    options = {} if activation is None else {"FusedActivationFunction": activation}
    return b.finish(b.op(name, pair, b.tensor((1, 8, 32), "int32"), UNIONS[name], **options))


def equals_tflm(client, content: bytes, x: np.ndarray) -> None:
    model, tflm = Model.from_bytes(content), Tflm(content)
    got = Stepper(client, model).trace(x)
    tflm.run(x.reshape(model.tensors[model.inputs[0]].shape))
    for t in model.written:
        np.testing.assert_array_equal(got[t], tflm.tensor(t), f"tensor {t}")


@pytest.mark.parametrize("name", UNIONS)
def test_every_code_with_small_and_large_constants_of_any_shape_equals_tflm(client, name):
    rng = np.random.default_rng(4)
    most = MOST.get(name, 1 << 30)
    for shape in ((), (1,), (32,), (8, 1), (1, 8, 32)):
        for least in (3, most):
            constant = rng.integers(-least, least, shape, endpoint=True)
            constant = np.where(constant == 0, 2, constant)
            equals_tflm(client, binary(name, constant), CODES)
            if name != "DIV":
                equals_tflm(client, binary(name, constant, first=True), CODES)


@pytest.mark.parametrize("activation", [1, 2, 3])
def test_fused_activations_equal_tflm(client, activation):
    for name in ("ADD", "SUB", "MUL", "DIV"):
        equals_tflm(client, binary(name, np.array(3), activation=activation), CODES)


@pytest.mark.parametrize(
    ("name", "constant"),
    [
        ("ADD", (1 << 31) - 1),
        ("SUB", -(1 << 31)),
        ("MUL", 1 << 25),
        ("DIV", 0),
        ("SQUARED_DIFFERENCE", 46341),
        ("SQUARED_DIFFERENCE", -(1 << 31)),
    ],
)
def test_what_leaves_int32_ends_the_run(client, name, constant):
    content = binary(name, np.array(constant))
    with pytest.raises(AccumulatorOverflow):
        Reference(Model.from_bytes(content)).run(CODES.reshape(1, 8, 32))
    with pytest.raises(DeviceRefused, match=f"{name}: failed while running") as refused:
        Stepper(client, Model.from_bytes(content)).trace(CODES)
    assert refused.value.status == Status.ENGINE


def test_casts_from_and_to_every_type_equal_tflm(client):
    types = ("int8", "int16", "int32", "uint32")
    for first in types:
        for second in types:
            b = Builder()
            x = b.tensor((256,), "int8")
            b.inputs.append(x)
            wide = b.op("CAST", [x], b.tensor((256,), "int32"), 37)
            spread = b.op("MUL", [wide, b.integers(0x10203)], b.tensor((256,), "int32"), 21)
            y = b.op("CAST", [spread], b.tensor((256,), first), 37)
            equals_tflm(client, b.finish(b.op("CAST", [y], b.tensor((256,), second), 37)), CODES)
