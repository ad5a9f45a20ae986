"""Who decides, when many machines may? Workers of a Dask cluster: a query is a task, a worker needs the
package coverify and nothing else.

The network goes to the scheduler once and from worker to worker after that; a task carries its query. On each
worker the engines run in child processes with the limits that they have here. When a worker dies its tasks
are given to others; a task that outlives several workers is UNKNOWN. Evidence and journal are written here,
by the client. Dask speaks pickles: a scheduler, its workers and its clients trust each other completely, so
use one that only you can reach (or TLS).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import pickle
import queue
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from types import ModuleType
from typing import Any, Final

from coverify import __version__
from coverify.campaign.entry import Entry
from coverify.campaign.errors import ClusterError
from coverify.campaign.pool import Answer, Settle, Task, all_of
from coverify.errors import BadInput, CoverifyError
from coverify.interrupts import deaf_children, safe_imports
from coverify.verify.errors import MissingPackage
from coverify.verify.property.formula import Formula
from coverify.verify.property.question import Question, confirm, decide
from coverify.verify.query import Outcome, Robustness
from coverify.verify.solver_process import one_thread_each
from coverify.verify.worker import Worker
from tflm_int8.program.primitives import Program

CONNECT_S: Final = 10.0
WORKERS_S: Final = 30.0
ALONE_S: Final = 300.0
"""A campaign waits so long for new workers when all are gone."""
LOST: Final = "workers_lost"
"""What the evidence of an UNKNOWN says whose query was not decided at all."""
_SILENT: Final = logging.CRITICAL + 1
_AHEAD: Final = 2
"""Tasks under way per thread of the cluster: one at work, one that waits there."""
_LOOK_EVERY_S: Final = 2.0
_ADDRESS: Final = re.compile(r"(tcp|tls|ws|wss|ucx)://[^/\s]+:[0-9]{1,5}")
_LOCAL: Final = re.compile(r"local:([1-9][0-9]{0,2})")


ALIVE: Final = ("running", "connecting")
"""What Dask says of a client whose scheduler is there."""


def _line(err: Exception) -> str:
    """The first line of what another's error says."""
    return (str(err).splitlines() or [type(err).__name__])[0][:300]


class _PerThread(threading.local):
    """The worker that a thread of a Dask worker keeps from task to task."""

    worker: Worker | None = None


_kept = _PerThread()


def _unpacked(network: bytes) -> Program:
    """The network, on a worker."""
    program: Program = pickle.loads(network)
    return program


def _decide(
    client: str,
    network: Program,
    region: Robustness,
    formula: Formula,
    raised: int | None,
    engine: str,
    timeout_s: float,
    seed: int,
) -> Outcome:
    """One query, on a worker; `client` is the version of coverify that asks."""
    same_version(client)
    if _kept.worker is None:
        one_thread_each()
        _kept.worker = Worker(network)
    asked = Question(network, region, formula, raised=raised)
    try:
        return decide(_kept.worker, asked, engine, timeout_s, seed)
    except MissingPackage as err:
        raise ClusterError(f"the worker on {socket.gethostname()} cannot decide this: {err}") from err


def same_version(client: str) -> None:
    """On a worker: ClusterError unless the client's coverify is of the version that is here."""
    if client != __version__:
        raise ClusterError(
            f"the worker on {socket.gethostname()} has coverify {__version__}, the client {client}"
        )


def distributed_package() -> ModuleType:
    """Dask's package.  Raises BadInput where it is not installed."""
    try:
        import distributed
    except ImportError as err:
        raise BadInput("--cluster needs the package distributed: pip install 'coverify[cluster]'") from err
    module: ModuleType = distributed
    return module


def scheduler_lost(address: str) -> ClusterError:
    """What to raise when the scheduler at an address is gone."""
    return ClusterError(f"--cluster {address}: its scheduler is lost")


def result_of(client: Any, address: str, task: Any, given_up: Callable[[], bool]) -> Any:
    """What a task gave that has been done, or None once it is given up.

    A worker may die when it has said that it is done and before anybody has asked what it found. Then another
    one does the task again, if there is another one: `given_up` is asked while this waits.

    Raises what the task raised, and ClusterError when the scheduler is lost.
    """
    # Dask's own time limit would end what other threads fetch at the same time.
    there = client.gather(task, asynchronous=True)
    fetched = asyncio.run_coroutine_threadsafe(there, client.loop.asyncio_loop)
    while True:
        try:
            return fetched.result(timeout=_LOOK_EVERY_S)
        except (OSError, CancelledError, distributed_package().client.FutureCancelledError) as err:
            if task.status == "error":  # it is what the task raised
                raise
            if fetched.done() or client.status not in ALIVE:
                raise scheduler_lost(address) from err
        if given_up():
            fetched.cancel()
            return None


@contextlib.contextmanager
def client_of(address: str) -> Iterator[Any]:
    """A client of the cluster at an address, or of one that is started here ("local:N")."""
    dask = distributed_package()
    for name in [name for name in logging.root.manager.loggerDict if name.startswith("distributed")]:
        logging.getLogger(name).setLevel(_SILENT)  # what matters is raised
    local = _LOCAL.fullmatch(address)
    if not local and not _ADDRESS.fullmatch(address):
        raise BadInput(f"--cluster {address}: neither tcp://host:port (or tls://…) nor local:N")
    with contextlib.ExitStack() as stack:
        try:
            if local:
                one_thread_each()
                no_page = {"dashboard": False, "dashboard_address": "127.0.0.1:0"}  # no port may be taken
                options = {"threads_per_worker": 1, "processes": True, "scheduler_kwargs": no_page}
                with safe_imports(), deaf_children():
                    cluster = dask.LocalCluster(n_workers=int(local[1]), silence_logs=_SILENT, **options)
                there = stack.enter_context(cluster)
            else:
                there = address
            client = stack.enter_context(dask.Client(there, timeout=CONNECT_S, set_as_default=False))
            client.wait_for_workers(1, timeout=WORKERS_S)
        except (OSError, TimeoutError, ValueError, ImportError) as err:
            raise ClusterError(
                f"--cluster {address}: no cluster there, or it has no workers: {_line(err)}"
            ) from err
        yield client


class DaskPool:
    """The workers of the cluster at `address` ("tcp://host:8786", or "local:N": N processes here)."""

    def __init__(self, address: str, settle: Settle, jobs: int) -> None:
        """`jobs`: how many answers may be settled (certificates checked) here at once."""
        self._address, self._settle = address, settle
        self._answers: queue.SimpleQueue[Answer] = queue.SimpleQueue()
        self._settlers = ThreadPoolExecutor(jobs)
        self._stack = contextlib.ExitStack()
        self._networks: list[tuple[Program, Any]] = []
        self._futures: set[Any] = set()
        self._threads, self._look_again_s = 0, 0.0
        self._closed = threading.Event()

    def __enter__(self) -> DaskPool:
        self._client = self._stack.enter_context(client_of(self._address))
        return self

    def __exit__(self, *exc: object) -> None:
        self._closed.set()
        futures, self._futures = self._futures, set()
        with contextlib.suppress(Exception):  # a scheduler that is gone has nothing to cancel
            self._client.cancel(list(futures))
        self._settlers.shutdown(wait=True, cancel_futures=True)
        self._stack.close()

    @property
    def capacity(self) -> int:
        if time.monotonic() >= self._look_again_s:
            with self._talking("its workers cannot be counted"):
                self._threads = sum(map(int, self._client.nthreads().values()))
            self._look_again_s = time.monotonic() + _LOOK_EVERY_S
        return _AHEAD * max(1, self._threads)

    @property
    def at_work(self) -> Sequence[str]:
        return ()  # its workers do not say

    @contextlib.contextmanager
    def _talking(self, what: str) -> Iterator[None]:
        """Whatever goes wrong between client and scheduler, as our error."""
        try:
            yield
        except Exception as err:
            # A line that breaks under a question is closed before the client has noticed.
            if isinstance(err, OSError) or self._client.status not in ALIVE:
                raise scheduler_lost(self._address) from err
            raise ClusterError(f"--cluster {self._address}: {what}: {_line(err)}") from err

    def submit(self, task: Task) -> None:
        asked = task.asked
        sent = (asked.region, asked.formula, asked.raised, task.engine, task.timeout_s, task.seed)
        with self._talking("a query cannot be sent"):
            network = self._network(asked.network)
            future = self._client.submit(_decide, __version__, network, *sent, pure=False)
        self._futures.add(future)
        future.add_done_callback(lambda done: self._done(task, done))

    def _network(self, program: Program) -> Any:
        """The network as a task's result that lives in the cluster, sent once."""
        for known, future in self._networks:
            if known is program:
                return future
        future = self._client.submit(_unpacked, pickle.dumps(program), pure=False)
        self._networks.append((program, future))
        return future

    def wait(self) -> Answer:
        seen = time.monotonic()
        while True:
            try:
                return self._answers.get(timeout=_LOOK_EVERY_S)
            except queue.Empty:
                if self._client.status not in ALIVE:
                    raise scheduler_lost(self._address) from None
            if self.capacity and self._threads:
                seen = time.monotonic()
            elif time.monotonic() - seen > ALONE_S:
                said = f"no workers for {ALONE_S:.0f} s; one that cannot import coverify ends at once"
                raise ClusterError(f"--cluster {self._address}: {said}")

    def left(self) -> Sequence[Answer]:
        return all_of(self._answers)

    def _done(self, task: Task, future: Any) -> None:
        """In a thread of the client: the answer is settled in one of ours."""
        if future not in self._futures:
            return
        self._futures.discard(future)
        with contextlib.suppress(RuntimeError):  # the pool was closed meanwhile
            self._settlers.submit(lambda: self._answers.put(Answer(task, self._settled(task, future))))

    def _settled(self, task: Task, future: Any) -> Entry | BaseException:
        try:
            outcome = self._outcome(task, future)
            confirm(task.asked, outcome)
            return self._settle(task, outcome)
        except BaseException as err:  # raised again by the campaign, in its own thread
            return err

    def _outcome(self, task: Task, future: Any) -> Outcome:
        dask = distributed_package()
        try:
            outcome = result_of(self._client, self._address, future, self._closed.is_set)
        except dask.scheduler.KilledWorker as err:
            last = err.last_worker.address
            said = f"the workers that had this query died, the last at {last}"
            return Outcome.unknown(task.engine, said, **{LOST: 1})
        except CoverifyError:
            raise
        except Exception as err:
            said = f"--cluster {self._address}: a worker cannot decide (is coverify there?): {_line(err)}"
            raise ClusterError(said) from err
        if outcome is None:
            raise ClusterError(f"--cluster {self._address}: it is asked no more")
        if not isinstance(outcome, Outcome):
            raise ClusterError(f"--cluster {self._address}: a worker answered with {type(outcome)}")
        return outcome
