#!/usr/bin/env python3
"""How small a radius still has a counterexample, beside a textbook attack with the same processor time?

Published networks and the first correctly classified MNIST images: the smallest radius from 1 to 16 at which
each finds a counterexample, by bisection (17 where none does). `search` is the project's own; `plain` is
projected sign-gradient descent on the straight-through gradient, from the base input and random points, all
rivals in turn. Both get --seconds of processor time for each radius. The ratio is of the mean radii: less
than 1 means that `search` comes closer. Skipped, with a word, where ../shared/data is absent.
"""
# ruff: noqa: E402  (the number of threads must be set, and the checkout found, before the imports)

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"  # read once, when numpy is loaded

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "firmware_models"), str(ROOT / "host"), str(ROOT / "benchmarks")]

from side_by_side.queries import DATA, mnist

from coverify.verify.attack.search import search
from coverify.verify.bounds import wire_bounds
from coverify.verify.deadline import Deadline, OutOfTime
from coverify.verify.fixed_point import FixedPointNetwork
from coverify.verify.gradient import Gradient
from coverify.verify.problem import Problem
from coverify.verify.query import I64Array, Robustness
from tflm_int8.program.primitives import Program

NETWORKS = ("784-100-10_q4", "784-100-10_q8", "784-64-32-10_q4", "784-64-32-10_q8")
MOST = 16
Find = Callable[[Problem, Deadline], I64Array | None]


@dataclass(frozen=True)
class ProcessorTime(Deadline):
    """A deadline on this process's own clock: other work on the machine takes nothing away."""

    @staticmethod
    def in_s(seconds: float) -> ProcessorTime:
        """The moment `seconds` from now."""
        return ProcessorTime(time.process_time() + seconds)

    @property
    def remaining(self) -> float:
        """As Deadline."""
        return max(0.0, self.at_s - time.process_time())

    def share(self, fraction: float) -> ProcessorTime:
        """As Deadline."""
        return ProcessorTime(time.process_time() + fraction * self.remaining)

    def check(self) -> None:
        """As Deadline."""
        if time.process_time() >= self.at_s:
            raise OutOfTime


def plain(problem: Problem, deadline: Deadline) -> I64Array | None:
    """Sign steps of falling size along the straight-through gradient, until the time is over."""
    query, program, rng = problem.query, problem.program, np.random.default_rng(0)
    gradient = Gradient(program, wire_bounds(program, query.lo, query.hi))
    rivals = [j for j in range(program.sizes()[program.output]) if j != query.label]
    x = np.repeat(query.x0.astype(np.int64)[None], len(rivals), axis=0)
    seed = np.zeros((len(rivals), program.sizes()[program.output - 1]))
    seed[np.arange(len(rivals)), rivals], seed[:, query.label] = 1.0, -1.0
    while deadline.remaining:
        for k in range(24):
            wires = problem.wires(x)
            witness = problem.first_violation(x)
            if witness is not None or not deadline.remaining:
                return witness
            slope = gradient.input_gradient(wires, program.output - 1, seed)
            size = np.ceil((query.hi - query.lo) * 0.75**k)
            x = np.clip(x + (np.sign(slope) * size).astype(np.int64), query.lo, query.hi)
        x = rng.integers(query.lo, query.hi + 1, x.shape)
    return None


def own(problem: Problem, deadline: Deadline) -> I64Array | None:
    """The project's search from the base input alone."""
    return search(problem, (), deadline, seed=0)


def smallest(program: Program, image: np.ndarray, label: int, find: Find, seconds: float) -> int:
    """The smallest radius found by bisection, MOST + 1 where there is none."""
    low, high = 0, MOST + 1
    while high - low > 1:
        middle = (low + high) // 2
        problem = Problem(program, Robustness.around(image, label, middle, None, 0, 255))
        low, high = (middle, high) if find(problem, ProcessorTime.in_s(seconds)) is None else (low, middle)
    return high


def right(program: Program, n: int) -> list[tuple[np.ndarray, int]]:
    """The first n test images that the network classifies correctly, int16 [784], and their labels."""
    x, y = mnist().x, mnist().y
    problem = Problem(program, Robustness.around(x[0], 0, 0, None, 0, 255))
    agree = np.flatnonzero(problem.labels(x[: 2 * n + 20]) == y[: 2 * n + 20])[:n]
    return [(x[i], int(y[i])) for i in agree]


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--images", type=int, default=5, help="images of each network (5)")
    parser.add_argument("--seconds", type=float, default=0.5, help="of processor time for each radius (0.5)")
    options = parser.parse_args()
    if not (DATA / "qnn").exists():
        print("attack.py is skipped: ../shared/data is absent")
        return
    table = Table("network", "images", "search", "plain", "ratio", "closer", "farther")
    for name in NETWORKS:
        program = FixedPointNetwork.read(DATA / "qnn" / f"qvip_mnist_{name}.npz").program
        images = right(program, options.images)
        radii = np.array(
            [[smallest(program, x, y, find, options.seconds) for find in (own, plain)] for x, y in images]
        )
        mean = radii.mean(axis=0)
        closer, farther = (int(np.sum(sign * (radii[:, 1] - radii[:, 0]) > 0)) for sign in (1, -1))
        figures = (f"{mean[0]:.2f}", f"{mean[1]:.2f}", f"{mean[0] / mean[1]:.2f}", str(closer), str(farther))
        table.add_row(name, str(len(images)), *figures)
    Console().print(table)


if __name__ == "__main__":
    main()
