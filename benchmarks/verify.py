#!/usr/bin/env python3
"""How many queries does each engine decide, how fast, and is every answer right?  One core each, one run.

Networks: the AAAI'21 MNIST benchmark (test images 0–99 at radius 1, 100–199 at 2, …), our int8 networks of
MNIST (radii 1, 2, 4, 8), keyword spotting and ResNet-8 (radius 1); see side_by_side/queries.py. Engines run
one after another in child processes with hard limits. Every counterexample is replayed by the reference,
every certificate is checked, and a contradiction between proof-grade answers ends the run with an error.
Times are of the processor (a busy machine disturbs them less), the limit is of the wall clock; a network's
first query includes the start of the engine's process; checking is kept apart; PAR-2 counts an open query as
twice its limit. Skipped, with a word, where ../shared/data is absent.

The long form: --networks aaai21,mnist_mlp_64_32,mnist_mlp_100_100,mnist_conv,kws,resnet8 \
  --engines bab,dual,auto,bitwuzla,boolector:balanced,z3,cpsat,milp,marabou --limit 60
"""
# ruff: noqa: E402  (the number of threads must be set, and the checkout found, before the imports)

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"  # read once, when numpy is loaded; children inherit it

import argparse
import sys
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "firmware_models"), str(ROOT / "host"), str(ROOT / "benchmarks")]

from side_by_side.queries import DATA, SUBJECTS, Asked, asked
from side_by_side.runs import Contradiction, Run, Store, agree, ask
from side_by_side.tables import by_radius, cactus, summary

from coverify.check import Rejected
from coverify.verify.engines import base_of, engine_named
from coverify.verify.engines.packages import require
from coverify.verify.errors import BadQuery, EngineFault, MissingPackage
from coverify.verify.worker import AUTO, Worker

NETWORKS = "aaai21,mnist_mlp_64_32,mnist_mlp_100_100,mnist_conv"
ENGINES = "dual,bab,auto"
IMAGES = 25


def parser() -> argparse.ArgumentParser:
    """The options."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    options.add_argument("--networks", default=NETWORKS, help=f"of {', '.join(SUBJECTS)} ({NETWORKS})")
    options.add_argument(
        "--engines", default=ENGINES, help=f"auto or an engine of coverify verify ({ENGINES})"
    )
    options.add_argument("--limit", type=float, default=20.0, help="seconds for one query (20)")
    options.add_argument("--every", type=int, default=1, help="every n-th query only (1)")
    options.add_argument(
        "--images", type=int, default=IMAGES, help=f"inputs of a network ({IMAGES}); aaai21: all"
    )
    options.add_argument("--eps", help="these radii only, as 1,2")
    results, plot = ROOT / "build" / "verify-bench.jsonl", ROOT / "build" / "verify-cactus.png"
    options.add_argument("--results", type=Path, default=results, metavar="FILE", help=f"({results})")
    options.add_argument(
        "--resume", action="store_true", help="keep what FILE holds of these queries already"
    )
    options.add_argument("--plot", type=Path, default=plot, metavar="PNG", help=f"the cactus plot ({plot})")
    return options


def compare(
    queries: list[Asked], engines: list[str], limit_s: float, store: Store, console: Console
) -> list[Run]:
    """All engines on the queries of one network.  Raises Contradiction, Rejected, EngineFault."""
    answers = []
    with ExitStack() as stack:
        workers = {e: stack.enter_context(Worker(queries[0].subject.network.program)) for e in engines}
        for k, one in enumerate(queries):
            runs = [_run(workers[e], one, e, limit_s, store) for e in engines]
            agree(runs)
            answers += runs
            said = ", ".join(f"{run.engine} {run.verdict} {run.cpu_s:.2f} s" for run in runs)
            name = f"{one.subject.name} input {one.index} eps {one.query.eps}"
            console.print(
                f"[{k + 1}/{len(queries)}] {name}: {said}", markup=False, highlight=False, soft_wrap=True
            )
    return answers


def _run(worker: Worker, one: Asked, engine: str, limit_s: float, store: Store) -> Run:
    known = store.runs.get((one.subject.name, one.index, one.query.eps, engine, limit_s))
    if known is not None and known.sha256 == one.subject.network.ref.sha256:
        return known
    run = ask(worker, one, engine, limit_s)
    store.add(run)
    return run


def usable(engines: list[str]) -> list[str]:
    """The engines whose package is here.  Raises BadQuery for a name that is none."""
    usable = []
    for engine in engines:
        try:
            if engine != AUTO:
                engine_named(engine)
            require(base_of(engine))
            usable.append(engine)
        except MissingPackage as error:
            print(f"{engine} is left out: {error}", file=sys.stderr)
    return usable


def main() -> int:
    """Measure and print the tables; 1 where answers contradict each other, or evidence does not hold."""
    options = parser().parse_args()
    if not DATA.is_dir():
        print("verify.py is skipped: ../shared/data is absent")
        return 0
    radii = tuple(int(eps) for eps in options.eps.split(",")) if options.eps else None
    names = options.networks.split(",")
    try:
        engines = usable(options.engines.split(","))
        if unknown := [name for name in names if name not in SUBJECTS]:
            raise BadQuery(f"unknown network {unknown[0]!r}; there are: {', '.join(SUBJECTS)}")
    except BadQuery as error:
        print(f"verify.py: {error}", file=sys.stderr)
        return 2
    store, console = Store(options.results, options.resume), Console(width=120)
    progress = Console(stderr=True)
    by_network: dict[str, list[Run]] = {}
    for name in names:
        queries = asked(SUBJECTS[name](), None if name == "aaai21" else options.images, radii, options.every)
        if not queries:
            continue
        try:
            by_network[name] = compare(queries, engines, options.limit, store, progress)
        except (Contradiction, Rejected, EngineFault) as error:
            print(f"verify.py: {error}", file=sys.stderr)
            return 1
        console.print(summary(name, engines, by_network[name]), by_radius(name, engines, by_network[name]))
    if by_network and not cactus(options.plot, engines, by_network):
        print("no plot: matplotlib is not installed (pip install 'coverify[bench]')", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
