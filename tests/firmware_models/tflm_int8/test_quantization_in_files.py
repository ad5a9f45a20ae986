"""Quantization as files carry it: what TFLM's allocator makes of lists of other lengths."""

import numpy as np
import pytest

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


def test_scales_without_zero_points_are_no_quantization():
    content = convolution([])
    with pytest.raises(UnsupportedOp, match=r"op 0 CONV_2D .*scales"):
        Reference(Model.from_bytes(content))
    with pytest.raises(RuntimeError, match="allocate tensors"):
        Tflm(content)


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
