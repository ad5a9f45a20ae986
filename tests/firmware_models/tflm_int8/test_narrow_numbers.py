"""Numbers that TFLM keeps in int16, and operands of which it takes more than they say: refused by name."""

import numpy as np
import pytest

from model_builder import Builder
from oracle import Tflm
from tflm_int8 import Model, Reference, UnsupportedOp


def windowed(name, width, kernel, stride=1, dilation=1, padding=0) -> bytes:
    """One window of `kernel` columns over an image of one row; padding: 0 SAME, 1 VALID."""
    b = Builder()
    x, strides = b.input((1, 1, width, 1), 0.5, 0), (1, stride)
    if name in ("MAX", "AVERAGE"):
        return b.finish(b.pool(x, name, (1, kernel), strides, padding))
    layer = b.conv if name == "CONV_2D" else b.depthwise
    weights = np.arange(1, kernel + 1).reshape(1, 1, kernel, 1) % 100
    return b.finish(layer(x, weights, None, 0.1, 0.5, 0, strides, (1, dilation), padding))


def deeper(multiplier: int) -> bytes:
    """A DEPTHWISE_CONV_2D of one pixel with so many channels for the input's one."""
    b = Builder()
    weights = (np.arange(multiplier) % 7 - 3).reshape(1, 1, 1, multiplier)
    return b.finish(b.depthwise(b.input((1, 1, 1, 1), 0.5, 0), weights, None, 0.1, 0.9, 0))


def tflm_and_reference_agree(content: bytes) -> bool:
    reference = Reference(Model.from_bytes(content))
    x = np.random.default_rng(3).integers(-128, 128, reference.input.shape).astype(np.int8)
    return np.array_equal(reference.run(x)[0], Tflm(content).run(x)[0])


LAYERS = ["CONV_2D", "DEPTHWISE_CONV_2D"]
LAST = {
    **{f"{name}, stride": windowed(name, 32769, 1, stride=32767, padding=1) for name in LAYERS},
    **{f"{name}, dilation": windowed(name, 32769, 2, dilation=32767, padding=1) for name in LAYERS},
    **{f"{name}, padding": windowed(name, 2, 3, dilation=32767) for name in LAYERS},
    **{f"{name}, kernel": windowed(name, 3, 65535) for name in [*LAYERS, "MAX", "AVERAGE"]},
    "MAX, stride": windowed("MAX", 65537, 1, stride=65536, padding=1),
    "depth multiplier": deeper(32767),
}
BEYOND = {
    **{f"{name}, stride": windowed(name, 32769, 1, stride=32768, padding=1) for name in LAYERS},
    **{f"{name}, dilation": windowed(name, 32770, 2, dilation=32768, padding=1) for name in LAYERS},
    **{f"{name}, both": windowed(name, 2, 3, dilation=65536) for name in LAYERS},
    **{f"{name}, padding": windowed(name, 2, 5, dilation=16384) for name in LAYERS},
    **{f"{name}, kernel": windowed(name, 3, 65538) for name in [*LAYERS, "MAX", "AVERAGE"]},
    "depth multiplier": deeper(32768),
}


@pytest.mark.parametrize("what", LAST)
def test_the_greatest_int16_is_tflms(what):
    assert tflm_and_reference_agree(LAST[what])


@pytest.mark.parametrize("what", BEYOND)
def test_what_leaves_int16_is_refused(what):
    with pytest.raises(UnsupportedOp, match="int16"):
        Reference(Model.from_bytes(BEYOND[what]))


def product(rows: int, columns: int, out: tuple[int, ...]) -> bytes:
    """FULLY_CONNECTED of two rows of 2 with computed weights [rows · columns / 2, 2], declared `out`."""
    b = Builder()
    x, w = b.input((rows, 2), 0.5, 3), b.input((columns, 2), 0.1, -5)
    return b.finish(b.op("FULLY_CONNECTED", [x, w], b.activation(out, 0.6, 2), 8))


@pytest.mark.parametrize("out", [(2, 4), (1, 2, 4), (2, 1, 4)])
def test_computed_weights_have_as_many_rows_as_the_output_has_channels(out):
    content, rng = product(2, 4, out), np.random.default_rng(5)
    x, w = (rng.integers(-128, 128, (1, n, 2)).astype(np.int8) for n in (2, 4))
    expected = Tflm(content).run(x[0], w[0])
    np.testing.assert_array_equal(Reference(Model.from_bytes(content)).run(x, w).reshape(out), expected)


@pytest.mark.parametrize("out", [(4, 2), (8,), (8, 1), (2, 2, 2), (2, 4, 1)])
def test_another_number_of_channels_is_refused(out):
    """TFLM takes the output's last dimension for it: other products, or weights behind the last."""
    with pytest.raises(UnsupportedOp, match="computed weights"):
        Reference(Model.from_bytes(product(2, 4, out)))


@pytest.mark.parametrize("dtype", ["int8", "int4", "int16"])
def test_a_bias_of_depthwise_conv_that_is_left_out_as_minus_one_is_refused(dtype):
    """TFLM follows a null pointer; a third operand that is not there it takes as no bias."""
    b = Builder()
    x = b.input((1, 3, 3, 2), 0.5, 0, "int16" if dtype == "int16" else "int8")
    y = b.depthwise(x, np.arange(8).reshape(1, 2, 2, 2) - 3, None, [0.1, 0.1], 0.9, 0)
    b.tensors[y].dtype = b.tensors[x].dtype
    if dtype == "int4":
        b.tensors[b.ops[0].inputs[1]].dtype = "int4"
    Reference(Model.from_bytes(b.finish(y)))
    b.ops[0].inputs.append(-1)
    with pytest.raises(UnsupportedOp, match="input 2 is missing"):
        Reference(Model.from_bytes(b.finish(y)))
