"""Where TFLM computes otherwise than a file seems to say, or does not run it, the checker refuses it."""

import numpy as np
import pytest

from coverify.check import Rejected
from coverify.check.certificate import network
from model_builder import Builder
from oracle import Tflm
from tflm_int8 import Model, Reference, UnsupportedModel

CONV, DEPTHWISE = "CONV_2D", "DEPTHWISE_CONV_2D"


def run(content: bytes, x: np.ndarray) -> np.ndarray:
    """The outputs of the checker's steps."""
    net, flat = network(content, "tflm"), x.reshape(len(x), -1).astype(np.int64)
    return net.boxes(np.stack([flat, flat]))[0][:, net.outputs]


def dilated(op: str, dilation: int) -> bytes:
    """Two pixels side by side, two filters of three taps: the middle one, the first one."""
    b = Builder()
    x, w = b.input((1, 1, 2, 1), 0.5, 0), np.zeros((2, 1, 3, 1), int)
    w[0, 0, 1], w[1, 0, 0] = 1, 100
    if op == CONV:
        return b.finish(b.conv(x, w, None, 0.1, 0.05, 0, dilation=(1, dilation)))
    return b.finish(b.depthwise(x, w.transpose(3, 1, 2, 0), None, 0.1, 0.05, 0, dilation=(1, dilation)))


@pytest.mark.parametrize("op", [CONV, DEPTHWISE])
def test_windows_are_of_16_bits(op):
    """TFLM keeps paddings and dilations in int16: of 65536 neither is left, and the first tap lies inside."""
    x = np.array([[[[60], [20]]]], np.int8)
    for dilation in (1, 2, 32767):
        expected = Tflm(dilated(op, dilation)).run(x)
        np.testing.assert_array_equal(run(dilated(op, dilation), x), expected.reshape(1, -1))
    outside = Tflm(dilated(op, 32767)).run(x)
    for dilation in (32768, 65536):
        if dilation == 65536:
            assert Tflm(dilated(op, dilation)).run(x).tolist() != outside.tolist()
        with pytest.raises(Rejected, match="int16"):
            network(dilated(op, dilation), "tflm")


def test_a_bias_written_as_none_is_one_of_conv_2d_alone():
    """TFLM reads that of DEPTHWISE_CONV_2D where there is none."""
    rng = np.random.default_rng(3)
    x = rng.integers(-128, 128, (4, 3, 3, 2), dtype=np.int8)
    for op, w in ((CONV, (2, 2, 2, 2)), (DEPTHWISE, (1, 2, 2, 2))):
        b = Builder()
        made = b.conv if op == CONV else b.depthwise
        y = made(b.input((1, 3, 3, 2), 0.5, 0), rng.integers(-9, 9, w), None, [0.1, 0.1], 0.9, 5)
        b.ops[0].inputs.append(-1)
        content = b.finish(y)
        if op == CONV:
            expected = np.stack([Tflm(content).run(one[None])[0] for one in x])
            np.testing.assert_array_equal(run(content, x), expected.reshape(4, -1))
        else:
            with pytest.raises(Rejected, match="operands"):
                network(content, "tflm")


def reshaped(**options) -> Builder:
    b = Builder()
    x = b.input((1, 4), 0.5, 0)
    y = b.op("RESHAPE", [x], b.activation((1, 2, 2), 0.5, 0), 17, **options)
    b.add(y, y, 1.0, 3)
    return b


def refused(b: Builder, why: str) -> None:
    """By TFLM, and by the checker, if need be in numpy's words."""
    content = b.finish(b.ops[-1].outputs[0])
    with pytest.raises(RuntimeError, match="allocate tensors"):
        Tflm(content)
    with pytest.raises((Rejected, ValueError), match=why):
        network(content, "tflm")


def alone(op: str, before: tuple[int, ...], after: tuple[int, ...], *operand: object, **options) -> Builder:
    """An operator that gives elements another shape; its second operand: integers, and their type."""
    b, union = Builder(), {"SQUEEZE": 30, "EXPAND_DIMS": 52, "TRANSPOSE": 26}[op]
    x = b.input(before, 0.5, 0)
    b.op(op, [x, *([b.integers(*operand)] if operand else [])], b.like(x, after), union, **options)
    return b


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        (("SQUEEZE", (1, 2, 1), (2, 1), [0]), ("SQUEEZE", (1, 2, 1), (2,), [0], "another form")),
        (("SQUEEZE", (1, 2, 1), (2,), []), ("SQUEEZE", (1, 2, 1), (1, 2), [], "another form")),
        (("SQUEEZE", (1, 2, 1), (2,), [-1, 0]), ("SQUEEZE", (1, 2, 1), (2,), [1, 0], "not equal to one")),
        (("SQUEEZE", (1, 2), (2,), [-2]), ("SQUEEZE", (1, 2), (2,), [-3], "out of bounds")),
        (("SQUEEZE", (1, 2), (2,), [0] * 8), ("SQUEEZE", (1, 2), (2,), [0] * 9, "more than 8 dimensions")),
        (("SQUEEZE", (1, 2), (2,), []), ("SQUEEZE", (1, 2), (1, 1, 2), [], "another form")),
        (("EXPAND_DIMS", (3, 2), (3, 2, 1), 2), ("EXPAND_DIMS", (3, 2), (1, 3, 2), 2, "another form")),
        (("EXPAND_DIMS", (3, 2), (1, 3, 2), [-3]), ("EXPAND_DIMS", (1, 2), (2,), [0], "another form")),
        (("EXPAND_DIMS", (3, 2), (3, 1, 2), [-2]), ("EXPAND_DIMS", (3, 2), (1, 3, 2), [-4], "of bounds")),
        (("EXPAND_DIMS", (1, 2), (1, 1, 2), 0), ("EXPAND_DIMS", (1, 2), (1, 1, 2), 3, "out of bounds")),
        (("TRANSPOSE", (1, 2), (2, 1), [1, 0]), ("TRANSPOSE", (1, 2), (2, 1), [[1, 0]], "order")),
        (("TRANSPOSE", (2,), (2,), [0]), ("TRANSPOSE", (2,), (2,), 0, "order")),
        (
            ("TRANSPOSE", (1, 1, 1, 1, 2), (1, 1, 2, 1, 1), [0, 1, 4, 2, 3]),
            ("TRANSPOSE", (1, 1, 1, 1, 1, 2), (1, 1, 1, 2, 1, 1), [0, 1, 2, 5, 3, 4], "order"),
        ),
    ],
)
def test_another_shape_is_the_one_that_tflm_gives(good, bad):
    made = [
        alone(op, *shapes, SqueezeDims=said) if op == "SQUEEZE" else alone(op, *shapes, said)
        for op, *shapes, said in (good, bad[:-1])
    ]
    content, shape = made[0].finish(made[0].ops[-1].outputs[0]), good[1]
    x = np.arange(-3, int(np.prod(shape)) - 3, dtype=np.int8).reshape(1, *shape)
    np.testing.assert_array_equal(run(content, x), Tflm(content).run(x[0]).reshape(1, -1))
    refused(made[1], bad[-1])


@pytest.mark.parametrize("dtype", ["int64", "int8"])
def test_an_axis_is_int32(dtype):
    refused(alone("EXPAND_DIMS", (1, 2), (1, 1, 2), [0], dtype), "axis|a constant's type")


def test_what_is_beside_an_operator_is_heeded():
    good = reshaped(NewShape=[1, 2, 2])
    network(good.finish(good.ops[-1].outputs[0]), "tflm")
    refused(reshaped(NewShape=[1] * 9), "8 dimensions")
    for beside in ({"custom": b""}, {"custom": b"abc"}, {"intermediates": [0]}):
        other = reshaped(NewShape=[1, 2, 2])
        vars(other.ops[0]).update(beside)
        refused(other, "custom options")
    bias = Builder()
    x = bias.input((1, 4), 0.5, 0)
    bias.fully_connected(x, np.arange(12).reshape(3, 4), None, 0.1, 0.4, 5)
    bias.ops[0].options.append(("QuantizedBiasType", 100))
    refused(bias, "type of bias")


@pytest.mark.parametrize("rank", [6, 7, 8])
def test_tensors_have_at_most_six_dimensions(rank):
    """TFLM has no room for the shape of others, and computes anything: [0, 0, 0] of a dense layer of 8."""
    b = Builder()
    x = b.input((*[1] * (rank - 1), 4), 0.1, 0)
    weights = np.random.default_rng(4).integers(-127, 128, (3, 4))
    content = b.finish(b.fully_connected(x, weights, None, 0.01, 0.2, 3))
    codes = np.array([70, -9, 100, 3], np.int8).reshape(1, *[1] * (rank - 1), 4)
    if rank <= 6:
        expected = Tflm(content).run(codes[0]).reshape(1, -1)
        np.testing.assert_array_equal(run(content, codes), expected)
        reference = Reference(Model.from_bytes(content)).run(codes)
        np.testing.assert_array_equal(reference.reshape(1, -1), expected)
        return
    with pytest.raises(Rejected, match="more than 6 dimensions, for which"):
        network(content, "tflm")
    with pytest.raises(UnsupportedModel, match=f"{rank} dimensions"):
        Reference(Model.from_bytes(content))
