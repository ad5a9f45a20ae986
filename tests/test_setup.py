"""Which Python `make setup` takes: it says so where it cannot be the one that was asked for."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from oracle import ROOT

SHELL = shutil.which("sh")
pytestmark = pytest.mark.skipif(SHELL is None, reason="no sh here")
HERE = "{}.{}".format(*sys.version_info)


def _tools(*args: str | Path) -> subprocess.CompletedProcess[str]:
    script = ROOT / "device_harness" / "tools.sh"
    return subprocess.run(["sh", script, *args], capture_output=True, text=True, timeout=60, check=False)


def _python(path: Path, version: str) -> Path:
    """What says that it is Python of this version, whatever it is asked, and fails where it is too old."""
    path.parent.mkdir(parents=True, exist_ok=True)
    old = int(version.partition(".")[2]) < 10
    path.write_text(f"#!/bin/sh\necho {version}\nexit {int(old)}\n")
    path.chmod(0o755)
    return path


def test_an_environment_of_the_python_that_is_asked_for_is_taken(tmp_path: Path) -> None:
    _python(tmp_path / "bin" / "python", HERE)
    for asked in (sys.executable, ""):
        done = _tools("same", asked, tmp_path)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_an_environment_of_another_python_is_named(tmp_path: Path) -> None:
    _python(tmp_path / "bin" / "python", "3.99")
    done = _tools("same", sys.executable, tmp_path)
    assert done.returncode == 1
    assert done.stderr == (
        f"{tmp_path} has Python 3.99, not {HERE}: remove it, or have another one with VENV=.venv-{HERE}\n"
    )


def test_what_is_no_python_is_named(tmp_path: Path) -> None:
    done = _tools("same", tmp_path / "python", tmp_path)
    assert (done.returncode, done.stderr) == (1, f"{tmp_path / 'python'} is no Python that runs here\n")


def test_a_python_that_is_too_old_gets_no_environment(tmp_path: Path) -> None:
    done = _tools("venv", _python(tmp_path / "python", "3.9"), tmp_path / "venv")
    assert done.returncode == 1
    assert "Python 3.10 or newer is needed" in done.stderr
    assert not (tmp_path / "venv").exists()
