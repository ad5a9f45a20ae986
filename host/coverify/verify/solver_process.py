"""One child process that solves: started, asked, ended. What it serves is said in solver_child.py."""

from __future__ import annotations

import contextlib
import os
import queue
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass, field
from typing import IO, Final

from coverify.interrupts import python
from coverify.verify.child import receive, send
from tflm_int8.program.primitives import Program

_THREAD_COUNTS: Final = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
_ALLOCATION: Final = {"MALLOC_MMAP_THRESHOLD_": str(64 << 20), "MALLOC_TRIM_THRESHOLD_": str(256 << 20)}
"""For glibc: arrays of one size come again and again, and memory that was given back is cleared each time."""


def one_thread_each() -> None:
    """Let processes that are started from now on compute on one thread, where the user says nothing else: the
    matrices are small, so that a second one takes its processor's time and gives none back.
    """
    for name in _THREAD_COUNTS:
        os.environ.setdefault(name, "1")


@dataclass(eq=False)
class SolverProcess:
    """One running process; `replies` gets what it says, EOFError at its end."""

    process: subprocess.Popen[bytes]
    stderr: IO[bytes]
    replies: queue.Queue[object] = field(default_factory=queue.Queue)
    loaded: Program | None = None
    """The network that it was given last."""

    @staticmethod
    def start(serving: str = "coverify.verify.solver_child") -> SolverProcess:
        """Start a process of this interpreter with this one's import path, in a session of its own.

        serving: the module whose `main` it runs.
        """
        stderr = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the child
        process = subprocess.Popen(
            python(f"from {serving} import main; main()"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            env={
                **_ALLOCATION,
                **os.environ,
                "PYTHONPATH": os.pathsep.join(p or os.curdir for p in sys.path),
            },
            start_new_session=True,
        )
        child = SolverProcess(process, stderr)
        threading.Thread(target=child._listen, daemon=True).start()
        return child

    def _listen(self) -> None:
        assert self.process.stdout is not None
        try:
            while True:
                self.replies.put(receive(self.process.stdout))
        except (EOFError, OSError, ValueError):
            self.replies.put(EOFError())

    def ask(self, request: object, timeout_s: float) -> object:
        """Send a request (None: only wait for the greeting) and wait; queue.Empty in time-out, EOFError."""
        if request is not None:
            assert self.process.stdin is not None
            try:
                send(self.process.stdin, request)
            except (OSError, ValueError) as err:  # ValueError: ended meanwhile, its pipe is closed
                raise EOFError from err
        reply = self.replies.get(timeout=min(timeout_s, threading.TIMEOUT_MAX))
        if isinstance(reply, EOFError):
            self.replies.put(reply)  # it says so to whoever asks again
            raise reply
        return reply

    def end(self) -> str:
        """Kill the process; the last line that it wrote to its standard error, or how it ended.

        With COVERIFY_DEBUG, all that it wrote is shown where it had died by itself.
        """
        died = self.process.poll() not in (None, 0)
        self.process.kill()
        code = self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError, ValueError):
                    stream.close()
        self.stderr.seek(0)
        text = self.stderr.read(1 << 16).decode("utf-8", "replace").strip()
        self.stderr.close()
        if died and os.environ.get("COVERIFY_DEBUG"):
            sys.stderr.write(f"{text}\n")
        lines = text.splitlines()
        return lines[-1][:300] if lines else f"it ended with status {code}"
