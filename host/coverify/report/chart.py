"""How is a chart drawn? Lines and areas on two axes: geometry here, SVG by a template.

Coordinates are those of the template's viewBox: x to the right, y downwards.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from jinja2 import Template

from coverify.report.plain import plain
from coverify.report.result import write_atomically
from coverify.report.template import environment

LEFT: Final = 52.0
RIGHT: Final = 408.0
TOP: Final = 12.0
BOTTOM: Final = 212.0
MAX_NAME: Final = 60
"""Most characters of a line's name."""
LEAST_TIME_S: Final = 1e-6
"""On a logarithmic axis no time is less."""
_DASHES: Final = ("", "7 4", "2 3", "9 3 2 3", "4 2", "1 4", "12 4", "6 2 1 2")
"""One pattern per line, so that colour is never the only difference."""


@dataclass(frozen=True)
class Mark:
    """A tick: its place along the axis, and its text."""

    at: float
    text: str


@dataclass(frozen=True)
class Line:
    """A polyline with its name; points: as SVG writes them; kind: its CSS class; title: its tooltip."""

    name: str
    points: str
    dash: str
    kind: str
    title: str

    @staticmethod
    def numbered(number: int, name: str, points: str, title: str, limit: int = MAX_NAME) -> Line:
        """One of several lines, told apart by colour and dashes; limit: characters of the name."""
        style = number % len(_DASHES)
        return Line(plain(name, limit), points, _DASHES[style], f"l{style}", title)


@dataclass(frozen=True)
class Chart:
    """Lines on two axes; `areas` are polygons below and above them; left_out: lines that did not fit."""

    title: str
    x_name: str
    y_name: str
    x_marks: tuple[Mark, ...]
    y_marks: tuple[Mark, ...]
    areas: tuple[Line, ...]
    lines: tuple[Line, ...]
    left_out: int = 0


def across(value: float, low: float, high: float) -> float:
    """The x of a value on an axis from low to high."""
    return round(LEFT + (value - low) / (high - low) * (RIGHT - LEFT), 2)


def height(share: float) -> float:
    """The y of a share of the axis, 0..1."""
    return round(BOTTOM - share * (BOTTOM - TOP), 2)


def polyline(xs: Sequence[float], ys: Sequence[float]) -> str:
    """Places as SVG writes them."""
    return " ".join(f"{x:g},{y:g}" for x, y in zip(xs, ys, strict=True))


def percent_marks(top: float = 1.0) -> tuple[Mark, ...]:
    """Ticks at the quarters of an axis of shares, from 0 to `top`."""
    return tuple(Mark(height(k / 4), f"{100 * top * k / 4:.3g} %") for k in range(5))


def decades(times_s: Sequence[float]) -> tuple[int, int]:
    """Powers of ten around the times, one apart at least."""
    low = math.floor(math.log10(max(LEAST_TIME_S, min(times_s, default=1e-3))))
    high = math.ceil(math.log10(max(LEAST_TIME_S, max(times_s, default=1.0))))
    return low, max(high, low + 1)


@cache
def _template() -> Template:
    return environment().get_template("chart.svg.j2")


def draw_charts(folder: Path, charts: Mapping[str, Chart | None]) -> list[Path]:
    """NAME.svg of every chart that there is.  Raises OSError."""
    written = []
    for name, chart in charts.items():
        if chart is not None:
            write_atomically(folder / f"{name}.svg", _template().render(chart=chart))
            written.append(folder / f"{name}.svg")
    return written
