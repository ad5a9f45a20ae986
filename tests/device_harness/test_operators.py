"""The operators around the layers (element by element, moving, reducing) on the device against TFLM's own
interpreter: random models of one operator, every tensor compared."""

from __future__ import annotations

import numpy as np
import pytest

import random_elementwise
import random_movement
from coverify.errors import DeviceRefused
from coverify.link.client import Client
from coverify.link.requests import Status
from model_builder import Builder
from oracle import Tflm
from tflm_int8 import Model, Reference, UnsupportedOp

UNARY = ("ABS", "ELU", "HARD_SWISH", "LEAKY_RELU", "LOGISTIC", "RELU", "RELU6", "TANH")
BINARY = ("MAXIMUM", "MINIMUM", "MUL", "PRELU", "SQUARED_DIFFERENCE", "SUB")
CHOOSING = (
    "EQUAL", "GREATER", "GREATER_EQUAL", "LESS", "LESS_EQUAL", "LOGICAL_AND", "LOGICAL_NOT", "LOGICAL_OR",
    "NOT_EQUAL", "REDUCE_ALL", "SELECT_V2",
)  # fmt: skip
MOVING = (
    "ADD_N", "ARG_MAX", "ARG_MIN", "BATCH_MATMUL", "BATCH_TO_SPACE_ND", "BROADCAST_TO", "CONCATENATION",
    "CUMSUM", "DEPTH_TO_SPACE", "EXPAND_DIMS", "GATHER", "MEAN", "MIRROR_PAD", "PACK", "PAD", "PADV2",
    "REDUCE_MAX", "REDUCE_MIN", "RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR", "SHAPE", "SLICE",
    "SPACE_TO_BATCH_ND", "SPACE_TO_DEPTH", "SPLIT", "SPLIT_V", "SQUEEZE", "STRIDED_SLICE", "SUM", "TRANSPOSE",
    "TRANSPOSE_CONV", "UNPACK",
)  # fmt: skip


def equal_or_refused(client: Client, content: bytes, seed: int, n: int = 5, least: int = -128) -> bool:
    """False when the device refused the model; fails at the first tensor that differs from TFLM's."""
    try:
        plan = client.ensure_model(content)
    except DeviceRefused as refused:
        assert refused.status == Status.UNSUPPORTED, (seed, refused)
        return False
    oracle, model = Tflm(content), Model.from_bytes(content)
    for x in samples(model, seed, n, least):
        oracle.run(x)
        client.set_input(0, x.tobytes())
        client.invoke(stepped=True)
        for op in range(plan.n_operators):
            for output in client.step(op).outputs:
                want = oracle.tensor(output.tensor).tobytes()
                assert output.data == want, f"seed {seed}, op {op}, tensor {output.tensor}"
    return True


def samples(model: Model, seed: int, n: int, least: int) -> np.ndarray:
    """Of the model's input, in its own type; of int8 none below `least`."""
    tensor = model.tensors[model.inputs[0]]
    x = random_elementwise.samples(seed, tensor.shape, n, least)
    if tensor.dtype == "int8":
        return x
    wide = x * np.random.default_rng([seed, 18]).integers(1, 250, x.shape)
    return wide % 2 == 0 if tensor.dtype == "bool" else wide.astype(tensor.dtype)


@pytest.mark.parametrize("name", UNARY)
def test_a_function_of_one_element_agrees_on_every_code(client, name):
    """Every model has 256 elements and sees every int8."""
    models = [random_elementwise.one_op(name, seed) for seed in range(3000, 3080)]
    assert sum(equal_or_refused(client, content, i) for i, content in enumerate(models)) >= 60


def test_an_inverse_square_root_agrees_on_every_code_from_its_zero_on_and_below_it_ends_the_run(client):
    for seed in range(3000, 3040):
        content = random_elementwise.one_op("RSQRT", seed)
        zero = Model.from_bytes(content).tensors[0].quantization.zero_point
        assert equal_or_refused(client, content, seed, least=zero), seed
    b = Builder()
    x = b.input((1, 2), 0.1, 5)
    client.ensure_model(b.finish(b.op("RSQRT", [x], b.activation((1, 2), 0.01, 0))))
    client.set_input(0, np.array([5, 4], np.int8).tobytes())
    with pytest.raises(DeviceRefused, match="RSQRT: failed while running"):
        client.invoke()


def test_rows_of_any_length_and_none_are_normalized_as_by_tflm(client):
    """The first row's sum of squares is 0, the others' of every number of bits."""
    contents = [random_elementwise.one_op("L2_NORMALIZATION", seed) for seed in range(3000, 3040)]
    for depth in (1, 3, 32768):
        b = Builder()
        x = b.input((4, depth), 0.1, -128)
        contents.append(b.finish(b.op("L2_NORMALIZATION", [x], b.activation((4, depth), 1 / 128, 0), 12)))
    assert all(equal_or_refused(client, content, i) for i, content in enumerate(contents))


def test_an_exponential_of_scales_of_any_size_agrees_or_is_refused_as_by_the_reference(client):
    """Some entries of its table depend on the last bit of the C library's function."""
    rng, refused = np.random.default_rng(7), 0
    for seed in range(60):
        s = float(np.float32(10.0 ** rng.uniform(-8, -1)))
        b = Builder()
        x = b.input((1, 256), s, random_elementwise.zero_point(rng))
        y = b.activation((1, 256), float(np.float32(s * 10.0 ** rng.uniform(-1.5, 1))), 3)
        content = b.finish(b.op("ELU", [x], y))
        try:
            Reference(Model.from_bytes(content))
        except UnsupportedOp:
            refused += 1
            with pytest.raises(DeviceRefused, match="depends on the last bit"):
                client.ensure_model(content)
        else:
            assert equal_or_refused(client, content, seed)
    assert 10 <= refused <= 40


@pytest.mark.parametrize("name", BINARY)
def test_a_binary_operator_agrees_with_broadcasting_and_activations(client, name):
    models = [random_elementwise.one_op(name, seed) for seed in range(4000, 4080)]
    assert sum(equal_or_refused(client, content, i) for i, content in enumerate(models)) >= 40


@pytest.mark.parametrize("name", CHOOSING)
def test_an_operator_that_compares_or_chooses_agrees_with_broadcasting(client, name):
    """Those of which a scale is not below one are refused."""
    models = [random_elementwise.one_op(name, seed) for seed in range(4000, 4040)]
    assert sum(equal_or_refused(client, content, i) for i, content in enumerate(models)) >= 28


@pytest.mark.parametrize("name", CHOOSING[:5])
def test_numbers_of_int32_and_what_compares_them_agree_as_numbers(client, name):
    """The comparison's result cast back: what a converter writes for a mask that is computed with."""
    b = Builder()
    x = b.input((1, 256), 0.5, 0)
    wide = b.op("CAST", [x], b.tensor((1, 256), "int32"), 37)
    bounds = b.tensor((3, 1), "int32", data=np.array([[-100], [0], [77]], np.int32))
    mask = b.op(name, [wide, bounds], b.tensor((3, 256), "bool"))
    assert equal_or_refused(client, b.finish(b.op("CAST", [mask], b.activation((3, 256), 1.0, 0), 37)), 0)


@pytest.mark.parametrize("ratio", [1.0, 0.3, 20.0])
def test_the_square_of_every_difference_of_two_codes_agrees(client, ratio):
    """Up to the output's smallest scale, at which the square is shifted left."""
    for seed, smallest in ((0, 120.0), (1, 2.0**-12), (2, 2.0**-12.98)):
        rng = np.random.default_rng([seed, 63])
        s, z = random_elementwise.scale(rng), random_elementwise.zero_point(rng)
        b = Builder()
        x = b.input((1, 256, 1), s, z)
        codes = b.constant(np.arange(-128, 128), s * ratio, random_elementwise.zero_point(rng))
        scale = float(np.float32(smallest * (s * max(ratio, 1.0)) ** 2))
        y = b.activation((1, 256, 256), scale, random_elementwise.zero_point(rng))
        content = b.finish(b.op("SQUARED_DIFFERENCE", [x, codes], y, 76))
        assert equal_or_refused(client, content, seed), seed


def test_a_square_whose_shift_could_leave_int32_is_refused(client):
    b = Builder()
    x = b.input((1, 4), 1.0, 0)
    y = b.activation((1, 4), 2.0**-14, 0)
    content = b.finish(b.op("SQUARED_DIFFERENCE", [x, b.constant(np.arange(4), 1.0, 0)], y, 76))
    with pytest.raises(DeviceRefused, match="SQUARED_DIFFERENCE: the output's scale is too small"):
        client.ensure_model(content)


def test_a_networks_own_reconstruction_error_agrees(client):
    """An autoencoder whose output is the mean of its squared errors."""
    rng = np.random.default_rng(64)
    b = Builder()
    x = b.input((1, 40), 0.05, 3)
    encoder, decoder = rng.integers(-127, 128, (6, 40)), rng.integers(-127, 128, (40, 6))
    code = b.fully_connected(x, encoder, rng.integers(-900, 900, 6), 0.004, 0.1, -128, activation=1)
    again = b.fully_connected(code, decoder, rng.integers(-900, 900, 40), 0.004, 0.06, -4)
    error = b.op("SQUARED_DIFFERENCE", [again, x], b.activation((1, 40), 0.6, -128), 76)
    y = b.op("MEAN", [error, b.integers([1])], b.activation((1,), 0.1, -128), 27, KeepDims=False)
    assert equal_or_refused(client, b.finish(y), 0, 20)


@pytest.mark.parametrize("name", MOVING)
def test_an_operator_that_moves_or_adds_up_elements_agrees(client, name):
    """Some models have an input of another type than int8."""
    models = [random_movement.one_op(name, seed) for seed in range(5000, 5080)]
    assert sum(equal_or_refused(client, content, i) for i, content in enumerate(models)) >= 40


def test_a_slice_by_int64_agrees_to_a_given_size_and_to_the_end(client):
    for size in (2, -1):
        b = Builder()
        x = b.input((1, 4, 6), 0.1, 3)
        window = [b.integers(v, "int64") for v in ([0, 2, 1], [1, size, 4])]
        assert equal_or_refused(client, b.finish(b.op("SLICE", [x, *window], b.like(x, (1, 2, 4)))), 0)


def test_a_requantization_and_floats_behind_it_agree_on_every_code(client):
    for seed in range(30):
        rng = random_elementwise.np.random.default_rng([seed, 61])
        b = Builder()
        x = b.input((1, 256), random_elementwise.scale(rng), random_elementwise.zero_point(rng))
        y = b.op("QUANTIZE", [x], random_elementwise.like(rng, b, x, 2.0))
        b.op("DEQUANTIZE", [y], b.tensor((1, 256), "float32"))
        assert equal_or_refused(client, b.finish(len(b.tensors) - 1), seed), seed


def test_a_requantization_to_uint8_agrees_on_every_code(client):
    for seed in range(20):
        rng = random_elementwise.np.random.default_rng([seed, 62])
        b = Builder()
        x = b.input((1, 256), random_elementwise.scale(rng), random_elementwise.zero_point(rng))
        scale = float(random_elementwise.np.float32(b.tensors[x].scales[0] * 2.0 ** rng.uniform(-2, 2)))
        y = b.tensor((1, 256), "uint8", [scale], [int(rng.integers(0, 256))])
        assert equal_or_refused(client, b.finish(b.op("QUANTIZE", [x], y)), seed), seed


def test_a_sigmoid_agrees_where_its_radius_vanishes(client):
    """Input scales of 8 and above leave no element inside the radius of 16; below, one, three, …"""
    for name in ("LOGISTIC", "TANH"):
        for scale in (0.001, 0.0078125, 0.49, 0.5, 1.0, 3.9, 4.0, 7.99, 8.0, 15.0, 100.0):
            b = Builder()
            x = b.input((1, 256), scale, -7)
            content = b.finish(b.op(name, [x], b.activation((1, 256), 1 / 256, -128)))
            assert equal_or_refused(client, content, 0), (name, scale)


def test_a_tensor_joined_from_eleven_is_refused_as_by_tflm(client):
    b = Builder()
    x = b.input((1, 2), 0.5, 0)
    content = b.finish(b.op("CONCATENATION", [x] * 11, b.like(x, (1, 22)), 10, Axis=1))
    with pytest.raises(DeviceRefused, match="CONCATENATION: inputs: 11"):
        client.ensure_model(content)


def test_a_tensor_split_into_seventeen_is_refused(client):
    b = Builder()
    x = b.input((1, 17), 0.5, 0)
    outputs = [b.like(x, (1, 1)) for _ in range(17)]
    content = b.finish(b.op("SPLIT", [b.integers(1), x], outputs, 35, NumSplits=17))
    with pytest.raises(DeviceRefused, match="SPLIT: outputs: 17"):
        client.ensure_model(content)


def test_every_output_of_a_split_is_read_after_it_and_kept_for_later_readers(client):
    """Three outputs: one a model output, one read twice far behind, one never read."""
    b = Builder()
    x = b.input((1, 4, 6), 0.1, 3)
    first, second, unread = outputs = [b.like(x, (1, 4, 2)) for _ in range(3)]
    b.op("SPLIT", [b.integers(-1), x], outputs, 35, NumSplits=3)
    y = first
    for i in range(6):
        y = b.add(y, second, 0.15 + i / 10, i)
    assert unread not in [i for op in b.ops for i in op.inputs]
    assert equal_or_refused(client, b.finish(y, first), 0)


@pytest.mark.parametrize(("out", "kernel", "stride"), [(1, 8, 4), (2, 8, 4), (3, 8, 5)])
def test_a_transposed_convolution_whose_kernel_is_larger_than_its_output_agrees(client, out, kernel, stride):
    rng = random_elementwise.np.random.default_rng(out)
    b = Builder()
    x = b.input((1, 1, 1, 2), 0.05, 3)
    w = rng.integers(-127, 128, (3, kernel, kernel, 2))
    operands = b.layer_inputs(x, w, rng.integers(-900, 900, 3), [0.01, 0.02, 0.03], 0)
    y = b.activation((1, out, out, 3), 0.3, -5)
    inputs = [b.integers([1, out, out, 3]), operands[1], x, operands[2]]
    b.op("TRANSPOSE_CONV", inputs, y, 49, Padding=1, StrideH=stride, StrideW=stride)
    assert equal_or_refused(client, b.finish(y), 0)


def test_a_dilated_convolution_among_the_parts_of_an_image_agrees(client):
    """As Keras writes it: the parts are a batch, and a border of what they are joined to is cut off."""
    rng = np.random.default_rng(65)
    b = Builder()
    x = b.input((1, 8, 12, 3), 0.05, 3)
    block, none = b.integers([2, 3]), b.integers([[0, 0], [0, 0]])
    parts = b.op("SPACE_TO_BATCH_ND", [x, block, none], b.like(x, (6, 4, 4, 3)))
    weights, bias = rng.integers(-127, 128, (5, 3, 3, 3)), rng.integers(-900, 900, 5)
    inner = b.conv(parts, weights, bias, [0.01, 0.02, 0.005, 0.01, 0.03], 0.2, -7, activation=1)
    y = b.like(inner, (1, 7, 10, 5))
    b.op("BATCH_TO_SPACE_ND", [inner, block, b.integers([[0, 1], [1, 1]])], y)
    assert equal_or_refused(client, b.finish(y), 0, 10)


def test_attention_and_the_place_of_its_largest_output_agree(client):
    """softmax(q kᵀ) v of one input, and where it is largest."""
    rng = np.random.default_rng(66)
    b = Builder()
    x = b.input((1, 6, 8), 0.05, 3)
    q, k, v = (b.fully_connected(b.reshape(x, (6, 8)), rng.integers(-127, 128, (8, 8)), None, 0.01, 0.06, z)
               for z in (0, 5, -9))  # fmt: skip
    scores = b.op("BATCH_MATMUL", [q, k], b.activation((6, 6), 0.1, 4), 101, AdjX=False, AdjY=True)
    mixed = b.activation((6, 8), 0.05, -3)
    b.op("BATCH_MATMUL", [b.softmax(scores), v], mixed, 101, AdjX=False, AdjY=False)
    place = b.op("ARG_MAX", [mixed, b.integers(-1)], b.tensor((6,), "int32"), 40, OutputType=2)
    assert equal_or_refused(client, b.finish(mixed, place), 0, 10)
