"""The tables of a repair: metric by number of neurons, as the paper prints them, for text, page and plot."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from coverify.report.repair_rows import FitnessRow, GridRow, Repair

Measure = Literal["accuracy", "fidelity"]
RANDOM: Final = "random"


@dataclass(frozen=True)
class Cell:
    """The mean share over `n` rankings (1, or the seeds of random), its least and greatest, mean bytes."""

    mean: float
    least: float
    most: float
    n: int
    changed: float

    @property
    def spread(self) -> str:
        """Of several rankings, the least and the greatest, in percent."""
        return f"{100 * self.least:.1f}–{100 * self.most:.1f}" if self.n > 1 else ""


@dataclass(frozen=True)
class Table:
    """One layer, one method, one measure on the validation part; rows: metric → count → cell."""

    op_index: int
    method: str
    measure: Measure
    before: float
    counts: tuple[int, ...]
    rows: tuple[tuple[str, tuple[Cell | None, ...]], ...]

    @property
    def title(self) -> str:
        """For people."""
        return (
            f"Validation {self.measure} in percent, op {self.op_index}, {self.method}; "
            f"before the repair {100 * self.before:.2f}"
        )


def tables(repair: Repair) -> tuple[Table, ...]:
    """Every layer and method of the grid: fidelity, and accuracy where there are labels."""
    before = next((part.before for part in repair.parts if part.name == "validation"), None)
    kinds = dict.fromkeys((row.op_index, row.method) for row in repair.grid)
    measures: tuple[Measure, ...] = ("accuracy", "fidelity") if repair.labels else ("fidelity",)
    return tuple(
        _table(
            [row for row in repair.grid if (row.op_index, row.method) == kind],
            measure,
            _share(before, measure) if before is not None else 0.0,
        )
        for kind in kinds
        for measure in measures
    )


def _share(row: FitnessRow, measure: Measure) -> float:
    return (row.accuracy or 0.0) if measure == "accuracy" else row.fidelity


def _table(rows: Sequence[GridRow], measure: Measure, before: float) -> Table:
    counts = tuple(sorted({row.neurons for row in rows}))
    metrics = dict.fromkeys(row.metric for row in rows)
    by_metric = tuple(
        (
            metric,
            tuple(_cell([r for r in rows if (r.metric, r.neurons) == (metric, n)], measure) for n in counts),
        )
        for metric in metrics
    )
    return Table(rows[0].op_index, rows[0].method, measure, before, counts, by_metric)


def _cell(rows: Sequence[GridRow], measure: Measure) -> Cell | None:
    if not rows:
        return None
    shares = [_share(row.validation, measure) for row in rows]
    n = len(rows)
    return Cell(sum(shares) / n, min(shares), max(shares), n, sum(row.changed for row in rows) / n)


_STEPS: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
"""Between two ticks."""
LEFT: Final = 64.0
RIGHT: Final = 410.0
TOP: Final = 12.0
BOTTOM: Final = 190.0


@dataclass(frozen=True)
class Line:
    """One metric: the points of its line, and where its name stands."""

    name: str
    points: str
    x: float
    y: float


@dataclass(frozen=True)
class Plot:
    """Share against number of neurons; `base`: y of the network before; `band`: the random seeds' range."""

    title: str
    lines: tuple[Line, ...]
    band: str
    base: float
    ticks: tuple[tuple[float, str], ...]
    marks: tuple[tuple[float, str], ...]


def plot(table: Table) -> Plot:
    """The table as lines; the counts stand at equal distances."""
    cells = [cell for _, row in table.rows for cell in row if cell is not None]
    low = min([table.before, *(cell.least for cell in cells)])
    high = max([table.before, *(cell.most for cell in cells)])
    step = next(step for step in _STEPS if high - low <= 3.5 * step)
    low, high = math.floor(low / step) * step, math.ceil(high / step + 1e-9) * step

    def y(share: float) -> float:
        return round(BOTTOM - (share - low) / (high - low) * (BOTTOM - TOP), 1)

    apart = (RIGHT - LEFT) / max(1, len(table.counts) - 1)
    xs = [round(LEFT + i * apart, 1) for i in range(len(table.counts))]
    lines, band = [], ""
    for name, row in table.rows:
        known = [(x, cell) for x, cell in zip(xs, row, strict=True) if cell is not None]
        points = " ".join(f"{x},{y(cell.mean)}" for x, cell in known)
        lines.append(Line(name, points, known[-1][0], y(known[-1][1].mean)))
        if name == RANDOM:
            ends = [f"{x},{y(c.most)}" for x, c in known] + [f"{x},{y(c.least)}" for x, c in reversed(known)]
            band = " ".join(ends)
    shares = [low + step * i for i in range(round((high - low) / step) + 1)]
    ticks = tuple((y(share), f"{100 * share:.3g}") for share in shares)
    marks = tuple((x, str(n)) for x, n in zip(xs, table.counts, strict=True))
    return Plot(table.title, tuple(lines), band, y(table.before), ticks, marks)
