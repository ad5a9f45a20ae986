"""What every child process that solves needs: messages over its pipes, limits, and an end of its own.

Parent and child speak pickles of their own classes, each after its length (8 bytes, little endian), over
pipes that nobody else holds. A child ends when its input ends, also in the middle of a solver call that lets
other threads run, and in any case soon after its time: no parent leaves it behind.
"""

from __future__ import annotations

import os
import pickle
import queue
import signal
import sys
import threading
import traceback
from types import TracebackType
from typing import IO

GRACE_S = 0.7
"""How long past its deadline an engine may take to notice it before the child is killed; more than LATE_S."""
_LENGTH_BYTES = 8


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
