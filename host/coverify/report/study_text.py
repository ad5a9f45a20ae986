"""What does the terminal say of a study? A table of widths, the changes between them, carried witnesses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.console import Console
from rich.text import Text

from coverify.report.plain import plain, plural, seconds
from coverify.report.study_rows import ExampleRow, GapRow, Study
from coverify.report.table import aligned, show_aligned

MAX_LINES: Final = 40


def render_study(study: Study, console: Console) -> None:
    """Print it."""
    if study.original is not None:
        right = "" if study.original_right is None else f", {study.original_right} right"
        console.print(Text(f"float    {plain(study.original.file)}{right}", style="dim"))
    _real(study, console)
    _transfers(study, console)
    _examples(study, console)
    _widths(study, console)
    _changes(study, console)
    _carried(study, console)
    _gaps(study, console)


def percent(low: float, high: float) -> str:
    """`53.0 %`, or `53.0–55.0 %` where something is open."""
    return f"{100 * low:.1f} %" if low == high else f"{100 * low:.1f}–{100 * high:.1f} %"


def _widths(study: Study, console: Console) -> None:
    if not study.widths:
        return
    table = aligned(
        f"Accuracy and robust accuracy, eps {study.eps}",
        "network", "bits", "accuracy", "robust accuracy", "robust", "broken", "wrong", "open", "time",
    )  # fmt: skip
    for row in study.widths:
        counts = (row.robust, row.broken, row.wrong, row.open)
        accuracy = f"{100 * row.accuracy:.2f} %"
        table.add_row(
            plain(row.scheme), str(row.bits), accuracy, percent(*row.robust_accuracy),
            *map(str, counts), seconds(row.time_s),
        )  # fmt: skip
    show_aligned(table, console)


def _changes(study: Study, console: Console) -> None:
    rows = sorted(study.changes, key=lambda row: not row.lost)
    if not rows:
        return
    lost = sum(row.lost for row in rows)
    table = aligned(
        f"Neighbouring widths: more bits lose an input's robustness {plural(lost, 'time')}, "
        f"fewer bits {plural(len(rows) - lost, 'time')}",
        "network", "input", "robust at", "not at", "class", "by", "on the device",
    )  # fmt: skip
    for row in rows[:MAX_LINES]:
        became = f"{row.label} → {row.predicted}"
        bits = (row.index, row.robust_bits, row.broken_bits)
        by = "itself" if row.witness is None else "witness"
        table.add_row(plain(row.scheme), *map(str, bits), became, by, row.on_device or "–")
    show_aligned(table, console)
    if len(rows) > MAX_LINES:
        console.print(Text(f"… and {len(rows) - MAX_LINES} more", style="dim"))


def _carried(study: Study, console: Console) -> None:
    for scheme in dict.fromkeys(row.scheme for row in study.carried):
        rows = [row for row in study.carried if row.scheme == scheme]
        columns = sorted({row.to_bits for row in rows})
        title = f"Counterexamples of a width (row) that break another (column), {plain(scheme)}"
        table = aligned(title, "bits", *map(str, columns))
        cells = {(row.from_bits, row.to_bits): f"{row.breaking}/{row.tried}" for row in rows}
        for bits in sorted({row.from_bits for row in rows}):
            table.add_row(str(bits), *(cells.get((bits, column), "–") for column in columns))
        show_aligned(table, console)
        known = [row for row in rows if row.on_device is not None]
        if known:
            same = sum(row.on_device or 0 for row in known), sum(row.tried for row in known)
            console.print(Text(f"on the device {same[0]} of {same[1]} have the reference's classes"))


def _real(study: Study, console: Console) -> None:
    row = study.real
    if row is None:
        return
    counts = f"{row.robust} robust, {row.broken} broken, {row.wrong} wrong, {row.open} open"
    console.print(Text(f"in reals {counts}, {seconds(row.time_s)}", style="dim"))
    if row.lost_by_rounding:
        said = f"{row.lost_by_rounding} of its counterexamples are none when rounded to codes"
        console.print(Text(f"         {said}", style="dim"))


def _transfers(study: Study, console: Console) -> None:
    if not study.transfers:
        return
    table = aligned(
        f"The float network's verdicts for its quantized versions, eps {study.eps}",
        "network", "bits", "both robust", "both vuln.", "falsely robust", "falsely vuln.", "open",
        "float's break", "its own in float",
    )  # fmt: skip
    for row in study.transfers:
        verdicts = (row.both_robust, row.both_vulnerable, row.false_robust, row.false_vulnerable, row.open)
        there = f"{row.from_float_breaking}/{row.from_float}"
        back = f"{row.to_float_breaking}/{row.to_float}"
        table.add_row(plain(row.scheme), str(row.bits), *map(str, verdicts), there, back)
    show_aligned(table, console)
    said = sum(row.misclassified for row in study.transfers)
    if said:
        console.print(Text(f"{said} of the falsely robust are misclassified as they are", style="dim"))
    runs = [(row.replayed, row.replayed_same) for row in study.transfers if row.replayed is not None]
    if runs:
        same, n = sum(same or 0 for _, same in runs), sum(n or 0 for n, _ in runs)
        console.print(Text(f"on the device {same} of {n} runs have the reference's outputs"))


def _examples(study: Study, console: Console) -> None:
    rows = study.examples
    if not rows:
        return
    table = aligned("Examples", "what", "network", "input", "class", "witness", "device")
    shown = spread(rows, MAX_LINES)
    for row in shown:
        name = f"{plain(row.scheme)} {row.bits}"
        file = plain(row.witness or "–").removeprefix(f"{plain(row.scheme)}-b{row.bits}/")
        became = f"{row.label} → {row.predicted}"
        table.add_row(row.kind, name, str(row.index), became, file, row.on_device or "–")
    show_aligned(table, console, folded=("what",))
    if len(rows) > len(shown):
        console.print(Text(f"… and {len(rows) - len(shown)} more", style="dim"))


def spread(rows: Sequence[ExampleRow], most: int) -> list[ExampleRow]:
    """At most so many rows, of every kind and network as evenly as there are."""
    groups: dict[tuple[str, str, int], list[ExampleRow]] = {}
    for row in rows:
        groups.setdefault((row.kind, row.scheme, row.bits), []).append(row)
    order = [(k, n, row) for n, group in enumerate(groups.values()) for k, row in enumerate(group)]
    kept = sorted(sorted(order, key=lambda item: item[:2])[:most], key=lambda item: (item[1], item[0]))
    return [row for _, _, row in kept]


def gap_text(row: GapRow) -> tuple[str, str]:
    """The gap in codes and in real numbers, a range where it is not known exactly."""
    ends = (row.at_least,) if row.closed else (row.at_least, row.at_most)
    real = "–" if row.unit is None else "–".join(f"{end * row.unit:.3f}" for end in ends)
    return "–".join(map(str, ends)), real


def _gaps(study: Study, console: Console) -> None:
    if not study.gaps:
        return
    names = ", ".join(map(str, study.protected))
    near = "" if study.eps is None else f", within {study.eps} of an input asked about"
    table = aligned(
        f"Largest gap between copies that differ in feature {names} alone{near}",
        "network", "bits", "accuracy", "gap, codes", "gap, real", "inputs flipped", "pair flips", "certified",
        "device", "time",
    )  # fmt: skip
    for row in study.gaps:
        accuracy = f"{100 * row.right / max(1, row.samples):.2f} %"
        flips = row.flips, "yes" if row.pair_flips else "no"
        table.add_row(
            plain(row.scheme), str(row.bits), accuracy, *gap_text(row), *flips,
            f"{row.certificates} of {row.boxes}", row.on_device or "–", seconds(row.time_s),
        )  # fmt: skip
    show_aligned(table, console)
