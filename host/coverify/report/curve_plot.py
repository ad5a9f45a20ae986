"""How does a campaign look? Geometry of two plots; templates draw them as SVG, in the report and as files.

`accuracy`: the share of the inputs that is certified, attacked and open, against the radius. `cactus`: how
many queries each engine decided, against the time that one query was given (logarithmic).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from coverify.report.campaign_rows import CactusLine, CurvePoint
from coverify.report.plain import plain, seconds
from coverify.report.result import Result, write_atomically

LEFT: Final = 52.0
RIGHT: Final = 408.0
TOP: Final = 12.0
BOTTOM: Final = 212.0
MAX_LINES: Final = 8
MAX_POINTS: Final = 1000
"""Most corners of one line; more decided queries are thinned out evenly."""
DASHES: Final = ("", "7 4", "2 3", "9 3 2 3", "4 2", "1 4", "12 4", "6 2 1 2")
"""One pattern per line, so that colour is never the only difference."""


@dataclass(frozen=True)
class Mark:
    """A tick: its place along the axis, and its text."""

    at: float
    text: str


@dataclass(frozen=True)
class Line:
    """A polyline with its name; `points` as SVG writes them."""

    name: str
    points: str
    dash: str
    kind: str
    title: str


@dataclass(frozen=True)
class Chart:
    """Lines on two axes; `areas` are polygons below and above them."""

    title: str
    x_name: str
    y_name: str
    x_marks: tuple[Mark, ...]
    y_marks: tuple[Mark, ...]
    areas: tuple[Line, ...]
    lines: tuple[Line, ...]
    left_out: int = 0


def accuracy(points: Sequence[CurvePoint]) -> Chart | None:
    """Certified from below, attacked from above, what is open between; None for fewer than two radii."""
    points = [point for point in points if point.certified + point.attacked + point.open]
    if len(points) < 2:
        return None
    first, last = points[0].eps, points[-1].eps
    xs = [_between(point.eps, first, last) for point in points]
    totals = [point.certified + point.attacked + point.open for point in points]
    certified = [_height(point.certified / n) for point, n in zip(points, totals, strict=True)]
    unbroken = [_height(1 - point.attacked / n) for point, n in zip(points, totals, strict=True)]
    floor, roof = [BOTTOM] * len(xs), [TOP] * len(xs)
    areas = (
        _area("certified", "good", xs, certified, floor),
        _area("open", "open", xs, unbroken, certified),
        _area("attacked", "bad", xs, roof, unbroken),
    )
    lines = (
        Line("certified", _points(xs, certified), "", "good", _told(points, "certified")),
        Line("not attacked", _points(xs, unbroken), "7 4", "bad", _told(points, "attacked")),
    )
    step = max(1, math.ceil((last - first) / 8))
    marks = tuple(Mark(_between(eps, first, last), str(eps)) for eps in range(first, last + 1, step))
    shares = tuple(Mark(_height(k / 4), f"{25 * k} %") for k in range(5))
    return Chart("Certified accuracy", "ε, codes of the input", "inputs", marks, shares, areas, lines)


def _told(points: Sequence[CurvePoint], what: str) -> str:
    return ", ".join(f"ε = {point.eps}: {getattr(point, what)}" for point in points[:64])


def _area(name: str, kind: str, xs: Sequence[float], above: Sequence[float], below: Sequence[float]) -> Line:
    outline = _points([*xs, *reversed(xs)], [*above, *reversed(below)])
    return Line(name, outline, "", kind, name)


def cactus(lines: Sequence[CactusLine]) -> Chart | None:
    """Queries decided against time; None when none was."""
    lines = [line for line in lines if line.times_s]
    if not lines:
        return None
    times = [time_s for line in lines for time_s in line.times_s]
    low, high = _decades(times)
    most = max(line.n for line in lines)
    shown = tuple(_steps(line, number, low, high, most) for number, line in enumerate(lines[:MAX_LINES]))
    step = max(1, math.ceil((high - low) / 6))
    x_marks = tuple(
        Mark(_between(power, low, high), seconds(10.0**power)) for power in range(low, high + 1, step)
    )
    wanted = sorted({round(most * k / 4) for k in range(5)})
    y_marks = tuple(Mark(_height(n / most), str(n)) for n in wanted)
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
        x = _between(math.log10(max(1e-6, time_s)), low, high)
        xs += [x, x]
        ys += [ys[-1] if ys else BOTTOM, _height(line.n * (min(count + 1, len(times)) / len(times)) / most)]
    xs, ys = [*xs, RIGHT], [*ys, ys[-1]]
    title = f"{plain(line.engine, 20)}: {line.n} decided, the slowest in {seconds(times[-1])}"
    return Line(plain(line.engine, 20), _points(xs, ys), DASHES[number % len(DASHES)], f"l{number}", title)


def _decades(times_s: Sequence[float]) -> tuple[int, int]:
    low = math.floor(math.log10(max(1e-6, min(times_s))))
    high = math.ceil(math.log10(max(1e-6, max(times_s))))
    return low, max(high, low + 1)


def _between(value: float, low: float, high: float) -> float:
    return round(LEFT + (value - low) / (high - low) * (RIGHT - LEFT), 2)


def _height(share: float) -> float:
    return round(BOTTOM - share * (BOTTOM - TOP), 2)


def _points(xs: Sequence[float], ys: Sequence[float]) -> str:
    return " ".join(f"{x:g},{y:g}" for x, y in zip(xs, ys, strict=True))


@cache
def _environment() -> Environment:
    folder = Path(__file__).with_name("templates")
    return Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def write_plots(folder: Path, result: Result) -> list[Path]:
    """accuracy.svg and cactus.svg in the folder, as far as the result has their numbers.  Raises OSError."""
    charts = {"accuracy": accuracy(result.curve or ()), "cactus": cactus(result.cactus or ())}
    return draw_charts(folder, charts)


def draw_charts(folder: Path, charts: Mapping[str, Chart | None]) -> list[Path]:
    """NAME.svg of every chart that there is.  Raises OSError."""
    written = []
    for name, chart in charts.items():
        if chart is not None:
            text = _environment().get_template("chart.svg.j2").render(chart=chart)
            write_atomically(folder / f"{name}.svg", text)
            written.append(folder / f"{name}.svg")
    return written
