"""Quantization as files carry it: what TFLM's allocator makes of lists of other lengths."""

import numpy as np
import pytest

from coverify.check import Rejected
from coverify.check.certificate import network
from model_builder import Builder
from oracle import Tflm
from tflm_int8 import AccumulatorOverflow, Model, Reference, UnsupportedOp


def convolution(zero_points: list[int]) -> bytes:
    b = Builder()
    x = b.input((1, 3, 3, 2), 0.05, 4)
    w = np.random.default_rng(2).integers(-127, 128, (5, 2, 2, 2))
    y = b.conv(x, w, np.arange(5) * 100, [0.01, 0.02, 0.03, 0.01, 0.05], 0.3, -7)
    for tensor in b.ops[0].inputs[1:]:
        b.tensors[tensor].zero_points = zero_points
    b.tensors[b.ops[0].inputs[2]].axis = 3  # an axis that a bias does not have, as real files have it
    return b.finish(y)


def test_one_zero_point_stands_for_all_channels():
    content = convolution([0])
    x = np.random.default_rng(3).integers(-128, 128, (1, 3, 3, 2)).astype(np.int8)
    np.testing.assert_array_equal(Reference(Model.from_bytes(content)).run(x)[0], Tflm(content).run(x)[0])


def test_a_convolution_of_floats_is_told_how_converters_make_int8_of_it():
    b = Builder()
    x = b.input((1, 3, 3, 1), dtype="float32")
    y = b.conv(x, np.ones((1, 2, 2, 1)), np.zeros(1), 1.0, 1.0, 0)
    for tensor in (y, *b.ops[0].inputs):
        b.tensors[tensor].dtype = "float32"
        if b.tensors[tensor].data is not None:
            b.tensors[tensor].data = b.tensors[tensor].data.astype(np.float32)
    with pytest.raises(UnsupportedOp, match=r"op 0 CONV_2D .*is float32, int8 is needed .*representative"):
        Reference(Model.from_bytes(b.finish(y)))


def test_scales_without_zero_points_are_no_quantization():
    content = convolution([])
    with pytest.raises(UnsupportedOp, match=r"op 0 CONV_2D .*scales"):
        Reference(Model.from_bytes(content))
    with pytest.raises(RuntimeError, match="allocate tensors"):
        Tflm(content)


def per_channel(name: str, axis: int, size: int) -> bytes:
    """Four channels, whose scales are said to lie on the axis; axes without channels have this size."""
    b, rng, scales = Builder(), np.random.default_rng(5), [0.01, 0.02, 0.03, 0.04]
    if name == "FULLY_CONNECTED":
        weights = rng.integers(-127, 128, (4, size))
        y = b.fully_connected(b.input((1, size), 0.05, 4), weights, None, scales, 0.3, -7)
    else:
        depth = size if name == "CONV_2D" else 4
        first = 4 if name == "CONV_2D" else 1
        weights = rng.integers(-127, 128, (first, size, size, depth))
        layer = b.conv if name == "CONV_2D" else b.depthwise
        y = layer(b.input((1, 4, 4, depth), 0.05, 4), weights, None, scales, 0.3, -7)
    b.tensors[b.ops[0].inputs[1]].axis = axis
    return b.finish(y)


@pytest.mark.parametrize("size", [3, 4])
@pytest.mark.parametrize("axis", range(6))
@pytest.mark.parametrize("name", ["FULLY_CONNECTED", "CONV_2D", "DEPTHWISE_CONV_2D"])
def test_scales_on_another_axis_are_refused_unless_tflm_takes_them(name, axis, size):
    """It asks for as many elements there as there are scales, which another axis may have too."""
    content = per_channel(name, axis, size)
    n_axes = 2 if name == "FULLY_CONNECTED" else 4
    try:
        tflm = (
            Tflm(content, 1 << 20) if axis < n_axes else None
        )  # beyond: it reads what lies behind the shape
    except RuntimeError:
        tflm = None
    if tflm is None:
        with pytest.raises(UnsupportedOp, match=f"op 0 {name} .*scales"):
            Reference(Model.from_bytes(content))
        with pytest.raises(Rejected, match="scales lie on another axis"):
            network(content, "tflm")
        return
    reference, net = Reference(Model.from_bytes(content)), network(content, "tflm")
    x = np.random.default_rng(6).integers(-128, 128, reference.input.shape).astype(np.int8)
    expected = tflm.run(x)
    np.testing.assert_array_equal(reference.run(x)[:1], expected)
    ours = net.boxes(np.stack([x.reshape(1, -1)] * 2).astype(np.int64))[0][:, net.outputs]
    np.testing.assert_array_equal(ours.reshape(expected.shape), expected)


def test_one_scale_is_one_multiplier_however_many_channels():
    b = Builder()
    y = b.fully_connected(b.input((1, 1), 0.1, 0), np.ones((1 << 16, 1)), None, 0.01, 0.2, 3)
    assert network(b.finish(y), "tflm").steps[-1].domain.shape == (2, 1)


def test_a_prelu_whose_product_plus_the_zero_point_leaves_int32_is_refused():
    """−128 · 64 times 2^18 (1 − 2^−28), and the zero point −9; TFLM's interpreter wraps around."""
    b = Builder()
    x = b.input((1, 1), 1 + 2.0**-14, 0)
    alpha, y = b.constant(np.array([[64]]), 1 - 2.0**-14, 0), b.activation((1, 1), 2.0**-18, -9)
    content = b.finish(b.op("PRELU", [x, alpha], y))
    least, next_one = (np.array([[a]], np.int8) for a in (-128, -127))
    tflm, reference = Tflm(content), Reference(Model.from_bytes(content))
    assert (tflm.run(least).item(), tflm.run(next_one).item()) == (127, -128)
    assert reference.run(next_one).item() == -128
    with pytest.raises(AccumulatorOverflow, match="zero point"):
        reference.run(least)
