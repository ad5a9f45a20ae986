"""coverify doctor: what of this machine's tools, packages and ports coverify can use, and what is missing."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
import subprocess
import sys
from dataclasses import dataclass

from coverify.boards import build
from coverify.boards.flash import PYOCD_HINT, flasher
from coverify.cli.outcome import JsonOption, Output, run_verb, versions
from coverify.conformance.oracles import PACKAGES as ORACLE_PACKAGES
from coverify.errors import CoverifyError
from coverify.report import Check, Result
from coverify.verify.engines.packages import PACKAGES as SOLVER_PACKAGES


@dataclass(frozen=True)
class Tool:
    """A program that coverify starts: what for, and what installs it."""

    name: str
    purpose: str
    hint: str
    needed: bool = False


@dataclass(frozen=True)
class Package:
    """An optional Python package: its import name, distribution, and what it adds."""

    module: str
    distribution: str
    purpose: str
    hint: str


TOOLS = (
    Tool("make", "builds the firmware", "apt-get install make", needed=True),
    Tool("gcc", "builds the firmware for native:", "apt-get install gcc"),
    Tool(
        "arm-none-eabi-gcc",
        "builds the firmware for Cortex-M",
        "apt-get install gcc-arm-none-eabi libnewlib-arm-none-eabi",
    ),
    Tool("qemu-system-arm", "emulates a Cortex-M (qemu:)", "apt-get install qemu-system-arm"),
    Tool("pyocd", "flashes boards through a debug probe", PYOCD_HINT),
)
PACKAGES = (
    *(
        Package(package.module, package.distribution, package.purpose, package.hint)
        for package in ORACLE_PACKAGES.values()
    ),
    *(
        Package(package.module, package.distribution, f"the engine {engine}", package.hint)
        for engine, package in SOLVER_PACKAGES.items()
    ),
    Package("distributed", "distributed", "verify on a cluster", "pip install 'coverify[cluster]'"),
)


def doctor(json: JsonOption = None) -> None:
    """Say what works on this machine, what is missing and what to install for it.

    Exits with 0 when the firmware can be built and run somewhere, else with 2.
    """

    def body() -> Result:
        checks = [_python(), *map(_tool, TOOLS), *map(_package, PACKAGES), _firmware()]
        broken = [check.name for check in checks if check.needed and not check.ok]
        return Result(
            verb="doctor",
            verdict="ERROR" if broken else "OK",
            message=f"needed and missing: {', '.join(broken)}" if broken else "everything needed is here",
            checks=tuple(checks),
            versions=versions(),
        )

    run_verb("doctor", Output(json), body)


def _python() -> Check:
    version = ".".join(map(str, sys.version_info[:3]))
    return Check(
        name="python", ok=sys.version_info >= (3, 10), found=version, purpose="runs coverify", needed=True
    )


def _tool(tool: Tool) -> Check:
    path = flasher(tool.name)
    return Check(
        name=tool.name,
        ok=path is not None,
        found=_version(path) if path else None,
        purpose=tool.purpose,
        hint=None if path else tool.hint,
        needed=tool.needed,
    )


def _version(program: str) -> str:
    """The version in the first line that `program --version` prints, or that line."""
    try:
        done = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return "does not answer --version"
    line = (done.stdout or done.stderr).strip().partition("\n")[0][:200]
    number = re.search(r"\d+(\.\d+)+", line)
    return number.group() if number else line


def _package(package: Package) -> Check:
    installed = importlib.util.find_spec(package.module) is not None
    return Check(
        name=package.distribution,
        ok=installed,
        found=importlib.metadata.version(package.distribution) if installed else None,
        purpose=package.purpose,
        hint=None if installed else package.hint,
    )


def _firmware() -> Check:
    try:
        found, ok = str(build.harness()), True
    except CoverifyError as error:
        found, ok = str(error), False
    return Check(
        name="firmware sources", ok=ok, found=found[:1000], purpose="what is built for a device", needed=True
    )
