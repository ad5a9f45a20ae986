"""How does what a study found go with the number of bits? Geometry; the templates draw it as SVG."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final

from coverify.report.chart import Chart, Line, Mark, across, height, percent_marks, polyline
from coverify.report.study_rows import Study, TransferRow, WidthRow

_Measure = tuple[str, Callable[[TransferRow], float | None]]
"""The name of a line, and the share that it shows; None: of nothing."""
_LONE: Final = 3.0
"""Half the width of the dash that stands for a point without neighbours."""


def widths_chart(study: Study) -> Chart | None:
    """Shares against bits, lines for each scheme; None for fewer than two widths."""
    all_bits = sorted({row.bits for row in study.widths})
    if len(all_bits) < 2:
        return None
    first, last = all_bits[0], all_bits[-1]
    lines: list[Line] = []
    for scheme in dict.fromkeys(row.scheme for row in study.widths):
        rows = sorted((row for row in study.widths if row.scheme == scheme), key=lambda row: row.bits)
        n = len(lines)
        lines.append(_line(f"{scheme}: accuracy", rows, lambda r: r.accuracy, n, first, last))
        lines.append(_line(f"{scheme}: robust", rows, lambda r: r.robust_accuracy[0], n + 1, first, last))
        if any(row.open for row in rows):
            name = f"{scheme}: robust or open"
            lines.append(_line(name, rows, lambda r: r.robust_accuracy[1], n + 2, first, last))
    marks = tuple(Mark(across(bits, first, last), str(bits)) for bits in all_bits)
    title = f"Accuracy and robust accuracy against bits, ε = {study.eps}"
    return Chart(title, "bits", "inputs", marks, percent_marks(), (), tuple(lines))


def gaps_chart(study: Study) -> Chart | None:
    """The largest gap in real numbers against bits: seen, and proved where that is another; None for few."""
    rows = [row for row in study.gaps if row.unit is not None]
    all_bits = sorted({row.bits for row in rows})
    if len(all_bits) < 2:
        return None
    first, last = all_bits[0], all_bits[-1]
    top = _rounded_up(max(row.at_most * (row.unit or 0.0) for row in rows))
    lines: list[Line] = []
    for scheme in dict.fromkeys(row.scheme for row in rows):
        group = sorted((row for row in rows if row.scheme == scheme), key=lambda row: row.bits)
        for end in ("at_least", "at_most"):
            if end == "at_most" and all(row.closed for row in group):
                continue
            values = [(row.bits, getattr(row, end) * (row.unit or 0.0)) for row in group]
            told = ", ".join(f"{bits} bits: {value:.3f}" for bits, value in values)
            name = f"{scheme}: {'largest gap' if end == 'at_least' else 'proved at most'}"
            places = _places([(bits, value / top) for bits, value in values], first, last)
            lines.append(Line.numbered(len(lines), name, places, told))
    marks = tuple(Mark(across(bits, first, last), str(bits)) for bits in all_bits)
    shares = tuple(Mark(height(k / 4), f"{top * k / 4:.3g}") for k in range(5))
    return Chart("Largest gap between copies", "bits", "gap of the score", marks, shares, (), tuple(lines))


def transfer_charts(study: Study) -> dict[str, Chart | None]:
    """File name → false verdicts, and counterexamples that fail, as shares against bits."""
    verdicts: list[_Measure] = [
        ("falsely robust", lambda r: _share(r.false_robust, r.compared)),
        ("falsely vulnerable", lambda r: _share(r.false_vulnerable, r.compared)),
    ]
    failing: list[_Measure] = [
        ("float's, fail here", lambda r: _share(r.from_float - r.from_float_breaking, r.from_float)),
        ("its own, fail in float", lambda r: _share(r.to_float - r.to_float_breaking, r.to_float)),
    ]
    return {
        "transfer": _transfer_chart(study, "False verdicts of the float network", "inputs", verdicts),
        "counterexamples": _transfer_chart(
            study, "Counterexamples that fail", "counterexamples tried", failing
        ),
    }


def charts(study: Study) -> list[Chart]:
    """Those of the report."""
    found = [widths_chart(study), gaps_chart(study), *transfer_charts(study).values()]
    return [chart for chart in found if chart is not None]


def _transfer_chart(study: Study, what: str, y_name: str, measures: Sequence[_Measure]) -> Chart | None:
    """None for fewer than two widths; a share of nothing is no point."""
    all_bits = sorted({row.bits for row in study.transfers})
    if len(all_bits) < 2:
        return None
    first, last = all_bits[0], all_bits[-1]
    groups = {
        scheme: sorted((row for row in study.transfers if row.scheme == scheme), key=lambda row: row.bits)
        for scheme in dict.fromkeys(row.scheme for row in study.transfers)
    }
    values = {
        f"{scheme}: {name}": [(row.bits, found) for row in rows if (found := share(row)) is not None]
        for scheme, rows in groups.items()
        for name, share in measures
    }
    top = _rounded_up(max([0.04, *(share for line in values.values() for _, share in line)]))
    lines = []
    for n, (name, points) in enumerate(values.items()):
        if not points:
            continue
        places = _places([(bits, share / top) for bits, share in points], first, last)
        lines.append(Line.numbered(n, name, places, _told(points)))
    if not lines:
        return None
    marks = tuple(Mark(across(bits, first, last), str(bits)) for bits in all_bits)
    title = f"{what}, ε = {study.eps}"
    return Chart(title, "bits", y_name, marks, percent_marks(top), (), tuple(lines))


def _rounded_up(value: float) -> float:
    """The next number whose quarters are round: an axis may end there."""
    if value <= 0:
        return 1.0
    unit = 10.0 ** math.floor(math.log10(value))
    return next((k * unit for k in (1, 2, 4, 6, 8) if k * unit >= value * (1 - 1e-9)), 10 * unit)


def _share(count: int, total: int) -> float | None:
    return count / total if total else None


def _line(
    name: str, rows: Sequence[WidthRow], share: Callable[[WidthRow], float], n: int, first: int, last: int
) -> Line:
    shares = [(row.bits, share(row)) for row in rows]
    return Line.numbered(n, name, _places(shares, first, last), _told(shares))


def _told(shares: Sequence[tuple[int, float]]) -> str:
    return ", ".join(f"{bits} bits: {100 * share:.1f} %" for bits, share in shares)


def _places(shares: Sequence[tuple[int, float]], first: int, last: int) -> str:
    """(bits, share of the axis) as a line; a lone point, which would not be seen, as a dash."""
    xs, ys = [across(bits, first, last) for bits, _ in shares], [height(share) for _, share in shares]
    if len(shares) == 1:
        xs, ys = [xs[0] - _LONE, xs[0] + _LONE], ys * 2
    return polyline(xs, ys)
