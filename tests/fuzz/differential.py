"""Random networks through the reference, its lowered program and TFLM itself: do all say the same?

    python tests/fuzz/differential.py --cases 10000 --seed 0 --jobs 2
    python tests/fuzz/differential.py --replay build/fuzz/tensor-conv_2d-17

A case is its seed. A failure is shrunk and stored under --out (build/fuzz) with the line that replays it;
moved to tests/cases, it is judged first by the tests from then on. Exit code 0: all agree; 1: a failure;
130: Ctrl-C, with the figures so far.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from dataclasses import dataclass, field
from itertools import islice
from multiprocessing import get_context
from pathlib import Path

if __name__ in ("__main__", "__mp_main__"):  # run as a script, also in its own child processes
    ROOT = Path(__file__).resolve().parents[2]
    sys.path[0:0] = [str(ROOT / part) for part in ("tests", "host", "firmware_models")]

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

import random_elementwise
from fuzz import case
from fuzz.grower import Graph, grow
from fuzz.interpreter import Interpreter
from fuzz.judge import judge
from fuzz.shrink import Shrinker, Specimen

SAMPLES = 6
CHUNK = 10
OUT = Path(__file__).resolve().parents[2] / "build" / "fuzz"


@dataclass
class Figures:
    """What a campaign counted."""

    cases: int = 0
    n_bytes: int = 0
    lowered: int = 0
    operators: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    refused_at_run: int = 0
    failures: list[tuple[str, str]] = field(default_factory=list)

    def add(self, other: Figures) -> None:
        """Sum up."""
        self.cases += other.cases
        self.n_bytes += other.n_bytes
        self.lowered += other.lowered
        self.operators += other.operators
        self.refused += other.refused
        self.refused_at_run += other.refused_at_run
        self.failures += other.failures


def campaign_part(seeds: list[int], tflm: Interpreter, out: Path) -> Figures:
    """Judge some seeds in this process; failures are shrunk and written under `out`."""
    figures = Figures()
    for seed in seeds:
        graph = grow(seed)
        figures.cases += 1
        figures.operators.update(graph.grown)
        figures.refused.update(name for name, _ in graph.refused)
        x = samples(graph)
        judgement = judge(graph.content, [x], tflm)
        figures.n_bytes += judgement.n_bytes
        figures.lowered += judgement.lowered
        figures.refused_at_run += bool(judgement.refused)
        if judgement.failure is not None:
            specimen = Specimen(graph.builder, graph.output, [x])
            figures.failures.append(stored(seed, Shrinker(tflm, specimen, judgement.failure), out))
    return figures


def samples(graph: Graph):
    """int8 [SAMPLES, whole input shape]."""
    spec = graph.builder.tensors[graph.builder.inputs[0]]
    return random_elementwise.samples(graph.seed, spec.shape, SAMPLES)


def stored(seed: int, shrinker: Shrinker, out: Path) -> tuple[str, str]:
    """Shrink and write; returns the message and the case's folder."""
    small = shrinker.shrink()
    ops = [op.name for op in small.builder.ops]
    folder = case.write(out, seed, small.content, small.inputs, shrinker.failure, ops)
    return shrinker.failure.message, str(folder)


_tflm: Interpreter | None = None


def _start_worker() -> None:
    global _tflm
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _tflm = Interpreter()


def _work(seeds: list[int], out: str) -> Figures:
    assert _tflm is not None
    return campaign_part(seeds, _tflm, Path(out))


def campaign(cases: int, seed: int, jobs: int, out: Path, console: Console) -> tuple[Figures, bool]:
    """All seeds from `seed` on, in `jobs` processes; the figures, and whether Ctrl-C ended it."""
    figures, stopped = Figures(), False
    chunks = _chunks(seed, cases)
    pool = ProcessPoolExecutor(jobs, get_context("spawn"), _start_worker)
    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.description}"))
    try:
        console.print(f"{cases} networks from seed {seed}, findings to {out}", markup=False, soft_wrap=True)
        with Progress(*columns, console=console) as progress:
            task = progress.add_task("", total=cases)
            pending = {pool.submit(_work, c, str(out)) for c in islice(chunks, 2 * jobs)}
            while pending:
                done, pending = wait(pending, return_when=FIRST_COMPLETED)
                for future in done:
                    _take(figures, future.result(), console)
                progress.update(
                    task, completed=figures.cases, description=f"{len(figures.failures)} failures"
                )
                pending |= {pool.submit(_work, c, str(out)) for c in islice(chunks, len(done))}
    except KeyboardInterrupt:
        stopped = True
    pool.shutdown(wait=True, cancel_futures=True)
    return figures, stopped


def _take(figures: Figures, part: Figures, console: Console) -> None:
    figures.add(part)
    for message, folder in part.failures:
        line = f"{message}\n  {case.replay_line(Path(folder))}"
        console.print(line, markup=False, soft_wrap=True)


def _chunks(seed: int, cases: int) -> Iterator[list[int]]:
    for first in range(seed, seed + cases, CHUNK):
        yield list(range(first, min(first + CHUNK, seed + cases)))


def replay(folder: Path, console: Console) -> int:
    """Judge a stored case again: 1 when it still fails."""
    one = case.read(folder)
    with Interpreter() as tflm:
        judgement = judge(one.content, one.inputs, tflm)
    if judgement.failure is not None:
        console.print(f"FAILS {judgement.failure.kind}: {judgement.failure.message}", markup=False)
        return 1
    console.print(f"refused: {judgement.refused}" if judgement.refused else "agrees", markup=False)
    return 0


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="Random int8 networks: the reference against TFLM.")
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--out", type=Path, default=OUT, help="where failures are stored")
    parser.add_argument("--replay", type=Path, metavar="CASE", help="judge a stored case again")
    options = parser.parse_args()
    console = Console()
    if options.replay:
        return replay(options.replay, console)
    start = time.monotonic()
    figures, stopped = campaign(options.cases, options.seed, options.jobs, options.out, console)
    seconds = time.monotonic() - start
    least = min(figures.operators.items(), key=lambda item: item[1], default=("none", 0))
    console.print(
        f"{figures.cases} networks from seed {options.seed} in {seconds:.0f} s: "
        f"{sum(figures.operators.values())} operators of {len(figures.operators)} kinds "
        f"(least: {least[0]}, {least[1]}), {figures.n_bytes} bytes compared, {figures.lowered} programs; "
        f"refused: {sum(figures.refused.values())} operators, {figures.refused_at_run} networks at run time; "
        f"{len(figures.failures)} failures",
        markup=False,
    )
    return 130 if stopped else 1 if figures.failures else 0


if __name__ == "__main__":
    sys.exit(main())
