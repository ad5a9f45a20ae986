"""Which images are the networks of this folder trained on, and which are kept apart?

scikit-learn's digits, which come with that package, and MNIST's test set, which the caller has as two IDX
files (nothing of it is shipped here). Every split is fixed.
"""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

SEED = 2
TRAINING_SAMPLES, VALIDATION_SAMPLES, TEST_SAMPLES = 1077, 360, 360
DIGITS_LEVELS, MNIST_LEVELS = 16, 255
MNIST_HELD_OUT = 2000

F32Array = npt.NDArray[np.float32]
I64Array = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Part:
    """Images N x pixels, float32, gray level / the levels in 0..1, and their digits N x int64."""

    x: F32Array
    y: I64Array


@dataclass(frozen=True)
class Split:
    """Disjoint parts; no validation part where training does not stop early."""

    training: Part
    validation: Part | None
    test: Part


def split_digits() -> Split:
    """The fixed stratified split of scikit-learn's 1797 digits: 1077 training, 360 validation, 360 test."""
    digits = load_digits()
    x = (digits.data / DIGITS_LEVELS).astype(np.float32)
    y = digits.target.astype(np.int64)
    everything = np.arange(len(y))
    rest, test = train_test_split(everything, test_size=TEST_SAMPLES, stratify=y, random_state=SEED)
    training, validation = train_test_split(
        rest, test_size=VALIDATION_SAMPLES, stratify=y[rest], random_state=SEED
    )
    return Split(*(Part(x[part], y[part]) for part in (training, validation, test)))


def split_mnist(folder: Path) -> Split:
    """The 10,000 test images of MNIST in `folder`: the last 8,000 to train on, the first 2,000 held out.

    OSError where the files are not there.
    """
    images = gzip.decompress((folder / "mnist-t10k-images-idx3-ubyte.gz").read_bytes())
    labels = gzip.decompress((folder / "mnist-t10k-labels-idx1-ubyte.gz").read_bytes())
    x = np.frombuffer(images, np.uint8, offset=16).reshape(-1, 784).astype(np.float32) / MNIST_LEVELS
    y = np.frombuffer(labels, np.uint8, offset=8).astype(np.int64)
    n = MNIST_HELD_OUT
    return Split(Part(x[n:], y[n:]), None, Part(x[:n], y[:n]))
