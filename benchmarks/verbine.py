#!/usr/bin/env python3
"""How far do cardinality constraints carry for networks of 1 to 4 bits?  As in VerBiNe's figure 3.

Networks of 196-32-16-10 on MNIST's images at half their width and height, trained by
firmware_models/networks/low_bits.py (once, into build/low-bits) on the last 8,000 test images; queries on
the first images that a network gets right, at radii of 1, 3 and 5 gray levels. Each network is first held
equal to an independent integer model on all 10,000 images. Engines run one after
another in child processes with hard limits; every counterexample is replayed, every certificate checked,
and a contradiction between proof-grade answers ends the run with an error. Times are of the processor, the
limit is of the wall clock. The figure, decided and mean time for each radius and engine, is verbine.svg.
Skipped, with a word, where ../shared/data is absent.

The paper's form: --images 20 --limit 300
"""
# ruff: noqa: E402  (the number of threads must be set, and the checkout found, before the imports)

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"  # read once, when numpy is loaded; children inherit it

import argparse
import sys
from pathlib import Path

import numpy as np
from rich.console import Console

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [
    str(ROOT / part)
    for part in ("firmware_models", "firmware_models/networks", "host", "benchmarks", "tests")
]

import low_bits
from figure_tables import low_bits as figure
from side_by_side.options import add_run_options
from side_by_side.queries import DATA, Inputs, Subject, asked
from side_by_side.runs import Contradiction, Run, Store
from side_by_side.tables import by_radius, summary
from verify import compare, usable

from coverify.check import Rejected
from coverify.cli.network import read_network
from coverify.verify.errors import BadQuery, EngineFault
from fixed_point_networks import outputs

RADII = (1, 3, 5)
ENGINES = "cardinality:minicard,cardinality:cadical,cardinality:pb,bab"


def parser() -> argparse.ArgumentParser:
    """The options."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    options.add_argument("--engines", default=ENGINES, help=f"engines of coverify verify ({ENGINES})")
    options.add_argument("--bits", default="1,2,3,4", help="of weights and activations (1,2,3,4)")
    add_run_options(options, ROOT / "build")
    return options


def subject(bits: int, folder: Path, x: np.ndarray, y: np.ndarray) -> Subject:
    """The network of so many bits, trained if it is not there yet, on the images it was not trained on."""
    path = folder / f"mnist_{bits}bit.npz"
    if not path.exists():
        _, accuracy = low_bits.make(bits, folder, x, y)
        print(f"{path.name} is trained: {accuracy:.2%} of {low_bits.HELD_OUT} images", file=sys.stderr)
    network = read_network(path, "tflm")
    if not np.array_equal(network.outputs(x), outputs(dict(np.load(path)), x)):
        raise Contradiction(f"{path.name}: lowered, it is not the network of an independent integer model")
    held_out = slice(low_bits.HELD_OUT)
    inputs = Inputs(x[held_out].astype(np.int16), y[held_out])
    return Subject(f"{bits} bit", network, inputs, lambda _: RADII)


def main() -> int:
    """Measure, print the tables, draw; 1 where answers contradict each other, or evidence does not hold."""
    options = parser().parse_args()
    if not DATA.is_dir():
        print("verbine.py is skipped: ../shared/data is absent")
        return 0
    x, y = low_bits.mnist(DATA / "mnist")
    store, console = Store(options.out / "verbine-bench.jsonl", options.resume), Console(width=120)
    by_network: dict[str, list[Run]] = {}
    accuracy: dict[str, float] = {}
    try:
        engines = usable(options.engines.split(","))
        for bits in map(int, options.bits.split(",")):
            network = subject(bits, options.out / "low-bits", x, y)
            queries = asked(network, options.images, None, 1)
            runs = compare(queries, engines, options.limit, store, Console(stderr=True))
            by_network[network.name] = runs
            accuracy[network.name] = float((network.classes(network.inputs.x) == network.inputs.y).mean())
            console.print(summary(network.name, engines, runs), by_radius(network.name, engines, runs))
    except (BadQuery, Contradiction, Rejected, EngineFault) as error:
        print(f"verbine.py: {error}", file=sys.stderr)
        return 1
    found = figure.record(by_network, accuracy)
    print(figure.table(found))
    (options.out / "verbine.svg").write_text(figure.svg(found), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
