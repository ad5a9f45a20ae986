"""Damaged and hostile .tflite files: an error answer, never a crash, an overrun or a hang."""

from __future__ import annotations

import hashlib
import random
import struct
import subprocess

import numpy as np
import pytest

import mixed_inputs
import random_elementwise
import random_movement
import random_operands
import random_signal
import random_state
from coverify.errors import DeviceRefused
from coverify.link.requests import Status
from model_builder import Builder
from oracle import NETWORKS, shared
from preprocessor import preprocessor
from random_graphs import network
from tflm_int8 import Model

SEED = 20_261_121
MOVING_SEED = 6
ELEMENT_SEED = 7
STATEFUL = ("CIRCULAR_BUFFER", "SVDF", "UNIDIRECTIONAL_SEQUENCE_LSTM", "variables")


@pytest.fixture(scope="module")
def reader(driver):
    program = driver("fuzz_reader.c")

    def load(models: list[bytes]) -> list[tuple[int, int, str]]:
        """(status, detail, message) of each model; fails when the program does."""
        data = b"".join(struct.pack("<I", len(m)) + m for m in models)
        done = subprocess.run([program], input=data, capture_output=True, timeout=300, check=False)
        assert done.returncode == 0, done.stderr.decode(errors="replace")[-3000:]
        lines = done.stdout.decode("ascii").split("\n")[:-1]
        assert len(lines) == len(models)
        return [(int(s), int(d), m) for s, d, m in (line.split(" ", 2) for line in lines)]

    return load


def small_models() -> list[bytes]:
    """Files of every operator that are cheap to run."""
    int8 = [path for path in sorted(NETWORKS.glob("*.tflite")) if not path.stem.endswith("_float")]
    networks = [path.read_bytes() for path in int8] + [network(s) for s in range(12)]
    return networks + around_the_layers() + sound()


def sound() -> list[bytes]:
    """A model of every operator of the signal library, with an int8 input, and all of them in one."""
    models = (random_signal.one_op(name, seed) for name in random_signal.ONE_OP for seed in range(9))
    narrow = [m for m in models if Model.from_bytes(m).tensors[0].dtype == "int8"]
    return [*narrow[::3], preprocessor(narrow=True)]


def around_the_layers() -> list[bytes]:
    """A model of every operator around the layers, and of layers and inputs of other types than int8."""
    by_element = (
        "ABS", "ELU", "EQUAL", "GREATER", "GREATER_EQUAL", "HARD_SWISH", "L2_NORMALIZATION", "LEAKY_RELU",
        "LESS", "LESS_EQUAL", "LOGICAL_AND", "LOGICAL_NOT", "LOGICAL_OR", "LOGISTIC", "MAXIMUM", "MUL",
        "NOT_EQUAL", "PRELU", "REDUCE_ALL", "RELU", "RELU6", "RSQRT", "SELECT_V2", "SQUARED_DIFFERENCE",
        "SUB", "TANH",
    )  # fmt: skip
    moving = (
        "ADD_N", "ARG_MAX", "ARG_MIN", "BATCH_MATMUL", "BATCH_TO_SPACE_ND", "BROADCAST_TO", "CONCATENATION",
        "CUMSUM", "DEPTH_TO_SPACE", "GATHER", "MEAN", "MIRROR_PAD", "PACK", "PAD", "REDUCE_MAX", "REDUCE_MIN",
        "RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR", "SHAPE", "SLICE", "SPACE_TO_BATCH_ND", "SPACE_TO_DEPTH",
        "SPLIT", "SPLIT_V", "STRIDED_SLICE", "TRANSPOSE", "TRANSPOSE_CONV", "UNPACK",
    )  # fmt: skip
    models = [random_elementwise.one_op(name, ELEMENT_SEED) for name in by_element]
    models += [random_movement.one_op(name, MOVING_SEED) for name in moving]
    wide = ("ADD_INT16", "CONV_2D_INT16", "DEPTHWISE_CONV_2D_INT16", "LEAKY_RELU_INT16")
    models += [random_elementwise.one_op(name, ELEMENT_SEED) for name in wide]
    models += [random_operands.one_op("TRANSPOSE_CONV any", seed) for seed in (4, ELEMENT_SEED)]
    return models + [random_state.one_op(name, seed) for name in STATEFUL for seed in (7, 9)]


def mutated(rng: random.Random, model: bytes) -> bytes:
    """One to four mutations: bytes, small and huge numbers, copied or lost stretches."""
    data = bytearray(model)
    for _ in range(rng.randrange(1, 5)):
        at = rng.randrange(len(data))
        kind = rng.randrange(6)
        if kind == 0:
            data[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            data[at] = rng.choice((0, 1, 2, 127, 128, 255))
        elif kind == 2:
            values = (
                0,
                1,
                0xFFFFFFFF,
                0x7FFFFFFF,
                0x80000000,
                len(data),
                len(data) - at,
                rng.getrandbits(32),
            )
            data[at & ~3 : (at & ~3) + 4] = struct.pack("<I", rng.choice(values) & 0xFFFFFFFF)
        elif kind == 3:
            size = rng.randrange(1, 64)
            source = rng.randrange(len(data))
            data[at : at + size] = data[source : source + size]
        elif kind == 4:
            del data[at : at + rng.randrange(1, 9)]
        else:
            data[at : at + 4] = struct.pack(
                "<f", rng.choice((0.0, -1.0, 1e-45, 3e38, float("inf"), float("nan")))
            )
        if not data:
            data = bytearray(b"\0")
    return bytes(data)


def test_the_models_that_are_mutated_load_unmutated(reader):
    assert {status for status, _, _ in reader(small_models())} == {Status.OK}


def test_a_model_cut_at_any_byte_is_refused_or_still_whole(reader):
    for model in small_models()[:6]:
        step = max(1, len(model) // 700)
        for status, _, message in reader([model[:cut] for cut in range(0, len(model) - 16, step)]):
            assert status in (Status.BAD_MODEL, Status.UNSUPPORTED) and message


def test_thousands_of_mutated_models_leave_the_engine_alive(reader):
    rng = random.Random(SEED)
    base = [*small_models(), mixed_inputs.content()]
    answers = reader([mutated(rng, rng.choice(base)) for _ in range(20_000)])
    allowed = {Status.OK, Status.BAD_MODEL, Status.UNSUPPORTED, Status.NO_ARENA, Status.ENGINE}
    assert {status for status, _, _ in answers} <= allowed
    assert sum(status == Status.BAD_MODEL for status, _, _ in answers) > 200
    assert sum(status == Status.UNSUPPORTED for status, _, _ in answers) > 50


@pytest.mark.parametrize(
    "model",
    [
        network(3),
        random_state.one_op("UNIDIRECTIONAL_SEQUENCE_LSTM", 11),
        random_state.one_op("variables", 7),
        random_signal.one_op("SignalFilterBankSpectralSubtraction", 0),
        random_signal.one_op("SignalRfft", 0),
    ],
    ids=["layers", "LSTM", "variables", "spectral subtraction", "transform"],
)
def test_every_word_of_a_model_set_to_extremes_leaves_the_engine_alive(reader, model):
    extremes = (0, 1, 0xFFFFFFFF, 0x7FFFFFFF, 0x80000000)
    models = [
        model[:at] + struct.pack("<I", value) + model[at + 4 :]
        for at in range(0, len(model) - 3, 4)
        for value in extremes
    ]
    assert len(reader(models)) == len(models)


def test_no_file_is_too_small(reader):
    rng = random.Random(1)
    files = [b"", b"\0" * 4, b"TFL3", b"\0\0\0\0TFL3", b"\xff" * 64, *(rng.randbytes(n) for n in range(80))]
    assert {status for status, _, _ in reader(files)} == {Status.BAD_MODEL}


# -- refusals that name what and where -----------------------------------------------------------------


def dense(w_scale=0.01, **changes) -> tuple[Builder, int]:
    b = Builder()
    x = b.input((1, 4), 0.5, 0)
    y = b.fully_connected(x, np.ones((3, 4)), np.zeros(3), w_scale, 0.1, 0, **changes)
    return b, y


def test_an_operator_that_is_missing_is_named_with_its_index(reader):
    b, y = dense()
    z = b.op("LOG_SOFTMAX", [y], b.activation((1, 3), 1 / 16, 127))
    assert reader([b.finish(z)]) == [(Status.UNSUPPORTED, 1, "op 1 LOG_SOFTMAX: not in this engine")]


def test_an_activation_that_is_missing_is_named(reader):
    b, y = dense(activation=4)
    assert reader([b.finish(y)]) == [(Status.UNSUPPORTED, 0, "op 0 FULLY_CONNECTED: fused activation 4")]


def test_a_float_model_is_refused_at_its_first_operator(reader):
    model = shared("models/kws_ref_model_float32.tflite").read_bytes()
    want = "op 0 CONV_2D: tensor 0: FLOAT32, only INT8 is supported here"
    assert reader([model]) == [(Status.UNSUPPORTED, 0, want)]


def test_an_accumulator_that_may_overflow_is_refused_and_one_that_just_fits_is_not(reader):
    """max |x − z| is 255 for z = −128: 127 · 255 + bias must stay within 2^31 − 1."""
    models = []
    for bias in (2**31 - 1 - 127 * 255, 2**31 - 127 * 255, -(2**31) + 127 * 255, -(2**31)):
        b = Builder()
        x = b.input((1, 1), 0.5, -128)
        y = b.fully_connected(x, np.full((1, 1), 127), np.array([bias]), 0.01, 1e6, 0)
        models.append(b.finish(y))
    why = "op 0 FULLY_CONNECTED: accumulator may overflow int32: output channel 0"
    refused = (Status.UNSUPPORTED, 0, why)
    assert reader(models) == [(0, 0xFFFFFFFF, ""), refused, refused, refused]


def test_more_ends_of_an_operator_than_the_engine_takes_are_a_limit_and_no_defect_of_the_file(reader):
    """PACK and UNPACK have as many as they like; of ADD's three inputs one is wrong."""
    joined, parted, summed = Builder(), Builder(), Builder()
    x = [joined.input((1, 4), 0.5, 0)] * 17
    y = joined.op("PACK", x, joined.like(x[0], (1, 17, 4)), 59, ValuesCount=17, Axis=1)
    whole = parted.input((1, 17, 4), 0.5, 0)
    parts = [parted.like(whole, (1, 4)) for _ in range(17)]
    parted.op("UNPACK", [whole], parts, 64, Num=17, Axis=1)
    a = summed.input((1, 4), 0.5, 0)
    z = summed.op("ADD", [a, a, a], summed.like(a, (1, 4)), 11)
    assert reader([joined.finish(y), parted.finish(parts[0]), summed.finish(z)]) == [
        (Status.UNSUPPORTED, 0, "op 0 PACK: inputs: 17"),
        (Status.UNSUPPORTED, 0, "op 0 UNPACK: outputs: 17"),
        (Status.BAD_MODEL, 0, "op 0 ADD: inputs: 3"),
    ]


def test_a_tensor_that_is_read_before_it_is_written_is_refused(reader):
    b = Builder()
    x = b.input((1, 4), 0.5, 0)
    later = b.activation((1, 4), 0.5, 0)
    y = b.add(x, later, 0.5, 0)
    b.op("RESHAPE", [y], later, 17)
    assert reader([b.finish(y)])[0][::2] == (
        Status.BAD_MODEL,
        f"op 0 ADD: tensor {later}: is read before it is written",
    )


@pytest.mark.parametrize(
    ("name", "options"), [("CONCATENATION", (10, {"Axis": 1})), ("PACK", (59, {"ValuesCount": 2, "Axis": 1}))]
)
def test_a_tensor_left_out_of_those_that_are_joined_is_refused(reader, name, options):
    """Found by mutation: it was read as the tensor number 2^32 - 1."""
    b = Builder()
    x = b.input((1, 4), 0.5, 0)
    shape = (1, 8) if name == "CONCATENATION" else (1, 2, 4)
    y = b.op(name, [x, -1], b.like(x, shape), options[0], **options[1])
    assert reader([b.finish(y)]) == [(Status.BAD_MODEL, 0, f"op 0 {name}: lacks its input 1")]


def test_a_bias_of_more_bytes_than_a_tensor_may_have_is_refused(reader):
    """A 64 MiB file with one number for 2^26 + 1 units: it was read beyond its end."""
    b, n = Builder(), (1 << 26) + 1
    inputs = [b.input((1, 1, 1), 0.05, 0)] + [-1] * 23
    inputs[1:9] = [b.constant(np.zeros((n, 1), np.int8), 0.01, 0)] * 8
    inputs[12:16] = [b.tensor((n,), "int32", [0.0005], [0], data=np.zeros(1, np.int32))] * 4
    inputs[18], inputs[19] = b.variable((1, n), 0.008, 0), b.variable((1, n), 2.0**-12, 0, "int16")
    y = b.activation((1, 1, n), 0.008, 0)
    y = b.op("UNIDIRECTIONAL_SEQUENCE_LSTM", inputs, y, 71, FusedActivationFunction=4)
    why = "op 0 UNIDIRECTIONAL_SEQUENCE_LSTM: tensor 2: the bias has not one number per unit"
    assert reader([b.finish(y)]) == [(Status.UNSUPPORTED, 0, why)]


def test_more_multiplications_than_a_run_should_take_are_refused(reader):
    b = Builder()
    x = b.input((1, 512, 512, 1), 0.5, 0)
    y = b.conv(x, np.ones((4, 200, 200, 1)), None, 0.01, 1.0, 0)
    assert reader([b.finish(y)]) == [
        (Status.UNSUPPORTED, 0, "op 0 CONV_2D: more than 2^34 multiplications in one inference")
    ]


def test_an_arena_that_is_too_small_is_told_with_the_bytes_needed(reader):
    b = Builder()
    x = b.input((1, 1 << 20), 0.5, 0)
    y = b.reshape(x, (1 << 10, 1 << 10))
    status, detail, message = reader([b.finish(y)])[0]
    assert status == Status.NO_ARENA
    assert message == f"arena bytes needed: {detail}"
    assert 2 << 20 < detail < (2 << 20) + 4096


def test_the_message_names_the_bytes_that_an_arena_lacks():
    refused = DeviceRefused("MODEL_END", Status.NO_ARENA, "NO_ARENA", 0, 10256, "the arena is too small")
    said = "the device refused MODEL_END: NO_ARENA (at least 10256 bytes are needed): the arena is too small"
    assert str(refused) == said


# -- through the link, against the sanitized device ----------------------------------------------------


def test_the_device_answers_for_damaged_models_and_lives(client):
    rng = random.Random(SEED)
    model = network(2)
    damaged = [model[:cut] for cut in range(8, len(model) - 16, max(1, len(model) // 25))]
    damaged += [mutated(rng, model) for _ in range(25)]
    for content in damaged:
        try:
            client.ensure_model(content)
        except DeviceRefused as refused:
            assert refused.status in (Status.BAD_MODEL, Status.UNSUPPORTED, Status.NO_ARENA)
    client.ensure_model(model)
    assert client.hello().model_sha256 == hashlib.sha256(model).digest()
