#!/usr/bin/env python3
"""Do few bytes undo what quantization broke, and do the metrics find where?  QNNRepair's tables on ours.

Each pair goes through `coverify repair --grid` (accuracy and fidelity on the validation half, metric by
number of neurons; random rankings over ten seeds) and leaves result and report in build/repair/. Pairs:
keyword spotting as MLPerf Tiny ships it (float and int8), and, since such a pair differs on few inputs only,
int8 networks with weights rounded to three bits (tests/float_twin.py), whose float twin has the weights that
the int8 codes stand for. Data: ../shared/data (keyword features, MNIST images) and the digits beside the
networks; what is absent is skipped, with a word. Options: `--pairs kws,digits_cnn-3bit`, `--seeds 10`,
`--methods lattice,paper`.
"""
# ruff: noqa: E402  (the number of threads must be set, and the checkout found, before the imports)

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"  # read once, when numpy is loaded

import argparse
import gzip
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "firmware_models"), str(ROOT / "host"), str(ROOT / "tests")]

from coverify.report import read_result
from coverify.report.repair_text import render_repair
from float_twin import coarsened, twin
from tflm_int8 import Model, Reference

NETWORKS = ROOT / "firmware_models" / "networks"
SHARED = ROOT.parent / "shared" / "data"
BITS = 3


@dataclass(frozen=True)
class Case:
    """A pair, its data, and the layers that are repaired (one study each)."""

    name: str
    network: Path
    data: Callable[[Path], tuple[np.ndarray, np.ndarray]]
    layers: tuple[int, ...]
    original: Path | None = None
    coarse: bool = True
    limit: int = 2000

    def files(self, folder: Path) -> list[str]:
        """Float network, int8 network and data, written into the folder."""
        model = Model.read(self.network)
        original = twin(model) if self.original is None else self.original.read_bytes()
        x, y = self.data(self.network)
        quantized = coarsened(model, BITS) if self.coarse else model
        (folder / "float.tflite").write_bytes(original)
        (folder / f"{self.name}.tflite").write_bytes(quantized.content)
        np.savez(folder / "data.npz", x=x[: self.limit], y=y[: self.limit].astype(np.int64))
        return [
            str(folder / "float.tflite"), str(folder / f"{self.name}.tflite"),
            "--data", str(folder / "data.npz"),
        ]  # fmt: skip


def beside(network: Path) -> tuple[np.ndarray, np.ndarray]:
    """The inputs that lie beside the network."""
    arrays = np.load(network.with_suffix(".npz"))
    return arrays["x"], arrays["y"]


def keywords(_: Path) -> tuple[np.ndarray, np.ndarray]:
    """500 keyword features with their labels."""
    arrays = np.load(SHARED / "kws/kws01_first500.npz")
    return arrays["x"], arrays["y"]


def mnist(network: Path) -> tuple[np.ndarray, np.ndarray]:
    """The 10,000 test images in the network's own codes, in an order of its own, and their labels."""
    reference = Reference(Model.read(network))
    with gzip.open(SHARED / "mnist/mnist-t10k-images-idx3-ubyte.gz") as file:
        pixels = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, *reference.input.shape[1:])
    with gzip.open(SHARED / "mnist/mnist-t10k-labels-idx1-ubyte.gz") as file:
        labels = np.frombuffer(file.read(), np.uint8, offset=8)
    q = reference.input.quantization
    codes = np.clip(np.rint(pixels / 255 / float(q.scale)) + q.zero_point, -128, 127).astype(np.int8)
    order = np.random.default_rng(0).permutation(len(codes))
    return codes[order], labels[order]


def cases() -> tuple[Case, ...]:
    """Every pair."""
    models = SHARED / "models"
    kws, kws_float = models / "kws_ref_model.tflite", models / "kws_ref_model_float32.tflite"
    return (
        Case("kws", kws, keywords, (11, 7), kws_float, coarse=False),
        Case("kws-3bit", kws, keywords, (11,), kws_float),
        Case("digits_mlp-3bit", NETWORKS / "digits_mlp.tflite", beside, (1, 0)),
        Case("digits_cnn-3bit", NETWORKS / "digits_cnn.tflite", beside, (6,)),
        Case("mnist_mlp-3bit", NETWORKS / "mnist_mlp_64_32.tflite", mnist, (2,)),
    )


def commands(case: Case, folder: Path, methods: list[str], seeds: int) -> Iterator[tuple[str, list[str]]]:
    """(where it goes, the command) of every study of a case."""
    files = case.files(folder)
    for layer in case.layers:
        for method in methods:
            out = folder / f"op{layer}-{method}"
            options = ["--layer", str(layer), "--method", method, "--neurons", "0", "--grid"]
            options += ["--seeds", str(seeds), "--time", "0.2", "--out", str(out)]
            yield str(out), [sys.executable, "-m", "coverify", "repair", *files, *options]


def main() -> None:
    """Run the chosen studies one after another and print their tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pairs", help="names, with commas; default: all")
    parser.add_argument("--methods", default="lattice,paper")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "repair")
    asked = parser.parse_args()
    console = Console(width=120, highlight=False)
    chosen = asked.pairs.split(",") if asked.pairs else None
    for case in cases():
        if chosen is not None and case.name not in chosen:
            continue
        needed = [case.network, *([case.original] if case.original else [])]
        if not all(path.exists() for path in needed) or (case.data is not beside and not SHARED.exists()):
            console.print(f"{case.name}: its network or data are not here; skipped", style="yellow")
            continue
        folder = asked.out / case.name
        folder.mkdir(parents=True, exist_ok=True)
        for out, command in commands(case, folder, asked.methods.split(","), asked.seeds):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            console.rule(f"{Path(out).relative_to(asked.out)}: {spent:.0f} s of processor time")
            if done.returncode not in (0, 1):
                console.print((done.stdout + done.stderr)[-2000:], style="red", markup=False)
                continue
            result = read_result(Path(out) / "repair.json")
            console.print(f"{result.verdict}: {result.message}", markup=False)
            if result.repair is not None:
                render_repair(result.repair, console)


if __name__ == "__main__":
    main()
