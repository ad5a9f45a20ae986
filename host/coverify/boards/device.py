"""How does one get to talk to a device, whatever it is? `open_device(url)`, in a `with`.

It finds the board, builds and starts what is emulated, opens the line, says HELLO. Leaving the `with` closes
the line and ends what was started, also on exceptions and Ctrl-C; see child.py for kill -9.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

from coverify.boards import build
from coverify.boards.catalog import FOREIGN, Board, resolve
from coverify.boards.preload import make_preload
from coverify.boards.symbols import Symbols
from coverify.errors import BadInput, BoardError, DeviceFault
from coverify.link.client import Client
from coverify.link.deadline import Deadline
from coverify.link.line import SerialLine
from coverify.link.mlperf_tiny import MlperfTiny
from coverify.link.pace import Pace
from coverify.link.requests import HelloAnswer
from coverify.link.wirelog import WireLog

START_S = 10.0
Log = Callable[[str], None]


class EmulatedProcess(Protocol):
    """What native.py and qemu.py start."""

    line_url: str

    def go(self, deadline: Deadline) -> None:
        """Let it run; the line is open."""

    def obituary(self) -> str:
        """How it ended; "" while it runs."""

    def end(self) -> None:
        """End it; twice is harmless."""


class Device:
    """An open device: `client` talks to it, `hello` says what it is. Use it in a `with`."""

    client: Client
    hello: HelloAnswer

    def __init__(
        self,
        board: Board,
        *,
        wire_log: Path | None = None,
        log: Log | None = None,
        firmware: Path | None = None,
        preload: bytes | None = None,
    ) -> None:
        """Opens `board`; see open_device."""
        self.board = board
        self._say: Log = log or (lambda text: None)
        self._firmware = firmware or (board.elf if board.emulated else None)
        self._preload = preload if board.kind == "qemu" else None
        self._session = ExitStack()
        self._greeted = False
        if firmware is not None and not board.emulated:
            raise BoardError(f"{board.url}: only an emulated board takes a firmware file; flash this one")
        self._wire_log = WireLog(wire_log) if wire_log is not None else None
        try:
            self._open()
        except BaseException:
            self.close()
            raise

    def _open(self) -> None:
        process = self._start() if self.board.emulated else None
        deadline = Deadline.in_s(START_S * self.board.timeout_scale)  # what was built does not count
        line = SerialLine(process.line_url if process else self.board.line_url)
        self._session.callback(line.close)
        if process is not None:
            process.go(deadline)
        pace = Pace().scaled(self.board.timeout_scale)
        obituary = process.obituary if process is not None else str
        self.client = Client(
            line, pace=pace, wire_log=self._wire_log, obituary=obituary, located=self._located
        )
        if self._preload is not None:
            self.client.preloaded(self._preload)
        self.hello = self.client.hello(deadline)
        self._greeted = True
        self._say(f"connected: {self.hello.board}, {self.hello.core}, {self.hello.engine}")

    def _start(self) -> EmulatedProcess:
        if self._firmware is None:
            native = self.board.kind == "native"
            target = build.NATIVE if native else build.machine_target(self.board.target)
            self._firmware = build.build(target, self._say)
        if not self._firmware.is_file():
            raise BoardError(f"{self.board.url}: there is no firmware {self._firmware}")
        self._say(f"starting {self.board.url} with {self._firmware}")
        deadline = Deadline.in_s(START_S * self.board.timeout_scale)
        process = self._process(self._firmware, deadline)
        self._session.callback(process.end)
        return process

    def _process(self, firmware: Path, deadline: Deadline) -> EmulatedProcess:
        if os.name != "posix":
            raise BoardError(
                f"{self.board.url} is started on Linux and macOS only; give a board that is there"
            )
        if self.board.kind == "native":
            from coverify.boards.native import NativeProcess

            return NativeProcess(firmware, deadline)
        from coverify.boards.qemu import QemuProcess

        if self._preload is None:
            return QemuProcess(self.board.target, firmware, deadline)
        folder = Path(self._session.enter_context(TemporaryDirectory(prefix="coverify-")))
        return QemuProcess(
            self.board.target, firmware, deadline, make_preload(firmware, self._preload, folder)
        )

    def _located(self, fault: DeviceFault) -> DeviceFault:
        """A crash with its functions and lines, where the ELF of what runs is at hand."""
        elf = self._firmware or self.board.elf
        if elf is None or self.board.kind == "native":
            return fault
        try:
            symbols = Symbols.read(elf)
        except BadInput as err:
            self._say(str(err))
            return fault
        if self._greeted and not symbols.are_of(self.hello.build_id):
            self._say(f"{elf} is not the firmware that runs ({self.hello.build_id}); it says nothing here")
            return fault
        return fault.located(symbols.place)

    @property
    def firmware(self) -> Path | None:
        """The image that was started; None for a board that is not emulated."""
        return self._firmware

    def restart(self) -> None:
        """Begin again on a fresh process with a new `client`; BoardError for a board that is not emulated."""
        if not self.board.emulated:
            raise BoardError(f"{self.board.url} cannot be restarted from here; press its reset button")
        self._session.close()
        try:
            self._open()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the line and the wire log, end what was started; twice is harmless."""
        try:
            self._session.close()
        finally:
            if self._wire_log is not None:
                self._wire_log.close()

    def __enter__(self) -> Device:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_foreign(url: str) -> MlperfTiny:
    """The device of an mlperf: URL, opened and greeted; close it.  Errors: BoardError, LinkError."""
    board = resolve(url)
    if board.kind != FOREIGN:
        raise BoardError(f"{url} is not an mlperf: device")
    device = MlperfTiny(SerialLine(board.target), Pace().scaled(board.timeout_scale))
    try:
        device.hello(Deadline.in_s(START_S * board.timeout_scale))
    except BaseException:
        device.close()
        raise
    return device


def open_device(
    url: str,
    *,
    wire_log: Path | None = None,
    log: Log | None = None,
    firmware: Path | None = None,
    preload: bytes | None = None,
) -> Device:
    """The device that `url` means (catalog.py), started, opened and greeted.

    `wire_log`: a file for all frames. `log`: is told what happens, a line at a time. `firmware` replaces what
    would be built for an emulated board. `preload`: the model that `ensure_model` will be asked for; where
    that is possible (QEMU) it is in the board's memory from the start and need not cross the slow line.
    Errors: BoardError, ToolMissing, BuildError, LinkError, DeviceFault.
    """
    board = resolve(url)
    if board.kind == FOREIGN:
        raise BoardError(f"{url} speaks MLPerf Tiny's commands: conform and replay only, at the outputs")
    return Device(board, wire_log=wire_log, log=log, firmware=firmware, preload=preload)
