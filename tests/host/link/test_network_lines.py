"""A device behind a network port, raw or RFC 2217, answers as on a cable; a dead server is a LinkError."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing

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


def test_a_server_that_goes_away_is_a_link_error_in_time(served: tuple[Server, str]) -> None:
    with closing(SerialLine(served[1])) as line:
        client = Client(line)
        client.hello()
        served[0].close()
        start = time.monotonic()
        with pytest.raises(LinkError):
            client.hello(Deadline.in_s(1))
        assert time.monotonic() - start < 3
