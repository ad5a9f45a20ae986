"""What does the terminal say of a repair? Before and after, the neurons, the patch, the study, robustness."""

from __future__ import annotations

from typing import Final

from rich.console import Console
from rich.text import Text

from coverify.report.plain import plain, plural, seconds
from coverify.report.repair_rows import FitnessRow, Repair
from coverify.report.repair_table import tables
from coverify.report.table import aligned, show_aligned

MAX_LINES: Final = 20


def render_repair(repair: Repair, console: Console) -> None:
    """Print it."""
    _parts(repair, console)
    _neurons(repair, console)
    _patch(repair, console)
    for table in tables(repair):
        shown = aligned(plain(table.title), "metric", *map(str, table.counts))
        for name, row in table.rows:
            shown.add_row(name, *("–" if cell is None else f"{100 * cell.mean:.2f}" for cell in row))
            if any(cell is not None and cell.spread for cell in row):
                shown.add_row("  least–most", *("–" if cell is None else cell.spread for cell in row))
        show_aligned(shown, console)
    _robustness(repair, console)


def share(row: FitnessRow) -> str:
    """`212 of 250 as float (84.8 %), 210 right (84.0 %)`."""
    said = f"{row.agreeing} of {row.samples} as float ({100 * row.fidelity:.2f} %)"
    return said if row.accuracy is None else said + f", {row.right} right ({100 * row.accuracy:.2f} %)"


def _parts(repair: Repair, console: Console) -> None:
    console.print(Text(f"float    {plain(repair.original.file)}, run by {repair.interpreter}", style="dim"))
    for part in repair.parts:
        console.print(Text(f"{part.name:<11}before {share(part.before)}"))
        console.print(Text(f"{'':<11}after  {share(part.after)}"))
        if part.float_accuracy is not None:
            right = f"{part.float_right} right ({100 * part.float_accuracy:.2f} %)"
            console.print(Text(f"{'':<11}float  {right}"))
        if part.failing_before is not None:
            left = f"{part.failing_after} left" if part.failing_after is not None else ""
            console.print(Text(f"{'':<11}{plural(part.failing_before, 'failing test')}, {left}"))
    if repair.rows:
        console.print(Text(f"rounding kept {repair.kept} of {repair.rows} linear constraints"))


def _neurons(repair: Repair, console: Console) -> None:
    rows = [row for row in repair.neurons if row.ended != "nothing to do"]
    if not rows:
        return
    table = aligned("Neurons", "layer", "neuron", "score", "ended", "weights", "fixed", "least", "time")
    for row in rows[:MAX_LINES]:
        score = "–" if row.score is None else f"{row.score:.3g}"
        time = "–" if row.time_s is None else seconds(row.time_s)
        least = "yes" if row.optimal and row.changed else "–"
        fixed = "–" if row.fixed is None else str(row.fixed)
        said = plain(row.ended) if not row.round else f"{plain(row.ended)} (round {row.round})"
        layer = f"op {row.op_index} {plain(row.op)}"
        table.add_row(layer, str(row.neuron), score, said, str(row.changed), fixed, least, time)
    show_aligned(table, console, folded=("ended",))
    _more(len(rows), console)


def _patch(repair: Repair, console: Console) -> None:
    if not repair.n_bytes:
        return
    table = aligned(f"Patch: {plural(repair.n_bytes, 'byte')} of the file", "offset", "old", "new", "weight")
    for row in repair.bytes[:MAX_LINES]:
        where = f"op {row.op_index}, neuron {row.neuron}, weight {row.weight}"
        table.add_row(f"{row.offset:#x}", f"{row.old:02x}", f"{row.new:02x}", where)
    show_aligned(table, console)
    _more(repair.n_bytes, console)


def _robustness(repair: Repair, console: Console) -> None:
    if not repair.robustness:
        return
    title = "Robustness of a sample"
    table = aligned(title, "when", "eps", "HOLDS", "VIOLATED", "UNKNOWN", "bytes", "validation")
    for row in repair.robustness:
        counts = (row.eps, row.holds, row.violated, row.unknown, "–" if row.changed is None else row.changed)
        fit = "–" if row.validation is None else share(row.validation)
        table.add_row(plain(row.when), *map(str, counts), fit)
    show_aligned(table, console, folded=("when", "validation"))


def _more(n_rows: int, console: Console) -> None:
    if n_rows > MAX_LINES:
        console.print(Text(f"… and {n_rows - MAX_LINES} more", style="dim"))
