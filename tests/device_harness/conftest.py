"""Devices and C programs for these tests: the sanitized native port, and small drivers of the C code."""

from __future__ import annotations

import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest
from raw_session import Raw

from coverify.boards.build import NATIVE_SANITIZED, build
from coverify.boards.native import NativeProcess
from coverify.link.client import Client
from coverify.link.deadline import Deadline
from coverify.link.line import SerialLine
from made_once import made_once

HERE = Path(__file__).resolve().parent
HARNESS = HERE.parent.parent / "device_harness"
SANITIZE = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer"]
WARNINGS = ["-std=c99", "-Wall", "-Wextra", "-Wconversion", "-Werror"]


@pytest.fixture(scope="session")
def native_program():
    """The native port, built with ASan and UBSan."""
    for tool in ("gcc", "make"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    return build(NATIVE_SANITIZED)


@pytest.fixture
def native(native_program):
    """A running native device; the test fails if it ended by itself."""
    process = NativeProcess(native_program, Deadline.in_s(20))
    yield process
    obituary = process.obituary()
    process.end()
    assert obituary == ""


@pytest.fixture
def client(native):
    client = Client(SerialLine(native.line_url))
    client.hello()
    yield client
    client.close()


@pytest.fixture(scope="session")
def driver(tmp_path_factory):
    """driver("fuzz_reader.c") -> path of that program, linked with agent and engine, sanitized."""
    if shutil.which("gcc") is None:
        pytest.skip("gcc is not installed")
    programs = tmp_path_factory.mktemp("drivers")
    parts = [HARNESS / "agent", HARNESS / "engines/kernels"]
    compiler = ["gcc", *WARNINGS, "-O1", "-g", *SANITIZE, '-DCV_BUILD_ID="test"', *(f"-I{p}" for p in parts)]
    sources = [source for part in parts for source in part.glob("*.c")]

    def prepare(folder: Path) -> None:
        subprocess.run([*compiler, "-c", *sources], check=True, cwd=folder)

    @cache
    def compiled(name: str) -> Path:
        program = programs / Path(name).stem
        made = made_once(tmp_path_factory, "driver-objects", prepare)
        objects = [made / f"{source.stem}.o" for source in sources]
        subprocess.run([*compiler, HERE / name, *objects, "-o", program], check=True)
        return program

    return compiled


@pytest.fixture
def raw(native):
    """The native device, asked byte by byte."""
    raw = Raw(native.line_url)
    yield raw
    raw.line.close()
