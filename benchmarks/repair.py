#!/usr/bin/env python3
"""Do few bytes undo what quantization broke, and do the metrics find where?  QNNRepair's tables on ours.

Each pair goes through `coverify repair --grid` (accuracy and fidelity on the validation half, metric by
number of neurons; random rankings over ten seeds) and leaves result and report in build/repair/. Pairs:
keyword spotting as MLPerf Tiny ships it (float and int8), and, since such a pair differs on few inputs only,
int8 networks with weights rounded to three bits (tests/float_twin.py), whose float twin has the weights that
the int8 codes stand for; `digits-q3` is the float network of `digits_mlp` in three bits of TFLite's scheme,
as `coverify study bits` writes it.
Data: ../shared/data (keyword features, MNIST images, of which none was trained on that a repair is judged by)
and the digits beside the networks; what is absent is skipped, with a word. `--resume` keeps studies that were
finished with the same command and files. Options: `--pairs kws,digits_cnn-3bit`, `--seeds 10`,
`--methods lattice,paper`.
"""
# ruff: noqa: E402  (the number of threads must be set, and the checkout found, before the imports)

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"  # read once, when numpy is loaded

import argparse
import gzip
import hashlib
import json
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
from rich.console import Console

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / part) for part in ("firmware_models", "host", "benchmarks", "tests")]

from figure_tables.repairs import ASKED

from coverify.report import read_result
from coverify.report.repair_text import render_repair
from coverify.study.affine_scheme import affine
from coverify.study.float_network import FloatNetwork
from coverify.study.ranges import Ranges
from float_twin import coarsened, twin
from tflm_int8 import Model, Reference

NETWORKS = ROOT / "firmware_models" / "networks"
SHARED = ROOT.parent / "shared" / "data"
BITS = 3
HELD_OUT = 2000
"""Of MNIST's test images, those that our networks were not trained on: the first."""
SLOWER = ("op11-lattice-1s", ("--layer", "11", "--neurons", "0", "--time", "1"))
ROUNDS = ("cegis", ("--layer", "all", "--neurons", "0", "--verify", "20", "--eps", "10", "--cegis", "4"))


@dataclass(frozen=True)
class Case:
    """A pair, its data, and the layers that are repaired (one study each).

    bits: the int8 network is the original in so many bits (TFLite's scheme).
    more: other runs, name → options.
    """

    name: str
    network: Path
    data: Callable[[Path], tuple[np.ndarray, np.ndarray]]
    layers: tuple[int, ...]
    original: Path | None = None
    coarse: bool = True
    limit: int = 2000
    bits: int | None = None
    more: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def files(self, folder: Path) -> list[str]:
        """Float network, int8 network and data, written into the folder."""
        model = Model.read(self.network)
        original = twin(model) if self.original is None else self.original.read_bytes()
        x, y = self.data(self.network)
        content = self.quantized(model, x).content
        (folder / "float.tflite").write_bytes(original)
        (folder / f"{self.name}.tflite").write_bytes(content)
        np.savez(folder / "data.npz", x=x[: self.limit], y=y[: self.limit].astype(np.int64))
        return [
            str(folder / "float.tflite"), str(folder / f"{self.name}.tflite"),
            "--data", str(folder / "data.npz"),
        ]  # fmt: skip

    def quantized(self, model: Model, x: np.ndarray) -> Model:
        """The int8 network that is repaired; x: int8 codes, for the ranges of activations."""
        if self.bits is None or self.original is None:
            return coarsened(model, BITS) if self.coarse else model
        network = FloatNetwork.read(self.original).taking(0, 1)
        ranges = Ranges.of(network, x.reshape(len(x), -1).astype(np.int64) + 128)
        return Model.from_bytes(affine(network, ranges, self.bits), f"{self.name}.tflite")


def beside(network: Path) -> tuple[np.ndarray, np.ndarray]:
    """The inputs that lie beside the network."""
    arrays = np.load(network.with_suffix(".npz"))
    return arrays["x"], arrays["y"]


def keywords(_: Path) -> tuple[np.ndarray, np.ndarray]:
    """500 keyword features with their labels."""
    arrays = np.load(SHARED / "kws/kws01_first500.npz")
    return arrays["x"], arrays["y"]


def mnist(network: Path) -> tuple[np.ndarray, np.ndarray]:
    """The 2,000 test images that our networks were not trained on, in the network's own codes and an order of
    their own, and their labels.
    """
    reference = Reference(Model.read(network))
    with gzip.open(SHARED / "mnist/mnist-t10k-images-idx3-ubyte.gz") as file:
        pixels = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, *reference.input.shape[1:])
    with gzip.open(SHARED / "mnist/mnist-t10k-labels-idx1-ubyte.gz") as file:
        labels = np.frombuffer(file.read(), np.uint8, offset=8)
    q = reference.input.quantization
    codes = np.clip(np.rint(pixels / 255 / float(q.scale)) + q.zero_point, -128, 127).astype(np.int8)
    order = np.random.default_rng(0).permutation(HELD_OUT)
    return codes[order], labels[order]


def cases() -> tuple[Case, ...]:
    """Every pair."""
    models = SHARED / "models"
    kws, kws_float = models / "kws_ref_model.tflite", models / "kws_ref_model_float32.tflite"
    mlp_float = NETWORKS / "digits_mlp_float.tflite"
    return (
        Case("kws", kws, keywords, (11, 7), kws_float, coarse=False),
        Case("kws-3bit", kws, keywords, (11,), kws_float, more=(SLOWER,)),
        Case("digits-q3", NETWORKS / "digits_mlp.tflite", beside, (1, 0), mlp_float, bits=3),
        Case("digits_mlp-3bit", NETWORKS / "digits_mlp.tflite", beside, (1, 0), mlp_float, more=(ROUNDS,)),
        Case("digits_cnn-3bit", NETWORKS / "digits_cnn.tflite", beside, (6, 3)),
        Case("mnist_mlp-3bit", NETWORKS / "mnist_mlp_64_32.tflite", mnist, (2,)),
        Case("mnist_conv-3bit", NETWORKS / "mnist_conv.tflite", mnist, (4, 1), limit=1000),
    )


def commands(case: Case, folder: Path, methods: list[str], seeds: int) -> Iterator[tuple[Path, list[str]]]:
    """(where it goes, the command) of every study of a case."""
    files = case.files(folder)
    start = [sys.executable, "-m", "coverify", "repair", *files]
    grid = ["--neurons", "0", "--grid", "--seeds", str(seeds), "--time", "0.2"]
    for layer in case.layers:
        for method in methods:
            out = folder / f"op{layer}-{method}"
            yield out, [*start, "--layer", str(layer), "--method", method, *grid, "--out", str(out)]
    for name, options in case.more:
        yield folder / name, [*start, *options, "--out", str(folder / name)]


def described(command: list[str]) -> dict[str, object]:
    """What makes two runs one: the options and what is in the files, wherever they lie."""
    files = [Path(word) for word in command[3:] if Path(word).is_file()]
    digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in files]
    words = [Path(word).name if "/" in word else word for word in command[2:]]
    return {"command": words, "files": digests, "coverify": version("coverify")}


def run(out: Path, command: list[str], resume: bool) -> tuple[float, str] | None:
    """Processor seconds of the study and what went wrong; None where it is kept as it was."""
    asked = described(command)
    note = out / ASKED
    if resume and note.is_file() and (out / "repair.json").is_file():
        known = json.loads(note.read_text("utf-8"))
        if {key: known.get(key) for key in asked} == asked:
            return None
    note.unlink(missing_ok=True)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    if done.returncode not in (0, 1):
        return spent, (done.stdout + done.stderr)[-2000:]
    note.write_text(json.dumps({**asked, "cpu_s": round(spent, 1)}), "utf-8")
    return spent, ""


def main() -> None:
    """Run the chosen studies one after another and print their tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pairs", help="names, with commas; default: all")
    parser.add_argument("--methods", default="lattice,paper")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--resume", action="store_true", help="keep what is finished")
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
            ran = run(out, command, asked.resume)
            console.rule(
                f"{out.relative_to(asked.out)}: "
                + ("as it was" if ran is None else f"{ran[0]:.0f} s of processor time")
            )
            if ran is not None and ran[1]:
                console.print(ran[1], style="red", markup=False)
                continue
            result = read_result(out / "repair.json")
            console.print(f"{result.verdict}: {result.message}", markup=False)
            if result.repair is not None:
                render_repair(result.repair, console)


if __name__ == "__main__":
    main()
