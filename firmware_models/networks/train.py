"""Where do the small networks of this folder come from?

Trains each one (architectures.py, data.py, training.py), converts it with TensorFlow's own TFLite converter
to full int8, runs it through TFLM's interpreter (measured.py), and writes NAME.tflite, NAME.md (card.py) and,
for the digits, NAME.npz (the test split, quantized); for `digits_mlp` the float network too,
NAME_float.tflite. Seeds, split and thread counts are fixed; README.md says how far that makes the files
reproducible. Nothing is written for a network that holds another operator than the listed ones, whose codes
are not MNIST's gray levels, or that is less accurate in TFLM than its floor.
Needs the extra `[train]`.
"""

from __future__ import annotations

import os

os.environ.update(TF_CPP_MIN_LOG_LEVEL="2", TF_ENABLE_ONEDNN_OPTS="0", CUDA_VISIBLE_DEVICES="")

import argparse
import contextlib
import io
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from architectures import NETWORKS, Network
from card import Accuracy, card
from data import MNIST_LEVELS, F32Array, Part, Split, split_digits, split_mnist
from measured import Tflm, operators_of, quantize
from training import train

MNIST = Path(__file__).resolve().parents[3] / "shared" / "data" / "mnist"


class RefusedNetwork(Exception):
    """A trained network that does not keep what its card would promise."""


def _converter(network: Network, model: Any) -> Any:
    """TensorFlow's converter of the trained model, batch 1."""
    image = tf.keras.layers.Input(batch_shape=(1, *network.input_shape), name="image")
    return tf.lite.TFLiteConverter.from_keras_model(tf.keras.Model(image, model(image, training=False)))


def _converted(converter: Any) -> bytes:
    with contextlib.redirect_stdout(io.StringIO()):  # Keras's description of its temporary export
        return bytes(converter.convert())


def convert(network: Network, model: Any, training: Part) -> bytes:
    """The .tflite bytes: int8 weights, activations, input and output; batch 1; ranges from `training`."""

    def representative() -> Iterator[list[F32Array]]:
        for x in training.x:
            yield [x.reshape(1, *network.input_shape)]

    converter = _converter(network, model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = representative
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    return _converted(converter)


def _checked(network: Network, blob: bytes) -> Tflm:
    """TFLM on the network.  RefusedNetwork if its operators or MNIST's codes are not the promised."""
    if (found := tuple(name for name, _ in operators_of(blob))) != network.operators:
        raise RefusedNetwork(f"{network.name}: operators {found}, expected {network.operators}")
    tflm = Tflm(blob)
    levels = np.arange(MNIST_LEVELS + 1)
    codes = quantize(levels.astype(np.float32) / MNIST_LEVELS, tflm.input.scale, tflm.input.zero_point)
    if network.data == "mnist" and not np.array_equal(codes, levels - 128):
        raise RefusedNetwork(f"{network.name}: a gray level is not one code (scale {tflm.input.scale!r})")
    return tflm


def make(network: Network, split: Split, folder: Path) -> str:
    """Train, convert and measure `network`, write its files to `folder`; a line that sums it up.

    RefusedNetwork, and nothing written, if it is not what its card would say.
    """
    model = train(network, split)
    blob = convert(network, model, split.training)
    tflm = _checked(network, blob)
    images, y = split.test.x.reshape(-1, *network.input_shape), split.test.y
    x = quantize(images, tflm.input.scale, tflm.input.zero_point)
    float_right = int(np.sum(np.argmax(model(images, training=False).numpy(), axis=1) == y))
    accuracy = Accuracy(float_right, int(np.sum(tflm.classes(x) == y)), len(y))
    if accuracy.int8_right < network.accuracy_floor * accuracy.n:
        raise RefusedNetwork(f"{network.name}: accuracy {accuracy} below {network.accuracy_floor:.0%}")
    original = _converted(_converter(network, model)) if network.with_float else None
    text = card(network, model, blob, tflm, accuracy, original)
    if original is not None:
        (folder / f"{network.name}_float.tflite").write_bytes(original)
    (folder / f"{network.name}.tflite").write_bytes(blob)
    if network.data == "digits":
        np.savez_compressed(folder / f"{network.name}.npz", x=x, y=y)
    (folder / f"{network.name}.md").write_text(text, encoding="utf-8")
    return f"{network.name}: {len(blob)} bytes, {accuracy} right in TFLM"


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Train, quantize and measure the small digit networks.")
    listed = f"networks to make: {', '.join(NETWORKS)} (default: all)"
    parser.add_argument("names", nargs="*", metavar="NAME", help=listed)
    here = Path(__file__).parent
    parser.add_argument(
        "--out", type=Path, default=here, metavar="FOLDER", help="default: this script's folder"
    )
    parser.add_argument(
        "--mnist",
        type=Path,
        default=MNIST,
        metavar="FOLDER",
        help=f"MNIST's two IDX files (default: {MNIST})",
    )
    options = parser.parse_args(arguments)
    if unknown := [name for name in options.names if name not in NETWORKS]:
        parser.error(f"no network named {', '.join(unknown)}; there are {', '.join(NETWORKS)}")
    return options


def main(arguments: list[str] | None = None) -> int:
    """Make the networks named on the command line; exit code 0 made, 1 refused, 2 wrong usage.

    Without names: all, those of MNIST only where its files are.
    """
    options = _options(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    tf.config.experimental.enable_op_determinism()
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    for network in map(NETWORKS.__getitem__, options.names or NETWORKS):
        if network.data == "mnist" and not options.names and not options.mnist.is_dir():
            print(f"{network.name} is left as it is: no MNIST in {options.mnist}", flush=True)
            continue
        try:
            split = split_digits() if network.data == "digits" else split_mnist(options.mnist)
            print(make(network, split, options.out), flush=True)
        except (RefusedNetwork, OSError) as refusal:
            sys.stderr.write(f"train.py: {refusal}\n")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
