"""A device behind a network port, raw or RFC 2217, answers as on a cable; a dead server is a LinkError."""

from __future__ import annotations

import gc
import re
import socket
import struct
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing, suppress

import pytest
from scripted_device import Script, ScriptedDevice, hello_body, preamble, wire

from coverify.errors import LinkError
from coverify.link.client import Client
from coverify.link.deadline import Deadline
from coverify.link.line import SerialLine
from serial_server import Server


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


def test_no_warning_of_how_a_line_is_opened_is_an_error(served: tuple[Server, str]) -> None:
    gc.collect()  # sockets that earlier tests left open would warn here
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with closing(SerialLine(served[1])) as line:
            assert Client(line).hello().board == "scripted"
        with pytest.raises(DeprecationWarning):
            warnings.warn("of anybody else", DeprecationWarning, stacklevel=1)


def hang_up(connection: socket.socket) -> None:
    """As servers do, of whose port another client is."""


def refuse(connection: socket.socket) -> None:
    connection.sendall(b"Port already in use\r\n")


def negotiate(connection: socket.socket) -> None:
    """Options first, which pyserial's thread answers into a connection that is closed."""
    connection.sendall(bytes([255, 251, 44, 255, 253, 44, 255, 251, 0, 255, 253, 0, 255, 253, 3]) * 20)


def reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@pytest.fixture
def busy() -> Iterator[Callable[[Callable[[socket.socket], None]], str]]:
    """The address of a server that does something to each connection and closes it."""
    listeners: list[tuple[socket.socket, threading.Thread]] = []

    def served(doing: Callable[[socket.socket], None]) -> str:
        listener = socket.create_server(("127.0.0.1", 0))

        def serve() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    with connection:
                        doing(connection)

        thread = threading.Thread(target=serve)
        listeners.append((listener, thread))
        thread.start()
        return f"127.0.0.1:{listener.getsockname()[1]}"

    yield served
    for listener, thread in listeners:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


@pytest.mark.parametrize("doing", [hang_up, refuse, negotiate, reset])
@pytest.mark.parametrize("scheme", ["socket", "rfc2217"])
def test_a_server_whose_port_another_client_has_is_one_error_that_asks_so(
    busy: Callable[[Callable[[socket.socket], None]], str],
    scheme: str,
    doing: Callable[[socket.socket], None],
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        threading, "excepthook", threading.__excepthook__
    )  # pytest's would keep it for itself
    url = f"{scheme}://{busy(doing)}"
    said = re.compile(f"{re.escape(url)}.*does another client have it")

    def ask() -> None:
        with closing(SerialLine(url)) as line:
            while True:
                line.read(Deadline.in_s(1))
                line.write(b"0", Deadline.in_s(1))

    for _ in range(2):
        with pytest.raises(LinkError, match=said):
            ask()
    assert capfd.readouterr().err == ""
    assert threading.excepthook is threading.__excepthook__


def test_a_server_that_goes_away_is_a_link_error_in_time(served: tuple[Server, str]) -> None:
    with closing(SerialLine(served[1])) as line:
        client = Client(line)
        client.hello()
        served[0].close()
        start = time.monotonic()
        with pytest.raises(LinkError):
            client.hello(Deadline.in_s(1))
        assert time.monotonic() - start < 3
