"""coverify flash: the board file's command puts firmware on a board; what runs then proves itself.

The board is an emulated one on a TCP line; "flashing" starts it with the ELF, as a probe would.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import struct
import sys
from pathlib import Path

import pytest

from command import coverify
from coverify.boards.build import build, machine_target

pytestmark = pytest.mark.cross

FLASHER = """
import subprocess, sys
elf, port, kept = sys.argv[1:4]
line = f"tcp:127.0.0.1:{port},server=on,wait=off"
qemu = subprocess.Popen(
    ["qemu-system-arm", "-machine", "mps2-an386", "-nodefaults", "-display", "none", "-serial", line]
    + ["-kernel", elf],
    stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
)
open(kept, "w").write(str(qemu.pid))
"""


@pytest.fixture
def board(tmp_path):
    """A board file whose flash command starts the board; it is ended afterwards."""
    for tool in ("arm-none-eabi-gcc", "qemu-system-arm"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (tmp_path / "flasher.py").write_text(FLASHER)
    command = [sys.executable, str(tmp_path / "flasher.py"), "{elf}", str(port), str(tmp_path / "pid")]
    path = tmp_path / "bench.toml"
    path.write_text(
        f'name = "bench"\nurl = "socket://127.0.0.1:{port}"\nelf = "fw.elf"\nflash = {json.dumps(command)}\n'
    )
    yield path
    if (tmp_path / "pid").exists():
        os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)


def test_what_runs_after_flashing_is_proved_by_its_build_id(board, tmp_path):
    shutil.copy(build(machine_target("mps2-an386")), tmp_path / "fw.elf")
    done = coverify("flash", board, "--json", "-")
    assert done.code == 0, done.stdout + done.stderr
    assert done.result["verdict"] == "OK"
    assert done.result["device"]["build_id"] in done.result["message"]


def test_another_firmware_than_the_file_is_a_mismatch(board, tmp_path):
    image = build(machine_target("mps2-an386"))
    shutil.copy(image, tmp_path / "fw.elf")
    flashed = coverify("flash", board, "--json", "-")
    assert flashed.code == 0
    build_id = flashed.result["device"]["build_id"]
    assert build_id.encode() in Path(image).read_bytes()
    board.write_text(board.read_text().replace("flasher.py", "nothing.py"))
    (tmp_path / "nothing.py").write_text("")
    other = tmp_path / "other.elf"
    other.write_bytes(Path(image).read_bytes().replace(build_id.encode(), b"0" * len(build_id)))
    done = coverify("flash", board, "--elf", other, "--json", "-")
    assert done.code == 1, done.stdout + done.stderr
    assert "runs other firmware" in done.result["message"]


def test_an_image_that_kills_the_emulator_is_told_in_its_words(board, tmp_path, monkeypatch):
    """And started once, not again and again for as long as a board may take to start."""
    image = bytearray(build(machine_target("mps2-an386")).read_bytes())
    (first,), (n,) = struct.unpack_from("<I", image, 28), struct.unpack_from("<H", image, 44)
    for header in range(first, first + 32 * n, 32):
        kind, place, _, _, size = struct.unpack_from("<5I", image, header)
        if kind == 1 and size:  # PT_LOAD; one begins with the vectors
            image[place : place + 64] = b"\xff" * 64
    (tmp_path / "fw.elf").write_bytes(image)
    board.write_text('name = "bench"\nurl = "qemu:mps2-an386"\nelf = "fw.elf"\nflash = ["true"]\n')
    counting = tmp_path / "qemu-system-arm"
    counting.write_text(f'#!/bin/sh\necho >> {tmp_path}/starts\nexec {shutil.which(counting.name)} "$@"\n')
    counting.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    done = coverify("flash", board, "--json", "-")
    assert (done.code, done.result["verdict"]) == (3, "LINK_ERROR"), done
    assert "the emulator of mps2-an386 ended by SIGABRT" in done.result["message"]
    assert (tmp_path / "starts").read_text() == "\n"


def test_a_board_without_firmware_or_command_is_bad_input(tmp_path):
    path = tmp_path / "bare.toml"
    path.write_text('name = "bare"\nurl = "socket://127.0.0.1:9"\n')
    assert "which firmware?" in coverify("flash", path).stdout
    assert coverify("flash", path, "--elf", tmp_path / "none.elf").code == 2
