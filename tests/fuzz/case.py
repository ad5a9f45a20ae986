"""A failure as a folder that anybody can replay: the model, its inputs, what was expected and what came.

    model.tflite  input_0.npy …  expected.npy  got.npy  case.json

`case.json` names the kind, the seed, the operators and the command line that replays the case. Stored cases
in `tests/cases` are judged first by the tests.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fuzz.judge import Failure

CASES = Path(__file__).resolve().parent.parent / "cases"


@dataclass
class Case:
    """A stored model and its inputs [N, whole shape]."""

    folder: Path
    content: bytes
    inputs: list[np.ndarray]
    about: dict[str, object]


def write(
    parent: Path, seed: int, content: bytes, inputs: list[np.ndarray], failure: Failure, ops: list[str]
) -> Path:
    """Write a case; returns its folder, named by kind, operators and seed."""
    folder = parent / "-".join([failure.kind, *ops[:2], str(seed)]).lower()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.tflite").write_bytes(content)
    for i, x in enumerate(inputs):
        np.save(folder / f"input_{i}.npy", x, allow_pickle=False)
    np.save(folder / "expected.npy", failure.expected, allow_pickle=False)
    np.save(folder / "got.npy", failure.got, allow_pickle=False)
    about = {
        "kind": failure.kind,
        "seed": seed,
        "operators": ops,
        "tensor": failure.tensor,
        "message": failure.message,
        "replay": replay_line(folder),
    }
    (folder / "case.json").write_text(json.dumps(about, indent=2) + "\n")
    return folder


def replay_line(folder: Path) -> str:
    """The command that judges a case again."""
    return f"python tests/fuzz/differential.py --replay {folder}"


def read(folder: Path) -> Case:
    """A stored case.  Raises OSError, ValueError."""
    paths = sorted(folder.glob("input_*.npy"), key=lambda p: int(p.stem.split("_")[1]))
    inputs = [np.load(path, allow_pickle=False) for path in paths]
    about = json.loads((folder / "case.json").read_text())
    return Case(folder, (folder / "model.tflite").read_bytes(), inputs, about)


def stored() -> list[Path]:
    """The folders of the stored cases."""
    return sorted(path.parent for path in CASES.glob("*/case.json"))
