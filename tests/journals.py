"""Journals of campaigns as tests look at them: read while the campaign is at work."""

from __future__ import annotations

import contextlib
import sqlite3
import subprocess
import time
from pathlib import Path


def answers(folder: Path, columns: str = "sample, eps, verdict, number") -> list[tuple]:
    """What the journal in the folder holds, in the order in which it was asked."""
    path = folder / "journal.sqlite"
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as reader:
        return reader.execute(f"SELECT {columns} FROM answers ORDER BY number").fetchall()


def wait_for(folder: Path, n: int, process: subprocess.Popen) -> None:
    """Until the journal holds n answers."""
    end = time.monotonic() + 180
    while time.monotonic() < end:
        assert process.poll() is None, "it ended before it could be stopped"
        with contextlib.suppress(sqlite3.Error):
            if len(answers(folder)) >= n:
                return
        time.sleep(0.002)
    raise AssertionError("the journal does not grow")
