#!/usr/bin/env python3
"""How fast is the reference beside the interpreters it models?  Same inputs, one run, one thread.

Each network runs a batch on tflm_int8 (plain, with every tensor kept, and one sample at a time) and sample by
sample on the peers that are installed: the tflite-micro interpreter, tflite-runtime's reference kernels and
its default (optimized) kernels. Repetitions are interleaved; a figure is the median over them, in µs of
processor time per inference (a busy machine disturbs it less than wall time), and a ratio is to tflm_int8's
own median. Peers that are not installed are left out by name. The default kernels do not give TFLM's bytes:
they are here for their speed alone.

Before anything is timed, all outputs of tflm_int8 on the inputs of the benchmark are held against TFLM's own;
their digest is printed, and a difference ends the benchmark with exit code 1.
"""
# ruff: noqa: E402  (the number of threads must be set, and the checkout found, before the imports)

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"  # read once, when numpy is loaded

import argparse
import hashlib
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
    "micro_speech": SHARED / "micro_speech_quantized.tflite",
    "digits_cnn": ROOT / "firmware_models" / "networks" / "digits_cnn.tflite",
    "digits_mlp": ROOT / "firmware_models" / "networks" / "digits_mlp.tflite",
}
OWN = "tflm_int8"

ALONE = "tflm_int8 batch 1"
ORACLE = "tflite-micro"

Run = Callable[[np.ndarray], np.ndarray]
"""int8 [N, input shape] → int8 [N, output shape]"""


def own(content: bytes) -> Run:
    """The reference, on whole batches."""
    return Reference(Model.from_bytes(content)).run


def traced(content: bytes) -> Run:
    """The reference with every tensor kept."""
    reference = Reference(Model.from_bytes(content))
    output = reference.model.outputs[0]
    return lambda x: reference.trace(x)[output]


def alone(content: bytes) -> Run:
    """The reference, one sample at a time."""
    reference = Reference(Model.from_bytes(content))
    return lambda x: np.concatenate([reference.run(x[i : i + 1]) for i in range(len(x))])


def tflite_micro(content: bytes) -> Run:
    """TFLM's interpreter, one sample at a time."""
    from tflite_micro.python.tflite_micro import runtime

    interpreter = runtime.Interpreter.from_bytes(content, arena_size=8 << 20)

    def run(x: np.ndarray) -> np.ndarray:
        outputs = []
        for one in x:
            interpreter.set_input(one[None], 0)
            interpreter.invoke()
            outputs.append(interpreter.get_output(0))
        return np.array(outputs)

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

        def run(x: np.ndarray) -> np.ndarray:
            outputs = []
            for one in x:
                net.set_tensor(i, one[None])
                net.invoke()
                outputs.append(net.get_tensor(o))
            return np.array(outputs)

        return run

    return make


PEERS: dict[str, Callable[[bytes], Run]] = {
    OWN: own,
    "tflm_int8 trace": traced,
    ALONE: alone,
    ORACLE: tflite_micro,
    "tflite-runtime BUILTIN_REF": tflite(True),
    "tflite-runtime default": tflite(False),
}


def prepared(content: bytes) -> dict[str, Run]:
    """Peer → how it runs; a peer that cannot be loaded is absent."""
    runs: dict[str, Run] = {}
    for name, make in PEERS.items():
        try:
            runs[name] = make(content)
        except ImportError as error:
            print(f"{name} is left out: {error}", file=sys.stderr)
    return runs


def digest(outputs: np.ndarray) -> str:
    """SHA-256 of the outputs' bytes."""
    return hashlib.sha256(np.ascontiguousarray(outputs, np.int8).tobytes()).hexdigest()


def check(name: str, runs: dict[str, Run], x: np.ndarray) -> str:
    """The digest of all outputs and whose they are; SystemExit where tflm_int8 and TFLM do not agree."""
    manners = [peer for peer in runs if peer.startswith(OWN) or peer == ORACLE]
    digests = {peer: digest(runs[peer](x)) for peer in manners}
    if len(set(digests.values())) > 1:
        raise SystemExit(f"{name}: the outputs differ: {digests}")
    return f"{digests[OWN]} {'as TFLM' if ORACLE in digests else 'not compared: no ' + ORACLE}"


def measure(runs: dict[str, Run], x: np.ndarray, repetitions: int) -> dict[str, list[float]]:
    """Peer → µs per inference of every repetition."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(repetitions):
        for name, run in runs.items():
            # One sample at a time, a quarter of the batch is as good, and four times sooner.
            some = x if name in (OWN, "tflm_int8 trace") else x[: max(1, len(x) // 4)]
            start = time.process_time()
            run(some)
            times[name].append((time.process_time() - start) / len(some) * 1e6)
    return times


def inputs(content: bytes, batch: int, seed: int) -> np.ndarray:
    """Random codes for the first input: int8 [batch, shape]."""
    model = Model.from_bytes(content)
    shape = model.tensors[model.inputs[0]].shape[1:]
    return np.random.default_rng(seed).integers(-128, 128, (batch, *shape)).astype(np.int8)


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
        "models", nargs="*", type=Path, help="other .tflite files (default: the five networks)"
    )
    parser.add_argument("--batch", type=int, default=256, help="samples per repetition (256)")
    parser.add_argument("--repetitions", type=int, default=5, help="interleaved repetitions (5)")
    parser.add_argument("--seed", type=int, default=1, help="seed of the random inputs (1)")
    parser.add_argument("--json", metavar="FILE", help="also write the figures as JSON, - for stdout")
    options = parser.parse_args()
    networks = {path.name: path for path in options.models} or NETWORKS
    results, digests = {}, {}
    for name, path in networks.items():
        if not path.exists():
            print(f"{name} is left out: {path.name} is not there", file=sys.stderr)
            continue
        runs, x = prepared(path.read_bytes()), inputs(path.read_bytes(), options.batch, options.seed)
        digests[name] = check(name, runs, x)
        results[name] = measure(runs, x, options.repetitions)
    medians = {net: {peer: statistics.median(t) for peer, t in r.items()} for net, r in results.items()}
    console = Console(stderr=options.json == "-", width=120)
    console.print(table(medians, options.batch))
    for name, outputs in digests.items():
        console.print(f"{name}: outputs SHA-256 {outputs}", highlight=False)
    if options.json:
        packages = {p: installed(p) for p in ("numpy", "tflite-micro", "tflite-runtime")}
        document = {"batch": options.batch, "seed": options.seed, "packages": packages, "digests": digests,
                    "median_us": medians, "repetitions_us": results}  # fmt: skip
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
