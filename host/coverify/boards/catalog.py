"""Which device does a URL or a name mean? The built-in boards, and the grammar of device URLs.

    native:                             this host: the same firmware source as a process on a pseudo-terminal
    qemu:mps2-an386                     an emulated board; machines: `coverify boards`
    qemu:mps2-an386@FILE, native:@FILE  the same with a firmware image of yours instead of the one built here
    serial:/dev/ttyACM0@921600          a board on a serial port (also a pseudo-terminal's path)
    /dev/ttyACM0@921600, COM3           the same without serial:
    usb:0483:374b[:SERIAL][@BAUD]       the board with these USB ids, whatever its port is called (usb.py)
    rfc2217://host:port[@baud]          a serial port on another machine
    socket://host:port                  a raw TCP line
    mlperf:/dev/ttyACM0@115200          firmware of others that speaks MLPerf Tiny's serial commands
    NAME or PATH.toml                   a board file (board_file.py)

Whatever is none of these is a BoardError that lists what there is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

from coverify.boards.board_file import BoardFile, find_board_file, named_board_files, read_board_file
from coverify.boards.usb import USB, UsbIds
from coverify.errors import BadInput, BoardError
from coverify.link.line import LineUrl

FOREIGN = "mlperf"
_PORT = re.compile(r"/dev/.+|COM[0-9]+(@.*)?", re.DOTALL)
"""A serial port that is written without serial: before it."""
NETWORK = ("rfc2217", "socket")


@dataclass(frozen=True)
class Board:
    """A device: `kind` is the URL's scheme, `target` the machine (qemu) or the line's address.

    `timeout_scale` multiplies every waiting time. `flash` is a command template, empty when there is none.
    """

    name: str
    url: str
    kind: str
    target: str
    core: str = "unknown"
    timeout_scale: float = 1.0
    notes: str = ""
    flash: tuple[str, ...] = ()
    elf: Path | None = None
    """The firmware that runs on it, if URL or board file says so; an emulated board is started with it."""

    @property
    def line_url(self) -> str:
        """The address of a real board's line; looked up now where USB ids say which port it is.

        LinkError when it is not plugged in, BoardError when several ports fit.
        """
        return UsbIds.parse(self.target).line_url() if self.kind == USB else self.target

    @property
    def emulated(self) -> bool:
        """True when coverify starts and ends the device itself."""
        return self.kind in ("native", "qemu")


def _qemu(machine: str, core: str, notes: str) -> Board:
    url = f"qemu:{machine}"
    return Board(url, url, "qemu", machine, core, timeout_scale=2.0, notes=notes)


BUILT_IN = (
    Board(
        "native", "native:", "native", "", "host", notes="the firmware as a host process on a pseudo-terminal"
    ),
    _qemu("mps2-an385", "Cortex-M3", "QEMU; no FPU"),
    _qemu("mps2-an386", "Cortex-M4F", "QEMU; DSP extension"),
    _qemu("mps2-an500", "Cortex-M7", "QEMU"),
    _qemu("mps2-an505", "Cortex-M33", "QEMU; TrustZone, runs in the secure state"),
    _qemu("mps3-an547", "Cortex-M55", "QEMU; Helium (MVE)"),
    _qemu("netduinoplus2", "Cortex-M4F", "QEMU; STM32F405, 128 KB of RAM: port stm32f4"),
    _qemu("olimex-stm32-h405", "Cortex-M4F", "QEMU 8.0 or newer; STM32F405: port stm32f4"),
    _qemu("microbit", "Cortex-M0", "QEMU; nRF51822, 16 KB of RAM: port nrf51"),
)


def boards() -> tuple[Board, ...]:
    """The built-in boards and those of the board files that a name finds."""
    return BUILT_IN + tuple(_from_file(read_board_file(path)) for path in named_board_files())


def resolve(text: str) -> Board:
    """The board that a device URL, a board's name or a board file's path means."""
    for board in BUILT_IN:
        if text in (board.name, board.url):
            return board
    path = find_board_file(text)
    return _from_file(read_board_file(path)) if path is not None else _from_url(text)


def _from_file(file: BoardFile) -> Board:
    board = _from_url(file.url, where=f"{file.path}: url: ")
    target = board.target
    if file.baud is not None:
        if board.emulated:
            raise BoardError(f"{file.path}: baud: {board.url} has no baud rate; leave it out")
        given = UsbIds.parse(target) if board.kind == USB else LineUrl.parse(target)
        if given.baud is not None:
            raise BoardError(f"{file.path}: baud: the url gives a baud rate already; keep one of them")
        target = f"{target}@{file.baud}"
    return replace(
        board,
        name=file.name,
        target=target,
        core=file.core or board.core,
        timeout_scale=file.timeout_scale or board.timeout_scale,
        notes=file.notes,
        flash=file.flash,
        elf=file.elf,
    )


def _from_url(url: str, where: str = "") -> Board:
    for board in BUILT_IN:
        if url == board.url:
            return board
    scheme, colon, rest = url.partition(":")
    machine, at, image = url.partition("@")
    for board in BUILT_IN:
        if at and image and machine == board.url:
            return replace(board, url=url, elf=Path(image))
    if _PORT.fullmatch(url):
        return _from_url(f"serial:{url}", where)
    if colon and scheme == "qemu":
        machines = ", ".join(board.target for board in BUILT_IN if board.kind == "qemu")
        raise BoardError(f"{where}{url}: no such machine; there are {machines}")
    if colon and scheme == "native":
        raise BoardError(f"{where}{url}: nothing goes after native: but @FILE, a program")
    try:
        if colon and scheme == "serial" and rest and "://" not in rest:
            LineUrl.parse(rest)
            return Board(url, url, "serial", rest)
        if colon and scheme == USB:
            UsbIds.parse(rest)
            return Board(url, url, USB, rest)
        if colon and scheme == FOREIGN and rest:
            LineUrl.parse(rest)
            return Board(url, url, FOREIGN, rest, timeout_scale=2.0)
        if colon and scheme in NETWORK:
            LineUrl.parse(url)
            return Board(url, url, scheme, url, timeout_scale=2.0)
    except (BadInput, BoardError) as err:
        raise BoardError(f"{where}{err}") from err
    raise BoardError(
        f"{where}{url!r} is no device: give native:, qemu:MACHINE, serial:PORT@BAUD, usb:VENDOR:PRODUCT, "
        "rfc2217://HOST:PORT, socket://HOST:PORT, mlperf:PORT@BAUD (for conform and replay), or "
        "a board file's name or path (see: coverify boards)"
    )
