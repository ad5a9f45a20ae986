"""How is a network of 1 to 4 bits trained, and which integers is it then?

The scheme of VerBiNe (Kiss, Kovásznai): Q(x, bw) = round(2**(bw−1) x) / 2**(bw−1), clipped to bw bits in
two's complement, for weights and activations alike (weights of 1 bit are ±1: binarized), with straight-
through gradients. Everything is trained as the integers that it will be, w = Q·2**(bw−1), layer by layer
a -> clip((w·a + b + half) >> shift, lo, hi), so that the file written is what was trained. Inputs are
gray levels 0..255 of MNIST's images at half their width and height, or a file's own. Needs numpy only; a seed
fixes the network on one machine.

    python firmware_models/networks/low_bits.py --bits 1,2,3,4 --out build/low-bits
    python firmware_models/networks/low_bits.py --data mine.npz --hidden 16,8 --bits 2 --out build/low-bits
    coverify verify build/low-bits/mine_2bit.npz --inputs mine.npz --index 0 --eps 3 --engine cardinality
"""

from __future__ import annotations

import argparse
import gzip
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

MNIST = Path(__file__).resolve().parents[3] / "shared" / "data" / "mnist"
HELD_OUT = 2000
"""The first so many of the 10,000 images are for tests, the others are trained on."""
HIDDEN = (32, 16)
EPOCHS, BATCH, RATE = 30, 64, 0.01
LOGITS = (-(1 << 11), (1 << 11) - 1)
"""The range of the last layer's outputs."""

FloatArray = npt.NDArray[np.float64]
I64Array = npt.NDArray[np.int64]


@dataclass
class Trained:
    """One layer: real weights in −1..1 [n_out, n_in], bias in accumulator steps [n_out], and their shift.

    bits: of the weights; lo, hi: of the outputs; moments: Adam's.
    """

    weights: FloatArray
    bias: FloatArray
    bits: int
    lo: int
    hi: int
    shift: int = 0
    unit: float = 1.0
    moments: dict[str, FloatArray] = field(default_factory=dict)

    def integers(self) -> FloatArray:
        """Q(w, bits) · 2**(bits − 1)."""
        return quantized(self.weights, self.bits)

    def accumulators(self, a: FloatArray) -> FloatArray:
        """a: integers [N, n_in] → integers [N, n_out]."""
        return a @ self.integers().T + np.rint(self.bias * self.unit)

    def outputs(self, acc: FloatArray) -> FloatArray:
        """The integers that the next layer reads."""
        return np.clip(np.floor((acc + half(self.shift)) / 2.0**self.shift), self.lo, self.hi)


def half(shift: int) -> int:
    """What is added before a shift, so that it rounds."""
    return (1 << shift) >> 1


def quantized(w: FloatArray, bits: int) -> FloatArray:
    """Q(w, bits) · 2**(bits − 1): integers of so many bits; ±1 for one bit."""
    if bits == 1:
        return np.where(w >= 0, 1.0, -1.0)
    scale = 2.0 ** (bits - 1)
    return np.clip(np.floor(scale * w + 0.5), -scale, scale - 1)


def halved(images: npt.NDArray[np.uint8]) -> I64Array:
    """Gray levels [N, 784] → [N, 196]: means of two by two pixels, halves up."""
    blocks = images.reshape(-1, 14, 2, 14, 2).astype(np.int64).sum(axis=(2, 4))
    return ((blocks + 2) >> 2).reshape(-1, 196)


def train(
    x: I64Array, y: I64Array, bits: int, hidden: tuple[int, ...] = HIDDEN, seed: int = 0, epochs: int = EPOCHS
) -> list[Trained]:
    """A network of so many bits.  x: gray levels int64 [N, n]; y: classes int64 [N], from 0."""
    rng = np.random.default_rng(seed)
    a = x.astype(np.float64)
    layers = _initial(a, (*hidden, int(y.max()) + 1), bits, rng)
    n_steps, step = epochs * -(-len(x) // BATCH), 0
    for _ in range(epochs):
        order = rng.permutation(len(x))
        for at in range(0, len(x), BATCH):
            batch = order[at : at + BATCH]
            step += 1
            _descend(layers, a[batch], y[batch], step, RATE * 0.5 * (1 + np.cos(np.pi * step / n_steps)))
    return layers


def _initial(a: FloatArray, sizes: tuple[int, ...], bits: int, rng: np.random.Generator) -> list[Trained]:
    """Random layers, each one's shift such that its outputs spread over their range on these inputs."""
    layers = []
    for k, n_out in enumerate(sizes):
        top = 1 << (bits - 1)
        lo, hi = LOGITS if k == len(sizes) - 1 else (-top, top - 1)
        layer = Trained(rng.uniform(-1, 1, (n_out, a.shape[1])), np.zeros(n_out), bits, lo, hi)
        acc = layer.accumulators(a)
        layer.unit = float(acc.std())
        layer.bias = -acc.mean(axis=0) / layer.unit
        if k < len(sizes) - 1:
            layer.shift = max(0, round(np.log2(layer.unit / (0.75 * top))))
            a = layer.outputs(layer.accumulators(a))
        layers.append(layer)
    return layers


def _descend(layers: list[Trained], a: FloatArray, y: I64Array, step: int, rate: float) -> None:
    """One step of Adam on the cross-entropy; roundings pass gradients on, clips do where they do not bind."""
    inputs, passed = [], []
    for layer in layers:
        inputs.append(a)
        acc = layer.accumulators(a)
        a, z = layer.outputs(acc), acc / 2.0**layer.shift
        margin = 0.5 * (layer.hi - layer.lo + 1)
        passed.append((z >= layer.lo - margin) & (z <= layer.hi + margin))
    logits = a / layers[-1].unit
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    slope = odds / odds.sum(axis=1, keepdims=True)
    slope[np.arange(len(y)), y] -= 1.0
    slope /= len(y) * layers[-1].unit
    for layer, source, through in zip(layers[::-1], inputs[::-1], passed[::-1], strict=True):
        slope = slope * through / 2.0**layer.shift
        by_weight = slope.T @ source * 2.0 ** (layer.bits - 1)
        by_bias, slope = slope.sum(axis=0) * layer.unit, slope @ layer.integers()
        _adam(layer, "weights", by_weight, step, rate)
        _adam(layer, "bias", by_bias, step, rate)
        np.clip(layer.weights, -1, 1, out=layer.weights)


def _adam(layer: Trained, name: str, slope: FloatArray, step: int, rate: float) -> None:
    first, second = f"{name}1", f"{name}2"
    m = 0.9 * layer.moments.get(first, np.zeros_like(slope)) + 0.1 * slope
    v = 0.999 * layer.moments.get(second, np.zeros_like(slope)) + 0.001 * slope**2
    layer.moments |= {first: m, second: v}
    change = m / (1 - 0.9**step) / (np.sqrt(v / (1 - 0.999**step)) + 1e-12)
    setattr(layer, name, getattr(layer, name) - rate * change)


def exported(layers: list[Trained]) -> dict[str, npt.NDArray[Any]]:
    """The arrays of a fixed-point network's file."""
    arrays: dict[str, npt.NDArray[Any]] = {"n_layers": np.array(len(layers))}
    for i, layer in enumerate(layers):
        arrays |= {
            f"w{i}": layer.integers().astype(np.int8),
            f"b{i}": np.rint(layer.bias * layer.unit).astype(np.int64),
            f"shift{i}": np.array(layer.shift),
            f"lo{i}": np.array(layer.lo),
            f"hi{i}": np.array(layer.hi),
        }
    return arrays


def classes(layers: list[Trained], x: I64Array) -> I64Array:
    """The index of the first greatest output for each row of x."""
    a = x.astype(np.float64)
    for layer in layers:
        a = layer.outputs(layer.accumulators(a))
    found: I64Array = a.argmax(axis=1)
    return found


def mnist(folder: Path = MNIST) -> tuple[I64Array, I64Array]:
    """MNIST's 10,000 test images, halved, int64 [N, 196], and their digits.  OSError where they are not."""
    images = gzip.decompress((folder / "mnist-t10k-images-idx3-ubyte.gz").read_bytes())
    labels = gzip.decompress((folder / "mnist-t10k-labels-idx1-ubyte.gz").read_bytes())
    x = halved(np.frombuffer(images, np.uint8, offset=16).reshape(-1, 784))
    return x, np.frombuffer(labels, np.uint8, offset=8).astype(np.int64)


def own(path: Path) -> tuple[I64Array, I64Array]:
    """x: codes 0..255, int64 [N, n], and y: classes from 0, int64 [N], of a file.  OSError, ValueError."""
    with np.load(path, allow_pickle=False) as file:
        if not {"x", "y"} <= set(file.files):
            raise ValueError(f"{path}: it must hold x and y")
        x, y = file["x"], file["y"]
    if x.dtype.kind not in "iu" or y.dtype.kind not in "iu" or y.ndim != 1 or not 2 <= len(y) == len(x):
        raise ValueError(f"{path}: x and y must be integers, one y for each of at least two x")
    if x.size == 0 or x.min() < 0 or x.max() > 255 or y.min() < 0 or y.max() > 999:
        raise ValueError(f"{path}: x must be codes 0..255, y classes 0..999")
    return x.reshape(len(x), -1).astype(np.int64), y.astype(np.int64)


def make(
    bits: int,
    folder: Path,
    x: I64Array,
    y: I64Array,
    name: str = "mnist",
    held_out: int = HELD_OUT,
    hidden: tuple[int, ...] = HIDDEN,
    seed: int = 0,
    epochs: int = EPOCHS,
) -> tuple[Path, float]:
    """Train on all but the first held_out inputs; the file written, and the accuracy on those."""
    layers = train(x[held_out:], y[held_out:], bits, hidden, seed, epochs)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}_{bits}bit.npz"
    np.savez_compressed(path, **exported(layers))
    return path, float((classes(layers, x[:held_out]) == y[:held_out]).mean())


def main() -> int:
    """Make the networks asked for; 1 where the data are not there, or are none."""
    parser = argparse.ArgumentParser(description="Train networks of 1 to 8 bits on MNIST or a file's data.")
    parser.add_argument("--bits", type=numbers, default=(1, 2, 3, 4), help="with commas (1,2,3,4)")
    parser.add_argument(
        "--data", type=Path, metavar="NPZ", help="x (codes 0..255), y; the first fifth is held out"
    )
    parser.add_argument("--hidden", type=numbers, default=HIDDEN, help="neurons of the hidden layers (32,16)")
    parser.add_argument("--epochs", type=int, default=EPOCHS, help=f"({EPOCHS})")
    parser.add_argument("--seed", type=int, default=0, help="(0)")
    parser.add_argument("--out", type=Path, default=Path("build/low-bits"), help="folder (build/low-bits)")
    parser.add_argument("--mnist", type=Path, default=MNIST, help=f"the two IDX files' folder ({MNIST})")
    options = parser.parse_args()
    if not all(1 <= bits <= 8 for bits in options.bits):
        parser.error("--bits: 1 to 8")
    try:
        x, y = mnist(options.mnist) if options.data is None else own(options.data)
    except (OSError, ValueError) as error:
        sys.stderr.write(f"low_bits.py: {error}\n")
        return 1
    name, n = ("mnist", HELD_OUT) if options.data is None else (options.data.stem, max(1, len(x) // 5))
    for bits in options.bits:
        path, accuracy = make(bits, options.out, x, y, name, n, options.hidden, options.seed, options.epochs)
        print(f"{path}: {path.stat().st_size} bytes, {accuracy:.2%} of {n} inputs held out", flush=True)
    return 0


def numbers(text: str) -> tuple[int, ...]:
    """Whole numbers above 0, separated by commas.  Raises ValueError."""
    found = tuple(int(part) for part in text.split(","))
    if min(found) < 1:
        raise ValueError(text)
    return found


if __name__ == "__main__":
    sys.exit(main())
