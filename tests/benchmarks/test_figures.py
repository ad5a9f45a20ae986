"""The pages' tables are those of their recorded results, and hold what these results say."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from oracle import ROOT

sys.path.append(str(ROOT / "benchmarks"))

import figures
from figure_tables import low_bits, pages, repairs, stages, studies
from side_by_side.runs import Run

RECORDS = sorted((ROOT / "docs" / "figures").glob("*.json"))


def in_pages() -> dict[str, str]:
    found: dict[str, str] = {}
    for page in pages.PAGES:
        found |= pages.blocks(page.read_text("utf-8"))
    return found


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.stem)
def test_a_page_s_tables_are_made_of_the_recorded_results(path: Path) -> None:
    kept = in_pages()
    for name, table in figures.FIGURES[path.stem].tables(json.loads(path.read_text("utf-8"))).items():
        assert kept[name] == table, name


def test_every_table_of_the_pages_has_a_record_and_every_figure_is_recorded() -> None:
    assert {path.stem for path in RECORDS} == set(figures.FIGURES)
    made = {
        name
        for path in RECORDS
        for name in figures.FIGURES[path.stem].tables(json.loads(path.read_text("utf-8")))
    }
    assert made == set(in_pages())


def test_the_plot_is_made_of_the_recorded_runs() -> None:
    record = json.loads((ROOT / "docs" / "figures" / "cardinality.json").read_text("utf-8"))
    assert (ROOT / "docs" / "figures" / figures.PLOT).read_text("utf-8") == low_bits.svg(record)


def test_a_table_is_put_between_its_own_marks_alone() -> None:
    page = "a\n<!-- figure: one -->\nold\n<!-- end -->\nb\n<!-- figure: two -->\n<!-- end -->\n"
    changed = pages.replaced(page, "two", "x\n")
    assert pages.blocks(changed) == {"one": "old\n", "two": "x\n"}
    assert changed.replace("x\n", "") == page


def test_open_queries_are_not_decided_and_times_are_means_of_all() -> None:
    def run(index: int, eps: int, verdict: str, cpu_s: float) -> Run:
        return Run("2 bit", "ab", index, eps, "bab", 10.0, verdict, True, cpu_s, 1.0, None, "")

    runs = [run(0, 1, "HOLDS", 1.0), run(1, 1, "VIOLATED", 2.0), run(2, 1, "UNKNOWN", 9.0)]
    runs.append(run(0, 3, "HOLDS", 0.5))
    record = low_bits.record({"2 bit": runs}, {"2 bit": 0.875})
    assert low_bits.table(record).splitlines()[-1] == (
        "| 2 bit | 87.5 % | `bab` | 2 of 3, 4.00 s | 1 of 1, 0.50 s | – | 1 |"
    )
    heights = [float(y) for y in re.findall(r'cy="([\d.]+)"', low_bits.svg(record))]
    assert heights[:2] == [78.0, 124.0]  # 2 and 1 of 3, between 170 (none) and 32 (all)


def test_a_query_counts_for_the_stage_that_decided_it_and_wrong_proofs_are_counted() -> None:
    def run(index: int, engine: str, verdict: str, sound: bool, by: str) -> Run:
        return Run("net", "ab", index, 1, engine, 9.0, verdict, sound, 1.0 + index, 1.0, None, "", by)

    runs = [
        run(0, "eqv", "VIOLATED", True, "eqv:attack"), run(0, "auto", "VIOLATED", True, "attack"),
        run(1, "eqv", "HOLDS", False, "eqv:program"), run(1, "auto", "VIOLATED", True, "bab"),
        run(2, "eqv", "UNKNOWN", False, "eqv:program"), run(2, "auto", "HOLDS", True, "bab"),
        run(3, "eqv", "HOLDS", True, "eqv:intervals"), run(3, "auto", "UNKNOWN", False, "auto"),
    ]  # fmt: skip
    row = "| net | 1 | 4 | 1 | 1 | 1 | 1 | 1 | 2.50 s | 1 | 2 | 1 | 2.50 s |"
    assert stages.table(stages.record(runs)).splitlines()[-1] == row


def test_an_open_query_makes_robust_accuracy_a_range() -> None:
    width = {
        "scheme": "fixed", "bits": 4, "model": {"file": "a.npz", "sha256": "0" * 64}, "samples": 200,
        "right": 183, "wrong": 1, "robust": 14, "broken": 4, "open": 1,
    }  # fmt: skip
    table = studies.bits({"net": {"kind": "bits", "eps": 8, "widths": [width]}})
    assert "| net, fixed, ε = 8 | 91.5, 70–75 |" in table


def test_a_cell_of_a_metric_holds_both_methods() -> None:
    grid = {"before": 0.5, "counts": [1, 5], "rows": {"ample": [0.888, None], "random": [0.791, 0.841]}}
    one = {"grid": {"accuracy": grid}}
    table = repairs.metrics([one, one], "accuracy", (1, 5, 10))
    assert table.splitlines()[2:] == [
        "| ample | 88.8 / 88.8 | – / – |",
        "| random, mean of seeds | 79.1 / 79.1 | 84.1 / 84.1 |",
    ]
