"""The tables and the cactus plot of a run."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from rich.table import Table

from side_by_side.runs import Run

COLUMNS = ("engine", "asked", "HOLDS", "VIOLATED", "open", "wrong", "certified", "median s", "sum s")
COLUMNS += ("PAR-2 s", "check s")


def truths(runs: Iterable[Run]) -> dict[tuple[str, int, int], str]:
    """What is known of each query by proof-grade answers: HOLDS or VIOLATED."""
    return {(run.network, run.index, run.eps): run.verdict for run in runs if run.sound}


def summary(network: str, engines: list[str], runs: list[Run]) -> Table:
    """One row for each engine; times are of the processor, PAR-2 counts an open query as twice its limit."""
    table = Table(*COLUMNS, title=f"{network}: processor time")
    known = truths(runs)
    for engine in engines:
        if own := [run for run in runs if run.engine == engine]:
            table.add_row(engine, *_cells(own, known))
    return table


def _cells(own: list[Run], known: dict[tuple[str, int, int], str]) -> list[str]:
    times = [run.cpu_s for run in own]
    wrong = sum(
        run.verdict != "UNKNOWN" and run.verdict != known.get((run.network, run.index, run.eps), run.verdict)
        for run in own
    )
    par2 = sum(2 * run.limit_s if run.verdict == "UNKNOWN" else run.cpu_s for run in own)
    checks = [run.checked_s for run in own if run.checked_s is not None]
    counts = [sum(run.verdict == v for run in own) for v in ("HOLDS", "VIOLATED", "UNKNOWN")]
    numbers = [len(own), *counts, wrong, len(checks)]
    seconds = [float(np.median(times)), sum(times), par2, sum(checks)]
    return [*map(str, numbers), f"{seconds[0]:.3f}", *(f"{s:.1f}" for s in seconds[1:])]


def by_radius(network: str, engines: list[str], runs: list[Run]) -> Table:
    """How many of the queries of each radius an engine decided."""
    radii = sorted({run.eps for run in runs})
    table = Table("decided", *(f"eps {eps}" for eps in radii), title=network)
    for engine in engines:
        cells = []
        for eps in radii:
            own = [run for run in runs if run.engine == engine and run.eps == eps]
            cells.append(f"{sum(run.verdict != 'UNKNOWN' for run in own)} of {len(own)}")
        table.add_row(engine, *cells)
    return table


def cactus(path: Path, engines: list[str], by_network: dict[str, list[Run]]) -> bool:
    """One panel for each network: how many queries are decided within so much processor time each.

    False where matplotlib is not installed.
    """
    if find_spec("matplotlib") is None:
        return False
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(5 * len(by_network), 4), layout="constrained")
    panels = figure.subplots(1, len(by_network), squeeze=False)[0]
    for panel, (network, runs) in zip(panels, by_network.items(), strict=True):
        for engine in engines:
            times = sorted(run.cpu_s for run in runs if run.engine == engine and run.verdict != "UNKNOWN")
            panel.step(range(1, len(times) + 1), np.maximum(times, 0.001), where="post", label=engine)
        panel.set(title=network, xlabel="queries decided", ylabel="processor time of each, s", yscale="log")
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
        panel.legend(fontsize="small")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    return True
