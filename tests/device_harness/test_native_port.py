"""The native device as a process: its pty outlives hosts, and it never outlives its parent."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import tty
from pathlib import Path

import numpy as np
import pytest

from coverify.link.client import Client
from coverify.link.frames import Frame, encode
from coverify.link.line import SerialLine
from model_builder import Builder


@pytest.fixture
def process(native_program):
    child = subprocess.Popen([native_program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    yield child
    child.kill()
    child.wait()
    child.stdin.close()
    child.stdout.close()


def path_of(process) -> str:
    ready, _, _ = select.select([process.stdout], [], [], 20)
    assert ready
    word, path = process.stdout.readline().split()
    assert word == "pty"
    return path


def test_hosts_may_come_and_go(process):
    path = path_of(process)
    boots = []
    for _ in range(4):
        client = Client(SerialLine(path))
        client.hello()
        boots.append(client.boot)
        client.close()
    assert len(set(boots)) == 1


def test_a_host_that_leaves_without_reading_does_not_hold_up_the_next(process):
    path = path_of(process)
    b = Builder()
    x = b.input((1, 4000), 0.5, 0)
    model = b.finish(b.add(x, x, 1.0, 0))
    first = Client(SerialLine(path))
    first.hello()
    first.ensure_model(model)
    first.close()
    rude = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    for _ in range(2000):
        try:
            os.write(rude, b"\0\x01\x01\0noise\0" * 20)
        except BlockingIOError:
            break
    os.close(rude)
    second = Client(SerialLine(path))
    second.hello()
    second.ensure_model(model)
    data = np.arange(4000).astype(np.int8)
    second.set_input(0, data.tobytes())
    second.invoke()
    assert len(second.outputs()[0].data) == 4000
    second.close()


def test_the_line_is_raw_from_the_start(process):
    """Nothing is echoed and no byte is translated, whatever the host sets."""
    fd = os.open(path_of(process), os.O_RDWR | os.O_NOCTTY)
    try:
        iflag, oflag, _, lflag, *_ = tty.tcgetattr(fd)
        assert not lflag & (tty.ECHO | tty.ICANON | tty.ISIG)
        assert not iflag & (tty.ICRNL | tty.IXON)
        assert not oflag & tty.OPOST
        os.write(fd, bytes(range(1, 256)))
        assert select.select([fd], [], [], 0.2)[0] == []
    finally:
        os.close(fd)


def test_it_ends_when_its_stdin_ends(process):
    path_of(process)
    process.stdin.close()
    assert process.wait(10) == 0


def test_it_ends_when_its_stdin_ends_while_its_answers_are_not_read(process):
    """The answers fill the pty; a device that only waited for room would stay for ever."""
    fd = os.open(path_of(process), os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    hello = b"".join(encode(Frame(1, seq, b"\x01\0\0\0")) for seq in range(2000))
    sent = 0
    while sent < len(hello):
        try:
            sent += os.write(fd, hello[sent : sent + 1024])
        except BlockingIOError:
            if not select.select([], [fd], [], 0.5)[1]:
                break
    process.stdin.close()
    assert process.wait(10) == 0
    os.close(fd)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_on_a_signal(process, number):
    path = path_of(process)
    process.send_signal(number)
    assert process.wait(10) == 0
    assert not Path(path).exists()
