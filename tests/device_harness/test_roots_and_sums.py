"""ELU, RSQRT, L2_NORMALIZATION, ADD_N and CUMSUM on the device, against TFLM or the reference."""

from __future__ import annotations

import numpy as np
import pytest

import random_elementwise
import random_movement
from coverify.conformance.stepping import Stepper
from coverify.errors import DeviceRefused
from coverify.link.requests import Status
from model_builder import Builder
from oracle import Tflm
from tflm_int8 import Model, Reference, TflmError


def equals(client, content: bytes, *samples: np.ndarray, tflm: bool = True) -> None:
    """Of samples in the input's shape; the output is TFLM's, or the reference's."""
    model = Model.from_bytes(content)
    stepper, other = Stepper(client, model), Tflm(content) if tflm else None
    reference = Reference(model)
    for x in samples:
        want = reference.run(x) if other is None else other.run(x)
        got = stepper.trace((x,))[model.outputs[0]]
        assert got.tobytes() == np.asarray(want).tobytes()


def unary(name: str, s_in: float, z_in: int, s_out: float, z_out: int, dtype="int8", n=256) -> bytes:
    b = Builder()
    x = b.input((1, n), float(np.float32(s_in)), z_in, dtype)
    return b.finish(b.op(name, [x], b.activation((1, n), float(np.float32(s_out)), z_out, dtype)))


CODES = np.arange(-128, 128, dtype=np.int8).reshape(1, 256)


@pytest.mark.parametrize("name", ["ELU", "RSQRT", "L2_NORMALIZATION"])
def test_random_models_agree(client, name):
    """Those that the reference refuses, the device refuses too."""
    compared = 0
    for seed in range(9000, 9060):
        content = random_elementwise.one_op(name, seed)
        try:
            tensor = Reference(Model.from_bytes(content)).input
        except TflmError:
            with pytest.raises(DeviceRefused):
                client.ensure_model(content)
            continue
        least = tensor.quantization.zero_point if name.startswith("RSQRT") else -128
        equals(client, content, *random_elementwise.samples(seed, tensor.shape, 5, least))
        compared += 1
    assert compared >= 50


@pytest.mark.parametrize("name", ["ADD_N", "CUMSUM"])
def test_random_sums_agree(client, name):
    for seed in range(9000, 9060):
        content = random_movement.one_op(name, seed)
        shape = Model.from_bytes(content).tensors[0].shape
        equals(client, content, *random_elementwise.samples(seed, shape, 5))


def test_a_table_that_hangs_on_the_last_bit_of_expf_is_refused_as_by_the_reference(client):
    """Codes of the output that are finer than a float32 beside 1."""
    rng, known = np.random.default_rng(1), set()
    for _ in range(60):
        s_in = 10.0 ** rng.uniform(-7, -5.5)
        content = unary("ELU", s_in, int(rng.integers(0, 128)), s_in * rng.uniform(0.01, 1), 0)
        try:
            Reference(Model.from_bytes(content))
        except TflmError:
            with pytest.raises(DeviceRefused, match="ELU: an entry of its table depends on the last bit"):
                client.ensure_model(content)
            known.add("refused")
            continue
        equals(client, content, CODES)
        known.add("equal")
    assert known == {"refused", "equal"}


def test_the_ends_of_elu(client):
    """Inputs whose exponential is 0, and an output so coarse that all is one code."""
    for s_in, s_out in ((30.0, 30.0), (0.3, 100.0), (1e30, 1e30), (1e-30, 1e-30)):
        equals(client, unary("ELU", s_in, 3, s_out, -5), CODES)
    for s_in, s_out in ((1e30, 1.0), (1.0, 1e-40), (1.0, 4e-8)):
        content = unary("ELU", s_in, 3, s_out, -5)
        with pytest.raises(TflmError):
            Reference(Model.from_bytes(content))
        with pytest.raises(DeviceRefused, match="leaves int32") as refused:
            client.ensure_model(content)
        assert refused.value.status == Status.UNSUPPORTED


def test_the_root_of_any_scale_is_that_of_a_double(client):
    """Down to the least float32: where the multiplier's last bit depends on the root's."""
    rng, compared = np.random.default_rng(2), 0
    scales = [10.0 ** rng.uniform(-37, 37) for _ in range(80)] + [1e-45, 3e-45, 1e-40, 2.0**-126, 4.0, 3e38]
    for s_in in scales:
        typical = 1 / np.sqrt(float(np.float32(s_in))) / 100
        if not 1e-37 < typical < 1e37:
            continue
        z_in = int(rng.integers(-128, 100))
        content = unary("RSQRT", s_in, z_in, typical * 10.0 ** rng.uniform(-1, 1), 0)
        equals(client, content, np.maximum(CODES, np.int8(z_in)), tflm=False)
        compared += 1
    assert compared >= 80


def test_a_root_of_less_than_nothing_ends_the_run(client):
    content = unary("RSQRT", 0.5, 0, 0.01, 0, n=4)
    model = Model.from_bytes(content)
    x = np.array([[0, 1, 2, 100]], np.int8)
    equals(client, content, x)
    x[0, 3] = -1
    with pytest.raises(TflmError):
        Reference(model).run(x)
    with pytest.raises(DeviceRefused, match="RSQRT: failed while running"):
        Stepper(client, model).trace((x,))


def added(n: int, s_out: float, *, other=0.5) -> bytes:
    """An input and constants of 127, whose zero point is -128."""
    b = Builder()
    x = b.input((1, 4), 0.5, -128)
    parts = [b.constant(np.full((1, 4), 127), other, -128) for _ in range(n - 1)]
    return b.finish(b.op("ADD_N", [x, *parts], b.activation((1, 4), s_out, 0)))


def accumulated(shape, s_out: float, axis=1, union=102, axes=None, z_in=-128, **options) -> bytes:
    b = Builder()
    x = b.input(shape, 0.5, z_in)
    y = b.activation(shape, s_out, 0)
    axes = b.integers([axis] if axes is None else axes)
    return b.finish(b.op("CUMSUM", [x, axes], y, union, **options))


FLAGS = {"Exclusive": False, "Reverse": False}


def test_a_sum_that_leaves_int32_ends_the_run(client):
    """4096 steps of the input are 2^31."""
    for content, fits, leaves in (
        (added(16, 40.0), -20, 127),
        (accumulated((1, 17), 40.0, **FLAGS), 60, 127),
        (accumulated((1, 18), 40.0, z_in=127, **FLAGS), -30, -128),
    ):
        model = Model.from_bytes(content)
        shape = model.tensors[model.inputs[0]].shape
        equals(client, content, np.full(shape, fits, np.int8))
        x = np.full(shape, leaves, np.int8)
        with pytest.raises(TflmError):
            Reference(model).run(x)
        with pytest.raises(DeviceRefused, match="failed while running"):
            Stepper(client, model).trace((x,))


def normalized(shape, union=12, activation=0, out=None) -> bytes:
    b = Builder()
    x = b.input(shape, 0.5, 0)
    y = b.activation(shape if out is None else out, 1 / 128, 0)
    options = {"FusedActivationFunction": activation} if union else {}
    return b.finish(b.op("L2_NORMALIZATION", [x], y, union, **options))


REFUSED = {
    "ELU into another shape": (
        lambda: (b := Builder()).finish(b.op("ELU", [b.input((1, 4), 0.5, 0)], b.activation((4,), 0.5, 0))),
        "differ in shape",
    ),
    "the root of float": (lambda: unary("RSQRT", 0.5, 0, 0.5, 0, "float32", 4), "FLOAT32"),
    "a root too fine": (lambda: unary("RSQRT", 1e-30, 0, 1e-30, 0), "2\\^30 or more"),
    "a root whose shift leaves int32": (lambda: unary("RSQRT", 1.0, 0, 2.0**-30, 0), "2\\^30 or more"),
    "a root too coarse": (lambda: unary("RSQRT", 1.0, 0, 2.0**13, 0), "out of range"),
    "five dimensions": (lambda: normalized((1, 1, 1, 1, 4)), "dimensions: 5"),
    "an activation": (lambda: normalized((1, 4), activation=1), "fused activation 1"),
    "a normalization without options": (lambda: normalized((1, 4), union=0), "no options"),
    "a normalization into another shape": (lambda: normalized((1, 4), out=(4, 1)), "differ in shape"),
    "squares that may leave int32": (lambda: normalized((1, 33026)), "may overflow int32"),
    "summands of two scales": (lambda: added(3, 1.0, other=0.25), "is quantized differently"),
    "a sum too fine": (lambda: added(3, 2.0**-22), "output's scale is too small"),
    "seventeen summands": (lambda: added(17, 1.0), "inputs: 17"),
    "an axis that there is not": (lambda: accumulated((1, 4), 1.0, axis=2, **FLAGS), "axis 2"),
    "two axes": (lambda: accumulated((1, 4), 1.0, axes=[0, 1], **FLAGS), "the number of its elements"),
    "a sum without options": (lambda: accumulated((1, 4), 1.0, union=0), "no options"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_the_reference_refuses_the_firmware_refuses_with_the_reason(client, case):
    made, why = REFUSED[case]
    content = made()
    with pytest.raises(TflmError):
        Reference(Model.from_bytes(content))
    with pytest.raises(DeviceRefused, match=why) as refused:
        client.ensure_model(content)
    assert refused.value.status in (Status.UNSUPPORTED, Status.BAD_MODEL)
