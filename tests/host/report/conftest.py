"""A folder as the loop leaves it, made by hand: a comparison, ten queries with pictures, one replay."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import pytest

from coverify.report import (
    Device,
    ModelRef,
    Oracle,
    Picture,
    Query,
    Replay,
    Result,
    TensorRow,
    write_result,
)

MODEL = ModelRef(file="networks/digits_mlp.tflite", sha256="3f" * 32)
DEVICE = Device(
    url="qemu:mps2-an386",
    board="mps2-an386",
    core="Cortex-M4",
    engine="kernels",
    rounding="double",
    compiler="arm-none-eabi-gcc 12.2.1",
    build_id="a1b2c3d4e5f60718293a",
    protocol=1,
)
THREE = """
..####..
.##..##.
.....##.
...###..
.....##.
.#...##.
.##..##.
..####..
"""
OPS = ("FULLY_CONNECTED", "FULLY_CONNECTED", "SOFTMAX")
SIZES = (32, 10, 10)


def three(eps: int) -> Picture:
    """A hand-drawn digit and a change of at most eps."""
    lines = THREE.split()
    original = np.array([[100 if dot == "#" else -120 for dot in line] for line in lines], np.int8)
    change = np.array(
        [[(3 * row + 5 * column) % (2 * eps + 1) - eps for column in range(8)] for row in range(8)]
    )
    picture = Picture.of(original, (original + change).astype(np.int8))
    assert picture is not None
    return picture


def tensors(samples: int) -> tuple[TensorRow, ...]:
    """Comparison rows of a three-op network, all equal."""
    return tuple(
        TensorRow(
            tensor=7 + op,
            name=f"sequential/dense_{op}",
            op_index=op,
            op=OPS[op],
            bytes=samples * size,
            compared_samples=samples,
            max_abs_diff=0,
        )
        for op, size in enumerate(SIZES)
    )


def conform() -> Result:
    """A comparison of 200 samples, all equal: 200 × (32 + 10 + 10) bytes."""
    return Result(
        verb="conform",
        verdict="MATCH",
        model=MODEL,
        device=DEVICE,
        profile="tflm",
        oracle=Oracle(name="tflite-micro", version="0.dev20261023"),
        samples=200,
        bytes_compared=200 * sum(SIZES),
        tensors=tensors(200),
        mismatches=(),
        not_covered=("Inputs other than the 200 that were sent.",),
        versions={"coverify": "0.1.0", "numpy": "1.26.4"},
        started=datetime(2026, 11, 21, 9, 0, tzinfo=timezone.utc),
        finished=datetime(2026, 11, 21, 9, 1, tzinfo=timezone.utc),
        seed=7,
        command=("coverify", "conform", "digits mlp.tflite", "--device", "qemu:mps2-an386"),
    )


def queries() -> tuple[Query, ...]:
    """Ten queries: six HOLDS, three VIOLATED (the first has a witness file), one UNKNOWN."""
    holds = [
        Query(
            index=index,
            eps=1 + index % 3,
            verdict="HOLDS",
            engine=("interval", "z3")[index % 2],
            time_s=0.002 * 10 ** (index % 3),
            label=index,
            property="the first maximum of the output stays the label",
        )
        for index in range(6)
    ]
    violated = [
        Query(
            index=6 + number,
            eps=2 + number,
            verdict="VIOLATED",
            engine="attack",
            time_s=0.03 + number / 50,
            label=3,
            predicted=8 if number else 2,
            picture=three(2 + number),
            witness="witness-6-2.zip" if number == 0 else None,
        )
        for number in range(3)
    ]
    return (
        *holds,
        *violated,
        Query(index=9, eps=4, verdict="UNKNOWN", engine="z3", time_s=60.0, note="budget of 60 s ended"),
    )


def verify() -> Result:
    """The ten queries."""
    return Result(
        verb="verify",
        verdict="VIOLATED",
        model=MODEL,
        profile="tflm",
        queries=queries(),
        not_covered=("Changes larger than ε.",),
        versions={"coverify": "0.1.0", "z3": "4.13.0"},
        started=datetime(2026, 11, 21, 9, 2, tzinfo=timezone.utc),
        finished=datetime(2026, 11, 21, 9, 4, tzinfo=timezone.utc),
    )


def replay() -> Result:
    """The one witness, confirmed."""
    row = Replay(witness="out/witness-6-2.zip", verdict="CONFIRMED", device=DEVICE.url, tensors=tensors(1))
    return Result(
        verb="replay", verdict="CONFIRMED", model=MODEL, device=DEVICE, profile="tflm", replays=(row,)
    )


@pytest.fixture
def loop(tmp_path: Path) -> Path:
    """The folder of one loop: conform.json, verify.json, and replay.json in a subfolder."""
    folder = tmp_path / "loop"
    (folder / "replay").mkdir(parents=True)
    write_result(folder, conform())
    write_result(folder, verify())
    write_result(folder / "replay", replay())
    return folder


@pytest.fixture
def result_of() -> Callable[[str], Result]:
    """The loop's results by verb."""
    makers = {"conform": conform, "verify": verify, "replay": replay}
    return lambda verb: makers[verb]()
