"""A float file that is no chain of dense layers is refused, not read as another network."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest

from coverify.study.errors import BadFloatNetwork
from coverify.study.float_network import FloatNetwork
from model_builder import Builder
from tflm_int8 import TflmError


def content(rows=1, bias="constant", beta=1.0, column=False) -> bytes:
    """x @ I + b, a softmax behind it."""
    b = Builder()
    x = b.input((rows, 2), dtype="float32")
    w = b.tensor((2, 2), "float32", data=np.eye(2, dtype=np.float32))
    biases = {
        "constant": lambda: b.tensor((2,), "float32", data=np.zeros(2, np.float32)),
        "int32": lambda: b.tensor((2,), "int32", data=np.zeros(2, np.int32)),
        "the input": lambda: x,
    }
    y = b.tensor((rows, 2), "float32")
    b.op("FULLY_CONNECTED", [x, w, biases[bias]()], y, 8)
    if column:
        z = b.tensor((2 * rows, 1), "float32")
        b.op("RESHAPE", [y], z, 17)
        y = z
    p = b.tensor(b.tensors[y].shape, "float32")
    b.op("SOFTMAX", [y], p, 9, Beta=beta)
    return b.finish(p)


def test_the_file_that_the_others_are_made_from_is_read(tmp_path):
    (tmp_path / "net.tflite").write_bytes(content())
    assert FloatNetwork.read(tmp_path / "net.tflite").n_output == 2


@pytest.mark.parametrize(
    "change",
    [
        {"bias": "the input"},  # x @ I + x: it was read as x @ I
        {"bias": "int32"},
        {"beta": -1.0},  # the order of the classes is turned round
        {"beta": 0.0},
        {"column": True},  # a softmax of rows of one element: all outputs are 1
        {"rows": 3},
    ],
    ids=str,
)
def test_a_network_that_is_another_than_its_layers_say_is_refused(change, tmp_path):
    (tmp_path / "net.tflite").write_bytes(content(**change))
    with pytest.raises(BadFloatNetwork):
        FloatNetwork.read(tmp_path / "net.tflite")


def test_numbers_wider_than_float64_are_refused_and_not_rounded(tmp_path):
    wide = np.array([[1, 2]], np.longdouble)
    if wide.dtype.itemsize <= 8:
        pytest.skip("no wider float here")
    np.savez(tmp_path / "net.npz", w0=wide, b0=np.zeros(1))
    with pytest.raises(BadFloatNetwork, match="wider than float64"):
        FloatNetwork.read(tmp_path / "net.npz")


def convolution(y_shape: tuple[int, ...], padding: int) -> bytes:
    """5 x 4 pixels, filters of 2 x 2, strides of 2 rows and 1 column; the output's shape as the file says."""
    b = Builder()
    x = b.input((1, 5, 4, 1), dtype="float32")
    w = b.tensor((1, 2, 2, 1), "float32", data=np.ones((1, 2, 2, 1), np.float32))
    y = b.tensor(y_shape, "float32")
    b.op("CONV_2D", [x, w], y, 1, Padding=padding, StrideH=2, StrideW=1)
    return b.finish(y)


@pytest.mark.parametrize(("y_shape", "padding"), [((1, 2, 3, 1), 1), ((1, 3, 4, 1), 0)])
def test_a_convolution_s_output_is_as_large_as_its_padding_makes_it(y_shape, padding, tmp_path):
    (tmp_path / "net.tflite").write_bytes(convolution(y_shape, padding))
    assert FloatNetwork.read(tmp_path / "net.tflite").n_output == y_shape[1] * y_shape[2]


@pytest.mark.parametrize(
    ("y_shape", "padding"), [((1, 3, 3, 1), 1), ((1, 2, 4, 1), 1), ((1, 2, 4, 1), 0), ((1, 3, 4, 1), 2)]
)
def test_a_convolution_whose_declared_output_is_another_is_refused(y_shape, padding, tmp_path):
    (tmp_path / "net.tflite").write_bytes(convolution(y_shape, padding))
    with pytest.raises(BadFloatNetwork):
        FloatNetwork.read(tmp_path / "net.tflite")


def pooled(size: tuple[int, int], stride: tuple[int, int], activation: int = 0) -> bytes:
    """4 x 6 pixels, an average pool, a dense layer of ones."""
    b = Builder()
    x = b.input((1, 4, 6, 1), dtype="float32")
    shape = (1, (4 - size[0]) // stride[0] + 1, (6 - size[1]) // stride[1] + 1, 1)
    y = b.op(
        "AVERAGE_POOL_2D", [x], b.tensor(shape, "float32"), 5, Padding=1, StrideH=stride[0],
        StrideW=stride[1], FilterHeight=size[0], FilterWidth=size[1],
        FusedActivationFunction=activation,
    )  # fmt: skip
    n = int(np.prod(shape))
    w = b.tensor((1, n), "float32", data=np.ones((1, n), np.float32))
    z = b.tensor((1, 1), "float32")
    b.op("FULLY_CONNECTED", [b.op("RESHAPE", [y], b.tensor((1, n), "float32"), 17), w], z, 8)
    return b.finish(z)


def test_an_average_becomes_part_of_the_layer_behind_it(tmp_path):
    (tmp_path / "net.tflite").write_bytes(pooled((2, 2), (2, 2)))
    assert FloatNetwork.read(tmp_path / "net.tflite").layers[0].weights.tolist() == [[0.25] * 24]


@pytest.mark.parametrize(
    ("size", "stride", "activation", "why"),
    [
        ((3, 3), (3, 3), 0, "not exact in binary"),
        ((2, 2), (1, 1), 0, "overlap"),
        ((2, 2), (2, 2), 1, "fused activation 1"),
    ],
)
def test_an_average_that_is_not_exact_is_refused(size, stride, activation, why, tmp_path):
    (tmp_path / "net.tflite").write_bytes(pooled(size, stride, activation))
    with pytest.raises(BadFloatNetwork, match=why):
        FloatNetwork.read(tmp_path / "net.tflite")


def moved(name: str, given: object, shape: tuple[int, ...], constant: bool = True) -> bytes:
    """2 x 2 pixels, padded or their mean, a dense layer of ones."""
    b = Builder()
    x = b.input((1, 2, 2, 1), dtype="float32")
    numbers = b.integers(given, "int64" if isinstance(given, np.ndarray) else "int32") if constant else x
    y = b.op(name, [x, numbers], b.tensor(shape, "float32"), {"PAD": 0, "MEAN": 27}[name])
    n = int(np.prod(shape))
    w = b.tensor((1, n), "float32", data=np.arange(1, n + 1, dtype=np.float32)[None])
    z = b.tensor((1, 1), "float32")
    b.op("FULLY_CONNECTED", [b.op("RESHAPE", [y], b.tensor((1, n), "float32"), 17), w], z, 8)
    return b.finish(z)


@pytest.mark.parametrize(
    ("name", "given", "shape", "weights"),
    [
        ("PAD", [[0, 0], [1, 0], [0, 1], [0, 0]], (1, 3, 3, 1), [4.0, 5.0, 7.0, 8.0]),
        ("MEAN", [1, 2], (1, 1), [0.25] * 4),
        ("MEAN", [-2], (1, 2, 1), [0.5, 0.5, 1.0, 1.0]),
        ("MEAN", [0], (2, 2, 1), [1.0, 2.0, 3.0, 4.0]),
    ],
)
def test_padding_and_means_become_part_of_the_layer_behind_them(name, given, shape, weights, tmp_path):
    (tmp_path / "net.tflite").write_bytes(moved(name, given, shape))
    assert FloatNetwork.read(tmp_path / "net.tflite").layers[0].weights.tolist() == [weights]


@pytest.mark.parametrize(
    ("name", "given", "shape", "why"),
    [
        ("PAD", [[0, 0], [1, 0], [0, 1], [0, 0]], (1, 3, 2, 1), "not as large"),
        ("PAD", [[0, 0], [-1, 2], [0, 1], [0, 0]], (1, 3, 3, 1), "paddings are not those"),
        ("PAD", [[1, 0], [0, 0], [0, 0], [0, 0]], (2, 2, 2, 1), "paddings are not those"),
        ("PAD", [[0, 0], [0, 0]], (1, 2, 2, 1), "paddings are not those"),
        ("PAD", None, (1, 2, 2, 1), "no constant"),
        ("MEAN", [4], (1, 2, 2, 1), "axes are not those"),
        ("MEAN", [-5], (1, 2, 2, 1), "axes are not those"),
        ("MEAN", [1, 2], (1, 2), "its output is another one"),
        ("PAD", np.array([[0, 0], [1 << 40, 0], [0, 0], [0, 0]]), (1, 3, 2, 1), "paddings are not those"),
    ],
)
def test_padding_and_means_that_do_not_fit_are_refused(name, given, shape, why, tmp_path):
    content = moved(name, [0] if given is None else given, shape, given is not None)
    (tmp_path / "net.tflite").write_bytes(content)
    with pytest.raises(BadFloatNetwork, match=why):
        FloatNetwork.read(tmp_path / "net.tflite")


@pytest.mark.parametrize(
    ("name", "given", "shape", "why"),
    [
        ("SQUEEZE", None, (2, 2), None),
        ("SQUEEZE", None, (1, 4), r"\[1, 2, 1, 2\] does not become \[1, 4\]"),
        ("EXPAND_DIMS", 1, (1, 1, 2, 1, 2), None),
        ("EXPAND_DIMS", -1, (1, 2, 1, 2, 1), None),
        ("EXPAND_DIMS", 0, (1, 2, 1, 1, 2), "does not become"),
        ("EXPAND_DIMS", 5, (1, 1, 2, 1, 2), "axis is none of 5"),
        ("EXPAND_DIMS", [0, 1], (1, 1, 2, 1, 2), "axis is none of 5"),
        ("RESHAPE", None, (1, 4), None),
        ("RESHAPE", None, (1, 5), "does not become"),
    ],
)
def test_a_shape_that_the_values_do_not_get_is_refused(name, given, shape, why, tmp_path):
    b = Builder()
    x = b.input((1, 2, 1, 2), dtype="float32")
    inputs = [x] if given is None else [x, b.integers([given])]
    y = b.op(
        name, inputs, b.tensor(shape, "float32"), {"SQUEEZE": 30, "EXPAND_DIMS": 52, "RESHAPE": 17}[name]
    )
    w = b.tensor((1, 4), "float32", data=np.ones((1, 4), np.float32))
    z = b.tensor((1, 1), "float32")
    b.op("FULLY_CONNECTED", [b.op("RESHAPE", [y], b.tensor((1, 4), "float32"), 17), w], z, 8)
    (tmp_path / "net.tflite").write_bytes(b.finish(z))
    if why is None:
        assert FloatNetwork.read(tmp_path / "net.tflite").layers[0].weights.tolist() == [[1.0] * 4]
        return
    with pytest.raises(BadFloatNetwork, match=why):
        FloatNetwork.read(tmp_path / "net.tflite")


@pytest.mark.parametrize("inputs", [0, 1])
def test_a_layer_that_lacks_its_weights_is_refused(inputs, tmp_path):
    b = Builder()
    x = b.input((1, 2), dtype="float32")
    y = b.tensor((1, 2), "float32")
    b.op("FULLY_CONNECTED", [x][:inputs], y, 8)
    (tmp_path / "net.tflite").write_bytes(b.finish(y))
    with pytest.raises(BadFloatNetwork):
        FloatNetwork.read(tmp_path / "net.tflite")


def test_a_mean_over_one_axis_may_be_a_number_of_no_dimensions(tmp_path):
    (tmp_path / "net.tflite").write_bytes(moved("MEAN", 2, (1, 2, 1)))
    assert FloatNetwork.read(tmp_path / "net.tflite").layers[0].weights.tolist() == [[0.5, 0.5, 1.0, 1.0]]


def test_damaged_files_are_refused_or_read(tmp_path):
    """A few bytes of a file with all that is read are replaced."""
    b = Builder()
    x = b.input((1, 6, 2), dtype="float32")
    wide = b.op("EXPAND_DIMS", [x, b.integers([1])], b.tensor((1, 1, 6, 2), "float32"), 52)
    wide = b.op(
        "PAD", [wide, b.integers([[0, 0], [0, 0], [1, 1], [0, 0]])], b.tensor((1, 1, 8, 2), "float32")
    )
    weights = b.tensor((3, 1, 2, 2), "float32", data=np.ones((3, 1, 2, 2), np.float32))
    y = b.tensor((1, 1, 4, 3), "float32")
    b.op("CONV_2D", [wide, weights], y, 1, Padding=1, StrideH=1, StrideW=2, FusedActivationFunction=1)
    y = b.op("SQUEEZE", [y], b.tensor((4, 3), "float32"), 30)
    y = b.op("MEAN", [y, b.integers([0])], b.tensor((3,), "float32"), 27)
    last = b.tensor((2, 3), "float32", data=np.ones((2, 3), np.float32))
    content = b.finish(b.op("FULLY_CONNECTED", [y, last], b.tensor((1, 2), "float32"), 8))
    rng, path, read = np.random.default_rng(1), tmp_path / "net.tflite", 0
    words = [0, 1, 2, 5, 1 << 16, 1 << 20, (1 << 31) - 1, 1 << 31, (1 << 32) - 1]
    for _ in range(500):
        damaged, at = bytearray(content), int(rng.integers(0, len(content) - 4))
        damaged[at : at + 4] = int(rng.choice(words)).to_bytes(4, "little")
        path.write_bytes(damaged)
        with contextlib.suppress(BadFloatNetwork, TflmError):
            read += bool(FloatNetwork.read(path))
    assert 50 < read < 450
