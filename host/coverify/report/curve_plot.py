"""How does a campaign look? Two charts, for the report and as files.

`accuracy`: the share of the inputs that is certified, attacked and open, against the radius. `cactus`: how
many queries each engine decided, against the time that one query was given (logarithmic).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from coverify.report.campaign_rows import CactusLine, CurvePoint
from coverify.report.chart import (
    BOTTOM,
    LEAST_TIME_S,
    RIGHT,
    TOP,
    Chart,
    Line,
    Mark,
    across,
    decades,
    draw_charts,
    height,
    percent_marks,
    polyline,
)
from coverify.report.plain import plain, seconds
from coverify.report.result import Result

MAX_LINES: Final = 8
MAX_POINTS: Final = 1000
"""Most corners of one line; more decided queries are thinned out evenly."""
_MAX_NAME: Final = 20


def accuracy(result: Result) -> Chart | None:
    """Certified from below, attacked from above, what is open between; None for fewer than two radii."""
    points = [point for point in result.curve or () if point.certified + point.attacked + point.open]
    if len(points) < 2:
        return None
    first, last = points[0].eps, points[-1].eps
    xs = [across(point.eps, first, last) for point in points]
    totals = [point.certified + point.attacked + point.open for point in points]
    certified = [height(point.certified / n) for point, n in zip(points, totals, strict=True)]
    unbroken = [height(1 - point.attacked / n) for point, n in zip(points, totals, strict=True)]
    floor, roof = [BOTTOM] * len(xs), [TOP] * len(xs)
    areas = (
        _area("certified", "good", xs, certified, floor),
        _area("open", "open", xs, unbroken, certified),
        _area("attacked", "bad", xs, roof, unbroken),
    )
    lines = (
        Line("certified", polyline(xs, certified), "", "good", _told(points, "certified")),
        Line("not attacked", polyline(xs, unbroken), "7 4", "bad", _told(points, "attacked")),
    )
    step = max(1, math.ceil((last - first) / 8))
    marks = tuple(Mark(across(eps, first, last), str(eps)) for eps in range(first, last + 1, step))
    labels = all(query.property is None for query in result.queries or ())
    title = "Certified accuracy" if labels else "Inputs for which the property is certified"
    return Chart(title, "ε, codes of the input", "inputs", marks, percent_marks(), areas, lines)


def _told(points: Sequence[CurvePoint], what: str) -> str:
    return ", ".join(f"ε = {point.eps}: {getattr(point, what)}" for point in points[:64])


def _area(name: str, kind: str, xs: Sequence[float], above: Sequence[float], below: Sequence[float]) -> Line:
    outline = polyline([*xs, *reversed(xs)], [*above, *reversed(below)])
    return Line(name, outline, "", kind, name)


def cactus(lines: Sequence[CactusLine]) -> Chart | None:
    """Queries decided against time; None when none was."""
    lines = [line for line in lines if line.times_s]
    if not lines:
        return None
    times = [time_s for line in lines for time_s in line.times_s]
    low, high = decades(times)
    most = max(line.n for line in lines)
    shown = tuple(_steps(line, number, low, high, most) for number, line in enumerate(lines[:MAX_LINES]))
    step = max(1, math.ceil((high - low) / 6))
    x_marks = tuple(
        Mark(across(power, low, high), seconds(10.0**power)) for power in range(low, high + 1, step)
    )
    wanted = sorted({round(most * k / 4) for k in range(5)})
    y_marks = tuple(Mark(height(n / most), str(n)) for n in wanted)
    title = "Queries decided against time"
    return Chart(title, "time of one query", "queries", x_marks, y_marks, (), shown, len(lines) - len(shown))


def _steps(line: CactusLine, number: int, low: int, high: int, most: int) -> Line:
    times = sorted(line.times_s)
    stride = math.ceil(len(times) / MAX_POINTS)
    places = [*range(0, len(times), stride), len(times)]
    xs: list[float] = []
    ys: list[float] = []
    for count in places:
        time_s = times[min(count, len(times) - 1)]
        x = across(math.log10(max(LEAST_TIME_S, time_s)), low, high)
        xs += [x, x]
        ys += [ys[-1] if ys else BOTTOM, height(line.n * (min(count + 1, len(times)) / len(times)) / most)]
    xs, ys = [*xs, RIGHT], [*ys, ys[-1]]
    title = f"{plain(line.engine, _MAX_NAME)}: {line.n} decided, the slowest in {seconds(times[-1])}"
    return Line.numbered(number, line.engine, polyline(xs, ys), title, _MAX_NAME)


def write_plots(folder: Path, result: Result) -> list[Path]:
    """accuracy.svg and cactus.svg in the folder, as far as the result has their numbers.  Raises OSError."""
    charts = {"accuracy": accuracy(result), "cactus": cactus(result.cactus or ())}
    return draw_charts(folder, charts)
