"""Witness files as jobs for a device: what each needs there, and what the device made of it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from coverify.boards.device import open_foreign
from coverify.cli.devices import device_row, is_foreign, opened
from coverify.cli.outcome import Output, plain_text, told, verdict_of
from coverify.cli.progress import Bar, progress_bar
from coverify.conformance.foreign import ForeignRunner
from coverify.conformance.stepping import Stepper
from coverify.errors import BadInput, DeviceFault, DeviceRefused, LinkError
from coverify.following import Follower, Loaded
from coverify.replay import Claim, NotReplayable, Replayed, check_claim, ends_of, replay
from coverify.report import Device as DeviceRow
from coverify.report import Replay as ReplayRow
from coverify.report import Verdict
from coverify.verify.equivalence.distinction import Distinction, is_distinction
from coverify.verify.witness import Witness
from tflm_int8 import Model

MAX_NAME = 1000
"""Characters of a witness's name that a row bears."""
MAX_NOTE = 1500


@dataclass(frozen=True, eq=False)
class Job:
    """One file: what it is called, the models that it needs, whose arithmetic it is about, and what is to be
    done.
    """

    path: Path
    name: str
    models: tuple[Model, ...]
    profile: str
    run: Callable[[Loaded], Replayed]

    @property
    def shown(self) -> str:
        """The name as a row bears it."""
        return shown_name(self.name)


def shown_name(name: str) -> str:
    """A witness's name as a row bears it."""
    return plain_text(name)[-MAX_NAME:]


def read(path: Path, name: str) -> Job:
    """The job of a witness's file that is called so, its content checked.  Raises BadInput, TflmError."""
    if is_distinction(path):
        follower = Follower.of(path.name, Distinction.read(path))
        profiles = dict.fromkeys(ends.profile for ends in follower.ends)
        return Job(path, name, follower.models, " / ".join(profiles), follower.follow)
    witness = Witness.read(path)
    if witness.kind != "tflite":
        raise NotReplayable(path.name, witness.model_name)
    net = Model.from_bytes(witness.model, witness.model_name)
    ends = ends_of(path, net, witness.profile, witness.head)
    n = ends.reference.n_input
    shape = ends.reference.input.shape if len(net.inputs) == 1 else (n,)
    for what, array in (("input", witness.x), ("x0", witness.x0)):
        if array.size != n:
            raise BadInput(f"{path}: its {what} has {array.size} values, the network takes {list(shape)}")
    x0, x = (array.astype(np.int8).reshape(shape) for array in (witness.x0, witness.x))
    claim = Claim(x0, x, witness.label, witness.tensors, witness.breach)
    try:
        check_claim(claim, ends.reference)
    except BadInput as error:
        raise BadInput(f"{path}: {error}") from error
    return Job(path, name, (net,), witness.profile, lambda loaded: replay(claim, ends, loaded(net)))


def _row(job: Job, url: str, done: Replayed) -> ReplayRow:
    return ReplayRow(
        witness=job.shown,
        verdict=done.verdict,
        model_sha256=job.models[0].sha256,
        device=url,
        tensors=done.tensors,
        note=done.note,
    )


def undone(job: Job, url: str, verdict: Verdict, why: str | None) -> ReplayRow:
    """The row of a witness that no device answered."""
    return ReplayRow(
        witness=job.shown,
        verdict=verdict,
        model_sha256=job.models[0].sha256,
        device=url,
        note=why,
    )


def refused(name: str, error: Exception) -> ReplayRow:
    """The row of a file that is no witness, or one that contradicts itself."""
    return ReplayRow(witness=shown_name(name), verdict=verdict_of(error), note=told(error)[:MAX_NOTE])


@dataclass(eq=False)
class Replays:
    """What became of witnesses so far, the device in its own words, and why it went no further."""

    rows: list[ReplayRow] = field(default_factory=list)
    device: DeviceRow | None = None
    message: str | None = None


def replayed(jobs: list[Job], url: str, wire_log: Path | None, output: Output, done: Replays) -> None:
    """Replay on one device, one after the other; what a broken link leaves undone is LINK_ERROR."""
    try:
        if is_foreign(url):
            with closing(open_foreign(url)) as foreign, progress_bar() as progress:
                done.device = DeviceRow(url=url, board=foreign.name)
                _each(jobs, url, lambda net: ForeignRunner(foreign, net), Bar(progress, "replay"), done)
            return
        with opened(url, wire_log, output, jobs[0].models[0]) as device, progress_bar() as progress:
            done.device = device_row(device)
            bar, upload = Bar(progress, "replay"), Bar(progress, "upload")
            loaded: Stepper | None = None

            def with_model(net: Model) -> Stepper:
                nonlocal loaded
                if loaded is None or loaded.model.sha256 != net.sha256:
                    loaded = None  # also where the device refuses this one
                    loaded = Stepper(device.client, net, upload)
                return loaded

            _each(jobs, url, with_model, bar, done)
    except (LinkError, DeviceFault, DeviceRefused) as error:
        done.rows += [undone(job, url, verdict_of(error), str(error)) for job in jobs[len(done.rows) :]]
        done.message = str(error)


def _each(jobs: list[Job], url: str, loaded: Loaded, bar: Bar, done: Replays) -> None:
    """One network that the device refuses is no reason to leave the others' witnesses."""
    refused = dict[tuple[str, ...], DeviceRefused]()
    for job in jobs:
        bar(len(done.rows), len(jobs))
        networks = tuple(net.sha256 for net in job.models)
        try:
            if networks in refused:
                raise refused[networks]
            done.rows.append(_row(job, url, job.run(loaded)))
        except DeviceRefused as error:
            refused[networks] = error
            done.rows.append(undone(job, url, verdict_of(error), str(error)))
            done.message = str(error)
