"""Which program flashes: the one on the PATH, else the one that was installed beside this Python."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from coverify.boards.catalog import resolve
from coverify.boards.flash import flash
from coverify.errors import BuildError, ToolMissing


@pytest.fixture
def board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A board file that calls pyocd, which is nowhere yet; Python lies in tmp_path/bin."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bin" / "python"))
    (tmp_path / "fw.elf").write_bytes(b"")
    path = tmp_path / "shelf.toml"
    path.write_text('name = "shelf"\nurl = "serial:/dev/ttyS0"\nflash = ["pyocd", "load", "{elf}"]\n')
    return path


def test_a_missing_pyocd_is_had_by_the_extra(board: Path) -> None:
    with pytest.raises(ToolMissing, match=r"pip install 'coverify\[flash\]'"):
        flash(resolve(str(board)), board.parent / "fw.elf")


def test_a_flasher_beside_python_is_found_without_a_path_to_it(board: Path) -> None:
    program = board.parent / "bin" / "pyocd"
    program.write_text('#!/bin/sh\necho "called with $*"\nexit 3\n')
    program.chmod(0o755)
    with pytest.raises(BuildError, match=r"called with load .*fw\.elf"):
        flash(resolve(str(board)), board.parent / "fw.elf")
