"""The firmware as a process on this host: the same C sources, on a real pseudo-terminal. POSIX only."""

from __future__ import annotations

from pathlib import Path

from coverify.boards.child import Child
from coverify.errors import LinkError
from coverify.link.deadline import Deadline


class NativeProcess:
    """A running native device; its line is at `line_url`."""

    def __init__(self, program: Path, deadline: Deadline) -> None:
        """Start `program` and learn its pty's path; LinkError when it does not tell it."""
        self._child = Child("the native device", [str(program)])
        try:
            self.line_url = self._pty(deadline)
        except BaseException:
            self._child.end()
            raise

    def _pty(self, deadline: Deadline) -> str:
        word, _, path = self._child.line(deadline).partition(" ")
        if word != "pty" or not path.startswith("/dev/"):
            raise LinkError(f"the native device printed {word!r} instead of its pty's path; rebuild it")
        return path

    def go(self, deadline: Deadline) -> None:
        """It runs from the start on."""

    def obituary(self) -> str:
        """How it ended; "" while it runs."""
        return self._child.obituary()

    def end(self) -> None:
        """End it; twice is harmless."""
        self._child.end()
