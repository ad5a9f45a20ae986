"""What do many answers say together? Certified accuracy against the radius, and queries decided against time.

Proofs count for every smaller radius and counterexamples for every larger one, whichever query gave them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from coverify.campaign.entry import Entry
from coverify.report import CactusLine, CurvePoint


def curve(entries: Iterable[Entry], indices: Sequence[int], radii: Iterable[int]) -> tuple[CurvePoint, ...]:
    """For each radius, ascending: how many of the inputs `indices` are certified, attacked and open."""
    certified, attacked = dict.fromkeys(indices, -1), dict.fromkeys(indices, 1 << 30)
    for entry in entries:
        if entry.index not in certified:
            continue
        if entry.row.verdict == "HOLDS":
            certified[entry.index] = max(certified[entry.index], entry.eps)
        elif entry.row.verdict == "VIOLATED":
            attacked[entry.index] = min(attacked[entry.index], entry.eps)
    points = []
    for eps in sorted(set(radii)):
        holds = sum(certified[i] >= eps for i in indices)
        broken = sum(attacked[i] <= eps for i in indices)
        points.append(
            CurvePoint(eps=eps, certified=holds, attacked=broken, open=len(indices) - holds - broken)
        )
    return tuple(points)


def cactus(entries: Iterable[Entry]) -> tuple[CactusLine, ...]:
    """The ascending times of the decided queries, all of them first and then by engine."""
    times: dict[str, list[float]] = {}
    for entry in entries:
        if entry.decided:
            times.setdefault(entry.row.engine, []).append(entry.row.time_s)
    lines = sorted(times.items())
    if len(lines) > 1:
        lines.insert(0, ("all", [time_s for _, times_s in lines for time_s in times_s]))
    return tuple(CactusLine.of(name, found) for name, found in lines)
