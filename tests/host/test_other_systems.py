"""The host package elsewhere than on POSIX: imported without its modules, and talking to a device over TCP.

In a process where coverify and tflm_int8 can neither import what Windows lacks nor find it in os and signal.
What third parties import is theirs (they choose by the system), so it is loaded beforehand.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import pytest

from coverify.boards import build
from coverify.boards.native import NativeProcess
from coverify.link.deadline import Deadline
from oracle import NETWORKS, ROOT
from serial_server import Server

WITHOUT_POSIX = """
import builtins, importlib, os, pkgutil, signal, sys
import asyncio, concurrent.futures, ctypes, multiprocessing, pydantic, rich.console, serial
import serial.tools.list_ports, serial.urlhandler.protocol_socket, serial.urlhandler.protocol_rfc2217
import shutil, socket, sqlite3, subprocess, tempfile, typer, zipfile
import numpy, jinja2, junitparser, elftools.elf.elffile, z3, pytest, unittest.mock

ABSENT = {"termios", "fcntl", "pty", "tty", "resource", "pwd", "grp", "syslog", "posix"}
real = builtins.__import__

def without(name, globals=None, *rest, **more):
    ours = (globals or {}).get("__name__", "").startswith(("coverify", "tflm_int8"))
    if ours and name.partition(".")[0] in ABSENT:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    return real(name, globals, *rest, **more)

builtins.__import__ = without
for name in ("SIGKILL", "SIGALRM", "SIGHUP", "SIGUSR1", "setitimer", "ITIMER_REAL", "alarm"):
    delattr(signal, name)
for name in ("fork", "killpg", "setsid", "getuid", "geteuid", "openpty", "sched_getaffinity", "mkfifo"):
    delattr(os, name)
"""
EVERY_MODULE = """
import coverify, tflm_int8
for package in (coverify, tflm_int8):
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
assert "coverify.boards.qemu" in sys.modules and "coverify.cli.conform" in sys.modules
"""
COMMAND = """
from coverify.cli import app
app(sys.argv[1:])
"""


def test_every_module_is_imported_where_posix_is_not():
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_POSIX + EVERY_MODULE], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_the_absent_modules_are_really_absent():
    """The test above is only worth its name if an import of ours fails there."""
    source = WITHOUT_POSIX + "\n__name__ = 'coverify.x'\nimport fcntl\n"
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True)
    assert "No module named 'fcntl'" in done.stderr


def test_a_device_behind_a_network_port_is_compared_where_posix_is_not():
    if shutil.which("gcc") is None:
        pytest.skip("gcc is not installed")
    process = NativeProcess(build.build(build.NATIVE), Deadline.in_s(20))
    server = Server(process.line_url, rfc2217=False)
    try:
        done = subprocess.run(
            [sys.executable, "-c", WITHOUT_POSIX + COMMAND, "conform", str(NETWORKS / "digits_mlp.tflite"),
             "--device", f"socket://{server.address}", "--vectors", "5", "--oracle", "none", "--json", "-"],
            capture_output=True, text=True, cwd=ROOT,
        )  # fmt: skip
    finally:
        server.close()
        process.end()
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads(done.stdout)
    assert (result["verdict"], result["device"]["core"]) == ("MATCH", "host")
