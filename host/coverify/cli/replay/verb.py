"""coverify replay: run counterexamples on a device, which confirms or refutes them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from coverify.cli.devices import DeviceOption, WireLogOption, device_limits
from coverify.cli.folders import below, called, within
from coverify.cli.outcome import JsonOption, OutOption, Output, interruptible, model_ref, run_verb, versions
from coverify.cli.replay.jobs import Job, Replays, read, refused, replayed
from coverify.cli.replay.owners import replayed_there
from coverify.errors import BadInput
from coverify.replay import NotReplayable
from coverify.report import Replay as ReplayRow
from coverify.report import Result, worst
from tflm_int8 import Model, TflmError

NAMES = ("witness*.zip", "distinction*.zip")


def replay_verb(
    witnesses: Annotated[
        list[Path],
        typer.Argument(
            metavar="WITNESS|DIR…",
            help=f"Witness files, or folders of them ({' and '.join(NAMES)}, also in direct subfolders).",
            show_default=False,
        ),
    ],
    device: DeviceOption,
    model: Annotated[
        Path | None, typer.Option(help="Insist that the witnesses are about this .tflite file.")
    ] = None,
    out: OutOption = None,
    json: JsonOption = None,
    wire_log: WireLogOption = None,
    cluster: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Replay where DEVICE is: on the workers of a Dask cluster that name it as a resource.",
        ),
    ] = None,
) -> None:
    """Run the counterexample in each WITNESS on a DEVICE and compare every tensor.

    CONFIRMED (exit 0): the device computes every byte that the witness says, and its own output breaks the
    property. REFUTED (1), FLAKY (4), LINK_ERROR or DEVICE_FAULT (3). ERROR (2): a file is no witness, or one
    that contradicts itself; the others are replayed. Of an input that tells two kernel profiles apart
    (coverify distinguish): CONFIRMED when the device gives exactly the bytes of one of the two, and the note
    says whose.

    With --cluster each witness goes to a worker whose machine has the DEVICE, and says so:
    dask worker tcp://host:8786 --resources "/dev/ttyACM0=1" (docs/campaigns.md).

    Example: coverify replay out --device qemu:mps2-an386
    """
    output = Output(json, out)

    def body() -> Result:
        if cluster is not None and wire_log is not None:
            raise BadInput("--wire-log: the frames go between another machine and its device")
        if cluster is not None and cluster.startswith("local:"):
            raise BadInput(f"--cluster {cluster}: a device of this machine needs none; leave --cluster out")
        jobs, bad, left = _jobs(witnesses)
        if model is not None:
            _insist(model, jobs)
        left, done = (*left, *device_limits(device)), Replays()
        if not jobs:
            return _result(jobs, done, left, bad)
        with interruptible(lambda: _result(jobs, done, left, bad) if done.rows else None):
            if cluster is None:
                replayed(jobs, device, wire_log, output, done)
            else:
                replayed_there(jobs, device, cluster, output, done)
        return _result(jobs, done, left, bad)

    run_verb("replay", output, body)


def _result(
    jobs: Sequence[Job], done: Replays, left: tuple[str, ...], bad: Sequence[ReplayRow] = ()
) -> Result:
    nets = {net.sha256: net for job in jobs for net in job.models}
    profiles = {job.profile for job in jobs}
    whole, rows = len(done.rows) == len(jobs), (*done.rows, *bad)
    verdicts = [row.verdict for row in rows]
    return Result(
        verb="replay",
        verdict=worst(verdicts if whole else [*verdicts, "UNKNOWN"]),
        message=done.message if whole else f"{len(done.rows)} of {len(jobs)} counterexamples were replayed",
        model=model_ref(next(iter(nets.values()))) if len(nets) == 1 else None,
        device=done.device,
        profile=next(iter(profiles)) if len(profiles) == 1 else None,
        replays=rows,
        not_covered=left,
        versions=versions(),
    )


def _jobs(witnesses: Sequence[Path]) -> tuple[list[Job], list[ReplayRow], tuple[str, ...]]:
    """What is to be replayed, the rows of files that are refused, and what is left out: of a folder, the
    witnesses of networks that no device runs.

    Raises BadInput, TflmError (of the only file), NotReplayable (all are such, or a file is that was given by
    itself).
    """
    jobs, bad, left = list[Job](), list[ReplayRow](), list[NotReplayable]()
    first: BadInput | TflmError | None = None
    for given in witnesses:
        for name, path in _files(given, witnesses):
            try:
                jobs.append(read(path, name))
            except NotReplayable as err:
                if path == given:
                    raise
                left.append(err)
            except (BadInput, TflmError) as err:
                first = first or err
                bad.append(refused(name, err))
    if not jobs and len(bad) < 2:
        raise first or left[0]
    many = f"{len(left)} of {len(jobs) + len(bad) + len(left)} counterexamples are of fixed-point networks"
    return jobs, bad, (f"{many}, which no device runs",) if left else ()


def _files(given: Path, beside: Sequence[Path]) -> list[tuple[str, Path]]:
    """A file, or a folder's witnesses, and what each is called.  Raises BadInput where there are none."""
    if not given.is_dir():
        return [(called(given, beside), given)]
    found = within(given, *NAMES)
    if not found:
        raise BadInput(f"{given}: there is no {' or '.join(NAMES)} in this folder or one directly below")
    return [(below(given, name, beside), path) for name, path in found.items()]


def _insist(model: Path, jobs: list[Job]) -> None:
    wanted = Model.read(model)
    for job in jobs:
        for net in job.models:
            if net.sha256 != wanted.sha256:
                raise BadInput(f"{job.path} is about another network ({net.sha256[:12]}…) than {model.name}")
