"""How do bytes get to and from a device? One open line, through pyserial, for any URL that it can open.

`/dev/ttyACM0@921600`, `COM3`, a pseudo-terminal's path, `socket://host:port`, `rfc2217://host:port`. The line
is taken for this process alone. Reading waits in small steps, so a deadline is kept to within READ_STEP_S; a
device that takes no bytes costs at most WRITE_STEP_S more than the deadline. A port that is absent, busy or
vanishes is a LinkError that names it.
"""

from __future__ import annotations

import errno
import os
import re
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol, cast

import serial

from coverify.errors import BadInput, LinkError
from coverify.link.deadline import Deadline

READ_STEP_S = 0.01
WRITE_STEP_S = 0.5
DEFAULT_BAUD = 115200
_PIECE = 256
_SCHEME = re.compile(r"([a-z0-9+]+)://")
_NETWORK = ("socket", "rfc2217")
_opening = threading.Lock()


class Line(Protocol):
    """What a client needs of a line; SerialLine is the real one."""

    name: str

    def read(self, deadline: Deadline) -> bytes:
        """Some bytes as soon as there are any; b"" when the deadline passed first. LinkError when gone."""

    def write(self, data: bytes, deadline: Deadline) -> bool:
        """Send `data`; False when the other end did not take all of it in time. LinkError when gone."""

    def close(self) -> None:
        """Give the line back; closing twice is harmless."""


class _Port(Protocol):
    """The part of pyserial's Serial that is used here."""

    in_waiting: int

    def read(self, size: int) -> bytes: ...
    def write(self, data: bytes) -> int | None: ...
    def close(self) -> None: ...


@dataclass(frozen=True)
class LineUrl:
    """A line's address: `port` as pyserial takes it, and the baud rate (None: not given)."""

    port: str
    baud: int | None

    @property
    def is_network(self) -> bool:
        """True for socket:// and rfc2217://."""
        return _SCHEME.match(self.port) is not None

    @classmethod
    def parse(cls, url: str) -> LineUrl:
        """`port` or `port@baud`; BadInput for another scheme or a baud rate that is no positive number."""
        scheme = _SCHEME.match(url)
        if scheme is not None and scheme[1] not in _NETWORK:
            raise BadInput(f"{url}: a line is a serial port, socket://host:port or rfc2217://host:port")
        if scheme is not None:
            place = re.fullmatch(r"[^/@?#\s]+:([0-9]{1,5})(@[0-9]+)?", url[scheme.end() :])
            if place is None or not 0 < int(place[1]) < 1 << 16:
                raise BadInput(f"{url}: write it {scheme[1]}://host:port or {scheme[1]}://host:port@baud")
        port, at, baud = url.rpartition("@")
        if not at:
            port, baud = url, ""
        if not port or (at and not re.fullmatch(r"[1-9][0-9]{0,7}", baud)):
            raise BadInput(f"{url!r}: after the @ goes a baud rate, as in /dev/ttyACM0@921600")
        return cls(port, int(baud) if at else None)


class SerialLine:
    """A Line through pyserial."""

    def __init__(self, url: str) -> None:
        """Open `url` and drop what waits in its input; LinkError when it cannot be opened."""
        where = LineUrl.parse(url)
        self.name = where.port
        self._lost = "does another client have it" if where.is_network else ""
        try:
            self._port = _opened(where)
        except (serial.SerialException, OSError, ValueError) as err:
            reason = str(err)
            if isinstance(err, OSError) and err.errno in (errno.ENOENT, errno.EACCES):
                reason = os.strerror(err.errno)  # pyserial says these two twice, each time with the port
            raise LinkError(f"cannot open {self.name}: {reason}{_advice(reason)}") from err

    def read(self, deadline: Deadline) -> bytes:
        """Some bytes as soon as there are any; b"" when the deadline passed first. LinkError when gone."""
        with self._vanishing():
            while True:
                data = self._port.read(1)
                if data:
                    return data + self._waiting()
                if deadline.passed:
                    return b""

    def _waiting(self) -> bytes:
        """What else has arrived; a socket only says "something" or "nothing"."""
        data = b""
        while len(data) < 2 * _PIECE and (n := self._port.in_waiting):
            data += self._port.read(n)
        return data

    def write(self, data: bytes, deadline: Deadline) -> bool:
        """Send `data`; False when the other end did not take all of it in time. LinkError when gone."""
        with self._vanishing():
            for start in range(0, len(data), _PIECE):
                try:
                    self._port.write(data[start : start + _PIECE])
                except serial.SerialTimeoutException:
                    return False
                if deadline.passed:
                    return start + _PIECE >= len(data)
        return True

    def close(self) -> None:
        """Give the port back; closing twice is harmless."""
        with self._vanishing():
            self._port.close()

    @contextmanager
    def _vanishing(self) -> Iterator[None]:
        """pyserial's ways to say that the port is gone, as one LinkError."""
        try:
            yield
        except (serial.SerialException, OSError, TypeError) as err:  # TypeError: a port closed meanwhile
            why = " and ".join(filter(None, (self._lost, "is the device plugged in and powered?")))
            raise LinkError(f"{self.name} is gone ({err}); {why}") from err


def _opened(where: LineUrl) -> _Port:
    """pyserial's port.  Raises what pyserial raises."""
    if not where.port.startswith("rfc2217:"):
        port = serial.serial_for_url(
            where.port,
            baudrate=where.baud or DEFAULT_BAUD,
            timeout=READ_STEP_S,
            write_timeout=WRITE_STEP_S,
            exclusive=True,
        )
        return cast(_Port, port)
    with _quiet_reader():
        # Servers on ports without modem lines never answer pyserial's setting of them. There is no timeout of
        # its own for writing; its socket gives up after 5 s.
        port = serial.serial_for_url(
            f"{where.port}?ign_set_control", baudrate=where.baud or DEFAULT_BAUD, timeout=READ_STEP_S
        )
    return cast(_Port, port)


@contextmanager
def _quiet_reader() -> Iterator[None]:
    """pyserial starts its thread for RFC 2217 in a way that is deprecated; where the server hangs up, the
    thread ends with a traceback, and the caller gets an error of its own.
    """

    def hook(ended: threading.ExceptHookArgs) -> None:
        if ended.thread is None or "RFC 2217" not in ended.thread.name:
            before(ended)

    with _opening, warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=DeprecationWarning, module=r"serial\.rfc2217")
        before, threading.excepthook = threading.excepthook, hook
        try:
            yield
        finally:
            threading.excepthook = before


def _advice(reason: str) -> str:
    if "Permission denied" in reason:
        return "; may this user open serial ports (on Debian: group dialout)?"
    if "exclusively lock" in reason:
        return "; another program has it open"
    if "No such file" in reason:
        return "; is the device plugged in?"
    if "support RFC2217" in reason:
        return "; does another client have it, or does it serve bare bytes (socket://)?"
    if "Broken pipe" in reason or "Connection reset" in reason or "reader thread died" in reason:
        return "; the server hangs up: does another client have it?"
    return ""
