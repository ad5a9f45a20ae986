#!/usr/bin/env python3
"""How many bits does it take, and what is a float verdict worth?  The studies of docs/studies.md, each figure
from one command.

Networks: MLPs of scikit-learn's digits (64-16-10) and breast cancer data (30-10-2), of MNIST (784-32-10,
784-64-32-10; trained on 9,000 test images in ../shared/data/mnist, judged on the other 1,000: the training
set is not at hand), and the published fixed-point networks in ../shared/data/qnn as they are. Trained by
scikit-learn, seeded; input codes are pixels 0..255. Results and reports go to build/studies/NAME; a study
that was ended goes on. What is absent is skipped, with a word. Options: `--only digits,mnist,qvip-100`,
`--timeout 20`, `--inputs 20`.
"""
# ruff: noqa: E402  (the number of threads must be set before the imports)

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"  # read once, when numpy is loaded

import argparse
import gzip
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
from rich.console import Console
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared" / "data"
Case = tuple[list[Path], Path, int]
"""Networks, inputs, radius."""


def digits(folder: Path) -> Case:
    """64-16-10, trained on 1,200 digits."""
    data = load_digits()
    x, y = np.rint(data.data * 255 / 16).astype(np.uint8), data.target
    return trained(folder, x, y, 1200, (16,), 8)


def mnist(folder: Path) -> Case:
    """784-32-10, trained on 9,000 images."""
    x, y = images()
    return trained(folder, x, y, 9000, (32,), 2)


def mnist_deeper(folder: Path) -> Case:
    """784-64-32-10, trained on 9,000 images."""
    x, y = images()
    return trained(folder, x, y, 9000, (64, 32), 2)


def wider(case: Callable[[Path], Case], eps: int) -> Callable[[Path], Case]:
    """The same at another radius."""
    return lambda folder: (*case(folder)[:2], eps)


def published(*names: str) -> Callable[[Path], Case]:
    """The networks of these names on the whole test set."""

    def case(folder: Path) -> Case:
        x, y = images()
        np.savez(folder / "x.npz", x=x, y=y)
        return [SHARED / "qnn" / f"{name}.npz" for name in names], folder / "x.npz", 1

    return case


def diabetes(folder: Path) -> Case:
    """10-8-2 on the diabetes data of scikit-learn: is the disease's progress above the median? Feature 1 is
    the patient's sex.
    """
    data = load_diabetes()
    return tabular(folder, data.data, data.target > np.median(data.target), 300, 8, 0)


def cancer(folder: Path) -> Case:
    """30-10-2 on the breast cancer data of scikit-learn: is the tumour benign?"""
    data = load_breast_cancer()
    return tabular(folder, data.data, data.target, 300, 10, 6)


def tabular(folder: Path, x: np.ndarray, y: np.ndarray, n: int, hidden: int, eps: int) -> Case:
    """Trained on n rows; features are mapped from their least to their greatest value onto codes 0..255."""
    low, high = x.min(axis=0), x.max(axis=0)
    codes = np.rint((x - low) / (high - low) * 255).astype(np.uint8)
    order = np.random.default_rng(0).permutation(len(x))
    return trained(folder, codes[order], y[order].astype(np.int64), n, (hidden,), eps)


CASES = {
    "digits": digits,
    "mnist": mnist,
    "diabetes": diabetes,
    "qvip-100": published(*(f"qvip_mnist_784-100-10_q{bits}" for bits in (4, 8, 10))),
    "qvip-64": published(*(f"qvip_mnist_784-64-32-10_q{bits}" for bits in (4, 6, 8))),
    "transfer-cancer": cancer,
    "transfer-digits": wider(digits, 16),
    "transfer-mnist": wider(mnist, 4),
    "transfer-mnist-64-32": mnist_deeper,
}


PROTECTED = {"diabetes": "1"}
"""Which of them are studies of fairness, and the features."""


def images() -> tuple[np.ndarray, np.ndarray]:
    """The MNIST test set: uint8 [10000, 784] and labels.  Raises FileNotFoundError."""
    with gzip.open(SHARED / "mnist" / "mnist-t10k-images-idx3-ubyte.gz") as stream:
        x = np.frombuffer(stream.read()[16:], np.uint8).reshape(-1, 784)
    with gzip.open(SHARED / "mnist" / "mnist-t10k-labels-idx1-ubyte.gz") as stream:
        return x, np.frombuffer(stream.read()[8:], np.uint8).astype(np.int64)


def trained(folder: Path, x: np.ndarray, y: np.ndarray, n: int, hidden: tuple[int, ...], eps: int) -> Case:
    """A float MLP of the first n inputs; the others are what it is judged on."""
    network = MLPClassifier(hidden, max_iter=100, random_state=0, alpha=1e-3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        network.fit(x[:n] / 255, y[:n])
    weights, biases = list(network.coefs_), list(network.intercepts_)
    if len(biases[-1]) == 1:  # one logit of two classes: half of it for the one, half against the other
        weights[-1], biases[-1] = (np.concatenate([-v, v], axis=-1) / 2 for v in (weights[-1], biases[-1]))
    layers = enumerate(zip(weights, biases, strict=True))
    arrays = {f"{k}{i}": v for i, (w, b) in layers for k, v in (("w", w.T), ("b", b))}
    np.savez(folder / "float.npz", **arrays)
    np.savez(folder / "x.npz", x=x[n:], y=y[n:])
    return [folder / "float.npz"], folder / "x.npz", eps


def main() -> None:
    """Run the studies."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default=",".join(CASES))
    parser.add_argument("--timeout", default="20")
    parser.add_argument("--inputs", type=int, default=20)
    options = parser.parse_args()
    console = Console()
    for name in options.only.split(","):
        folder = ROOT / "build" / "studies" / name
        folder.mkdir(parents=True, exist_ok=True)
        try:
            networks, inputs, eps = CASES[name](folder)
        except FileNotFoundError as missing:
            console.print(f"{name}: skipped, there is no {missing.filename}")
            continue
        verb = "fairness" if name in PROTECTED else "transfer" if name.startswith("transfer") else "bits"
        command = [sys.executable, "-m", "coverify", "study", verb, *networks, "--inputs", inputs]
        command += (
            ["--protected", PROTECTED[name], "--bits", "3-10"] if verb == "fairness" else ["--eps", eps]
        )
        command += ["--index", f"0-{options.inputs - 1}"] if verb != "fairness" else []
        command += ["--timeout", options.timeout]
        command += ["--jobs", 1, "--device", "native:", "--out", folder / "run"]
        subprocess.run(list(map(str, command)), check=False)


if __name__ == "__main__":
    main()
