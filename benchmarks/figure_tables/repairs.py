"""Tables of what `coverify repair` did, over several pairs and methods."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from coverify.report import read_result, repair_table
from figure_tables.pages import markdown, percent

Record = Mapping[str, Any]
ASKED = "asked.json"
"""Beside each result: the command, the digests of its files, and the processor time it took."""


def record(folder: Path) -> dict[str, Any] | None:
    """The record of one repair's folder; None where it holds no result."""
    path = folder / "repair.json"
    if not path.is_file() or not (folder / ASKED).is_file():
        return None
    result = read_result(path)
    repair = result.repair
    found: dict[str, Any] = {"verdict": result.verdict, "message": result.message}
    found["cpu_s"] = json.loads((folder / ASKED).read_text("utf-8"))["cpu_s"]
    if repair is None:
        return found
    found |= {"method": repair.method, "metric": repair.metric, "n_bytes": repair.n_bytes}
    found["layers"] = list(repair.layers)
    found["parts"] = {part.name: part.model_dump(mode="json", exclude={"name"}) for part in repair.parts}
    found["robustness"] = [row.model_dump(mode="json") for row in repair.robustness]
    found["grid"] = {
        table.measure: {
            "before": table.before,
            "counts": list(table.counts),
            "rows": {
                metric: [None if cell is None else round(cell.mean, 6) for cell in cells]
                for metric, cells in table.rows
            },
        }
        for table in repair_table.tables(repair)
    }
    return found


def pairs(found: Mapping[str, Record], names: Mapping[str, str]) -> str:
    """One row for each repair; names: key → what it is, for people."""
    head = (
        "pair and layer",
        "method",
        "verdict",
        "validation: right before",
        "after",
        "of",
        "float's classes before",
    )
    head += ("after", "failing tests fixed", "bytes", "processor time")
    rows = []
    for key, said in names.items():
        one = found.get(key)
        if one is None:
            continue
        if "parts" not in one:
            rows.append([said, "", f"{one['verdict']}: {one['message']}", *[""] * 7, _seconds(one["cpu_s"])])
            continue
        repair, judged = one["parts"]["repair"], one["parts"]["validation"]
        before, after = judged["before"], judged["after"]
        failing = repair["failing_before"], repair["failing_after"]
        rows.append([
            said, one["method"], one["verdict"], before["right"], f"**{after['right']}**", after["samples"],
            before["agreeing"], after["agreeing"], f"{failing[0] - failing[1]} of {failing[0]}",
            one["n_bytes"], _seconds(one["cpu_s"]),
        ])  # fmt: skip
    return markdown(head, rows)


def _seconds(value: float) -> str:
    return f"{value:.0f} s"


def metrics(found: Sequence[Record], measure: str, counts: Sequence[int]) -> str:
    """Metric by number of neurons, in percent; a cell holds every record's (method's) number."""
    grids = [one["grid"][measure] for one in found]
    known = [n for n in counts if all(n in grid["counts"] for grid in grids)]
    rows = []
    for metric in grids[0]["rows"]:
        cells = []
        for n in known:
            values = [grid["rows"][metric][grid["counts"].index(n)] for grid in grids]
            cells.append(" / ".join("–" if value is None else percent(value) for value in values))
        rows.append([f"{metric}, mean of seeds" if metric == repair_table.RANDOM else metric, *cells])
    return markdown(("metric", *(f"{n} neuron{'s' * (n > 1)}" for n in known)), rows)


def robustness(one: Record) -> str:
    """A sample of queries before, after, and after each round of counterexamples."""
    rows = []
    for row in one["robustness"]:
        changed = "–" if row["changed"] is None else row["changed"]
        rows.append([row["when"], row["holds"], row["violated"], row["unknown"], _right(row), changed])
    head = (
        f"when, ε = {one['robustness'][0]['eps']}", "HOLDS", "VIOLATED", "UNKNOWN", "validation: right",
        "bytes changed",
    )  # fmt: skip
    return markdown(head, rows)


def _right(row: Mapping[str, Any]) -> object:
    judged = row["validation"]
    return "–" if judged is None else f"{judged['right']} of {judged['samples']}"
