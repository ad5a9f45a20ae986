#!/usr/bin/env python3
"""How many published queries are decided, how fast, and is every proof accepted?  One core, one run.

The AAAI'21 MNIST benchmark: test images 0–99 at radius 1, 100–199 at 2, 200–299 at 3, 300–399 at 4, those
that are classified correctly. Every HOLDS is written as a certificate and checked, every VIOLATED run again.
Times are of the processor (a busy machine disturbs them less); those of checking are kept apart. Engines are
compared on the same queries; PAR-2 counts an open query as twice its limit. Skipped, with a word, where
../shared/data is absent.
"""
# ruff: noqa: E402  (the number of threads must be set, and the checkout found, before the imports)

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"  # read once, when numpy is loaded

import argparse
import gzip
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "firmware_models"), str(ROOT / "host")]

from coverify.check import check
from coverify.verify.certificate import Certificate
from coverify.verify.deadline import Deadline
from coverify.verify.engines import solve
from coverify.verify.errors import MissingPackage
from coverify.verify.fixed_point import FixedPointNetwork
from coverify.verify.problem import Problem
from coverify.verify.query import Robustness, Verdict

DATA = ROOT.parent / "shared" / "data"
NETWORK = DATA / "qnn" / "aaai21_mnist_784-64-32_q6.npz"


def mnist() -> tuple[np.ndarray, np.ndarray]:
    """The test images, int16 [10000, 784], and labels."""
    images = gzip.decompress((DATA / "mnist" / "mnist-t10k-images-idx3-ubyte.gz").read_bytes())
    labels = gzip.decompress((DATA / "mnist" / "mnist-t10k-labels-idx1-ubyte.gz").read_bytes())
    x = np.frombuffer(images, np.uint8, offset=16).reshape(-1, 784).astype(np.int16)
    return x, np.frombuffer(labels, np.uint8, offset=8).astype(np.int64)


def problems(network: FixedPointNetwork, every: int) -> list[Problem]:
    """The benchmark's queries, every `every`-th of them."""
    x, y = mnist()
    queries = [Robustness.around(x[i], int(y[i]), 1 + i // 100, None, 0, 255) for i in range(0, 400, every)]
    found = [Problem(network.program, query) for query in queries]
    return [p for p in found if p.first_violation(p.query.x0[None].astype(np.int64)) is None]


def row(engine: str, network: FixedPointNetwork, asked: list[Problem], limit_s: float) -> list[str]:
    """One engine on all queries.  Raises MissingPackage, Rejected."""
    times, counts, par2, checking = [], dict.fromkeys(Verdict, 0), 0.0, 0.0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "certificate.zip"
        for problem in asked:
            start = time.process_time()
            outcome = solve(engine, problem, Deadline.in_s(limit_s))
            if outcome.argument is not None:
                Certificate(network.content, "fixed-point", problem.query, outcome.argument, engine).write(
                    path
                )
            times.append(time.process_time() - start)
            counts[outcome.verdict] += 1
            par2 += times[-1] if outcome.sound else 2 * limit_s
            if outcome.argument is not None:
                start = time.process_time()
                check(path)
                checking += time.process_time() - start
    decided = [str(counts[v]) for v in (Verdict.HOLDS, Verdict.VIOLATED, Verdict.UNKNOWN)]
    seconds = [sum(times), par2, checking]
    return [engine, *decided, f"{1e3 * statistics.median(times):.1f}", *(f"{s:.2f}" for s in seconds)]


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--engines", default="interval,dual,bab", help="engines to compare")
    parser.add_argument("--limit", type=float, default=20.0, help="seconds for one query (20)")
    parser.add_argument("--every", type=int, default=1, help="every n-th query only (1)")
    options = parser.parse_args()
    if not NETWORK.exists():
        print("verify.py is skipped: ../shared/data is absent")
        return
    network = FixedPointNetwork.read(NETWORK)
    asked = problems(network, options.every)
    table = Table("engine", "HOLDS", "VIOLATED", "open", "median ms", "sum s", "PAR-2 s", "check s")
    for engine in options.engines.split(","):
        try:
            table.add_row(*row(engine, network, asked, options.limit))
        except MissingPackage as error:
            print(f"{engine} is left out: {error}", file=sys.stderr)
    Console().print(f"{NETWORK.name}: {len(asked)} queries", table)


if __name__ == "__main__":
    main()
