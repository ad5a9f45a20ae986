"""Run engines where they can do no harm: in a child process with hard limits on time and memory.

One child serves many queries. It is killed when it overstays its time by more than a grace, when it is
interrupted, and when the worker is closed; a killed or crashed child is an UNKNOWN with a note, never a
verdict, and the next query starts a new one. Counterexamples are run again in this process before they are
returned.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from typing import IO

from coverify.verify import portfolio
from coverify.verify.child import Load, Request, Solve, receive, send
from coverify.verify.deadline import Deadline
from coverify.verify.engines import ENGINES, confirm
from coverify.verify.errors import BadQuery, EngineFault
from coverify.verify.problem import Problem
from coverify.verify.query import Outcome, Robustness
from tflm_int8.program.primitives import Program

AUTO = "auto"
MEMORY_BYTES = 4 << 30
"""Address space that a child may use, where the system can limit it."""
GRACE_S = 2.0
"""How long past its deadline an engine may take to notice it, before the child is killed."""
START_S = 60.0
"""How long a child may take to start (it imports numpy)."""


@dataclass(eq=False)
class _Child:
    """One running process; `replies` gets what it says, EOFError at its end."""

    process: subprocess.Popen[bytes]
    stderr: IO[bytes]
    replies: queue.Queue[object] = field(default_factory=queue.Queue)

    @staticmethod
    def start() -> _Child:
        """Start a process of this interpreter with this one's import path, in a session of its own."""
        stderr = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the child
        process = subprocess.Popen(
            [sys.executable, "-c", "from coverify.verify.child import main; main()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(p or os.curdir for p in sys.path)},
            start_new_session=True,
        )
        child = _Child(process, stderr)
        threading.Thread(target=child._listen, daemon=True).start()
        return child

    def _listen(self) -> None:
        assert self.process.stdout is not None
        try:
            while True:
                self.replies.put(receive(self.process.stdout))
        except (EOFError, OSError, ValueError):
            self.replies.put(EOFError())

    def ask(self, request: Request | None, timeout_s: float) -> object:
        """Send a request (None: only wait for the greeting) and wait; queue.Empty in time-out, EOFError."""
        if request is not None:
            assert self.process.stdin is not None
            try:
                send(self.process.stdin, request)
            except OSError as err:
                raise EOFError from err
        reply = self.replies.get(timeout=min(timeout_s, threading.TIMEOUT_MAX))
        if isinstance(reply, EOFError):
            raise reply
        return reply

    def end(self) -> str:
        """Kill the process; the last line that it wrote to its standard error, or how it ended."""
        self.process.kill()
        code = self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        self.stderr.seek(0)
        lines = self.stderr.read(1 << 16).decode("utf-8", "replace").strip().splitlines()
        self.stderr.close()
        return lines[-1][:300] if lines else f"it ended with status {code}"


@dataclass(eq=False)
class Worker:
    """Decides queries on one network in a child process; a context manager, not for several threads at
    once.
    """

    program: Program
    memory_bytes: int = MEMORY_BYTES
    _child: _Child | None = field(default=None, init=False)

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> str:
        """End the child, if any; what it said last."""
        child, self._child = self._child, None
        return child.end() if child is not None else ""

    def decide(
        self, query: Robustness, engine: str = AUTO, timeout_s: float = 60.0, seed: int = 0
    ) -> Outcome:
        """The answer to a query within timeout_s (and a short grace).

        Raises BadQuery (sizes, label, engine name), EngineFault (a counterexample that is none).
        """
        if engine != AUTO and engine not in ENGINES:
            raise BadQuery(f"unknown engine {engine!r}; there are: {AUTO}, {', '.join(ENGINES)}")
        if not timeout_s > 0:
            raise BadQuery(f"the time-out must be more than 0 s, not {timeout_s}")
        problem = Problem(self.program, query)
        try:
            if engine != AUTO:
                return self._solve(problem, engine, timeout_s, seed)
            deadline = Deadline.in_s(timeout_s)
            return portfolio.decide(
                query, lambda name, until: self._solve(problem, name, until.remaining, seed), deadline
            )
        except BaseException:
            self.close()
            raise

    def _solve(self, problem: Problem, engine: str, timeout_s: float, seed: int) -> Outcome:
        start = time.monotonic()
        try:
            child = self._started()
            start = time.monotonic()
            reply = child.ask(Solve(engine, problem.query, timeout_s, seed), timeout_s + GRACE_S)
        except queue.Empty:
            self.close()
            note = f"the engine's process did not answer in its {timeout_s:.1f} s and was killed"
            outcome = Outcome.unknown(engine, note)
        except EOFError:
            outcome = Outcome.unknown(engine, f"the engine's process died: {self.close()}")
        else:
            if isinstance(reply, EngineFault):
                raise reply
            assert isinstance(reply, Outcome)
            confirm(problem, reply)
            return reply
        return dataclasses.replace(outcome, time_s=time.monotonic() - start)

    def _started(self) -> _Child:
        """The running child, with the network loaded."""
        if self._child is None:
            self._child = _Child.start()
            self._child.ask(None, START_S)
            self._child.ask(Load(self.program, self.memory_bytes), START_S)
        return self._child


def decide(
    program: Program,
    query: Robustness,
    engine: str = AUTO,
    timeout_s: float = 60.0,
    seed: int = 0,
) -> Outcome:
    """Decide one query in a child process of its own; for many queries keep a `Worker`."""
    with Worker(program) as worker:
        return worker.decide(query, engine, timeout_s, seed)
