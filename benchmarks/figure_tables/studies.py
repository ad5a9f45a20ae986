"""Tables of what `coverify study` found. A record: a result's `study`, the last of each kind of examples."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from coverify.report import ExampleRow, Study, WidthRow, read_result
from coverify.report.study_text import gap_text
from figure_tables.pages import ends, markdown

OF_FLOAT = ("false vulnerable", "float counterexample fails")
"""Kinds of examples that a counterexample of the float network shows."""
BITS_COLUMNS = (4, 5, 6, 7, 8, 9, 10)


def record(folder: Path) -> dict[str, Any] | None:
    """The record of a study's folder; None where it holds no result."""
    for path in sorted(folder.glob("study-*.json")):
        study = read_result(path).study
        if study is not None:
            last = {(row.kind, row.scheme): row for row in study.examples}
            kept = study.model_copy(update={"examples": tuple(last.values()), "carried": ()})
            return kept.model_dump(mode="json", exclude_defaults=True)
    return None


def study_of(found: Mapping[str, Any]) -> Study:
    """The study of a record."""
    return Study.model_validate(found)


def transfer(found: Mapping[str, Any]) -> str:
    """Verdicts of one float network against those of its widths."""
    study = study_of(found)
    head = ("network", "both robust", "both vulnerable", "falsely robust", "falsely vulnerable", "open")
    head += ("float's counterexamples that break it", "its own that break float", "device")
    rows = []
    for row in study.transfers:
        same = "–" if row.replayed is None else f"{row.replayed_same} of {row.replayed}"
        rows.append([
            f"{row.scheme} {row.bits}", row.both_robust, row.both_vulnerable, f"**{row.false_robust}**",
            row.false_vulnerable, row.open, f"{row.from_float_breaking} of {row.from_float}",
            f"{row.to_float_breaking} of {row.to_float}", same,
        ])  # fmt: skip
    return _real(study) + markdown(head, rows)


def examples(found: Mapping[str, Any]) -> str:
    """One case of every kind and scheme: that of the most bits."""
    rows = [
        [row.kind, f"{row.scheme} {row.bits}", row.index, f"{row.label} → {row.predicted}",
         _by(row), row.on_device or "–"]
        for row in sorted(study_of(found).examples, key=lambda row: (row.kind, row.scheme))
    ]  # fmt: skip
    return markdown(("what", "network", "input", "class", "by", "on the device"), rows)


def _by(row: ExampleRow) -> str:
    if row.witness is None:
        return "the input itself"
    return f"the {'float' if row.kind in OF_FLOAT else 'quantized'} network's counterexample"


def _real(study: Study) -> str:
    row = study.real
    assert row is not None
    asked = row.robust + row.broken + row.wrong + row.open
    said = (
        f"Of the float network, ε = {study.eps}, {asked} inputs: {row.robust} robust, {row.broken} broken, "
    )
    return said + f"{row.wrong} wrong, {row.open} open, {row.time_s:.1f} s in all.\n\n"


def transfers(found: Mapping[str, Mapping[str, Any]]) -> str:
    """Falsely robust, falsely vulnerable, open; one row for each float network."""
    studies = {name: study_of(one) for name, one in found.items()}
    first = next(iter(studies.values()))
    widths = [(row.scheme, row.bits) for row in first.transfers]
    rows = []
    for name, study in studies.items():
        cells = {
            (r.scheme, r.bits): f"{r.false_robust}, {r.false_vulnerable}, {r.open}" for r in study.transfers
        }
        real = study.real
        assert real is not None
        standing = f"{real.robust}, {real.broken}, {real.wrong}, {real.open}; {real.time_s:.1f} s"
        rows.append([f"{name}, ε = {study.eps}", standing, *(cells[width] for width in widths)])
    head = ("network", "float: robust, broken, wrong, open", *(f"{scheme} {bits}" for scheme, bits in widths))
    return markdown(head, rows)


def bits(found: Mapping[str, Mapping[str, Any]]) -> str:
    """Accuracy and robust accuracy in percent, one row for each network and scheme."""
    rows = []
    for name, one in found.items():
        study = study_of(one)
        for scheme in dict.fromkeys(row.scheme for row in study.widths):
            cells = {
                row.bits: f"{100 * row.accuracy:.1f}, {_robust(row)}"
                for row in study.widths
                if row.scheme == scheme
            }
            lost = [
                f"input {c.index}: robust at {c.robust_bits}, "
                f"{'broken' if c.witness else 'wrong'} at {c.broken_bits}"
                + (f" ({c.on_device} on the device)" if c.on_device else "")
                for c in study.changes
                if c.scheme == scheme and c.lost
            ]
            said = f"{name}, {scheme}, ε = {study.eps}"
            rows.append([said, *(cells.get(bits, "") for bits in BITS_COLUMNS), "; ".join(lost) or "–"])
    return markdown(("network", *map(str, BITS_COLUMNS), "not monotone"), rows)


def _robust(row: WidthRow) -> str:
    return ends(*(f"{100 * end:.0f}" for end in row.robust_accuracy))


def fairness(found: Mapping[str, Any]) -> str:
    """The largest gap by width."""
    head = (
        "network",
        "accuracy",
        "largest gap, codes",
        "real",
        "inputs flipped",
        "pair flips",
        "certified boxes",
        "device",
    )
    rows = []
    for row in study_of(found).gaps:
        flips = row.flips, "yes" if row.pair_flips else "no"
        right = f"{100 * row.right / row.samples:.1f} %"
        rows.append(
            [
                f"{row.scheme} {row.bits}",
                right,
                *gap_text(row),
                *flips,
                f"{row.certificates} of {row.boxes}",
                row.on_device or "–",
            ]
        )
    return markdown(head, rows)
