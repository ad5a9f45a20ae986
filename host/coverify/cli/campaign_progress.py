"""How far is a campaign? A line for those who wait, and its result so far in a file for those who look on."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    ProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Task as RichTask
from rich.text import Text

from coverify.campaign.pool import Pool
from coverify.campaign.tally import Tally
from coverify.cli.progress import LINE_EVERY_S, Watched
from coverify.report import Result, write_result

_SAVE_EVERY_S: Final = 2.0
WIDE: Final = 100
"""Columns of a terminal that has room for all."""


class Saver:
    """Writes the result into the folder every now and then: what is known if the process is killed."""

    def __init__(self, out: Path | None, result: Callable[[], Result]) -> None:
        self._out, self._result = out, result
        self._next = time.monotonic() + _SAVE_EVERY_S

    def __call__(self) -> None:
        start = time.monotonic()
        if self._out is not None and start >= self._next:
            write_result(self._out, self._result())
            cost = time.monotonic() - start
            self._next = start + cost + max(_SAVE_EVERY_S, 30 * cost)


class AtWork(ProgressColumn):
    """Which engines are solving."""

    pool: Pool | None = None

    def render(self, task: RichTask) -> Text:
        names = Counter(self.pool.at_work if self.pool is not None else ())
        said = [f"{n}× {name}" if n > 1 else name for name, n in sorted(names.items())]
        return Text(", ".join(said), style="dim", no_wrap=True, overflow="ellipsis")


class Left(TimeRemainingColumn):
    """How long it will still take, once that is known."""

    def render(self, task: RichTask) -> Text:
        if task.finished or task.time_remaining is None:
            return Text()
        return super().render(task).append(" left")


class CampaignBar:
    """A line on standard error: how far, what was decided, by which engines now, how long still. On a narrow
    terminal the numbers come first: no bar, and no engines.
    """

    def __init__(self, every_s: float = LINE_EVERY_S) -> None:
        self._at_work = AtWork()
        wide = Console(stderr=True).width >= WIDE
        self._progress = Watched(
            TextColumn("{task.description}"),
            *([BarColumn(bar_width=10)] if wide else []),
            MofNCompleteColumn(),
            TextColumn("{task.fields[said]}"),
            *([self._at_work] if wide else []),
            TimeElapsedColumn(),
            Left(),
            speed_estimate_period=600,
            every_s=every_s,
        )
        self._task = self._progress.add_task("queries", total=None, said="")

    def __enter__(self) -> CampaignBar:
        self._progress.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._progress.stop()

    def watch(self, pool: Pool) -> None:
        """Show who is at work in the pool."""
        self._at_work.pool = pool

    def __call__(self, tally: Tally) -> None:
        self._progress.update(self._task, completed=tally.done, total=tally.total, said=str(tally))
