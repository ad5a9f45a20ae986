"""Which networks are in this folder: their layers, operators, least accuracy, and how each is trained."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import tensorflow as tf


@dataclass(frozen=True)
class Network:
    """One architecture, its exact operators in order, and the least test accuracy it may have in TFLM.

    data: "digits" (8x8 pixels, levels 0..16) or "mnist" (28x28, levels 0..255). with_float: the network
    before quantization is kept too.
    """

    name: str
    title: str
    data: str
    architecture: tuple[str, ...]
    input_shape: tuple[int, ...]
    layers: Callable[[], list[Any]]
    gives_logits: bool
    operators: tuple[str, ...]
    accuracy_floor: float
    with_float: bool = False


def _digits_mlp() -> list[Any]:
    layers = tf.keras.layers
    return [layers.Dense(32, activation="relu"), layers.Dense(10)]


def _digits_cnn() -> list[Any]:
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


def _dense(*sizes: int) -> Callable[[], list[Any]]:
    def layers() -> list[Any]:
        dense = tf.keras.layers.Dense
        return [*(dense(n, activation="relu") for n in sizes), dense(10)]

    return layers


def _mnist_conv() -> list[Any]:
    layers = tf.keras.layers
    return [
        layers.Conv2D(16, 4, strides=2, activation="relu"),
        layers.Conv2D(32, 4, strides=2, activation="relu"),
        layers.Reshape((800,)),
        layers.Dense(100, activation="relu"),
        layers.Dense(10),
    ]


NETWORKS = {
    network.name: network
    for network in (
        Network(
            name="digits_mlp",
            title="a dense network for 8x8 handwritten digits",
            data="digits",
            architecture=("dense 64 → 32, ReLU", "dense 32 → 10: the logits, no softmax"),
            input_shape=(64,),
            layers=_digits_mlp,
            gives_logits=True,
            operators=("FULLY_CONNECTED", "FULLY_CONNECTED"),
            accuracy_floor=0.95,
            with_float=True,
        ),
        Network(
            name="digits_cnn",
            title="a convolutional network for 8x8 handwritten digits",
            data="digits",
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
            layers=_digits_cnn,
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
        Network(
            name="mnist_mlp_64_32",
            title="a dense network for MNIST's digits, for verification",
            data="mnist",
            architecture=(
                "dense 784 → 64, ReLU",
                "dense 64 → 32, ReLU",
                "dense 32 → 10: the logits, no softmax",
            ),
            input_shape=(784,),
            layers=_dense(64, 32),
            gives_logits=True,
            operators=("FULLY_CONNECTED",) * 3,
            accuracy_floor=0.93,
        ),
        Network(
            name="mnist_mlp_100_100",
            title="a wider dense network for MNIST's digits, for verification",
            data="mnist",
            architecture=(
                "dense 784 → 100, ReLU",
                "dense 100 → 100, ReLU",
                "dense 100 → 10: the logits, no softmax",
            ),
            input_shape=(784,),
            layers=_dense(100, 100),
            gives_logits=True,
            operators=("FULLY_CONNECTED",) * 3,
            accuracy_floor=0.93,
        ),
        Network(
            name="mnist_conv",
            title="a convolutional network of 3,614 neurons for MNIST's digits, for verification",
            data="mnist",
            architecture=(
                "convolution 4x4, stride 2, 1 → 16 channels, VALID, ReLU: 13x13x16",
                "convolution 4x4, stride 2, 16 → 32 channels, VALID, ReLU: 5x5x32",
                "reshape: 800",
                "dense 800 → 100, ReLU",
                "dense 100 → 10: the logits, no softmax",
            ),
            input_shape=(28, 28, 1),
            layers=_mnist_conv,
            gives_logits=True,
            operators=("CONV_2D", "CONV_2D", "RESHAPE", "FULLY_CONNECTED", "FULLY_CONNECTED"),
            accuracy_floor=0.95,
        ),
    )
}
