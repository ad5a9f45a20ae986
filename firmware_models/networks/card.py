"""What does a network's card say? Every figure is measured; the paragraphs on data and training are here."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np
import sklearn
import tensorflow as tf
import training
from architectures import Network
from data import DIGITS_LEVELS, MNIST_HELD_OUT, MNIST_LEVELS, SEED, TEST_SAMPLES, TRAINING_SAMPLES
from data import VALIDATION_SAMPLES as VALIDATED
from measured import Tflm, operators_of, quantize


@dataclass(frozen=True)
class Accuracy:
    """How many of n held-out images are classified correctly, in float and in TFLM."""

    float_right: int
    int8_right: int
    n: int

    def __str__(self) -> str:
        return f"{self.int8_right / self.n:.2%}"


def multiply_accumulates(model: Any) -> int:
    """Products per inference, taps on the padding counted: kernel size x output positions per layer."""
    weighted = (layer for layer in model.layers if hasattr(layer, "kernel"))
    return sum(int(np.prod(layer.kernel.shape) * np.prod(layer.output.shape[1:-1])) for layer in weighted)


def _digits_levels(tflm: Tflm) -> str:
    levels = np.arange(DIGITS_LEVELS + 1, dtype=np.float32) / DIGITS_LEVELS
    codes = quantize(levels, tflm.input.scale, tflm.input.zero_point)
    step = DIGITS_LEVELS * tflm.input.scale
    return (
        f"- One gray level is {1 / step:.2f} codes; one code is {step:.4f} gray levels. "
        f"Gray levels 0..{DIGITS_LEVELS} are the\n  codes {' '.join(str(code) for code in codes)}."
    )


def _levels(network: Network, tflm: Tflm) -> str:
    """What one step of the input means, in gray levels and in codes."""
    if network.data == "digits":
        return _digits_levels(tflm)
    return f"- One gray level is one code: code = gray level - {-tflm.input.zero_point}."


def _digits_data(network: Network) -> str:
    shape = " x ".join(str(n) for n in network.input_shape)
    return f"""\
scikit-learn's `load_digits` (8x8 pixels, 1797 samples), the test part of *Optical Recognition of
Handwritten Digits*, E. Alpaydin and C. Kaynak, UCI Machine Learning Repository, doi:10.24432/C50P49,
CC BY 4.0. scikit-learn, which carries the copy, is BSD-3-Clause.
Stratified split, seed {SEED}: {TRAINING_SAMPLES} training, {VALIDATED} validation,
{TEST_SAMPLES} test.

`{network.name}.npz` is the test part: `x`, int8, {TEST_SAMPLES} x {shape}; `y`, int64, the digit.
x = clamp(round(float32(pixel) / float32(scale)) + zero point), halves away from zero, as TFLM's QUANTIZE."""


def _mnist_data() -> str:
    return f"""\
The 10,000 images of MNIST's *test* set (Y. LeCun, C. Cortes, C. J. C. Burges), which are not shipped here.
The first {MNIST_HELD_OUT} are held out, the last {10_000 - MNIST_HELD_OUT} were trained on; there is no
validation part. Only the first {MNIST_HELD_OUT} may be used to judge this network, and its accuracy is not
comparable with that of a network trained on MNIST's 60,000 training images."""


def _digits_training() -> str:
    t = training
    return f"""\
Adam, learning rate {t.LEARNING_RATE}, batches of {t.BATCH}, at most {t.EPOCHS} epochs, stopped after
{t.PATIENCE} epochs without a lower validation loss, weights of the best epoch; cross-entropy; Gaussian
noise of standard deviation {t.NOISE} on the input; seed {SEED}. Post-training int8 quantization, ranges
from the training part."""


def _mnist_training() -> str:
    t = training
    return f"""\
For robustness: each image is attacked in each epoch by one step (random start, then the sign of the loss's
gradient) of at most {round(t.ATTACK_STEP * MNIST_LEVELS)} gray levels per pixel (fast adversarial training,
arXiv:2001.03994), and the weights have an L1 penalty of {t.ATTACK_L1}. No certified training.
Adam, learning rate {t.ATTACK_RATE} falling linearly to 0, batches of {t.ATTACK_BATCH}, {t.ATTACK_EPOCHS}
epochs; cross-entropy; seed {SEED}. Post-training int8 quantization, ranges from the training part."""


def _float_rows(network: Network, original: bytes | None) -> str:
    """What the table says of the network before quantization, where it is kept."""
    if original is None:
        return ""
    name = f"{network.name}_float.tflite"
    digest = hashlib.sha256(original).hexdigest()
    return f"| SHA-256 of `{name}`, the same before quantization | `{digest}`, {len(original)} bytes |\n"


def card(
    network: Network, model: Any, blob: bytes, tflm: Tflm, accuracy: Accuracy, original: bytes | None
) -> str:
    """The text of NAME.md; original: the float network's file, where it is kept."""
    layers = "\n".join(f"{i}. {layer}" for i, layer in enumerate(network.architecture, 1))
    operators = "\n".join(
        f"{i}. `{name}`" + (f", weight scales: {scales}" if scales else "")
        for i, (name, scales) in enumerate(operators_of(blob))
    )
    shape = " x ".join(str(n) for n in network.input_shape)
    output = "logits" if network.gives_logits else "probabilities, (code + 128) / 256"
    digits = network.data == "digits"
    levels = DIGITS_LEVELS if digits else MNIST_LEVELS
    n = accuracy.n
    return f"""# {network.name}: {network.title}

Written by `train.py`; do not edit. The figures are those of the files beside it.

| | |
|---|---|
| SHA-256 of `{network.name}.tflite` | `{hashlib.sha256(blob).hexdigest()}` |
| file size | {len(blob)} bytes |
| parameters | {model.count_params()} |
| multiply-accumulates per inference | {multiply_accumulates(model)} |
| test accuracy, float | {accuracy.float_right} of {n} ({accuracy.float_right / n:.2%}) |
| test accuracy, int8 in TFLM | {accuracy.int8_right} of {n} ({accuracy}) |
{_float_rows(network, original)}
## Architecture

{layers}

## Operators

{operators}

Weights are int8, biases int32; ReLU is fused. More than one weight scale: one for each output channel.

## Input and output

- Input: int8, 1 x {shape}, row by row; scale {tflm.input.scale!r}, zero point {tflm.input.zero_point}.
  The real value of a pixel is its gray level / {levels}: 0 is paper, {levels} is ink.
{_levels(network, tflm)}
- Output: int8, 1 x 10, scale {tflm.output.scale!r}, zero point {tflm.output.zero_point}: {output}.
  The class is the index of the first maximum.

## Data

{_digits_data(network) if digits else _mnist_data()}

## Training

{_digits_training() if digits else _mnist_training()}

TensorFlow {tf.__version__}, Keras {tf.keras.__version__}, scikit-learn {sklearn.__version__},
NumPy {np.__version__}, tflite-micro {version("tflite_micro")}.
"""
