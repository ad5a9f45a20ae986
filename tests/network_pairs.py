"""Pairs of small networks, float and int8, whose quantization is coarse enough to break some inputs.

pair = mlp(seed)
pair.original, pair.quantized          # two .tflite files
pair.inputs(n, seed)                   # int8 codes [n, shape]
pair.real_classes(x)                   # the float network's classes, by numpy
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from coverify.repair.pair import Pair
from model_builder import Builder
from tflm_int8 import Model, Reference

COARSE = 24
"""Weights are rounded to multiples of so many codes."""


@dataclass(frozen=True)
class NetworkPair:
    original: bytes
    quantized: bytes
    shape: tuple[int, ...]
    real: Callable[[np.ndarray], np.ndarray]
    end: str = "int8"

    def inputs(self, n: int, seed: int) -> np.ndarray:
        return np.random.default_rng(seed).integers(-128, 128, (n, *self.shape)).astype(np.int8)

    def real_classes(self, x: np.ndarray) -> np.ndarray:
        """The class of the float network, by numpy in float64."""
        return self.real((x.astype(np.float64) - IN_ZERO) * IN_SCALE).reshape(len(x), -1).argmax(axis=1)

    def given(self, x: np.ndarray) -> np.ndarray:
        """What the int8 network is given for codes, in its own type."""
        if self.end == "uint8":
            return (x.astype(int) + 128).astype(np.uint8)
        return ((x.astype(np.float32) - IN_ZERO) * np.float32(IN_SCALE)) if self.end == "float32" else x

    def paired(self) -> Pair:
        return Pair.of(Model.from_bytes(self.original), Reference(Model.from_bytes(self.quantized)))


IN_SCALE, IN_ZERO = float(np.float32(1 / 64)), -3


def _coarse(weights: np.ndarray) -> tuple[np.ndarray, float]:
    scale = float(np.float32(np.abs(weights).max() / 120))
    return np.clip(np.rint(weights / scale / COARSE) * COARSE, -127, 127).astype(np.int8), scale


def _out(values: np.ndarray, relu: bool) -> tuple[float, int]:
    """Scale and zero point for what was seen."""
    if relu:
        return float(np.float32(max(values.max(), 1e-3) / 255)), -128
    return float(np.float32(np.abs(values).max() / 127)), 0


class _Two:
    """The same layers in two builders."""

    def __init__(self, shape: tuple[int, ...], rng: np.random.Generator, end: str = "int8") -> None:
        self.rng, self.a, self.b = rng, Builder(), Builder()
        self.x = self.a.input((1, *shape), dtype="float32")
        self.a.tensors[self.x].scales = []
        self.end = end
        self.y = self.b.input((1, *shape), IN_SCALE, IN_ZERO + 128 * (end == "uint8"), end)
        if end != "int8":
            self.y = self.b.op("QUANTIZE", [self.y], self.b.activation((1, *shape), IN_SCALE, IN_ZERO))
        codes = rng.integers(-128, 128, (400, *shape))
        self.seen = (codes - IN_ZERO) * IN_SCALE

    def layer(self, name: str, weights: np.ndarray, function, relu: bool, **options) -> None:
        channels = weights.shape[3] if name == "DEPTHWISE_CONV_2D" else len(weights)
        bias = self.rng.normal(0, 0.2, channels)
        self.seen = function(self.seen) + bias
        if relu:
            self.seen = np.maximum(self.seen, 0)
        a, b, union = self.a, self.b, {"FULLY_CONNECTED": 8, "CONV_2D": 1, "DEPTHWISE_CONV_2D": 2}[name]
        shape = (1, *self.seen.shape[1:])
        w = a.tensor(weights.shape, "float32", data=weights.astype(np.float32))
        c = a.tensor(bias.shape, "float32", data=bias.astype(np.float32))
        out = a.tensor(shape, "float32")
        self.x = a.op(name, [self.x, w, c], out, union, FusedActivationFunction=int(relu), **options)
        codes, scale = _coarse(weights)
        product = float(np.float32(b.tensors[self.y].scales[0]) * np.float32(scale))
        inputs = b.layer_inputs(self.y, codes, np.rint(bias / product).astype(np.int64), scale, 0)
        out = b.activation(shape, *_out(self.seen, relu))
        self.y = b.op(
            name, [*inputs[:2], inputs[2]], out, union, FusedActivationFunction=int(relu), **options
        )
        self.biases.append(bias)

    biases: list[np.ndarray]

    def leave(self) -> None:
        """The conversion at the int8 network's end."""
        shape, spec = self.b.tensors[self.y].shape, self.b.tensors[self.y]
        if self.end == "float32":
            self.y = self.b.op("DEQUANTIZE", [self.y], self.b.tensor(shape, "float32"))
        elif self.end == "uint8":
            out = self.b.activation(shape, spec.scales[0], spec.zero_points[0] + 128, "uint8")
            self.y = self.b.op("QUANTIZE", [self.y], out)

    def flat(self) -> None:
        n = int(np.prod(self.seen.shape[1:]))
        self.seen = self.seen.reshape(len(self.seen), n)
        shape = self.a.integers([1, n])
        self.x = self.a.op("RESHAPE", [self.x, shape], self.a.tensor((1, n), "float32"), 17)
        self.y = self.b.reshape(self.y, (1, n))


def mlp(
    seed: int, sizes: tuple[int, ...] = (6, 8, 4), softmax: bool = False, end: str = "int8"
) -> NetworkPair:
    """Dense layers with ReLU between them; end: the int8 network's input and output."""
    rng = np.random.default_rng([seed, 1])
    two = _Two(sizes[:1], rng, end)
    two.biases = []
    matrices = []
    for i, (n, m) in enumerate(itertools.pairwise(sizes)):
        w = rng.normal(0, 1 / np.sqrt(n), (m, n)).astype(np.float32).astype(np.float64)
        matrices.append(w)
        two.layer("FULLY_CONNECTED", w, lambda v, w=w: v @ w.T, relu=i < len(sizes) - 2)
    if softmax:
        two.x = two.a.op("SOFTMAX", [two.x], two.a.tensor((1, sizes[-1]), "float32"), 9, Beta=1.0)
        two.y = two.b.softmax(two.y)
    two.leave()

    def real(v: np.ndarray) -> np.ndarray:
        for i, (w, c) in enumerate(zip(matrices, two.biases, strict=True)):
            v = v @ w.T + c
            v = np.maximum(v, 0) if i < len(matrices) - 1 else v
        return v

    return NetworkPair(two.a.finish(two.x), two.b.finish(two.y), sizes[:1], real, end)


def cnn(seed: int) -> NetworkPair:
    """5 × 5 × 2, convolution 3 × 3 to 4 channels, depthwise 3 × 3, dense to 3 classes."""
    rng = np.random.default_rng([seed, 2])
    two = _Two((5, 5, 2), rng)
    two.biases = []
    first = rng.normal(0, 0.3, (4, 3, 3, 2))
    second = rng.normal(0, 0.4, (1, 3, 3, 4))
    last = rng.normal(0, 0.4, (3, 36))
    same = {"Padding": 0, "StrideH": 1, "StrideW": 1, "DilationHFactor": 1, "DilationWFactor": 1}
    valid = {**same, "Padding": 1}

    def conv(v: np.ndarray) -> np.ndarray:
        return np.einsum("nhwijc,oijc->nhwo", _patches(v, 1), first)

    def depthwise(v: np.ndarray) -> np.ndarray:
        return np.einsum("nhwijc,ijc->nhwc", _patches(v, 0), second[0])

    two.layer("CONV_2D", first, conv, True, **same)
    two.layer("DEPTHWISE_CONV_2D", second, depthwise, True, **valid, DepthMultiplier=1)
    two.flat()
    two.layer("FULLY_CONNECTED", last, lambda v: v @ last.T, False)

    def real(v: np.ndarray) -> np.ndarray:
        v = np.maximum(conv(v) + two.biases[0], 0)
        v = np.maximum(depthwise(v) + two.biases[1], 0)
        return v.reshape(len(v), -1) @ last.T + two.biases[2]

    return NetworkPair(two.a.finish(two.x), two.b.finish(two.y), (5, 5, 2), real)


def _patches(v: np.ndarray, pad: int) -> np.ndarray:
    """[n, h, w, c] → [n, h', w', 3, 3, c]."""
    padded = np.pad(v, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))
    return np.moveaxis(windows, 3, -1)
