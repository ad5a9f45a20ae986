"""The networks that `coverify study` leaves in a folder, by other code than that under test."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fixed_point_networks import outputs, points
from oracle import Tflm


def outputs_of(run: Path, scheme: str, bits: int, x: np.ndarray) -> np.ndarray:
    """x: pixels [N, n] → [N, n_out], by the integer model, and by TFLM's interpreter."""
    path = run / "networks" / f"{scheme}-b{bits}"
    if scheme == "fixed":
        return outputs(dict(np.load(path.with_suffix(".npz"))), x)
    tflm = Tflm(path.with_suffix(".tflite").read_bytes())
    return np.array([tflm.run((p - 128).astype(np.int8)[None]).reshape(-1).astype(int) for p in x])


def classes_of(run: Path, scheme: str, bits: int, x: np.ndarray) -> np.ndarray:
    return outputs_of(run, scheme, bits, x).argmax(axis=1)


def standings_of(run: Path, scheme: str, bits: int, data, eps: int) -> list[str]:
    """Per input "wrong", "robust" or "broken": every point of its box is run.  data: x and labels y."""
    said = []
    for x, y in zip(data["x"].astype(int), data["y"], strict=True):
        got = classes_of(run, scheme, bits, np.vstack([x[None], points(x, eps)]))
        said.append("wrong" if got[0] != y else "robust" if (got == y).all() else "broken")
    return said
