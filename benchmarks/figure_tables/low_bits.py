"""The table and the figure of the cardinality engine on networks of few bits.

Queries decided and mean time, for each radius ε and engine.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from side_by_side.runs import Run

from figure_tables.pages import markdown

RADII = (1, 3, 5)
SIGNS = {
    "cardinality:minicard": "MiniCARD",
    "cardinality:cadical": "CaDiCaL",
    "cardinality:pb": "pseudo-Boolean",
}
_COLOURS = ("#0b6e99", "#c2571a", "#3f7d20", "#7a3e9d", "#555555")
_DASHES = ("", "7 4", "2 3", "9 3 2 3", "4 2")
_LEAST_S = 1e-3


def record(by_network: Mapping[str, Sequence[Run]], accuracy: Mapping[str, float]) -> dict[str, Any]:
    """Name of a network → its accuracy and, by engine and radius, queries asked, decided, …."""
    networks: dict[str, Any] = {}
    for name, runs in by_network.items():
        engines: dict[str, Any] = {}
        for engine in dict.fromkeys(run.engine for run in runs):
            for eps in RADII:
                own = [run for run in runs if (run.engine, run.eps) == (engine, eps)]
                if own:
                    engines.setdefault(engine, {})[str(eps)] = _cell(own)
        networks[name] = {"accuracy": accuracy[name], "engines": engines}
    limits = {run.limit_s for runs in by_network.values() for run in runs}
    return {"limit_s": max(limits, default=0.0), "networks": networks}


def _cell(own: Sequence[Run]) -> dict[str, Any]:
    return {
        "asked": len(own),
        "decided": sum(run.verdict != "UNKNOWN" for run in own),
        "violated": sum(run.verdict == "VIOLATED" for run in own),
        "mean_cpu_s": round(sum(run.cpu_s for run in own) / len(own), 3),
    }


def table(found: Mapping[str, Any]) -> str:
    """Decided of those asked, and the mean processor time (open queries included)."""
    head = ("network", "accuracy", "engine", *(f"ε = {eps}: decided, mean time" for eps in RADII), "violated")
    rows = []
    for name, one in found["networks"].items():
        for engine, cells in one["engines"].items():
            said = [_said(cells[str(eps)]) if str(eps) in cells else "–" for eps in RADII]
            violated = sum(cell["violated"] for cell in cells.values())
            rows.append(
                [name, f"{100 * one['accuracy']:.1f} %", SIGNS.get(engine, f"`{engine}`"), *said, violated]
            )
    return markdown(head, rows)


def _said(cell: Mapping[str, Any]) -> str:
    return f"{cell['decided']} of {cell['asked']}, {cell['mean_cpu_s']:.2f} s"


def svg(found: Mapping[str, Any]) -> str:
    """A column for each network; above, queries decided against ε, below, the mean time (logarithmic)."""
    names = list(found["networks"])
    width, height = 40 + 190 * len(names), 400
    engines = list(dict.fromkeys(e for one in found["networks"].values() for e in one["engines"]))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" '
        f'font-size="11" role="img" aria-label="queries decided and mean time against the radius">',
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
    ]
    for k, name in enumerate(names):
        engines_of = found["networks"][name]["engines"]
        left, right = 50 + 190 * k, 195 + 190 * k
        asked = max((c["asked"] for cells in engines_of.values() for c in cells.values()), default=1)
        parts.append(f'<text x="{(left + right) / 2}" y="20" text-anchor="middle">{name}</text>')
        scale = [(n / asked, str(n)) for n in sorted({0, asked // 2, asked})]
        parts += _panel(left, right, 32, 170, scale, "decided" if k == 0 else "")
        top = math.log10(max(found["limit_s"], 1.0) / _LEAST_S)
        times = [(n / top, f"{10.0**n * _LEAST_S:g}") for n in range(int(top) + 1)]
        parts += _panel(left, right, 196, 334, times, "mean s" if k == 0 else "")
        for n, engine in enumerate(engines):
            cells = engines_of.get(engine, {})
            shares = {e: cells[str(e)]["decided"] / asked for e in RADII if str(e) in cells}
            logs = {
                e: math.log10(max(cells[str(e)]["mean_cpu_s"], _LEAST_S) / _LEAST_S) / top
                for e in RADII
                if str(e) in cells
            }
            parts += [_line(left, right, 32, 170, shares, n), _line(left, right, 196, 334, logs, n)]
    for n, engine in enumerate(engines):
        x, colour = 50 + 150 * n, _COLOURS[n % len(_COLOURS)]
        parts.append(
            f'<path d="M{x} 378h26" stroke="{colour}" stroke-width="2" stroke-dasharray="{_DASHES[n % 5]}"/>'
            f'<text x="{x + 32}" y="382">{SIGNS.get(engine, engine)}</text>'
        )
    return "\n".join([*parts, "</svg>", ""])


def _panel(
    left: int, right: int, top: int, bottom: int, scale: Sequence[tuple[float, str]], said: str
) -> list[str]:
    parts = [f'<path d="M{left} {top}V{bottom}H{right}" fill="none" stroke="#888"/>']
    for share, text in scale:
        y = bottom - share * (bottom - top)
        parts.append(f'<text x="{left - 5}" y="{y + 4:.1f}" text-anchor="end">{text}</text>')
        parts.append(f'<path d="M{left} {y:.1f}H{right}" stroke="#ddd"/>')
    for k, eps in enumerate(RADII):
        x = _x(left, right, k)
        parts.append(f'<text x="{x:.1f}" y="{bottom + 15}" text-anchor="middle">ε = {eps}</text>')
    if said:
        turned = f"rotate(-90 14 {(top + bottom) / 2})"
        parts.append(f'<text x="14" y="{(top + bottom) / 2}" transform="{turned}">{said}</text>')
    return parts


def _x(left: int, right: int, k: int) -> float:
    return left + (k + 0.5) / len(RADII) * (right - left)


def _line(left: int, right: int, top: int, bottom: int, shares: Mapping[int, float], n: int) -> str:
    points = [
        (_x(left, right, k), bottom - min(shares[eps], 1.0) * (bottom - top))
        for k, eps in enumerate(RADII)
        if eps in shares
    ]
    colour = _COLOURS[n % len(_COLOURS)]
    drawn = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5" fill="{colour}"/>' for x, y in points)
    return (
        f'<polyline points="{drawn}" fill="none" stroke="{colour}" stroke-width="2" '
        f'stroke-dasharray="{_DASHES[n % 5]}"/>{dots}'
    )
