"""Does the device give the reference's outputs on counterexamples, at their own width and at others?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from coverify.boards.device import open_foreign
from coverify.cli.devices import device_limits, device_row, is_foreign, load, opened
from coverify.cli.network import Tflite
from coverify.cli.outcome import Output
from coverify.cli.study.networks import PIXEL_ZERO, Width
from coverify.conformance.foreign import ForeignRunner
from coverify.conformance.stepping import Runner
from coverify.report import Device as DeviceRow
from coverify.report import read_result, write_result
from coverify.verify.query import I64Array

Key = tuple[str, int, int]
"""Scheme, bits and input of a counterexample."""


@dataclass(frozen=True, eq=False)
class Trial:
    """Run every x, pixels int64 [N, n_input], on one network; keys: what each x is."""

    width: Width
    keys: Sequence[Key]
    xs: I64Array


@dataclass(frozen=True, eq=False)
class Said:
    """same: per network (scheme, bits) and counterexample, is the device's output, byte for byte, the
    reference's? device: what answered, where anything was run.
    """

    same: Mapping[tuple[str, int], Mapping[Key, bool]] = field(default_factory=dict)
    device: DeviceRow | None = None

    @property
    def contradicted(self) -> bool:
        """Is an output another than the reference's?"""
        return any(not all(by_key.values()) for by_key in self.same.values())

    @property
    def limits(self) -> tuple[str, ...]:
        """What running there cannot show."""
        return () if self.device is None else device_limits(self.device.url)


def agreed(url: str, trials: Sequence[Trial], output: Output) -> Said:
    """Run them all.  Raises what the link and the device raise."""
    found, row = {}, None
    for trial in trials:
        network = trial.width.network
        assert isinstance(network, Tflite)
        ends, expected = network.ends, trial.width.outputs(trial.xs).astype(np.int8)
        with ExitStack() as stack:
            runner: Runner
            if is_foreign(url):
                foreign = stack.enter_context(closing(open_foreign(url)))
                row = DeviceRow(url=url, board=foreign.name)
                runner = ForeignRunner(foreign, ends.whole)
            else:
                device = stack.enter_context(opened(url, None, output, ends.whole))
                row = device_row(device)
                runner = load(device, ends.whole)
            same = {}
            for key, x, want in zip(trial.keys, trial.xs, expected, strict=True):
                codes = network.shaped((x - PIXEL_ZERO).astype(np.int8)).astype(np.int8)
                got = runner.run(ends.entered(codes)).reshape(-1)
                same[key] = bool(np.array_equal(got, ends.given_out(want)))
        found[trial.width.scheme, trial.width.bits] = same
    return Said(found, row)


def not_deployed(url: str | None, widths: Sequence[Width], said: Said) -> list[str]:
    """What the device says nothing of."""
    n = sum(not width.deployable for width in widths)
    gaps = [f"the device: {n} of {len(widths)} networks are fixed-point ones that none runs"] if n else []
    if url is None:
        gaps.append("the device: none was given (--device)")
    elif said.device is None and n < len(widths):
        gaps.append("the device: nothing was run on it (no counterexample)")
    return [*gaps, *said.limits]


def note_replays(folder: Path, same: Mapping[int, bool]) -> None:
    """Say in the result of a width's own queries what the device said of their counterexamples: input → is it
    the reference's output?
    """
    path = folder / "verify.json"
    if not same or not path.is_file():
        return
    result = read_result(path)
    queries = [
        row.model_copy(update={"replay": "CONFIRMED" if same[row.index] else "REFUTED"})
        if row.index is not None and row.index in same and row.witness is not None
        else row
        for row in result.queries or ()
    ]
    write_result(path, result.model_copy(update={"queries": tuple(queries)}))
