"""An emulated board: QEMU with the firmware, its first UART on a pseudo-terminal. POSIX only.

The machine starts stopped; QMP, on a socket pair that is passed to QEMU, tells the pty's path; `go` lets the
machine run once the line is open, so no byte is lost and there is no port or path to race for.
The emulated UART takes 5 to 40 kB/s, so a model may be laid into the board's memory (preload.py).
QEMU looks once per second whether its pty was opened, so the first answer may take that long.
"""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
from functools import cache
from pathlib import Path

from coverify.boards.child import Child
from coverify.boards.preload import Preload
from coverify.errors import LinkError, ToolMissing
from coverify.link.deadline import Deadline

PROGRAM = "qemu-system-arm"
_MAX_REPLY = 1 << 20


@cache
def machines() -> frozenset[str]:
    """The machines that the installed QEMU has; none where there is no QEMU, or where it does not say."""
    try:
        told = subprocess.run([PROGRAM, "-machine", "help"], capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.SubprocessError):
        return frozenset()
    return frozenset(line.split()[0] for line in told.stdout.splitlines() if line.strip())


class QemuProcess:
    """A running emulator; its line is at `line_url`."""

    def __init__(self, machine: str, elf: Path, deadline: Deadline, preload: Preload | None = None) -> None:
        """Start QEMU's `machine` with `elf` (or what `preload` made of it), stopped.

        Raises ToolMissing, or LinkError with QEMU's own words.
        """
        if shutil.which(PROGRAM) is None:
            raise ToolMissing(PROGRAM, "qemu-system-arm", f"emulating {machine}")
        self._qmp, theirs = socket.socketpair()
        self._replies = self._qmp.makefile("rb")
        try:
            with theirs:
                self._child = Child(
                    f"the emulator of {machine}", _command(machine, elf, theirs, preload), [theirs.fileno()]
                )
        except BaseException:
            self._replies.close()
            self._qmp.close()
            raise
        try:
            self._execute("qmp_capabilities", deadline)
            self.line_url = self._pty(deadline)
        except BaseException as error:
            self.end()
            if "unsupported machine type" in str(error):
                raise ToolMissing(
                    f"a {PROGRAM} with the machine {machine}",
                    PROGRAM,
                    "this board",
                    "a newer QEMU may have it",
                ) from None
            raise

    def _pty(self, deadline: Deadline) -> str:
        devices = self._execute("query-chardev", deadline)
        for device in devices if isinstance(devices, list) else []:
            filename = str(device.get("filename", ""))
            if device.get("label") == "serial0" and filename.startswith("pty:"):
                return filename.removeprefix("pty:")
        raise LinkError(f"the emulator has no pty for its UART: {devices}")

    def go(self, deadline: Deadline) -> None:
        """Let the machine run; call it when the line is open."""
        self._execute("cont", deadline)

    def _execute(self, command: str, deadline: Deadline) -> object:
        """What QMP returns for `command`; its greeting and its events are passed over."""
        try:
            self._qmp.settimeout(max(0.001, deadline.remaining))
            self._qmp.sendall(json.dumps({"execute": command}).encode() + b"\n")
            while raw := self._replies.readline(_MAX_REPLY):
                reply = json.loads(raw)
                if "return" in reply:
                    return reply["return"]
                if "error" in reply:
                    raise LinkError(f"the emulator refused {command}: {reply['error']}")
        except (OSError, ValueError) as err:
            raise LinkError(self.obituary() or f"the emulator does not answer {command} ({err})") from err
        raise LinkError(self.obituary() or f"the emulator closed its control socket at {command}")

    def obituary(self) -> str:
        """How it ended; "" while it runs."""
        return self._child.obituary()

    def end(self) -> None:
        """End it; twice is harmless."""
        self._child.end()
        self._replies.close()
        self._qmp.close()


def _command(machine: str, elf: Path, qmp: socket.socket, preload: Preload | None) -> list[str]:
    loader: list[str] = []
    if preload is not None:
        file = str(preload.file).replace(",", ",,")  # QEMU's way to write a comma in a value
        elf = preload.elf
        loader = ["-device", f"loader,file={file},addr={preload.address:#x},force-raw=on"]
    return [
        PROGRAM,
        *("-machine", machine, "-display", "none", "-nodefaults", "-S"),
        *("-chardev", f"socket,id=qmp,fd={qmp.fileno()}", "-mon", "chardev=qmp,mode=control"),
        *("-serial", "pty", "-kernel", str(elf), *loader),
    ]
