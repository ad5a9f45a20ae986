"""How is a query asked, what is kept of the answer, and do the engines contradict each other?

Each engine has a child process with hard limits (verify/worker.py). Every counterexample is run by the
reference, every proof that has a certificate is checked. Runs are kept as one line of JSON each, so that a
comparison that was broken off can be continued.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from coverify.check import check
from coverify.verify.certificate import Certificate
from coverify.verify.query import Outcome, Verdict
from coverify.verify.worker import Worker
from side_by_side.queries import Asked

Key = tuple[str, int, int, str, float]


class Contradiction(Exception):
    """Two answers that cannot both be true, or evidence that does not hold."""


@dataclass(frozen=True)
class Run:
    """One engine on one query.

    sha256: of the network's file; limit_s: wall time allowed; sound: the verdict is proof-grade; cpu_s:
    processor time of the engine's processes; wall_s: time as it says itself; checked_s: processor time to
    write and check the certificate, None where there is none; by: the engine (of auto) or stage that
    answered.
    """

    network: str
    sha256: str
    index: int
    eps: int
    engine: str
    limit_s: float
    verdict: str
    sound: bool
    cpu_s: float
    wall_s: float
    checked_s: float | None
    note: str
    by: str = ""

    @property
    def key(self) -> Key:
        """What was asked of whom."""
        return self.network, self.index, self.eps, self.engine, self.limit_s


class Store:
    """The runs in a file of JSON lines; a last line that was cut is forgotten."""

    def __init__(self, path: Path, resume: bool) -> None:
        self.path = path
        self.runs: dict[Key, Run] = {}
        lines = path.read_text("utf-8").splitlines() if resume and path.exists() else []
        for number, line in enumerate(lines):
            try:
                run = Run(**json.loads(line))
            except (ValueError, TypeError):
                if number < len(lines) - 1:
                    raise
                continue
            self.runs[run.key] = run
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(_line(run) for run in self.runs.values()), "utf-8")

    def add(self, run: Run) -> None:
        """Keep a run, on disk at once."""
        self.runs[run.key] = run
        with self.path.open("a", encoding="utf-8") as stream:
            stream.write(_line(run))


def _line(run: Run) -> str:
    return json.dumps(asdict(run)) + "\n"


def ask(worker: Worker, one: Asked, engine: str, limit_s: float) -> Run:
    """Ask, confirm and measure.  Raises MissingPackage, EngineFault, Contradiction, Rejected."""
    network = one.subject.network
    worker.program = network.program
    start = children_s()
    outcome = worker.decide(one.query, engine, limit_s)
    cpu_s = children_s() - start
    checked_s = certified(one, outcome) if outcome.argument is not None else None
    if outcome.verdict is Verdict.VIOLATED:
        replay(one, outcome)
    return Run(
        one.subject.name, network.ref.sha256, one.index, one.query.eps, engine, limit_s, outcome.verdict.name,
        outcome.sound, round(cpu_s, 4), round(outcome.time_s, 4), checked_s, outcome.note[:200],
        outcome.engine,
    )  # fmt: skip


def replay(one: Asked, outcome: Outcome) -> None:
    """Contradiction unless the witness lies in the box and the reference gives it another label."""
    x = outcome.witness
    if x is None or not one.query.contains(x) or one.subject.classes(x[None])[0] == one.query.label:
        raise Contradiction(f"{_named(one)}: the counterexample of {outcome.engine} is none in the reference")


def certified(one: Asked, outcome: Outcome) -> float:
    """Processor seconds to write and check the certificate.  Raises Rejected, Contradiction."""
    network, start = one.subject.network, time.process_time()
    assert outcome.argument is not None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "certificate.zip"
        Certificate(network.content, network.profile, one.query, outcome.argument, outcome.engine).write(path)
        claim = check(path)
    if (claim.model, claim.label) != (network.ref.sha256, one.query.label):
        raise Contradiction(
            f"{_named(one)}: the certificate of {outcome.engine} is about another network or label"
        )
    return round(time.process_time() - start, 4)


def agree(runs: list[Run]) -> None:
    """Contradiction where one engine proved what another refuted.

    Only proof-grade HOLDS count; the others are counted as wrong in the tables.
    """
    said = {run.verdict: run for run in runs if run.sound}
    if "HOLDS" in said and "VIOLATED" in said:
        one, other = said["HOLDS"], said["VIOLATED"]
        what = f"{one.network}, input {one.index}, eps {one.eps}"
        raise Contradiction(f"{what}: HOLDS by {one.engine}, VIOLATED by {other.engine}")


def _named(one: Asked) -> str:
    return f"{one.subject.name}, input {one.index}, eps {one.query.eps}"


def children_s() -> float:
    """Processor seconds of this process's children: those that ended, and on Linux those that run."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    total = ended.ru_utime + ended.ru_stime
    if sys.platform != "linux":
        return total
    for listed in Path("/proc/self/task").glob("*/children"):
        total += sum(_running_s(pid) for pid in listed.read_text().split())
    return total


def _running_s(pid: str) -> float:
    """Of a running process, and of its own children that have ended (solvers that it forked)."""
    try:
        own = time.clock_gettime((~int(pid) << 3) | 2)  # clock_getcpuclockid(pid), as Linux numbers them
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:  # it has just ended
        return 0.0
    return own + sum(map(int, fields[13:15])) / os.sysconf("SC_CLK_TCK")  # cutime, cstime
