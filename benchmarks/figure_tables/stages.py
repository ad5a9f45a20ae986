"""The table of eqv's stages beside the default: which stage decides how many queries, and what they cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from side_by_side.runs import Run
from side_by_side.tables import truths

from coverify.verify.engines.eqv import STAGES
from figure_tables.pages import markdown

EQV, DEFAULT = "eqv", "auto"


def record(runs: Sequence[Run]) -> dict[str, Any]:
    """Name of a network → radius → how both do on its queries."""
    networks: dict[str, Any] = {}
    known = truths(runs)
    for name in dict.fromkeys(run.network for run in runs):
        for eps in sorted({run.eps for run in runs if run.network == name}):
            cells = {}
            for engine in (EQV, DEFAULT):
                own = [run for run in runs if (run.network, run.eps, run.engine) == (name, eps, engine)]
                cells[engine] = _cell(own, known) if own else None
            networks.setdefault(name, {})[str(eps)] = cells
    return {"limit_s": max((run.limit_s for run in runs), default=0.0), "networks": networks}


def _cell(own: Sequence[Run], known: Mapping[tuple[str, int, int], str]) -> dict[str, Any]:
    decided = [run for run in own if run.verdict != "UNKNOWN"]
    by = [run.by.partition(":")[2] for run in decided]
    return {
        "asked": len(own),
        "holds": sum(run.verdict == "HOLDS" for run in own),
        "violated": sum(run.verdict == "VIOLATED" for run in own),
        **{stage: by.count(stage) for stage in STAGES if own[0].engine == EQV},
        "wrong": sum(known.get((r.network, r.index, r.eps), r.verdict) != r.verdict for r in decided),
        "mean_cpu_s": round(sum(run.cpu_s for run in own) / len(own), 3),
    }


def table(found: Mapping[str, Any]) -> str:
    """One row for each network and radius; times are of the processor, open queries included."""
    head = (
        "network",
        "ε",
        "queries",
        "eqv: by the attack",
        "by intervals",
        "by the program",
        "open",
        "wrong",
    )
    head += ("mean time", "default: HOLDS", "VIOLATED", "open", "mean time")
    rows = []
    for name, by_radius in found["networks"].items():
        for eps, cells in by_radius.items():
            eqv, default = cells[EQV], cells[DEFAULT]
            row = [name, eps, (default or eqv)["asked"]]
            row += (
                ["–"] * 6 if eqv is None else [*(eqv[s] for s in STAGES), _open(eqv), eqv["wrong"], _s(eqv)]
            )
            row += (
                ["–"] * 4
                if default is None
                else [default["holds"], default["violated"], _open(default), _s(default)]
            )
            rows.append(row)
    return markdown(head, rows)


def _open(cell: Mapping[str, Any]) -> int:
    return int(cell["asked"] - cell["holds"] - cell["violated"])


def _s(cell: Mapping[str, Any]) -> str:
    return f"{cell['mean_cpu_s']:.2f} s"
