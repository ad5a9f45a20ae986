"""coverify replay: run counterexamples on a device, which confirms or refutes them."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from coverify.boards.device import open_foreign
from coverify.cli.devices import (
    DeviceOption,
    WireLogOption,
    device_limits,
    device_row,
    is_foreign,
    load,
    opened,
)
from coverify.cli.outcome import JsonOption, OutOption, Output, model_ref, run_verb, verdict_of, versions
from coverify.conformance.foreign import ForeignRunner
from coverify.conformance.stepping import Stepper
from coverify.errors import BadInput, DeviceFault, DeviceRefused, LinkError
from coverify.replay import Claim, NotReplayable, Replayed, replay
from coverify.report import Device as DeviceRow
from coverify.report import Replay as ReplayRow
from coverify.report import Result, worst
from coverify.verify.witness import Witness
from tflm_int8 import Model, Reference, UnknownProfile


def replay_verb(
    witnesses: Annotated[
        list[Path], typer.Argument(metavar="WITNESS…", help="Witness files (.zip).", show_default=False)
    ],
    device: DeviceOption,
    model: Annotated[
        Path | None, typer.Option(help="Insist that the witnesses are about this .tflite file.")
    ] = None,
    out: OutOption = None,
    json: JsonOption = None,
    wire_log: WireLogOption = None,
) -> None:
    """Run the counterexample in each WITNESS on a DEVICE and compare every tensor.

    CONFIRMED (exit 0): the device computes every byte that the witness says, and its own output breaks the
    property. REFUTED (1), FLAKY (4), LINK_ERROR or DEVICE_FAULT (3).

    Example: coverify replay out/witness-25-eps4.zip --device qemu:mps2-an386
    """
    output = Output(json, out)

    def body() -> Result:
        claims = [(path, *_read(path)) for path in witnesses]
        if model is not None:
            _insist(model, claims)
        rows, row, message = _replay_all(claims, device, wire_log, output)
        nets = {reference.model.sha256: reference.model for _, reference, _ in claims}
        profiles = {reference.profile for _, reference, _ in claims}
        return Result(
            verb="replay",
            verdict=worst(r.verdict for r in rows),
            message=message,
            model=model_ref(next(iter(nets.values()))) if len(nets) == 1 else None,
            device=row,
            profile=next(iter(profiles)) if len(profiles) == 1 else None,
            replays=tuple(rows),
            not_covered=device_limits(device),
            versions=versions(),
        )

    run_verb("replay", output, body)


def _read(path: Path) -> tuple[Reference, Claim]:
    witness = Witness.read(path)
    if witness.kind != "tflite":
        raise NotReplayable(path.name, witness.model_name)
    net = Model.from_bytes(witness.model, witness.model_name)
    shape = net.tensors[net.inputs[0]].shape
    for name, array in (("input", witness.x), ("x0", witness.x0)):
        if array.size != net.tensors[net.inputs[0]].size:
            raise BadInput(f"{path}: its {name} has {array.size} values, the network takes {list(shape)}")
    x0, x = (array.astype(np.int8).reshape(shape) for array in (witness.x0, witness.x))
    claim = Claim(x0, x, witness.label, witness.tensors, witness.breach)
    return _reference(path, net, witness.profile), claim


def _reference(path: Path, net: Model, profile: str) -> Reference:
    try:
        return Reference(net, profile)
    except UnknownProfile as error:
        raise BadInput(f"{path}: {error}") from error


def _insist(model: Path, claims: list[tuple[Path, Reference, Claim]]) -> None:
    wanted = Model.read(model)
    for path, reference, _ in claims:
        found = reference.model.sha256
        if found != wanted.sha256:
            raise BadInput(f"{path} is about another network ({found[:12]}…) than {model.name}")


def _row(path: Path, url: str, done: Replayed) -> ReplayRow:
    return ReplayRow(
        witness=path.name, verdict=done.verdict, device=url, tensors=done.tensors, note=done.note
    )


def _replay_all(
    claims: list[tuple[Path, Reference, Claim]], url: str, wire_log: Path | None, output: Output
) -> tuple[list[ReplayRow], DeviceRow | None, str | None]:
    """Replay on one device, one after the other; what a broken link leaves undone is LINK_ERROR."""
    rows: list[ReplayRow] = []
    device_said: DeviceRow | None = None
    try:
        if is_foreign(url):
            with closing(open_foreign(url)) as foreign:
                device_said = DeviceRow(url=url, board=foreign.name)
                for path, reference, claim in claims:
                    rows.append(
                        _row(path, url, replay(claim, reference, ForeignRunner(foreign, reference.model)))
                    )
            return rows, device_said, None
        with opened(url, wire_log, output, claims[0][1].model) as device:
            device_said = device_row(device)
            loaded: Stepper | None = None
            for path, reference, claim in claims:
                if loaded is None or loaded.model.sha256 != reference.model.sha256:
                    loaded = load(device, reference.model, output)
                rows.append(_row(path, url, replay(claim, reference, loaded)))
    except (LinkError, DeviceFault, DeviceRefused) as error:
        left = claims[len(rows) :]
        rows += [
            ReplayRow(witness=path.name, verdict=verdict_of(error), device=url, note=str(error))
            for path, _, _ in left
        ]
        return rows, device_said, str(error)
    return rows, device_said, None
