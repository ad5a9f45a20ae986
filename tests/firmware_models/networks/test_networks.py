"""Are the shipped networks what their cards say?

Every card is held against the files beside it: digest, size, operators (parsed with the `tflite` schema
package), accuracy (run in TFLM's own interpreter), and the arrays of the `.npz`. Nothing is trained here.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

tflite = pytest.importorskip("tflite", reason="the TFLite schema package is not installed")
runtime = pytest.importorskip(
    "tflite_micro.python.tflite_micro.runtime", reason="TFLM's interpreter is not installed"
)

FOLDER = Path(__file__).parents[3] / "firmware_models" / "networks"
NAMES = ("digits_cnn", "digits_mlp")
EVERY_NAME = (*NAMES, "mnist_conv", "mnist_mlp_100_100", "mnist_mlp_64_32")
"""Those of MNIST have no images here (test_mnist_networks.py)."""
FLOAT = "digits_mlp_float"
"""What digits_mlp was quantized from; it is on that one's card."""
INPUT_SHAPE = {"digits_cnn": (8, 8, 1), "digits_mlp": (64,), "mnist_conv": (28, 28, 1)}
ACCURACY_FLOOR = {"digits_cnn": 0.97, "digits_mlp": 0.95}
ALLOWED = {
    "CONV_2D",
    "DEPTHWISE_CONV_2D",
    "MAX_POOL_2D",
    "AVERAGE_POOL_2D",
    "RESHAPE",
    "FULLY_CONNECTED",
    "SOFTMAX",
}


def _card(name: str) -> str:
    return (FOLDER / f"{name}.md").read_text(encoding="utf-8")


def _blob(name: str) -> bytes:
    return (FOLDER / f"{name}.tflite").read_bytes()


def _found(pattern: str, text: str) -> re.Match[str]:
    match = re.search(pattern, text)
    assert match, f"the card has no line like {pattern}"
    return match


def _graph(name: str) -> tuple[Any, Any]:
    model = tflite.Model.GetRootAsModel(_blob(name), 0)
    assert model.SubgraphsLength() == 1
    return model, model.Subgraphs(0)


def _operators(name: str) -> list[tuple[str, int]]:
    """Name and number of weight scales (0: the operator has no weights) of each operator."""
    model, graph = _graph(name)
    found = []
    for i in range(graph.OperatorsLength()):
        operator = graph.Operators(i)
        kind = tflite.opcode2name(model.OperatorCodes(operator.OpcodeIndex()).BuiltinCode())
        weighted = kind in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
        scales = graph.Tensors(operator.Inputs(1)).Quantization().ScaleLength() if weighted else 0
        found.append((kind, scales))
    return found


def _samples(name: str) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    with np.load(FOLDER / f"{name}.npz", allow_pickle=False) as arrays:
        assert sorted(arrays.files) == ["x", "y"]
        return arrays["x"], arrays["y"]


def test_every_network_of_the_folder_is_tested_and_complete() -> None:
    assert {path.stem for path in FOLDER.glob("*.tflite")} == {*EVERY_NAME, FLOAT}
    assert {path.stem for path in FOLDER.glob("*.npz")} == set(NAMES)
    cards = {path.stem for path in FOLDER.glob("*.md")} - {"README"}
    assert cards == set(EVERY_NAME)


@pytest.mark.parametrize("name", EVERY_NAME)
def test_the_card_gives_digest_and_size_of_the_file(name: str) -> None:
    blob = _blob(name)
    assert _found(rf"SHA-256 of `{name}.tflite` \| `([0-9a-f]+)`", _card(name))[1] == (
        hashlib.sha256(blob).hexdigest()
    )
    assert int(_found(r"file size \| (\d+) bytes", _card(name))[1]) == len(blob)


@pytest.mark.parametrize("name", EVERY_NAME)
def test_the_operators_and_their_weight_scales_are_those_of_the_card(name: str) -> None:
    listed = re.findall(r"^\d+\. `([A-Z0-9_]+)`(?:, weight scales: (\d+))?$", _card(name), re.MULTILINE)
    assert [(kind, int(scales or 0)) for kind, scales in listed] == _operators(name)
    assert {kind for kind, _ in listed} <= ALLOWED


@pytest.mark.parametrize("name", EVERY_NAME)
def test_every_tensor_is_int8_or_an_int32_constant_and_the_batch_is_1(name: str) -> None:
    model, graph = _graph(name)
    for i in range(graph.TensorsLength()):
        tensor = graph.Tensors(i)
        constant = model.Buffers(tensor.Buffer()).DataLength() > 0
        assert tensor.Type() in (
            (tflite.TensorType.INT8, tflite.TensorType.INT32) if constant else (tflite.TensorType.INT8,)
        )
        assert constant or tensor.Shape(0) == 1
    assert tuple(graph.Tensors(graph.Inputs(0)).ShapeAsNumpy()) == (1, *INPUT_SHAPE.get(name, (784,)))
    assert tuple(graph.Tensors(graph.Outputs(0)).ShapeAsNumpy()) == (1, 10)


@pytest.mark.parametrize("name", NAMES)
def test_the_samples_load_without_pickle_and_have_the_network_s_shape(name: str) -> None:
    x, y = _samples(name)
    assert x.dtype == np.int8
    assert y.dtype == np.int64
    assert x.shape == (360, *INPUT_SHAPE[name])
    assert y.shape == (360,)
    assert set(y.tolist()) == set(range(10))


@pytest.mark.parametrize("name", NAMES)
def test_the_samples_hold_only_the_codes_of_the_card_s_17_gray_levels(name: str) -> None:
    listed = _found(r"Gray levels 0\.\.16 are the\s+codes ([-\d ]+)\.", _card(name))[1]
    codes = [int(code) for code in listed.split()]
    assert len(codes) == 17
    x, _ = _samples(name)
    assert set(np.unique(x).tolist()) <= set(codes)


@pytest.mark.parametrize("name", EVERY_NAME)
def test_the_card_gives_the_quantization_of_input_and_output(name: str) -> None:
    _, graph = _graph(name)
    for side, tensor in (("Input", graph.Inputs(0)), ("Output", graph.Outputs(0))):
        given = _found(rf"- {side}: .*scale ([\d.e-]+), zero point (-?\d+)", _card(name))
        quantization = graph.Tensors(tensor).Quantization()
        assert np.float32(given[1]) == np.float32(quantization.Scale(0))
        assert int(given[2]) == quantization.ZeroPoint(0)


@pytest.mark.parametrize("name", NAMES)
def test_the_samples_are_the_digits_that_scikit_learn_ships(name: str) -> None:
    datasets = pytest.importorskip("sklearn.datasets", reason="scikit-learn is not installed")
    digits = datasets.load_digits()
    labels = {
        image.astype(np.uint8).tobytes(): int(y) for image, y in zip(digits.data, digits.target, strict=True)
    }
    x, y = _samples(name)
    gray = np.rint((x.reshape(-1, 64).astype(np.int64) + 128) * 16 / 255).astype(np.uint8)
    assert [labels.get(image.tobytes()) for image in gray] == y.tolist()


@pytest.mark.parametrize("name", NAMES)
def test_the_accuracy_in_tflm_is_the_card_s(name: str) -> None:
    given = _found(r"int8 in TFLM \| (\d+) of (\d+)", _card(name))
    x, y = _samples(name)
    interpreter = runtime.Interpreter.from_bytes(_blob(name), arena_size=200_000)
    right = 0
    for sample, label in zip(x, y, strict=True):
        interpreter.set_input(sample[np.newaxis], 0)
        interpreter.invoke()
        right += int(np.argmax(interpreter.get_output(0))) == int(label)
    assert len(y) == int(given[2])
    assert right == int(given[1])
    assert right >= ACCURACY_FLOOR[name] * len(y)


def test_the_float_network_is_that_of_the_card() -> None:
    interpreter = pytest.importorskip("tflite_runtime.interpreter", reason="tflite-runtime is not installed")
    card = _card("digits_mlp")
    line = _found(
        rf"SHA-256 of `{FLOAT}.tflite`, the same before quantization \| `([0-9a-f]+)`, (\d+) bytes", card
    )
    assert (hashlib.sha256(_blob(FLOAT)).hexdigest(), len(_blob(FLOAT))) == (line[1], int(line[2]))
    network = interpreter.Interpreter(model_content=_blob(FLOAT))
    network.allocate_tensors()
    where, out = network.get_input_details()[0]["index"], network.get_output_details()[0]["index"]
    x, y = _samples("digits_mlp")
    gray = np.rint((x.astype(np.int64) + 128) * 16 / 255).astype(np.float32)
    right = 0
    for sample, label in zip(gray / np.float32(16), y, strict=True):
        network.set_tensor(where, sample[np.newaxis])
        network.invoke()
        right += int(np.argmax(network.get_tensor(out))) == int(label)
    assert right == int(_found(r"test accuracy, float \| (\d+) of", card)[1])


def test_both_networks_have_the_same_digits_in_the_same_order() -> None:
    x_cnn, y_cnn = _samples("digits_cnn")
    x_mlp, y_mlp = _samples("digits_mlp")
    assert np.array_equal(x_cnn.reshape(360, 64), x_mlp)
    assert np.array_equal(y_cnn, y_mlp)
