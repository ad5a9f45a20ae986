#!/usr/bin/env python3
"""How large is the largest certified radius of an image, exactly?  Published networks, one core, one run.

For each image: the largest radius whose HOLDS is a certificate, and the smallest whose VIOLATED is a replayed
input, by bisection with `bab` and `attack` in turns, first with a short limit, then with what is left of the
image's time; in between, and at the end, a longer attack on what lies above the certified radius. An image is
closed when nothing lies between. Certificates of the largest radius are checked apart. Times and limits are
of the processor; with --jobs 2 or more, processes that share the work of `bab`, they are of the clock.
Skipped, with a word, where ../shared/data is absent.
"""
# ruff: noqa: E402  (the number of threads must be set, and the checkout found, before the imports)

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"  # read once, when numpy is loaded

import argparse
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "firmware_models"), str(ROOT / "host"), str(ROOT / "benchmarks")]

from side_by_side.queries import DATA, mnist

from coverify.check import check
from coverify.verify.certificate import Certificate
from coverify.verify.deadline import Deadline, OutOfTime
from coverify.verify.engines import solve
from coverify.verify.errors import BadNetwork
from coverify.verify.fixed_point import FixedPointNetwork
from coverify.verify.problem import Problem
from coverify.verify.query import Outcome, Robustness, Verdict


@dataclass(frozen=True)
class Processor(Deadline):
    """A moment of the processor's time, so that a busy machine changes nothing."""

    @staticmethod
    def in_s(seconds: float) -> Processor:
        return Processor(time.process_time() + seconds)

    @property
    def remaining(self) -> float:
        return max(0.0, self.at_s - time.process_time())

    def share(self, fraction: float) -> Deadline:
        return Processor.in_s(fraction * self.remaining)

    def check(self) -> None:
        if not self.remaining:
            raise OutOfTime


NETWORKS = "784-100-10_q4,784-100-10_q8,784-100-10_q10,784-64-32-10_q4,784-64-32-10_q6,784-64-32-10_q8"
SHORT_S = {"bab": 2.0, "attack": 0.7}
PATIENT_S = 7.5
"""Once both ends are NEAR, a longer attack on each radius in between, before the rest goes to bounds."""
LAST, ONLY = 0.9, 0.98
"""Of what is left of an image's time, what goes to the next radius: the one above takes several times it; and
to the only one that is open.
"""
NEAR = 3
"""How near the attacked radius is for that."""


@dataclass
class Radius:
    """One image: certified at `held` (0: at none), broken at `broken`; by whom; seconds."""

    network: FixedPointNetwork
    image: np.ndarray
    label: int
    most: int
    jobs: int = 1
    held: int = 0
    broken: int = 0
    by: dict[int, str] = field(default_factory=dict)
    proof: Certificate | None = None
    time_s: float = 0.0
    end: float = 0.0

    def __post_init__(self) -> None:
        self.broken = self.most + 1

    @property
    def closed(self) -> bool:
        return self.held + 1 == self.broken

    def ask(self, eps: int, engine: str, limit_s: float) -> bool:
        """Run an engine; was the radius decided?"""
        problem = Problem(self.network.program, Robustness.around(self.image, self.label, eps, None, 0, 255))
        alone = self.jobs == 1
        clock, limit = (time.process_time, Processor) if alone else (time.monotonic, Deadline)
        start = clock()
        outcome = solve(engine, problem, limit.in_s(limit_s), 0, self.jobs)
        self.time_s += clock() - start
        return self._taken(eps, engine, problem, outcome)

    def _taken(self, eps: int, engine: str, problem: Problem, outcome: Outcome) -> bool:
        if outcome.verdict is Verdict.HOLDS and outcome.argument is not None:
            self.held, self.by[eps] = eps, engine
            self.proof = Certificate(
                self.network.content, "fixed-point", problem.query, outcome.argument, engine
            )
        elif outcome.verdict is Verdict.VIOLATED:
            self.broken, self.by[eps] = eps, engine
        return outcome.verdict in (Verdict.HOLDS, Verdict.VIOLATED)

    def find(self, limit_s: float) -> None:
        """Narrow held..broken until closed or out of time."""
        self.end = limit_s
        open_: set[int] = set()
        while candidates := [e for e in range(self.held + 1, self.broken) if e not in open_]:
            eps = candidates[len(candidates) // 2]
            if not any(self.ask(eps, engine, min(s, self.left)) for engine, s in SHORT_S.items()):
                open_.add(eps)
            if self.left < 0.1:
                return
        if self.broken - self.held <= NEAR:
            between = range(self.held + 1, self.broken)
            any(self.ask(eps, "attack", min(PATIENT_S, self.left)) for eps in between)
        while not self.closed and self.left > 0.1:
            share = ONLY if self.held + 2 == self.broken else LAST
            if not self.ask(self.held + 1, "bab", self.left * share):
                self.ask(self.held + 1, "attack", self.left)
                return

    @property
    def left(self) -> float:
        """Seconds."""
        return max(0.05, self.end - self.time_s)


def checked(proofs: list[Certificate]) -> tuple[float, int]:
    """Processor seconds to check, and bytes.  Raises Rejected."""
    seconds, size = 0.0, 0
    with tempfile.TemporaryDirectory() as folder:
        for proof in proofs:
            path = Path(folder) / "certificate.zip"
            proof.write(path)
            size += path.stat().st_size
            start = time.process_time()
            check(path)
            seconds += time.process_time() - start
    return seconds, size


def row(
    name: str,
    network: FixedPointNetwork,
    images: list[int],
    most: int,
    limit_s: float,
    jobs: int,
    console: Console,
) -> list[str]:
    """One network on the correctly classified images among these."""
    x, y = mnist().x, mnist().y
    found = []
    for i in images:
        problem = Problem(network.program, Robustness.around(x[i], int(y[i]), 0, None, 0, 255))
        if problem.first_violation(x[i][None].astype(np.int64)) is not None:
            continue
        one = Radius(network, x[i], int(y[i]), most, jobs)
        one.find(limit_s)
        console.print(
            f"{name} image {i}: certified {one.held}, attacked {one.broken}, {one.time_s:.1f} s {one.by}"
        )
        found.append(one)
    closed = [r for r in found if r.closed]
    times = [r.time_s for r in found]
    seconds, size = checked([r.proof for r in found if r.proof is not None])
    gap = float(np.mean([r.broken - r.held - 1 for r in found]))
    return [
        name, f"{len(closed)} of {len(found)}", f"{np.mean([r.held for r in found]):.2f}", f"{gap:.2f}",
        f"{np.median(times):.1f}", f"{max(times):.1f}", f"{size / 1e6:.1f}", f"{seconds:.1f}",
    ]  # fmt: skip


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--networks", default=NETWORKS, help="which, separated by commas")
    parser.add_argument("--images", type=int, default=50, help="the first so many test images (50)")
    parser.add_argument("--first", type=int, default=0, help="the first test image (0)")
    parser.add_argument("--most", type=int, default=16, help="greatest radius (16)")
    parser.add_argument("--limit", type=float, default=60.0, help="seconds for one image (60)")
    parser.add_argument("--jobs", type=int, default=1, help="processes of bab (1)")
    options = parser.parse_args()
    if not (DATA / "qnn").exists():
        print("radius.py is skipped: ../shared/data is absent")
        return
    try:
        networks = {
            name: FixedPointNetwork.read(DATA / "qnn" / f"qvip_mnist_{name}.npz")
            for name in options.networks.split(",")
        }
    except BadNetwork as err:
        parser.error(f"--networks: {err}; known: {NETWORKS}")
    console = Console(width=120)
    images = list(range(options.first, options.first + options.images))
    columns = ("network", "closed", "mean radius", "mean gap", "median s", "max s", "MB", "check s")
    table = Table(*columns)
    for name, network in networks.items():
        table.add_row(*row(name, network, images, options.most, options.limit, options.jobs, console))
    console.print(table)


if __name__ == "__main__":
    main()
