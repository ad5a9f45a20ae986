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
from coverify.campaign.cluster import ALIVE, client_of, distributed_package, same_version
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
        why = _waited(client, tasks, url, Bar(progress, "replay"))
        found = [_done(job, task, url, why) for job, task in zip(jobs, tasks, strict=True)]
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


def _waited(client: Any, tasks: list[Any], url: str, bar: Bar) -> str | None:
    """Wait for all tasks; why some are given up."""
    seen = time.monotonic()
    while open_ := [task for task in tasks if not task.done()]:
        bar(len(tasks) - len(open_), len(tasks))
        if client.status not in ALIVE:
            raise ClusterError("the cluster is lost: its scheduler is gone")
        if _owned(client, url):
            seen = time.monotonic()
        elif time.monotonic() - seen > WAIT_S:
            return f"no worker has the device: start one where it is, with --resources '{url}=1'"
        time.sleep(_LOOK_EVERY_S)
    return None


def _owned(client: Any, url: str) -> bool:
    """Does a worker name the device as its resource?"""
    workers = client.scheduler_info()["workers"].values()
    return any(worker.get("resources", {}).get(url, 0) >= 1 for worker in workers)


def _done(job: Job, task: Any, url: str, why: str | None) -> Replay:
    """What became of a task."""
    try:
        if task.done():
            row, device = task.result()
            return row.model_copy(update={"witness": job.shown}), device
    except distributed_package().scheduler.KilledWorker as err:
        why = f"the workers that had it died: {err}"[:1000]
    except CoverifyError:
        raise
    except Exception as err:
        raise ClusterError(f"a worker cannot replay (is coverify there?): {err}") from err
    return undone(job, url, "LINK_ERROR", why), None
