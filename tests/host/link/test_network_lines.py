"""A device behind a network port, raw or RFC 2217, answers as on a cable; a dead server is a LinkError."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
import serial
import serial.rfc2217
from scripted_device import Script, ScriptedDevice, hello_body, preamble, wire

from coverify.errors import LinkError
from coverify.link.client import Client
from coverify.link.deadline import Deadline
from coverify.link.line import SerialLine


class PortWithoutModemLines(serial.Serial):  # type: ignore[misc]  # pyserial has no annotations
    """A pseudo-terminal has no modem lines, but RFC 2217's manager reports them."""

    cts = dsr = ri = cd = dtr = rts = break_condition = False


class Server:
    """Passes one TCP connection's bytes to a serial port and back, until either end closes."""

    def __init__(self, path: str, rfc2217: bool) -> None:
        self._port = PortWithoutModemLines(path, timeout=0)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._rfc2217 = rfc2217
        self._connection: socket.socket | None = None
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def write(self, data: bytes) -> None:
        """RFC 2217's manager answers negotiations through this."""
        assert self._connection is not None
        self._connection.sendall(data)

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            self._connection, _ = self._listener.accept()
            self._pass(self._connection)

    def _pass(self, connection: socket.socket) -> None:
        manager = serial.rfc2217.PortManager(self._port, self) if self._rfc2217 else None
        while True:
            ready, _, _ = select.select([connection, self._port.fileno()], [], [])
            if connection in ready:
                data = connection.recv(4096)
                if not data:
                    return
                self._port.write(b"".join(manager.filter(data)) if manager else data)
            if self._port.fileno() in ready:
                data = self._port.read(4096)
                connection.sendall(b"".join(manager.escape(data)) if manager else data)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            (self._connection or self._listener).shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()
        self._port.close()


@pytest.fixture(params=["socket", "rfc2217"])
def served(
    request: pytest.FixtureRequest, device_of: Callable[[Script], ScriptedDevice]
) -> Iterator[tuple[Server, str]]:
    def answer(kind: int, seq: int, payload: bytes) -> bytes:
        body = hello_body() if kind == 1 else payload[4:12] + bytes(range(256)) * 8
        return wire(kind | 0x80, seq, preamble(77) + body)

    server = Server(device_of(answer).path, rfc2217=request.param == "rfc2217")
    yield server, f"{request.param}://{server.address}"
    server.close()


def test_bytes_of_every_value_pass_through_a_network_port(served: tuple[Server, str]) -> None:
    with closing(SerialLine(served[1])) as line:
        client = Client(line)
        assert client.hello().board == "scripted"
        assert client.read(255, 2048) == bytes(range(256)) * 8


def test_a_server_that_goes_away_is_a_link_error_in_time(served: tuple[Server, str]) -> None:
    with closing(SerialLine(served[1])) as line:
        client = Client(line)
        client.hello()
        served[0].close()
        start = time.monotonic()
        with pytest.raises(LinkError):
            client.hello(Deadline.in_s(1))
        assert time.monotonic() - start < 3
