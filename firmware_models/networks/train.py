"""Where do the small networks of this folder come from?

Trains each one on scikit-learn's digits, converts it with TensorFlow's own TFLite converter to full int8,
runs it through TFLM's interpreter, and writes NAME.tflite, NAME.npz (the test split, quantized) and
NAME.md (the card). Seeds, split and thread counts are fixed; README.md says how far that makes the files
reproducible. Nothing is written for a network that holds another operator than the listed ones or
that is less accurate in TFLM than its floor. Needs the extra `[train]`.
"""

from __future__ import annotations

import os

os.environ.update(TF_CPP_MIN_LOG_LEVEL="2", TF_ENABLE_ONEDNN_OPTS="0", CUDA_VISIBLE_DEVICES="")

import argparse
import contextlib
import hashlib
import io
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import sklearn
import tensorflow as tf
import tflite
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from tflite_micro.python.tflite_micro import runtime

SEED = 2
TRAINING_SAMPLES, VALIDATION_SAMPLES, TEST_SAMPLES = 1077, 360, 360
BATCH, EPOCHS, PATIENCE, LEARNING_RATE, NOISE = 32, 120, 25, 0.003, 0.2
GRAY_LEVELS = 16
ARENA_BYTES = 200_000

F32Array = npt.NDArray[np.float32]
I8Array = npt.NDArray[np.int8]
I64Array = npt.NDArray[np.int64]


class RefusedNetwork(Exception):
    """A trained network that does not keep what its card would promise."""


@dataclass(frozen=True)
class Network:
    """One architecture, its exact operators in order, and the least test accuracy it may have in TFLM."""

    name: str
    title: str
    architecture: tuple[str, ...]
    input_shape: tuple[int, ...]
    layers: Callable[[], list[Any]]
    gives_logits: bool
    operators: tuple[str, ...]
    accuracy_floor: float


def _mlp_layers() -> list[Any]:
    layers = tf.keras.layers
    return [layers.Dense(32, activation="relu"), layers.Dense(10)]


def _cnn_layers() -> list[Any]:
    layers = tf.keras.layers
    return [
        layers.Conv2D(8, 3, padding="same", activation="relu"),
        layers.DepthwiseConv2D(3, padding="same", activation="relu"),
        layers.MaxPooling2D(2),
        layers.Conv2D(16, 3, padding="same", activation="relu"),
        layers.AveragePooling2D(2),
        layers.Reshape((64,)),
        layers.Dense(10, activation="softmax"),
    ]


NETWORKS = {
    network.name: network
    for network in (
        Network(
            name="digits_mlp",
            title="a dense network for 8x8 handwritten digits",
            architecture=("dense 64 → 32, ReLU", "dense 32 → 10: the logits, no softmax"),
            input_shape=(64,),
            layers=_mlp_layers,
            gives_logits=True,
            operators=("FULLY_CONNECTED", "FULLY_CONNECTED"),
            accuracy_floor=0.95,
        ),
        Network(
            name="digits_cnn",
            title="a convolutional network for 8x8 handwritten digits",
            architecture=(
                "convolution 3x3, 1 → 8 channels, SAME, ReLU: 8x8x8",
                "depthwise convolution 3x3, 8 channels, SAME, ReLU: 8x8x8",
                "maximum pooling 2x2: 4x4x8",
                "convolution 3x3, 8 → 16 channels, SAME, ReLU: 4x4x16",
                "average pooling 2x2: 2x2x16",
                "reshape: 64",
                "dense 64 → 10",
                "softmax",
            ),
            input_shape=(8, 8, 1),
            layers=_cnn_layers,
            gives_logits=False,
            operators=(
                "CONV_2D",
                "DEPTHWISE_CONV_2D",
                "MAX_POOL_2D",
                "CONV_2D",
                "AVERAGE_POOL_2D",
                "RESHAPE",
                "FULLY_CONNECTED",
                "SOFTMAX",
            ),
            accuracy_floor=0.97,
        ),
    )
}


@dataclass(frozen=True)
class Part:
    """Images N x 64, float32, gray level / 16 in 0..1, and their digits N x int64."""

    x: F32Array
    y: I64Array


@dataclass(frozen=True)
class Split:
    """The three disjoint parts of the digits, each with the classes in equal shares."""

    training: Part
    validation: Part
    test: Part


def split_digits() -> Split:
    """The fixed stratified split of scikit-learn's 1797 digits: 1077 training, 360 validation, 360 test."""
    digits = load_digits()
    x = (digits.data / GRAY_LEVELS).astype(np.float32)
    y = digits.target.astype(np.int64)
    everything = np.arange(len(y))
    rest, test = train_test_split(everything, test_size=TEST_SAMPLES, stratify=y, random_state=SEED)
    training, validation = train_test_split(
        rest, test_size=VALIDATION_SAMPLES, stratify=y[rest], random_state=SEED
    )
    return Split(*(Part(x[part], y[part]) for part in (training, validation, test)))


def train(network: Network, split: Split) -> Any:
    """A Keras model of float weights: those of the epoch with the lowest validation loss.

    Gaussian noise is added to the input while training, so that small perturbations matter less.
    """
    tf.keras.backend.clear_session()  # tensor names must not depend on which networks were made before
    tf.keras.utils.set_random_seed(SEED)
    noise = tf.keras.layers.GaussianNoise(NOISE, seed=SEED)
    model = tf.keras.Sequential([tf.keras.layers.Input(network.input_shape), noise, *network.layers()])
    loss = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=network.gives_logits)
    model.compile(tf.keras.optimizers.Adam(LEARNING_RATE), loss)
    shape = (-1, *network.input_shape)
    model.fit(
        split.training.x.reshape(shape),
        split.training.y,
        validation_data=(split.validation.x.reshape(shape), split.validation.y),
        batch_size=BATCH,
        epochs=EPOCHS,
        callbacks=[tf.keras.callbacks.EarlyStopping(patience=PATIENCE, restore_best_weights=True)],
        verbose=0,
    )
    return model


def convert(network: Network, model: Any, training: Part) -> bytes:
    """The .tflite bytes: int8 weights, activations, input and output; batch 1; ranges from `training`."""
    image = tf.keras.layers.Input(batch_shape=(1, *network.input_shape), name="image")
    one_image = tf.keras.Model(image, model(image, training=False))

    def representative() -> Iterator[list[F32Array]]:
        for x in training.x:
            yield [x.reshape(1, *network.input_shape)]

    converter = tf.lite.TFLiteConverter.from_keras_model(one_image)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = representative
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    with contextlib.redirect_stdout(io.StringIO()):  # Keras's description of its temporary export
        return bytes(converter.convert())


def operators_of(blob: bytes) -> tuple[tuple[str, int], ...]:
    """The operators in `blob` in running order: name and number of weight scales (0: no weights)."""
    model = tflite.Model.GetRootAsModel(blob, 0)
    graph = model.Subgraphs(0)
    found = []
    for i in range(graph.OperatorsLength()):
        operator = graph.Operators(i)
        name = tflite.opcode2name(model.OperatorCodes(operator.OpcodeIndex()).BuiltinCode())
        weighted = operator.InputsLength() == 3  # input, weights, bias
        scales = graph.Tensors(operator.Inputs(1)).Quantization().ScaleLength() if weighted else 0
        found.append((name, scales))
    return tuple(found)


def quantize(x: F32Array, scale: float, zero_point: int) -> I8Array:
    """Clamp(round(x / scale) + zero_point) to -128..127, as TFLM's QUANTIZE does it.

    Division in float32; halves are rounded away from zero.
    """
    ratio = (x / np.float32(scale)).astype(np.float64)
    rounded = np.copysign(np.floor(np.abs(ratio) + 0.5), ratio)
    return np.clip(rounded + zero_point, -128, 127).astype(np.int8)


@dataclass(frozen=True)
class Quantization:
    """real = scale · (code - zero_point)."""

    scale: float
    zero_point: int


class Tflm:
    """TFLM's interpreter on one model of one int8 input and one int8 output, batch 1."""

    def __init__(self, blob: bytes) -> None:
        """Allocate the tensors of `blob`; RuntimeError if TFLM refuses it."""
        self._interpreter = runtime.Interpreter.from_bytes(blob, arena_size=ARENA_BYTES)
        self.input = self._quantization(self._interpreter.get_input_details(0))
        self.output = self._quantization(self._interpreter.get_output_details(0))

    @staticmethod
    def _quantization(details: dict[str, Any]) -> Quantization:
        parameters = details["quantization_parameters"]
        return Quantization(float(parameters["scales"][0]), int(parameters["zero_points"][0]))

    def classes(self, x: I8Array) -> I64Array:
        """The index of the first maximum of the output for each x[i] (N x input shape): N x int64."""
        found = []
        for sample in x:
            self._interpreter.set_input(sample[np.newaxis], 0)
            self._interpreter.invoke()
            found.append(int(np.argmax(self._interpreter.get_output(0))))
        return np.array(found, dtype=np.int64)


def multiply_accumulates(model: Any) -> int:
    """Products per inference, taps on the padding counted: kernel size x output positions per layer."""
    weighted = (layer for layer in model.layers if hasattr(layer, "kernel"))
    return sum(int(np.prod(layer.kernel.shape) * np.prod(layer.output.shape[1:-1])) for layer in weighted)


def _levels_and_codes(tflm: Tflm) -> str:
    """What one step of the input means, in gray levels and in codes."""
    levels = np.arange(GRAY_LEVELS + 1, dtype=np.float32) / GRAY_LEVELS
    codes = quantize(levels, tflm.input.scale, tflm.input.zero_point)
    step = GRAY_LEVELS * tflm.input.scale
    return (
        f"- One gray level is {1 / step:.2f} codes; one code is {step:.4f} gray levels. "
        f"Gray levels 0..{GRAY_LEVELS} are the\n  codes {' '.join(str(code) for code in codes)}."
    )


def card(network: Network, model: Any, blob: bytes, tflm: Tflm, float_right: int, int8_right: int) -> str:
    """The text of NAME.md; every figure in it is measured."""
    layers = "\n".join(f"{i}. {layer}" for i, layer in enumerate(network.architecture, 1))
    operators = "\n".join(
        f"{i}. `{name}`" + (f", weight scales: {scales}" if scales else "")
        for i, (name, scales) in enumerate(operators_of(blob))
    )
    shape = " x ".join(str(n) for n in network.input_shape)
    output = "logits" if network.gives_logits else "probabilities, (code + 128) / 256"
    return f"""# {network.name}: {network.title}

Written by `train.py`; do not edit. The figures are those of the files beside it.

| | |
|---|---|
| SHA-256 of `{network.name}.tflite` | `{hashlib.sha256(blob).hexdigest()}` |
| file size | {len(blob)} bytes |
| parameters | {model.count_params()} |
| multiply-accumulates per inference | {multiply_accumulates(model)} |
| test accuracy, float | {float_right} of {TEST_SAMPLES} ({float_right / TEST_SAMPLES:.2%}) |
| test accuracy, int8 in TFLM | {int8_right} of {TEST_SAMPLES} ({int8_right / TEST_SAMPLES:.2%}) |

## Architecture

{layers}

## Operators

{operators}

Weights are int8, biases int32; ReLU is fused. More than one weight scale: one for each output channel.

## Input and output

- Input: int8, 1 x {shape}, row by row; scale {tflm.input.scale!r}, zero point {tflm.input.zero_point}.
  The real value of a pixel is its gray level / {GRAY_LEVELS}: 0 is paper, {GRAY_LEVELS} is ink.
{_levels_and_codes(tflm)}
- Output: int8, 1 x 10, scale {tflm.output.scale!r}, zero point {tflm.output.zero_point}: {output}.
  The class is the index of the first maximum.

## Data

scikit-learn's `load_digits` (8x8 pixels, 1797 samples), the test part of *Optical Recognition of
Handwritten Digits*, E. Alpaydin and C. Kaynak, UCI Machine Learning Repository, doi:10.24432/C50P49,
CC BY 4.0. scikit-learn, which carries the copy, is BSD-3-Clause.
Stratified split, seed {SEED}: {TRAINING_SAMPLES} training, {VALIDATION_SAMPLES} validation,
{TEST_SAMPLES} test.

`{network.name}.npz` is the test part: `x`, int8, {TEST_SAMPLES} x {shape}; `y`, int64, the digit.
x = clamp(round(float32(pixel) / float32(scale)) + zero point), halves away from zero, as TFLM's QUANTIZE.

## Training

Adam, learning rate {LEARNING_RATE}, batches of {BATCH}, at most {EPOCHS} epochs, stopped after
{PATIENCE} epochs without a lower validation loss, weights of the best epoch; cross-entropy; Gaussian
noise of standard deviation {NOISE} on the input; seed {SEED}. Post-training int8 quantization, ranges
from the training part.

TensorFlow {tf.__version__}, Keras {tf.keras.__version__}, scikit-learn {sklearn.__version__},
NumPy {np.__version__}, tflite-micro {version("tflite_micro")}.
"""


def make(network: Network, split: Split, folder: Path) -> str:
    """Train, convert and measure `network`, write its three files to `folder`; a line that sums it up.

    RefusedNetwork, and nothing written, if its operators or its accuracy are not the promised ones.
    """
    model = train(network, split)
    blob = convert(network, model, split.training)
    if (found := tuple(name for name, _ in operators_of(blob))) != network.operators:
        raise RefusedNetwork(f"{network.name}: operators {found}, expected {network.operators}")
    tflm = Tflm(blob)
    images = split.test.x.reshape(-1, *network.input_shape)
    x = quantize(images, tflm.input.scale, tflm.input.zero_point)
    float_right = int(np.sum(np.argmax(model(images, training=False).numpy(), axis=1) == split.test.y))
    int8_right = int(np.sum(tflm.classes(x) == split.test.y))
    accuracy = int8_right / TEST_SAMPLES
    if accuracy < network.accuracy_floor:
        raise RefusedNetwork(f"{network.name}: accuracy {accuracy:.2%} below {network.accuracy_floor:.0%}")
    text = card(network, model, blob, tflm, float_right, int8_right)
    (folder / f"{network.name}.tflite").write_bytes(blob)
    np.savez_compressed(folder / f"{network.name}.npz", x=x, y=split.test.y)
    (folder / f"{network.name}.md").write_text(text, encoding="utf-8")
    return f"{network.name}: {len(blob)} bytes, {accuracy:.2%} right in TFLM"


def main(arguments: list[str] | None = None) -> int:
    """Make the networks named on the command line; exit code 0 made, 1 refused, 2 wrong usage."""
    parser = argparse.ArgumentParser(description="Train, quantize and measure the small digit networks.")
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"networks to make: {', '.join(NETWORKS)} (default: all)"
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path(__file__).parent,
        metavar="FOLDER",
        help="default: this script's folder",
    )
    options = parser.parse_args(arguments)
    if unknown := [name for name in options.names if name not in NETWORKS]:
        parser.error(f"no network named {', '.join(unknown)}; there are {', '.join(NETWORKS)}")
    options.out.mkdir(parents=True, exist_ok=True)
    tf.config.experimental.enable_op_determinism()
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    split = split_digits()
    for name in options.names or NETWORKS:
        try:
            print(make(NETWORKS[name], split, options.out), flush=True)
        except RefusedNetwork as refusal:
            sys.stderr.write(f"train.py: {refusal}\n")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
