#!/usr/bin/env python3
"""How fast is the reference beside the interpreters it models?  Same inputs, one run, one thread.

Each network runs a batch on tflm_int8 and sample by sample on the peers that are installed: the tflite-micro
interpreter, tflite-runtime's reference kernels and its default (optimized) kernels. Repetitions are
interleaved; a figure is the median over them, in µs of processor time per inference (a busy machine disturbs
it less than wall time), and a ratio is to tflm_int8's own median. Peers that are not installed are left out
by name. The default kernels do not give TFLM's bytes: they are here for their speed alone.
"""
# ruff: noqa: E402  (the number of threads must be set, and the checkout found, before the imports)

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"  # read once, when numpy is loaded

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "firmware_models"))

from tflm_int8 import Model, Reference

SHARED = ROOT.parent / "shared" / "data" / "models"
NETWORKS = {
    "ResNet-8": SHARED / "pretrainedResnet_quant.tflite",
    "DS-CNN keyword spotting": SHARED / "kws_ref_model.tflite",
    "digits_cnn": ROOT / "firmware_models" / "networks" / "digits_cnn.tflite",
}
OWN = "tflm_int8"

Run = Callable[[np.ndarray], None]


def own(content: bytes) -> Run:
    """The reference, on whole batches."""
    reference = Reference(Model.from_bytes(content))
    return lambda x: reference.run(x) is None


def traced(content: bytes) -> Run:
    """The reference with every tensor kept."""
    reference = Reference(Model.from_bytes(content))
    return lambda x: reference.trace(x) is None


def tflite_micro(content: bytes) -> Run:
    """TFLM's interpreter, one sample at a time."""
    from tflite_micro.python.tflite_micro import runtime

    interpreter = runtime.Interpreter.from_bytes(content, arena_size=8 << 20)

    def run(x: np.ndarray) -> None:
        for one in x:
            interpreter.set_input(one[None], 0)
            interpreter.invoke()
            interpreter.get_output(0)

    return run


def tflite(reference_kernels: bool) -> Callable[[bytes], Run]:
    """tflite-runtime with its reference or its default kernels, one sample at a time."""

    def make(content: bytes) -> Run:
        from tflite_runtime import interpreter as lite

        kind = lite.OpResolverType
        resolver = kind.BUILTIN_REF if reference_kernels else kind.AUTO
        net = lite.Interpreter(model_content=content, experimental_op_resolver_type=resolver, num_threads=1)
        net.allocate_tensors()
        i, o = net.get_input_details()[0]["index"], net.get_output_details()[0]["index"]

        def run(x: np.ndarray) -> None:
            for one in x:
                net.set_tensor(i, one[None])
                net.invoke()
                net.get_tensor(o)

        return run

    return make


PEERS: dict[str, Callable[[bytes], Run]] = {
    OWN: own,
    "tflm_int8 trace": traced,
    "tflite-micro": tflite_micro,
    "tflite-runtime BUILTIN_REF": tflite(True),
    "tflite-runtime default": tflite(False),
}


def measure(path: Path, batch: int, repetitions: int, seed: int) -> dict[str, list[float]]:
    """Peer → µs per inference of every repetition; a peer that cannot be loaded is absent."""
    content = path.read_bytes()
    model = Model.from_bytes(content, path.name)
    shape = model.tensors[model.inputs[0]].shape[1:]
    x = np.random.default_rng(seed).integers(-128, 128, (batch, *shape)).astype(np.int8)
    runs: dict[str, Run] = {}
    for name, make in PEERS.items():
        try:
            runs[name] = make(content)
        except ImportError as error:
            print(f"{name} is left out: {error}", file=sys.stderr)
    for run in runs.values():
        run(x[:8])
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(repetitions):
        for name, run in runs.items():
            # The peers take one sample at a time: a quarter of the batch is as good, and four times sooner.
            some = x if name.startswith(OWN) else x[: max(1, batch // 4)]
            start = time.process_time()
            run(some)
            times[name].append((time.process_time() - start) / len(some) * 1e6)
    return times


def installed(package: str) -> str:
    """The version of an installed package, or the word that it is not."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def main() -> None:
    """Measure, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument(
        "models", nargs="*", type=Path, help="other .tflite files (default: the three networks)"
    )
    parser.add_argument("--batch", type=int, default=256, help="samples per repetition (256)")
    parser.add_argument("--repetitions", type=int, default=5, help="interleaved repetitions (5)")
    parser.add_argument("--seed", type=int, default=1, help="seed of the random inputs (1)")
    parser.add_argument("--json", metavar="FILE", help="also write the figures as JSON, - for stdout")
    options = parser.parse_args()
    networks = {path.name: path for path in options.models} or NETWORKS
    results = {}
    for name, path in networks.items():
        if path.exists():
            results[name] = measure(path, options.batch, options.repetitions, options.seed)
        else:
            print(f"{name} is left out: {path.name} is not there", file=sys.stderr)
    medians = {net: {peer: statistics.median(t) for peer, t in r.items()} for net, r in results.items()}
    Console(stderr=options.json == "-").print(table(medians, options.batch))
    if options.json:
        packages = {p: installed(p) for p in ("numpy", "tflite-micro", "tflite-runtime")}
        document = {"batch": options.batch, "seed": options.seed, "packages": packages, "median_us": medians,
                    "repetitions_us": results}  # fmt: skip
        text = json.dumps(document, indent=1)
        print(text) if options.json == "-" else Path(options.json).write_text(text + "\n")


def table(medians: dict[str, dict[str, float]], batch: int) -> Table:
    """Median µs per inference and, in parentheses, how many times tflm_int8's."""
    shown = Table(title=f"µs of processor time per inference, one thread, batch of {batch} (times {OWN})")
    shown.add_column("network")
    for peer in PEERS:
        shown.add_column(peer, justify="right")
    for net, by_peer in medians.items():
        cells = [
            f"{by_peer[p]:.0f} ({by_peer[p] / by_peer[OWN]:.2f})" if p in by_peer else "-" for p in PEERS
        ]
        shown.add_row(net, *cells)
    return shown


if __name__ == "__main__":
    main()
