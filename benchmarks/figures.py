#!/usr/bin/env python3
"""Every table and figure of docs/studies.md, docs/repair.md, cardinality and eqv, from one command.

    python benchmarks/figures.py              # run what is missing, compare with the pages
    python benchmarks/figures.py --write      # … and write pages and docs/figures
    python benchmarks/figures.py --only bits --inputs 3 --timeout 2      # a quick look, other numbers

Runs studies.py, repair.py, verbine.py and eqv.py with the numbers of inputs and limits below (about three
hours of processor time in all); each goes on where it was ended, and what is finished is not run again.
Records (one JSON for each figure) go to build/figures, and with --write to docs/figures, from which
tests/benchmarks/test_figures.py makes the tables again. Without --write every cell that differs from the
page's is printed: verdicts that a time limit decides, and times, differ between machines. `--no-run` only
collects. Exits with 1 where cells differ.
"""
# ruff: noqa: E402  (the checkout must be found before the imports)

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path += [str(ROOT / part) for part in ("firmware_models", "host", "benchmarks", "tests")]

from figure_tables import low_bits as cardinality
from figure_tables import repairs, stages, studies
from figure_tables.pages import PAGES, blocks, replaced
from side_by_side.queries import DATA
from side_by_side.runs import Store

RECORDS = ROOT / "docs" / "figures"
BUILD = ROOT / "build"
Record = dict[str, Any]
NETWORKS = {
    "transfer-digits": "digits 64-16-10", "transfer-mnist": "MNIST 784-32-10",
    "transfer-mnist-64-32": "MNIST 784-64-32-10", "digits": "digits 64-16-10", "mnist": "MNIST 784-32-10",
    "qvip-100": "QVIP 784-100-10", "qvip-64": "QVIP 784-64-32-10", "diabetes": "diabetes 10-8-2",
}  # fmt: skip
LAYERS = {
    "kws-3bit/op11": "keyword spotting, three bits, last layer",
    "kws/op11": "keyword spotting as shipped, last layer",
    "kws/op7": "keyword spotting as shipped, a convolution (op 7)",
    "mnist_mlp-3bit/op2": "`mnist_mlp_64_32`, three bits, last layer",
    "mnist_conv-3bit/op4": "`mnist_conv`, three bits, last layer",
    "mnist_conv-3bit/op1": "`mnist_conv`, three bits, the second convolution",
    "digits_cnn-3bit/op6": "`digits_cnn`, three bits, last layer",
    "digits_cnn-3bit/op3": "`digits_cnn`, three bits, the second convolution",
    "digits-q3/op1": "`digits_mlp_float` in TFLite's scheme, three bits, last layer",
    "digits-q3/op0": "`digits_mlp_float` in TFLite's scheme, three bits, first layer",
    "digits_mlp-3bit/op1": "`digits_mlp`, three bits, last layer",
    "digits_mlp-3bit/op0": "`digits_mlp`, three bits, first layer",
}
PAIRS = {
    f"{key}-{method}": said + (", 1 s for a program, one ranking" if method.endswith("1s") else "")
    for key, said in LAYERS.items()
    for method in ("lattice", "paper", "lattice-1s")
}
COUNTS = (1, 5, 10, 12, 16, 32)
"""Numbers of neurons that are columns."""


@dataclass(frozen=True)
class Figure:
    """run: the script and its options; collect: the record (None: nothing was run); tables: name → text."""

    run: tuple[str, ...]
    collect: Callable[[Path], Record | None]
    tables: Callable[[Record], dict[str, str]]


def _studies(*names: str) -> Callable[[Path], Record | None]:
    def collect(build: Path) -> Record | None:
        found = {name: studies.record(build / "studies" / name / "run") for name in names}
        kept = {name: one for name, one in found.items() if one is not None}
        return kept or None

    return collect


def _named(found: Mapping[str, Any]) -> dict[str, Any]:
    return {NETWORKS[name]: one for name, one in found.items()}


def _repairs(build: Path) -> Record | None:
    folders = [path.parent for path in sorted((build / "repair").glob("*/*/repair.json"))]
    found = {
        path.relative_to(build / "repair").as_posix(): one
        for path in folders
        if (one := repairs.record(path)) is not None
    }
    return found or None


def _repair_tables(found: Record) -> dict[str, str]:
    tables = {"repair-pairs": repairs.pairs(found, PAIRS)}
    for name, key in (
        ("repair-kws", "kws-3bit/op11"),
        ("repair-mnist", "mnist_mlp-3bit/op2"),
        ("repair-digits-conv", "digits_cnn-3bit/op3"),
        ("repair-conv", "mnist_conv-3bit/op1"),
    ):
        both = [found[f"{key}-{method}"] for method in ("lattice", "paper") if f"{key}-{method}" in found]
        if len(both) == 2 and all("grid" in one for one in both):
            for measure in ("accuracy", "fidelity"):
                tables[f"{name}-{measure}"] = repairs.metrics(both, measure, COUNTS)
    if "digits_mlp-3bit/cegis" in found:
        tables["repair-robustness"] = repairs.robustness(found["digits_mlp-3bit/cegis"])
    return tables


def _cardinality(build: Path) -> Record | None:
    path = build / "verbine-bench.jsonl"
    if not path.is_file() or not DATA.is_dir():
        return None
    sys.path.append(str(ROOT / "firmware_models" / "networks"))
    import low_bits

    from fixed_point_networks import outputs

    by_network: dict[str, Any] = {}
    runs = list(Store(path, resume=True).runs.values())
    limit_s = max((run.limit_s for run in runs), default=0.0)
    for run in (run for run in runs if run.limit_s == limit_s):
        by_network.setdefault(run.network, []).append(run)
    x, y = low_bits.mnist(DATA / "mnist")
    held = slice(low_bits.HELD_OUT)
    accuracy = {}
    for name in by_network:
        arrays = dict(np.load(build / "low-bits" / f"mnist_{name.split()[0]}bit.npz"))
        accuracy[name] = float((outputs(arrays, x[held]).argmax(axis=1) == y[held]).mean())
    return cardinality.record(by_network, accuracy)


def _stages(build: Path) -> Record | None:
    path = build / "eqv-bench.jsonl"
    runs = list(Store(path, resume=True).runs.values()) if path.is_file() else []
    limit_s = max((run.limit_s for run in runs), default=0.0)
    return stages.record([run for run in runs if run.limit_s == limit_s]) if runs else None


STUDY = ("studies.py", "--timeout", "10")
FIGURES: dict[str, Figure] = {
    "transfer": Figure(
        (*STUDY, "--only", "transfer-digits", "--inputs", "50"),
        _studies("transfer-digits"),
        lambda found: {"transfer": studies.transfer(found["transfer-digits"])},
    ),
    "transfer-cancer": Figure(
        (*STUDY, "--only", "transfer-cancer", "--inputs", "60"),
        _studies("transfer-cancer"),
        lambda found: {
            "transfer-cancer": studies.transfer(found["transfer-cancer"]),
            "transfer-examples": studies.examples(found["transfer-cancer"]),
        },
    ),
    "transfer-mnist": Figure(
        (*STUDY, "--only", "transfer-mnist,transfer-mnist-64-32", "--inputs", "10"),
        _studies("transfer-mnist", "transfer-mnist-64-32"),
        lambda found: {"transfer-mnist": studies.transfers(_named(found))},
    ),
    "bits": Figure(
        (*STUDY, "--only", "digits,qvip-64", "--inputs", "20"),
        _studies("digits", "qvip-64"),
        lambda found: {"bits": studies.bits(_named(found))},
    ),
    "fairness": Figure(
        (*STUDY, "--only", "diabetes"),
        _studies("diabetes"),
        lambda found: {"fairness": studies.fairness(found["diabetes"])},
    ),
    "repair": Figure(("repair.py", "--resume"), _repairs, _repair_tables),
    "cardinality": Figure(
        ("verbine.py", "--images", "20", "--limit", "10", "--resume"),
        _cardinality,
        lambda found: {"cardinality": cardinality.table(found)},
    ),
    "eqv": Figure(
        ("eqv.py", "--images", "10", "--limit", "10", "--resume"),
        _stages,
        lambda found: {"eqv": stages.table(found)},
    ),
}
PLOT = "cardinality.svg"


def written(name: str, found: Record, folder: Path) -> None:
    """The record, and the plot where there is one, as files."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(found, indent=1, ensure_ascii=False, sort_keys=False)
    (folder / f"{name}.json").write_text(text + "\n", "utf-8")
    if name == "cardinality":
        (folder / PLOT).write_text(cardinality.svg(found), "utf-8")


def differing(name: str, table: str) -> list[str]:
    """The lines of a table that its page does not have; none where no page has the table."""
    kept = {key: block for page in PAGES for key, block in blocks(page.read_text("utf-8")).items()}
    known = set(kept.get(name, table).splitlines())
    return [f"{name}: {line}" for line in table.splitlines() if line not in known]


def put(name: str, table: str) -> None:
    """The table in its page."""
    for page in PAGES:
        text = page.read_text("utf-8")
        if name in blocks(text):
            page.write_text(replaced(text, name, table), "utf-8")


def main() -> int:
    """Run, collect, compare or write; 1 where a cell differs from the page's."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default=",".join(FIGURES), help=f"of {', '.join(FIGURES)}; default: all")
    parser.add_argument("--write", action="store_true", help="into the pages, and docs/figures")
    parser.add_argument("--no-run", action="store_true", help="only collect what build/ holds")
    options, passed = parser.parse_known_args()
    names = options.only.split(",")
    if unknown := [name for name in names if name not in FIGURES]:
        parser.error(f"no figure {unknown[0]!r}; there are {', '.join(FIGURES)}")
    differs = False
    for name in names:
        figure = FIGURES[name]
        if not options.no_run:
            script = [sys.executable, str(ROOT / "benchmarks" / figure.run[0]), *figure.run[1:], *passed]
            if subprocess.run(script, check=False).returncode:
                print(f"figures.py: {figure.run[0]} failed", file=sys.stderr)
                return 1
        found = figure.collect(BUILD)
        if found is None:
            print(f"{name}: there is no result: its data are not here, or --no-run", file=sys.stderr)
            continue
        written(name, found, RECORDS if options.write else BUILD / "figures")
        for key, table in figure.tables(found).items():
            print(f"\n{key}\n\n{table}", flush=True)
            if options.write:
                put(key, table)
            elif lines := differing(key, table):
                differs = True
                print("\n".join(["differs from the page:", *lines]))
    return int(differs)


if __name__ == "__main__":
    sys.exit(main())
