"""Element-by-element operators: every tensor equals TFLM's bit for bit, and the lowered program both."""

import os
import pickle

import numpy as np
import pytest

import random_elementwise
from model_builder import Builder
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
    program = pickle.loads(pickle.dumps(lower(reference.model)))  # as it goes to a child process
    wires = run_program(program, x.reshape(len(x), -1))
    compared = 0
    for wire, tensor in program.tensors.items():
        if tensor in trace:
            np.testing.assert_array_equal(wires[wire], integers(trace[tensor]), f"wire {wire}")
            compared += 1
    renamed = sum(kernel.node.op.name in ("CAST", "RESHAPE") for kernel in reference.kernels)
    assert compared >= len(reference.kernels) - renamed


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
        least = reference.input.quantization.zero_point if name.startswith("RSQRT") else -128
        x = random_elementwise.samples(seed, sample_shape(reference.input), 6, least)
        assert_equals_tflm(content, reference, x)
        checked += 1
    assert checked >= 0.7 * CASES, f"{checked} of {CASES} cases were accepted"


@pytest.mark.parametrize(
    ("name", "scale", "zero_point", "out_scale", "out_zero_point"),
    [
        ("ABS", 0.03880598023533821, 126, 0.07560128718614578, -43),
        ("ABS", 0.03898996487259865, 79, 0.17376349866390228, -89),
        ("RELU", 0.17804400622844696, 24, 0.5292317271232605, 56),
        ("RELU", 0.07127232849597931, 78, 0.3095255494117737, 12),
        ("HARD_SWISH", 0.010806734673678875, 103, 0.0023961018305271864, 19),
        ("HARD_SWISH", 0.0069512659683823586, 90, 0.023224398493766785, 54),
        ("RSQRT", 0.6518038511276245, 6, 0.004568546544760466, 43),
        ("RSQRT", 0.08790559321641922, -97, 0.0052130017429590225, -121),
        ("RELU6", 0.07453416287899017, -128, 0.07453416287899017, -128),  # here the quotient is float32
        ("RELU6", 1.7142857313156128, -128, 1.7142857313156128, -128),
    ],
)
def test_a_ratio_of_scales_has_the_precision_of_tflm(name, scale, zero_point, out_scale, out_zero_point):
    """Found by search: one table entry differs between a float32 and a double ratio."""
    b = Builder()
    x = b.input((256,), scale, zero_point)
    content = b.finish(b.op(name, [x], b.activation((256,), out_scale, out_zero_point)))
    codes = np.maximum(np.arange(-128, 128), zero_point if name == "RSQRT" else -128).astype(np.int8)
    assert_equals_tflm(content, Reference(Model.from_bytes(content)), codes[None])


@pytest.mark.parametrize(
    ("x_scale", "w_scale", "out_scale", "w"),
    [
        (0.0011220972519367933, 0.00311526982113719, 0.0005758159095421433, 77),
        (0.8773462176322937, 0.013033765368163586, 1.3195910453796387, 96),
        (0.087481290102005, 0.0015437573892995715, 0.02397111989557743, 56),
    ],
)
def test_a_product_of_scales_has_the_precision_of_tflm(x_scale, w_scale, out_scale, w):
    b = Builder()
    x = b.input((1, 1), x_scale, 0)
    content = b.finish(b.fully_connected(x, np.array([[w]]), None, w_scale, out_scale, 0))
    codes = np.arange(-128, 128).astype(np.int8)[:, None]
    assert_equals_tflm(content, Reference(Model.from_bytes(content)), codes)


@pytest.mark.parametrize(
    ("scale", "other_scale", "other", "out_scale"),
    [
        (0.07719133794307709, 0.06541021913290024, -54, 0.05837186053395271),
        (0.012659220956265926, 0.01266415510326624, 76, 0.027830705046653748),
        (0.5323410034179688, 2.933467149734497, -87, 9.675333976745605),
    ],
)
def test_a_difference_has_the_precision_of_tflm(scale, other_scale, other, out_scale):
    b = Builder()
    x = b.input((256,), scale, 0)
    pair = [x, b.constant(np.array([other]), other_scale, 0)]
    y = b.activation((256,), out_scale, 0)
    content = b.finish(b.op("SUB", pair, y, 28, FusedActivationFunction=0))
    codes = np.arange(-128, 128).astype(np.int8)
    assert_equals_tflm(content, Reference(Model.from_bytes(content)), codes[None])


def test_floats_are_quantized_as_by_tflm():
    rng = np.random.default_rng(3)
    for dtype, limit in (("int8", 300), ("int16", 70000)):
        for _ in range(20):
            step = float(np.float32(10.0 ** rng.uniform(-4, 1)))
            b = Builder()
            x = b.input((1, 500), 1.0, 0, "float32")
            point = random_elementwise.zero_point(rng)
            content = b.finish(b.op("QUANTIZE", [x], b.activation((1, 500), step, point, dtype)))
            values = rng.uniform(-limit, limit, (4, 500))
            values[1] = np.floor(values[1]) + 0.5  # ties
            values = (values * step).astype(np.float32)
            reference, tflm = Reference(Model.from_bytes(content)), Tflm(content, 1 << 20)
            for one, expected in zip(values, reference.run(values), strict=True):
                np.testing.assert_array_equal(tflm.run(one[None])[0], expected)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30])
def test_a_float_whose_code_leaves_int32_is_refused(value):
    b = Builder()
    x = b.input((1, 2), 1.0, 0, "float32")
    content = b.finish(b.op("QUANTIZE", [x], b.activation((1, 2), 0.5, 3)))
    with pytest.raises(UnsupportedOp, match="op 0 QUANTIZE"):
        Reference(Model.from_bytes(content)).run(np.array([[0, value]], np.float32))


def test_a_negative_number_has_no_inverse_square_root():
    b = Builder()
    x = b.input((1, 2), 0.5, 7)
    content = b.finish(b.op("RSQRT", [x], b.activation((1, 2), 0.01, 0)))
    with pytest.raises(UnsupportedOp, match="op 0 RSQRT"):
        Reference(Model.from_bytes(content)).run(np.array([[9, 6]], np.int8))


@pytest.mark.parametrize(
    ("name", "scale", "out_scale", "union", "options"),
    [
        ("SOFTMAX", 10 / 65535, 1 / 32768, 9, {"Beta": 1.0}),
        ("LOGISTIC", 1 / 4096, 1 / 32768, 0, {}),
        ("LOGISTIC", 0.0003, 1 / 32768, 0, {}),
        ("TANH", 1 / 4096, 1 / 32768, 0, {}),
        ("TANH", 1 / 2048, 1 / 32768, 0, {}),
        ("TANH", 0.0001, 1 / 32768, 0, {}),
    ],
)
def test_every_int16_code_equals_tflm(name, scale, out_scale, union, options):
    b = Builder()
    x = b.input((1, 256), scale, 0, "int16")
    content = b.finish(b.op(name, [x], b.activation((1, 256), out_scale, 0, "int16"), union, **options))
    codes = np.arange(-(1 << 15), 1 << 15).astype(np.int16).reshape(256, 256)
    codes = np.ascontiguousarray(codes.T)  # each row spans the range
    reference, tflm = Reference(Model.from_bytes(content)), Tflm(content, 1 << 20)
    for one, expected in zip(codes, reference.run(codes), strict=True):
        np.testing.assert_array_equal(tflm.run(one[None])[0], expected)
