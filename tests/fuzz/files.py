"""Damaged .tflite files: each is refused with a typed error or runs, within a time and a memory limit.

    python tests/fuzz/files.py --files 100000 --seed 0 --jobs 2
    python tests/fuzz/files.py --replay build/fuzz/file-17.tflite

A file is its seed: a grown network, truncated, with bytes or words replaced, spans copied, or spliced with
another one. A child process with a limit on its address space reads, prepares, runs and lowers it; that it
dies, is late, or raises anything but the package's own errors is a finding. Findings are stored under --out
(build/fuzz). Exit code 0: none; 1: some; 130: Ctrl-C, with the figures so far.
"""

from __future__ import annotations

import argparse
import resource
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

if __name__ in ("__main__", "__mp_main__"):  # run as a script, also in its own child processes
    ROOT = Path(__file__).resolve().parents[2]
    sys.path[0:0] = [str(ROOT / part) for part in ("tests", "host", "firmware_models")]

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from fuzz.grower import grow
from oracle import NETWORKS
from tflm_int8 import AccumulatorOverflow, Model, Reference, TflmError, UnsupportedModel, sample_shape
from tflm_int8.program.concrete import run as run_program
from tflm_int8.program.lowering import lower_reference

N_BASES = 150
TIME_LIMIT_S = 10.0
MEMORY_LIMIT_BYTES = 4 << 30
OUT = Path(__file__).resolve().parents[2] / "build" / "fuzz"
_WORDS = np.array([0, 1, 4, 0xFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0x7F800000], np.uint32)


@lru_cache(maxsize=N_BASES + 1)
def base(number: int) -> bytes:
    """An intact file; of grown networks the first from seed `number` on in which TFLM does not overflow."""
    if number == N_BASES:
        return (NETWORKS / "digits_cnn.tflite").read_bytes()
    content = grow(number, most=4).content
    while _overflows(content):
        number += N_BASES
        content = grow(number, most=4).content
    return content


def damaged(seed: int) -> bytes:
    """The damaged file of a seed."""
    rng = np.random.default_rng([seed, 31])
    raw = bytearray(base(int(rng.integers(0, N_BASES + 1))))
    kind = int(rng.integers(0, 6))
    if kind == 0 and rng.random() < 0.5:
        return bytes(raw[: int(rng.integers(0, len(raw)))])
    if kind == 1:
        other, at = base(int(rng.integers(0, N_BASES))), int(rng.integers(0, len(raw)))
        return bytes(raw[:at] + other[at:])
    for _ in range(int(rng.integers(1, 4))):
        at = int(rng.integers(0, len(raw) - 8))
        if kind == 2:
            raw[at] = int(rng.integers(0, 256))
        elif kind == 3:
            raw[at] ^= 1 << int(rng.integers(0, 8))
        elif kind == 4:
            raw[at & ~3 : (at & ~3) + 4] = rng.choice(_WORDS).tobytes()
        else:
            source, n = int(rng.integers(0, len(raw) - 64)), int(rng.integers(1, 64))
            raw[at : at + n] = raw[source : source + n]
    return bytes(raw)


def verdict(content: bytes) -> str:
    """ "accepted", "refused", or "raised …" for what must not happen."""
    try:
        _run(content)
    except TflmError:
        return "refused"
    except Exception as error:  # a fuzzer's catch: whatever else is raised is the finding
        return f"raised {type(error).__name__}: {error}"
    return "accepted"


def _run(content: bytes) -> None:
    """Kernels and, where there is one, the program on zeros."""
    reference = Reference(Model.from_bytes(content))
    tensors = [reference.model.tensors[i] for i in reference.model.inputs]
    inputs = [np.zeros((1, *sample_shape(t)), t.dtype) for t in tensors]
    reference.trace(*inputs)
    with suppress(UnsupportedModel):
        run_program(lower_reference(reference), inputs[0].reshape(1, -1))


def _overflows(content: bytes) -> bool:
    try:
        _run(content)
    except AccumulatorOverflow:
        return True
    return False


class Victim:
    """The child that reads the files, under limits; started again when it is lost."""

    def __init__(
        self,
        limit_s: float = TIME_LIMIT_S,
        memory_bytes: int = MEMORY_LIMIT_BYTES,
        reader: Callable[[bytes], str] = verdict,
    ) -> None:
        self._limit_s, self._memory_bytes, self._reader = limit_s, memory_bytes, reader
        self._start()

    def read(self, content: bytes) -> tuple[str, float]:
        """The verdict on a file and the seconds that it took."""
        start = time.monotonic()
        try:
            self._pipe.send(content)
            if self._pipe.poll(self._limit_s):
                return self._pipe.recv(), time.monotonic() - start
            said = f"no answer within {self._limit_s:g} s"
        except (EOFError, ConnectionError):
            self._child.join(5)
            said = f"died with exit code {self._child.exitcode}"
        self.close()
        self._start()
        return said, time.monotonic() - start

    def close(self) -> None:
        """End the child."""
        self._pipe.close()
        self._child.kill()
        self._child.join()

    def _start(self) -> None:
        context = get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._child = context.Process(
            target=_serve, args=(theirs, self._memory_bytes, self._reader), daemon=True
        )
        self._child.start()
        theirs.close()
        self._pipe.recv()


def _serve(pipe: Connection, memory_bytes: int, reader: Callable[[bytes], str]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    pipe.send("ready")
    while True:
        try:
            content = pipe.recv()
        except (EOFError, ConnectionError):
            return
        pipe.send(reader(content))


@dataclass
class Figures:
    """What a campaign counted."""

    verdicts: Counter[str] = field(default_factory=Counter)
    slowest: tuple[float, int] = (0.0, -1)
    findings: list[str] = field(default_factory=list)

    def add(self, seed: int, said: str, seconds: float, out: Path) -> None:
        """One file; what is neither accepted nor refused is stored."""
        self.verdicts[said if said in ("accepted", "refused") else "finding"] += 1
        self.slowest = max(self.slowest, (seconds, seed))
        if said not in ("accepted", "refused"):
            out.mkdir(parents=True, exist_ok=True)
            path = out / f"file-{seed}.tflite"
            path.write_bytes(damaged(seed))
            self.findings.append(f"{said}\n  python tests/fuzz/files.py --replay {path}")


def campaign(seeds: range, jobs: int, out: Path, console: Console | None = None) -> tuple[Figures, bool]:
    """All seeds through `jobs` victims; the figures, and whether Ctrl-C ended it."""
    figures, lock, todo, stop = Figures(), threading.Lock(), iter(seeds), threading.Event()

    def work() -> None:
        victim = Victim()
        while not stop.is_set():
            with lock:
                seed = next(todo, None)
                content = b"" if seed is None else damaged(seed)
            if seed is None:
                break
            said, seconds = victim.read(content)
            with lock:
                figures.add(seed, said, seconds, out)
        victim.close()

    threads = [threading.Thread(target=work) for _ in range(jobs)]
    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=console, disable=console is None) as progress:
        task = progress.add_task("", total=len(seeds))
        for thread in threads:
            thread.start()
        try:
            while any(thread.is_alive() for thread in threads):
                threads[0].join(0.2)
                progress.update(
                    task,
                    completed=figures.verdicts.total(),
                    description=f"{len(figures.findings)} findings",
                )
                time.sleep(0.05)
        except KeyboardInterrupt:
            stop.set()
    for thread in threads:
        thread.join()
    return figures, stop.is_set()


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="Damaged .tflite files: refused or run, within limits.")
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--out", type=Path, default=OUT, help="where findings are stored")
    parser.add_argument("--replay", type=Path, metavar="FILE", help="read one file again")
    options = parser.parse_args()
    console = Console()
    if options.replay:
        victim = Victim()
        said, seconds = victim.read(options.replay.read_bytes())
        victim.close()
        console.print(f"{said} ({seconds:.2f} s)", markup=False)
        return int(said not in ("accepted", "refused"))
    start = time.monotonic()
    seeds = range(options.seed, options.seed + options.files)
    figures, stopped = campaign(seeds, options.jobs, options.out, console)
    for finding in figures.findings:
        console.print(finding, markup=False)
    console.print(
        f"{figures.verdicts.total()} files from seed {options.seed} in {time.monotonic() - start:.0f} s: "
        f"{figures.verdicts['accepted']} accepted, {figures.verdicts['refused']} refused, "
        f"{len(figures.findings)} findings; slowest {figures.slowest[0]:.2f} s (seed {figures.slowest[1]})",
        markup=False,
    )
    return 130 if stopped else 1 if figures.findings else 0


if __name__ == "__main__":
    sys.exit(main())
