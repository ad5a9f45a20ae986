"""Every verification engine against brute force and thereby against each other, on random small networks.

    python tests/fuzz/engines.py --cases 5000 --seed 0 [--engines z3,cpsat]

Each case is run by every engine in its own process (coverify.verify.worker). A verdict other than the known
one, or a counterexample that breaks nothing, is printed with its case. Exit code 0: none; 1: some. Ctrl-C and
SIGTERM end it with the figures so far.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections import Counter
from pathlib import Path

if __name__ == "__main__":
    ROOT = Path(__file__).resolve().parents[2]
    sys.path[0:0] = [str(ROOT / part) for part in ("tests", "host", "firmware_models")]

from rich.console import Console

from coverify.verify.engines import ENGINES
from coverify.verify.engines.packages import usable
from coverify.verify.errors import EngineFault
from coverify.verify.query import Verdict
from coverify.verify.worker import AUTO, Worker
from verify_cases import EDGES, FAMILIES, GATED, Case, case

ENCODED = (
    "z3:balanced",
    "bitwuzla:balanced",
    "boolector:literal",
    "cardinality:cadical",
    "cardinality:pb",
)


def verdict_of(worker: Worker, subject: Case, engine: str, timeout_s: float) -> str:
    """HOLDS, VIOLATED, UNKNOWN, or FAULT."""
    try:
        return worker.decide(subject.problem.query, engine, timeout_s).verdict.value
    except EngineFault as fault:
        return f"FAULT {fault.why}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--timeout", type=float, default=20.0)
    parser.add_argument("--engines", default=",".join([*ENGINES, *ENCODED, AUTO]))
    asked = parser.parse_args()
    engines = [name for name in asked.engines.split(",") if usable(name.partition(":")[0])]
    console, seen, wrong = Console(), Counter[tuple[str, str, str]](), 0
    worker: Worker | None = None
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    try:
        for seed in range(asked.seed, asked.seed + asked.cases):
            for subject in filter(None, (case(family, seed) for family in (*FAMILIES, EDGES, GATED))):
                worker = worker or Worker(subject.problem.program, jobs=2)
                worker.program = subject.problem.program
                truth = Verdict.HOLDS.value if subject.holds else Verdict.VIOLATED.value
                for engine in engines:
                    said = verdict_of(worker, subject, engine, asked.timeout)
                    seen[engine, truth, said] += 1
                    if said not in (truth, Verdict.UNKNOWN.value):
                        wrong += 1
                        console.print(f"{subject.name}: {engine} says {said}, it is {truth}", style="red")
    except KeyboardInterrupt:
        console.print(f"interrupted at seed {seed}")
    finally:
        if worker is not None:
            worker.close()
    for (engine, truth, said), n in sorted(seen.items()):
        console.print(f"{engine:18} {truth:9} {said:9} {n}")
    console.print(f"{wrong} wrong of {sum(seen.values())}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
