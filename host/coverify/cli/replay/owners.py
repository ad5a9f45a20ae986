"""Replays on the machines that own a device: workers of a Dask cluster that name it as a resource.

A witness is a task that such a worker alone may take, one at a time for each device. When it dies its task
goes to another owner of the device, or waits for one; what no owner takes is LINK_ERROR.
"""

from __future__ import annotations

import socket
import tempfile
import time
from pathlib import Path
from typing import Any, Final

from coverify import __version__
from coverify.campaign.cluster import (
    ALIVE,
    client_of,
    distributed_package,
    result_of,
    same_version,
    scheduler_lost,
)
from coverify.campaign.errors import ClusterError
from coverify.cli.outcome import Output
from coverify.cli.progress import Bar, progress_bar
from coverify.cli.replay.jobs import Job, Replays, read, replayed, undone
from coverify.errors import CoverifyError
from coverify.report import Device as DeviceRow
from coverify.report import Replay as ReplayRow

WAIT_S: Final = 30.0
"""So long is waited for an owner when there is none (any more)."""
_LOOK_EVERY_S: Final = 0.3

Replay = tuple[ReplayRow, DeviceRow | None]
"""What became of a witness, and the device in its own words where it answered."""


def replayed_there(jobs: list[Job], url: str, address: str, done: Replays) -> None:
    """Replay where the device `url` is; what is left undone is LINK_ERROR, and the message says why.

    Raises ClusterError, and what a worker's device raises.
    """
    with client_of(address) as client, progress_bar() as progress:
        tasks = [
            client.submit(
                _replayed, __version__, job.path.name, job.path.read_bytes(), url,
                pure=False, resources={url: 1},
            )
            for job in jobs
        ]  # fmt: skip
        asked = list(zip(jobs, tasks, strict=True))
        found, why = _Owners(client, address, url).waited_for(asked, Bar(progress, "replay"))
    done.rows += [row for row, _ in found]
    done.device = next((device for _, device in found if device is not None), None)
    done.message = why


def _replayed(client: str, name: str, content: bytes, url: str) -> Replay:
    """One witness, on a worker; `client` is the version of coverify that asks."""
    same_version(client)
    with tempfile.TemporaryDirectory(prefix="coverify-") as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        replayed([read(path, name)], url, None, Output("-"), done := Replays())
    (row,) = done.rows
    place = f"by the worker {distributed_package().get_worker().name} on {socket.gethostname()}"
    return row.model_copy(update={"note": f"{row.note}; {place}" if row.note else place}), done.device


class _Owners:
    """The workers of a cluster that name the device `url` as their resource."""

    def __init__(self, client: Any, address: str, url: str) -> None:
        self._client, self._address, self._url = client, address, url
        self._seen = time.monotonic()

    def gone(self) -> bool:
        """For so long that nobody waits any more?"""
        workers = self._client.scheduler_info()["workers"].values()
        if any(worker.get("resources", {}).get(self._url, 0) >= 1 for worker in workers):
            self._seen = time.monotonic()
        return time.monotonic() - self._seen > WAIT_S

    def waited_for(self, asked: list[tuple[Job, Any]], bar: Bar) -> tuple[list[Replay], str | None]:
        """What becomes of each job and its task, and why some are given up."""
        found: dict[Job, Replay] = {}
        while len(found) < len(asked) and not self.gone():
            for job, task in asked:
                if job not in found and task.done() and (replay := self._replay_of(job, task)) is not None:
                    found[job] = replay
                bar(len(found), len(asked))
            if self._client.status not in ALIVE:
                raise scheduler_lost(self._address)
            time.sleep(_LOOK_EVERY_S)
        if len(found) == len(asked):
            return [found[job] for job, _ in asked], None
        why = f"no worker has the device: start one where it is, with --resources '{self._url}=1'"
        return [found.get(job) or self._undone(job, why) for job, _ in asked], why

    def _replay_of(self, job: Job, task: Any) -> Replay | None:
        """What became of a task that is done; None when it was lost with its worker and no owner came."""
        try:
            found = result_of(self._client, self._address, task, self.gone)
        except distributed_package().scheduler.KilledWorker as err:
            return self._undone(job, f"the workers that had it died: {err}"[:1000])
        except CoverifyError:
            raise
        except Exception as err:
            raise ClusterError(f"a worker cannot replay (is coverify there?): {err}") from err
        if found is None:
            return None
        row, device = found
        return row.model_copy(update={"witness": job.shown}), device

    def _undone(self, job: Job, why: str) -> Replay:
        return undone(job, self._url, "LINK_ERROR", why), None
