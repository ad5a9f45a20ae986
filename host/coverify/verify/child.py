"""The child process that solves: reads requests from its standard input, one at a time, and answers on its
output.

Started by solver_process.py; the two speak pickles of their own classes, each after
its length (8 bytes, little endian), over pipes that nobody else holds. It ends when its input ends, also in
the middle of a solver call that lets other threads run, and in any case soon after its time: no parent leaves
it behind.
"""

from __future__ import annotations

import os
import pickle
import queue
import signal
import sys
import threading
import traceback
from dataclasses import dataclass
from types import TracebackType
from typing import IO

from coverify.verify.deadline import Deadline
from coverify.verify.errors import EngineFault
from coverify.verify.problem import Problem
from coverify.verify.query import Outcome, Robustness
from tflm_int8.program.primitives import Program

GRACE_S = 0.7
"""How long past its deadline an engine may take to notice it before the child is killed; more than LATE_S."""
_LENGTH_BYTES = 8


@dataclass(frozen=True, eq=False)
class Load:
    """Keep this network for the requests that follow."""

    program: Program
    memory_bytes: int


@dataclass(frozen=True, eq=False)
class Solve:
    """Answer a query on the network that was loaded last; jobs: processes that the engine may use."""

    engine: str
    query: Robustness
    timeout_s: float
    seed: int
    jobs: int = 1


@dataclass(frozen=True, eq=False)
class Explain:
    """Say what a HOLDS of a query on that network rests on."""

    query: Robustness
    timeout_s: float


Request = Load | Solve | Explain
Reply = Outcome | EngineFault | None


def send(stream: IO[bytes], message: object) -> None:
    """Write one message; OSError when the other side is gone."""
    data = pickle.dumps(message)
    stream.write(len(data).to_bytes(_LENGTH_BYTES, "little") + data)
    stream.flush()


def receive(stream: IO[bytes]) -> object:
    """Read one message of our own other half; EOFError when it is gone."""
    head = stream.read(_LENGTH_BYTES)
    size = int.from_bytes(head, "little")
    data = stream.read(size) if len(head) == _LENGTH_BYTES else b""
    if len(head) < _LENGTH_BYTES or len(data) < size:
        raise EOFError
    return pickle.loads(data)


def limit_memory(n_bytes: int) -> None:
    """Refuse to allocate beyond n_bytes of address space, where the system can (POSIX)."""
    try:
        import resource
    except ImportError:
        return
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    allowed = n_bytes if hard == resource.RLIM_INFINITY else min(n_bytes, hard)
    resource.setrlimit(resource.RLIMIT_AS, (allowed, hard))


def end_in(seconds: float) -> None:
    """Let the system end this process after so many seconds (0: never), whatever it is then doing."""
    if hasattr(signal, "setitimer"):  # POSIX
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, min(seconds, 1e8))


def serve(source: IO[bytes], sink: IO[bytes]) -> None:
    """Answer requests until the source ends: None for Load, an Outcome or an EngineFault for Solve, an
    Explanation for Explain.
    """
    from coverify.verify.engines import solve

    requests = heard(source)
    send(sink, None)
    network: Load | None = None
    while True:
        match requests.get():
            case Load() as network:
                limit_memory(network.memory_bytes)
                send(sink, None)
            case Solve() as request if network is not None:
                problem = Problem(network.program, request.query)
                end_in(request.timeout_s + 2 * GRACE_S)
                send(sink, _answer(solve, problem, request))
                end_in(0)
            case Explain() as wanted if network is not None:
                from coverify.verify.explanation import explain

                end_in(wanted.timeout_s + 2 * GRACE_S)
                deadline = Deadline.in_s(wanted.timeout_s)
                send(sink, explain(Problem(network.program, wanted.query), deadline))
                end_in(0)
            case unknown:
                raise TypeError(f"not a request: {type(unknown)}")


def _answer(solve: object, problem: Problem, request: Solve) -> Reply:
    try:
        assert callable(solve)
        deadline = Deadline.in_s(request.timeout_s)
        outcome: Outcome = solve(request.engine, problem, deadline, request.seed, request.jobs)
        return outcome
    except EngineFault as fault:
        return fault


def heard(source: IO[bytes]) -> queue.Queue[object]:
    """The requests of a process that ends when its input does, also while it is solving, and at once by an
    exception that nobody catches: the interpreter's own end fails while a thread reads, and speaks of that.
    """
    sys.excepthook = _fail
    requests: queue.Queue[object] = queue.Queue()
    threading.Thread(target=_listen, args=(source, requests), daemon=True).start()
    return requests


def _fail(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    traceback.print_exception(kind, error, trace)
    sys.stderr.flush()
    os._exit(1)


def _listen(source: IO[bytes], requests: queue.Queue[object]) -> None:
    """Read ahead, so that the end of the input is noticed while a solver runs."""
    try:
        while True:
            requests.put(receive(source))
    except EOFError:
        os._exit(0)
    except (
        BaseException
    ) as err:  # whatever keeps a request from being read must end the process, not only its thread
        print(f"a request cannot be read: {err}", file=sys.stderr, flush=True)
        os._exit(1)


def own_output() -> IO[bytes]:
    """This process's output for its answers; what anybody prints goes to the error stream from now on."""
    sink = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return sink


def main() -> None:
    """Serve on this process's own input and output."""
    serve(sys.stdin.buffer, own_output())
