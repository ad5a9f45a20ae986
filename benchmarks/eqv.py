#!/usr/bin/env python3
"""Which stage of Huang et al.'s method decides a query, and what does the default do on the same one?

Networks: the AAAI'21 MNIST benchmark and our int8 MLP of MNIST (see side_by_side/queries.py), radii 1, 2, 4
and 8 codes, the engines `eqv` and `auto` one after another in child processes with hard limits. Every
counterexample is replayed, every certificate checked; a HOLDS of eqv's program rests on floating point, and
is counted as wrong where the default has a counterexample. Times are of the processor, the limit is of the
wall clock. Skipped, with a word, where ../shared/data is absent.
"""
# ruff: noqa: E402  (the number of threads must be set, and the checkout found, before the imports)

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"  # read once, when numpy is loaded; children inherit it

import argparse
import dataclasses
import sys
from pathlib import Path

from rich.console import Console

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / part) for part in ("firmware_models", "host", "benchmarks")]

from figure_tables import stages
from side_by_side.options import add_run_options
from side_by_side.queries import DATA, SUBJECTS, asked
from side_by_side.runs import Contradiction, Run, Store
from verify import compare, usable

from coverify.check import Rejected
from coverify.verify.errors import BadQuery, EngineFault

RADII = (1, 2, 4, 8)
NETWORKS = "aaai21,mnist_mlp_64_32"


def parser() -> argparse.ArgumentParser:
    """The options."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    options.add_argument("--networks", default=NETWORKS, help=f"of {', '.join(SUBJECTS)} ({NETWORKS})")
    add_run_options(options, ROOT / "build")
    return options


def main() -> int:
    """Measure and print the table; 1 where answers contradict each other, or evidence does not hold."""
    options = parser().parse_args()
    if not DATA.is_dir():
        print("eqv.py is skipped: ../shared/data is absent")
        return 0
    store = Store(options.out / "eqv-bench.jsonl", options.resume)
    runs: list[Run] = []
    try:
        engines = usable([stages.EQV, stages.DEFAULT])
        for name in options.networks.split(","):
            subject = dataclasses.replace(SUBJECTS[name](), radii=lambda _: RADII)
            queries = asked(subject, options.images, None, 1)
            runs += compare(queries, engines, options.limit, store, Console(stderr=True))
    except (BadQuery, Contradiction, Rejected, EngineFault) as error:
        print(f"eqv.py: {error}", file=sys.stderr)
        return 1
    print(stages.table(stages.record(runs)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
