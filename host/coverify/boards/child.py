"""How does an emulator or native device run, and how is it certain to end? A child process under guard.

It ends when `end` is called, on any exception that leaves a `with`, on Ctrl-C (it lives in a session of its
own, so only this process gets the signal and decides), and when this process is killed outright: a small
/bin/sh stands between, holds the other end of a pipe from here, and kills the child when the pipe closes.
A pipe, because Linux's PR_SET_PDEATHSIG fires when the *thread* that started the child ends, and needs code
between fork and exec that is unsafe beside other threads. A forked copy of this process that does not exec
keeps the pipe open, and so the child alive, until it ends too. POSIX only.
"""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Sequence
from typing import IO

from coverify.errors import LinkError
from coverify.link.deadline import Deadline

KEPT_BYTES = 8192
#: how long a process whose line has broken gets to be seen as dead
_DYING_S = 0.3
_GUARD = """
exec 3<&0
"$@" <&3 3<&- &
child=$!
{ read -r _ <&3; kill -KILL "$child"; } >/dev/null 2>&1 &
guard=$!
wait "$child"
status=$?
kill "$guard"
exit "$status"
"""


class Child:
    """A running process: its first lines on stdout, the end of its stderr, and how it ended."""

    def __init__(self, name: str, command: Sequence[str], pass_fds: Sequence[int] = ()) -> None:
        """Start `command`; `name` is how errors call it ("the emulator")."""
        self.name = name
        self._process = subprocess.Popen(
            ["/bin/sh", "-c", _GUARD, "guard", *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            pass_fds=tuple(pass_fds),
        )
        self._lines: queue.Queue[str | None] = queue.Queue(maxsize=64)
        self._kept: deque[bytes] = deque()
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self._readers = [
            threading.Thread(target=self._read_lines, args=(self._process.stdout,), daemon=True),
            threading.Thread(target=self._keep_end, args=(self._process.stderr,), daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    def _read_lines(self, stream: IO[bytes]) -> None:
        with contextlib.suppress(ValueError):  # the stream was closed by end()
            while raw := stream.readline(KEPT_BYTES):
                with contextlib.suppress(queue.Full):
                    self._lines.put_nowait(raw.decode(errors="replace").rstrip())
        with contextlib.suppress(queue.Full):
            self._lines.put_nowait(None)

    def _keep_end(self, stream: IO[bytes]) -> None:
        with contextlib.suppress(ValueError):
            while raw := stream.readline(KEPT_BYTES):
                self._kept.append(raw)
                while sum(map(len, self._kept)) > KEPT_BYTES:
                    self._kept.popleft()

    def line(self, deadline: Deadline) -> str:
        """The next line of its stdout; LinkError when it ends or says nothing by the deadline."""
        try:
            text = self._lines.get(timeout=deadline.remaining)
        except queue.Empty:
            raise LinkError(f"{self.name} started but said nothing") from None
        if text is None:
            raise LinkError(self.obituary() or f"{self.name} closed its output")
        return text

    def obituary(self) -> str:
        """How it ended and its last words on stderr; "" while it runs."""
        try:
            status = self._process.wait(timeout=_DYING_S)
        except subprocess.TimeoutExpired:
            return ""
        for reader in self._readers:
            reader.join(timeout=_DYING_S)
        how = (
            f"by {signal.Signals(status - 128).name}"
            if 128 < status < 128 + signal.NSIG
            else f"with status {status}"
        )
        words = b"".join(self._kept).decode(errors="replace").strip()
        return f"{self.name} ended {how}: {words or '(it printed no error)'}"

    def end(self) -> None:
        """Kill it and everything that it started, and wait for it; ending twice is harmless."""
        if self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        for reader in self._readers:
            reader.join()
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()
