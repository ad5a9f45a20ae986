"""How far is the work? A bar on standard error; where no terminal shows one (CI), a line every minute."""

from __future__ import annotations

import contextlib
import sys
import threading
from typing import Any, Final

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.progress import Task as RichTask

LINE_EVERY_S: Final = 60.0
"""CI systems take a process for hung that has said nothing for some minutes."""


class Watched(Progress):
    """A progress bar on standard error. Where nobody looks at one: lines, the first one after a minute.

    A task's field `said`, if it has one, is in its line.
    """

    def __init__(self, *columns: ProgressColumn, every_s: float = LINE_EVERY_S, **options: Any) -> None:
        console = Console(stderr=True)
        hidden = not console.is_terminal
        super().__init__(*columns, console=console, transient=True, disable=hidden, **options)
        self._every_s, self._stopped = every_s, threading.Event()

    def start(self) -> None:
        super().start()
        if self.disable:
            threading.Thread(target=self._tell, daemon=True).start()

    def stop(self) -> None:
        self._stopped.set()
        super().stop()

    def _tell(self) -> None:
        while not self._stopped.wait(self._every_s):
            with contextlib.suppress(OSError, ValueError):  # nobody reads it (Console would end here)
                for line in [_line(task) for task in self.tasks if not task.finished]:
                    print(line, file=sys.stderr, flush=True)


def _line(task: RichTask) -> str:
    """`queries: 120 of 3000, 118 decided, after 5 min`"""
    total = "" if task.total is None else f" of {task.total:.0f}"
    said = f", {task.fields['said']}" if task.fields.get("said") else ""
    elapsed = round((task.elapsed or 0.0) / 60)
    return f"{task.description}: {task.completed:.0f}{total}{said}, after {elapsed} min"


def progress_bar(every_s: float = LINE_EVERY_S) -> Progress:
    """For one task after the other, or several beside each other."""
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    return Watched(*columns, every_s=every_s)


class Bar:
    """One task of a progress bar as a `(done, total)` callback."""

    def __init__(self, progress: Progress, description: str) -> None:
        self._progress = progress
        self._task: Any = progress.add_task(description, total=None)

    def __call__(self, done: int, total: int) -> None:
        self._progress.update(self._task, completed=done, total=total)
