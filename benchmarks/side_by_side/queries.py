"""Which queries are engines compared on? Networks by short names, their inputs and radii.

Inputs and published networks come from ../shared/data, the int8 networks of MNIST from
firmware_models/networks. Only inputs that the network classifies correctly are asked about. ResNet-8 has no
images here: its inputs are noise that was moved along the network's gradient until it is sure of a class,
which says nothing of photographs.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from coverify.cli.network import FixedPoint, Network, Tflite, read_network
from coverify.verify.bounds import wire_bounds
from coverify.verify.decision import logits_wire
from coverify.verify.gradient import Gradient
from coverify.verify.query import I16Array, I64Array, Robustness
from tflm_int8 import sample_shape
from tflm_int8.program.concrete import run

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT.parent / "shared" / "data"
OURS = ROOT / "firmware_models" / "networks"
RADII = (1, 2, 4, 8)
SURE = 0.9
"""What the network must give a made input's class, of the range of its output."""


@dataclass(frozen=True, eq=False)
class Inputs:
    """x: int16 [N, n], codes of the network's input; y: int64 [N]."""

    x: I16Array
    y: I64Array


@dataclass(frozen=True, eq=False)
class Subject:
    """A network, its inputs, and the radii asked about: radii(number of an input), () for none."""

    name: str
    network: Network
    inputs: Inputs
    radii: Callable[[int], tuple[int, ...]]

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one input."""
        network = self.network
        return (
            sample_shape(network.reference.input) if isinstance(network, Tflite) else self.inputs.x.shape[1:]
        )

    def classes(self, x: I16Array) -> I64Array:
        """The label of each row, int64 [N], not through the integer program that engines see.

        A .tflite runs in the reference, a fixed-point network by its definition (data/README.md).
        """
        if isinstance(self.network, Tflite):
            return np.array(self.network.classes(x.reshape(-1, *self.shape)), np.int64)
        assert isinstance(self.network, FixedPoint)
        a = x.astype(np.int64)
        for layer in self.network.network.layers:
            acc = a @ layer.weights.T + layer.bias
            half = (1 << layer.shift) >> 1
            a = np.clip((acc + half) >> layer.shift, layer.lo, layer.hi)
        return a.argmax(axis=1)


@dataclass(frozen=True, eq=False)
class Asked:
    """One query: `index` is the number of its input."""

    subject: Subject
    index: int
    query: Robustness


def asked(subject: Subject, images: int | None, radii: tuple[int, ...] | None, every: int) -> list[Asked]:
    """Every `every`-th query of a subject, by radius, then input: at most `images` inputs, of these radii."""
    program, x, y = subject.network.program, subject.inputs.x, subject.inputs.y
    right = np.flatnonzero(subject.classes(x) == y)[:images]
    pairs = sorted(
        (eps, int(i)) for i in right for eps in subject.radii(int(i)) if radii is None or eps in radii
    )
    return [
        Asked(subject, i, Robustness.around(x[i], int(y[i]), eps, None, program.input_lo, program.input_hi))
        for eps, i in pairs[::every]
    ]


def mnist() -> Inputs:
    """The test images as pixels 0..255."""
    images = gzip.decompress((DATA / "mnist" / "mnist-t10k-images-idx3-ubyte.gz").read_bytes())
    labels = gzip.decompress((DATA / "mnist" / "mnist-t10k-labels-idx1-ubyte.gz").read_bytes())
    x = np.frombuffer(images, np.uint8, offset=16).reshape(-1, 784).astype(np.int16)
    return Inputs(x, np.frombuffer(labels, np.uint8, offset=8).astype(np.int64))


def _published() -> Subject:
    pixels = mnist()
    network = read_network(DATA / "qnn" / "aaai21_mnist_784-64-32_q6.npz", "tflm")
    return Subject("aaai21", network, Inputs(pixels.x[:400], pixels.y[:400]), lambda i: (1 + i // 100,))


def _ours(name: str) -> Subject:
    """Held-out images; a code is a pixel − 128 (the card says so)."""
    pixels = mnist()
    network = read_network(OURS / f"{name}.tflite", "tflm")
    return Subject(name, network, Inputs(pixels.x[:2000] - 128, pixels.y[:2000]), lambda i: RADII)


def _keywords() -> Subject:
    with np.load(DATA / "kws" / "kws01_first500.npz", allow_pickle=False) as file:
        inputs = Inputs(file["x"].reshape(len(file["x"]), -1).astype(np.int16), file["y"].astype(np.int64))
    return Subject(
        "kws", read_network(DATA / "models" / "kws_ref_model.tflite", "tflm"), inputs, lambda i: (1,)
    )


def _resnet() -> Subject:
    network = read_network(DATA / "models" / "pretrainedResnet_quant.tflite", "tflm")
    return Subject("resnet8", network, made_inputs(network, 10), lambda i: (1,))


def made_inputs(network: Network, n: int) -> Inputs:
    """Inputs that the network is sure of: n times noise of 8x8 cells, moved along the gradient to a class.

    Those that reach SURE within 60 steps; deterministic.
    """
    rng, program = np.random.default_rng(8), network.program
    found = []
    for i in range(n):
        cells = rng.integers(-60, 61, (4, 4, 3))
        x = np.clip(cells.repeat(8, 0).repeat(8, 1) + rng.normal(0, 8, (32, 32, 3)), -128, 127).reshape(-1)
        made = _sure(network, np.rint(x).astype(np.int64), i % program.sizes()[program.output])
        if made is not None:
            found.append((made, i % 10))
    return Inputs(np.array([x for x, _ in found], np.int16), np.array([y for _, y in found], np.int64))


def _sure(network: Network, x: I64Array, label: int) -> I64Array | None:
    program = network.program
    boxes = wire_bounds(program, np.full(len(x), -128), np.full(len(x), 127))
    gradient, logits = Gradient(program, boxes), logits_wire(program)
    for _ in range(60):
        wires = run(program, x[None])
        if wires[program.output][0, label] >= -128 + SURE * 255:
            return x
        seed = np.full((1, wires[logits].shape[1]), -0.1)
        seed[0, label] = 1.0
        slope = gradient.input_gradient(wires, logits, seed)[0]
        x = np.clip(x + 3 * np.sign(slope).astype(np.int64), -128, 127)
    return None


SUBJECTS: dict[str, Callable[[], Subject]] = {
    "aaai21": _published,
    "mnist_mlp_64_32": lambda: _ours("mnist_mlp_64_32"),
    "mnist_mlp_100_100": lambda: _ours("mnist_mlp_100_100"),
    "mnist_conv": lambda: _ours("mnist_conv"),
    "kws": _keywords,
    "resnet8": _resnet,
}
