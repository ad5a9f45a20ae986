"""coverify replay: run counterexamples on a device, which confirms or refutes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer

from coverify.cli.decided import decided, why_nothing
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
    that contradicts itself; the others are replayed. OK (0): a folder has no counterexample, and its
    verify.json or distinguish.json says that none was found; the message says what was. Of an input that
    tells two kernel profiles apart (coverify distinguish): CONFIRMED when the device gives exactly the bytes
    of one of the two, and the note says whose.

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
        found, done, limits = _found(witnesses), Replays(), device_limits(device)
        if model is not None:
            _insist(model, found)
        if found.jobs:
            found.left += limits

        def result() -> Result:
            return _result(found.jobs, done, found.left, found.bad, found.nothing)

        with interruptible(lambda: result() if done.rows else None):
            if found.jobs and cluster is None:
                replayed(found.jobs, device, wire_log, output, done)
            elif found.jobs and cluster is not None:
                replayed_there(found.jobs, device, cluster, done)
        return result()

    run_verb("replay", output, body)


@dataclass(eq=False)
class _Found:
    """What the files and folders hold: what is to be replayed, rows of refused files, what is not covered.

    nothing: of folders without a counterexample, what their results say; networks: the digests of theirs.
    """

    jobs: list[Job] = field(default_factory=list)
    bad: list[ReplayRow] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    nothing: list[str] = field(default_factory=list)
    networks: dict[str, Path] = field(default_factory=dict)


def _result(
    jobs: Sequence[Job],
    done: Replays,
    left: Sequence[str],
    bad: Sequence[ReplayRow] = (),
    nothing: Sequence[str] = (),
) -> Result:
    nets = {net.sha256: net for job in jobs for net in job.models}
    profiles = {job.profile for job in jobs}
    whole, rows = len(done.rows) == len(jobs), (*done.rows, *bad)
    verdicts = [row.verdict for row in rows]
    idle = [f"nothing to replay: {'; '.join(nothing)}"] if nothing else []
    message = done.message if whole else f"{len(done.rows)} of {len(jobs)} counterexamples were replayed"
    return Result(
        verb="replay",
        verdict=worst((verdicts or ["OK"]) if whole else [*verdicts, "UNKNOWN"]),
        message=message or (idle[0] if idle and not rows else None),
        model=model_ref(next(iter(nets.values()))) if len(nets) == 1 else None,
        device=done.device,
        profile=next(iter(profiles)) if len(profiles) == 1 else None,
        replays=rows,
        not_covered=(*left, *idle),
        versions=versions(),
    )


def _found(witnesses: Sequence[Path]) -> _Found:
    """What is there; of a folder, the witnesses of networks that no device runs are left out.

    Raises BadInput, TflmError (of the only file), NotReplayable (all are such, or a file is that was given by
    itself).
    """
    found, left = _Found(), list[NotReplayable]()
    first: BadInput | TflmError | None = None
    seen = set[Path]()  # what a folder holds counts once
    for given in sorted(witnesses, key=lambda path: not path.is_dir()):
        for name, path in _files(given, witnesses, found):
            if path.resolve() in seen:
                continue
            if given.is_dir():
                seen.add(path.resolve())
            try:
                found.jobs.append(read(path, name))
            except NotReplayable as err:
                if path == given:
                    raise
                left.append(err)
            except (BadInput, TflmError) as err:
                first = first or err
                found.bad.append(refused(name, err))
    if not found.jobs and len(found.bad) < 2 and (first or left):
        raise first or left[0]
    if left:
        n = len(found.jobs) + len(found.bad) + len(left)
        found.left.append(
            f"{len(left)} of {n} counterexamples are of fixed-point networks, which no device runs"
        )
    return found


def _files(given: Path, beside: Sequence[Path], found: _Found) -> list[tuple[str, Path]]:
    """A file, or a folder's witnesses, and what each is called; none of a folder whose results have none.

    Raises BadInput where there is neither.
    """
    if not given.is_dir():
        return [(called(given, beside), given)]
    inside = within(given, *NAMES)
    if not inside:
        known = decided(given)
        why = f"{given}: there is no {' or '.join(NAMES)} in this folder or one directly below"
        if known is None:
            raise BadInput(why + why_nothing(given))
        if known.broken:
            raise BadInput(f"{why}, though a counterexample was found: its results say {known.said}")
        found.nothing.append(f"{known.said} in {called(given, beside)}")
        found.networks.update(dict.fromkeys(known.models, given))
    return [(below(given, name, beside), path) for name, path in inside.items()]


def _insist(model: Path, found: _Found) -> None:
    wanted = Model.read(model)
    about = [(net.sha256, job.path) for job in found.jobs for net in job.models]
    for sha256, path in (*about, *found.networks.items()):
        if sha256 != wanted.sha256:
            raise BadInput(f"{path} is about another network ({sha256[:12]}…) than {model.name}")
