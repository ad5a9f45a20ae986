"""How do the verdicts and the times spread? Geometry of two plots; the template draws it as SVG.

`bars`: verdicts of the queries, one stacked bar per eps. `strips`: time of each query on a logarithmic axis,
one line per engine. Both keep to the groups that fit (MAX_GROUPS) and say how many were left out.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from coverify.report.chart import LEAST_TIME_S, Mark, decades
from coverify.report.plain import plain, seconds
from coverify.report.rows import Query
from coverify.report.verdict import Verdict, severity

MAX_GROUPS: Final = 16
MAX_DOTS: Final = 2000
LEFT: Final = 82.0
RIGHT: Final = 414.0
ROW: Final = 34.0
TOP: Final = 10.0


@dataclass(frozen=True)
class Piece:
    """A stretch of a bar: from x, of some width, for `n` queries of one verdict."""

    x: float
    width: float
    verdict: Verdict
    n: int


@dataclass(frozen=True)
class Bar:
    """One group's bar with its y, name and pieces."""

    y: float
    name: str
    total: int
    pieces: tuple[Piece, ...]


@dataclass(frozen=True)
class Dot:
    """One query in a strip."""

    x: float
    y: float
    verdict: Verdict
    title: str


@dataclass(frozen=True)
class Strip:
    """One engine's queries: name, y, dots, and the median's x and text."""

    y: float
    name: str
    dots: tuple[Dot, ...]
    median_x: float
    median: str
    total: int


@dataclass(frozen=True)
class Bars:
    """The stacked bars; by_eps: has any query one?"""

    height: float
    bars: tuple[Bar, ...]
    verdicts: tuple[Verdict, ...]
    left_out: int
    by_eps: bool = True


@dataclass(frozen=True)
class Strips:
    """The strips and their axis."""

    height: float
    strips: tuple[Strip, ...]
    marks: tuple[Mark, ...]
    verdicts: tuple[Verdict, ...]
    left_out: int


def bars(queries: Sequence[Query]) -> Bars:
    """Verdicts by eps, smallest eps first, queries without one last."""
    groups: dict[int | None, Counter[Verdict]] = {}
    for query in queries:
        groups.setdefault(query.eps, Counter())[query.verdict] += 1
    order = sorted(groups, key=lambda eps: (eps is None, eps or 0))
    scale = (RIGHT - LEFT) / max((counts.total() for counts in groups.values()), default=1)
    by_eps = any(eps is not None for eps in groups)
    shown = tuple(_bar(row, eps, groups[eps], scale, by_eps) for row, eps in enumerate(order[:MAX_GROUPS]))
    return Bars(TOP * 2 + ROW * len(shown), shown, _verdicts(queries), len(order) - len(shown), by_eps)


def _bar(row: int, eps: int | None, counts: Counter[Verdict], scale: float, by_eps: bool) -> Bar:
    pieces, x = [], LEFT
    for verdict in sorted(counts, key=severity):
        pieces.append(Piece(round(x, 2), round(counts[verdict] * scale, 2), verdict, counts[verdict]))
        x += counts[verdict] * scale
    name = ("other" if by_eps else "all") if eps is None else f"ε = {plain(eps, 10)}"
    return Bar(TOP + row * ROW, name, counts.total(), tuple(pieces))


def strips(queries: Sequence[Query]) -> Strips:
    """Time by engine, engines by name."""
    groups: dict[str, list[Query]] = {}
    for query in queries:
        groups.setdefault(query.engine, []).append(query)
    low, high = decades([query.time_s for query in queries])
    names = sorted(groups)[:MAX_GROUPS]
    shown = tuple(_strip(row, name, groups[name], low, high) for row, name in enumerate(names))
    step = max(1, math.ceil((high - low) / 5))
    marks = tuple(
        Mark(_x(10.0**power, low, high), seconds(10.0**power)) for power in range(low, high + 1, step)
    )
    return Strips(TOP * 2 + ROW * len(shown), shown, marks, _verdicts(queries), len(groups) - len(shown))


def _x(time_s: float, low: int, high: int) -> float:
    place = (math.log10(max(LEAST_TIME_S, time_s)) - low) / (high - low)
    return round(LEFT + place * (RIGHT - LEFT), 2)


def _strip(row: int, engine: str, queries: Sequence[Query], low: int, high: int) -> Strip:
    middle = TOP + row * ROW + ROW / 2
    times = sorted(query.time_s for query in queries)
    median = times[len(times) // 2]
    dots = tuple(
        Dot(
            _x(query.time_s, low, high),
            # a fixed sequence spreads equal times: no randomness, so that the page is the same each time
            round(middle + ((number * 7) % 11 - 5) * 1.1, 2),
            query.verdict,
            f"{query.verdict}, {seconds(query.time_s)}"
            + (f", sample {query.index}" if query.index is not None else ""),
        )
        for number, query in enumerate(queries[:MAX_DOTS])
    )
    return Strip(middle, plain(engine, 11), dots, _x(median, low, high), seconds(median), len(queries))


def _verdicts(queries: Sequence[Query]) -> tuple[Verdict, ...]:
    found: set[Verdict] = {query.verdict for query in queries}
    return tuple(sorted(found, key=severity))
