"""Lines: a URL is opened or refused, and a port that is absent, busy or stuck is a LinkError in time."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing

import pytest
from scripted_device import Script, ScriptedDevice, wire

from coverify.errors import BadInput, LinkError
from coverify.link.deadline import Deadline
from coverify.link.line import LineUrl, SerialLine


def silent(kind: int, seq: int, payload: bytes) -> bytes:
    return b""


def test_a_device_that_takes_no_bytes_is_a_link_error(device_of: Callable[[Script], ScriptedDevice]) -> None:
    def stuck(kind: int, seq: int, payload: bytes) -> bytes:
        return bytes(1 << 20)  # nobody reads, so the script never returns

    with closing(SerialLine(device_of(stuck).path)) as line:
        line.write(wire(1, 1, bytes(4)), Deadline.in_s(1))
        start = time.monotonic()
        assert not line.write(b"\x55" * (1 << 20), Deadline.in_s(0.2))
        assert time.monotonic() - start < 1.5


def test_a_port_that_is_absent_is_a_link_error_that_names_it() -> None:
    with pytest.raises(LinkError, match=r"/dev/absent0.*plugged in"):
        SerialLine("/dev/absent0@115200")


def test_a_port_that_is_in_use_is_a_link_error(device_of: Callable[[Script], ScriptedDevice]) -> None:
    path = device_of(silent).path
    with closing(SerialLine(path)), pytest.raises(LinkError, match="another program"):
        SerialLine(path)


def test_a_socket_that_nobody_serves_is_a_link_error() -> None:
    with pytest.raises(LinkError, match=r"cannot open socket://127\.0\.0\.1:1"):
        SerialLine("socket://127.0.0.1:1")


@pytest.mark.parametrize(
    ("url", "port", "baud"),
    [
        ("/dev/ttyACM0@921600", "/dev/ttyACM0", 921600),
        ("/dev/pts/3", "/dev/pts/3", None),
        ("COM3@9600", "COM3", 9600),
        ("socket://host:4000", "socket://host:4000", None),
        ("rfc2217://host:4000@57600", "rfc2217://host:4000", 57600),
    ],
)
def test_a_line_url_is_a_port_and_a_baud_rate(url: str, port: str, baud: int | None) -> None:
    assert LineUrl.parse(url) == LineUrl(port, baud)


@pytest.mark.parametrize(
    "url", ["", "@9600", "/dev/tty@", "/dev/tty@-1", "/dev/tty@9k", "spy:///dev/ttyS0?file=x", "loop://", "socket://nohost",
            "socket://h:1?logging=debug", "rfc2217://h", "socket://h:65536", "rfc2217://h:0", "/dev/tty@９", "socket://h:４0"]
)  # fmt: skip
def test_a_line_url_that_is_not_one_is_bad_input(url: str) -> None:
    with pytest.raises(BadInput):
        LineUrl.parse(url)
