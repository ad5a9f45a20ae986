"""A campaign on a real Dask cluster: scheduler and workers as processes, one of which is killed."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from command import coverify
from coverify.campaign import cluster
from coverify.campaign.errors import ClusterError
from coverify.campaign.inquiry import Question
from coverify.campaign.pool import Task
from coverify.cli.replay import owners
from coverify.cli.replay.jobs import Replays, read
from coverify.verify.fixed_point import FixedPointNetwork
from coverify.verify.property.claim import stays
from coverify.verify.property.question import Question as Asked
from coverify.verify.query import Robustness, Verdict
from fixed_point_networks import content, outputs, random_network
from journals import answers, wait_for
from oracle import NETWORKS

pytest.importorskip("distributed", reason="distributed is not installed (coverify[cluster])")
MLP, MLP_X = NETWORKS / "digits_mlp.tflite", NETWORKS / "digits_mlp.npz"
DEVICE = "native:"
QUERIES = ("verify", MLP, "--inputs", MLP_X, "--eps", 6, "--index", "0-59")


@contextlib.contextmanager
def process(*arguments: str, env: dict[str, str] | None = None) -> Iterator[subprocess.Popen]:
    command = [sys.executable, "-m", *arguments]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=env) as running:
        try:
            yield running
        finally:
            running.kill()


@contextlib.contextmanager
def scheduler(**settings: str) -> Iterator[tuple[str, subprocess.Popen]]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ("--host", "127.0.0.1", "--port", str(port), "--no-dashboard", "--no-jupyter")
    with process("distributed.cli.dask_scheduler", *options, env={**os.environ, **settings}) as running:
        yield f"tcp://127.0.0.1:{port}", running


def worker(
    address: str, *more: str, env: dict[str, str] | None = None
) -> contextlib.AbstractContextManager[subprocess.Popen]:
    options = ("--no-nanny", "--nthreads", "1", "--no-dashboard", "--memory-limit", "0", *more)
    return process("distributed.cli.dask_worker", address, *options, env=env)


def samples(folder: Path) -> list[int]:
    return [sample for (sample,) in answers(folder, "sample")]


def started(*arguments: object) -> contextlib.AbstractContextManager[subprocess.Popen]:
    return process("coverify", *map(str, arguments))


def rows(folder: Path) -> list[tuple]:
    said = json.loads((folder / "verify.json").read_text())
    return [
        (q["index"], q["verdict"], bool(q.get("witness") or q.get("certificate"))) for q in said["queries"]
    ]


def test_a_killed_worker_loses_nothing_and_nothing_counts_twice(tmp_path):
    here, there = tmp_path / "here", tmp_path / "there"
    assert coverify(*QUERIES, "--out", here, "--jobs", 1).code == 1
    with contextlib.ExitStack() as stack:
        address, _ = stack.enter_context(scheduler())
        first, _ = stack.enter_context(worker(address)), stack.enter_context(worker(address))
        campaign = stack.enter_context(started(*QUERIES, "--out", there, "--cluster", address))
        wait_for(there, 8, campaign)
        first.kill()
        first.wait()
        assert len(samples(there)) < 60
        assert campaign.wait(300) == 1
    assert sorted(samples(there)) == list(range(60))
    assert rows(there) == rows(here)


def is_given_queries(address: str) -> bool:
    """Does the only worker, which answers no more, get something to do?"""
    import distributed

    with distributed.Client(address, set_as_default=False) as client:
        for _ in range(50):
            (before,) = client.processing().values() or [()]
            time.sleep(0.1)  # what it had just ended may not have been heard of
            (after,) = client.processing().values() or [()]
            if set(before) & set(after):
                return True
    return False


def test_a_query_whose_workers_died_is_asked_again_by_the_same_command(tmp_path):
    with contextlib.ExitStack() as stack:
        address, _ = stack.enter_context(scheduler(DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES="0"))
        campaign = stack.enter_context(started(*QUERIES, "--out", tmp_path, "--cluster", address))
        for n in (4, 8, 12, 16, 20):  # one that is killed may have had nothing to do just then
            with worker(address) as one:
                wait_for(tmp_path, n, campaign)
                one.send_signal(signal.SIGSTOP)  # from now on it holds what it is given
                held = is_given_queries(address)
                one.kill()
                one.wait()
            if held:
                break
        stack.enter_context(worker(address))
        assert campaign.wait(300) == 1
    said = json.loads((tmp_path / "verify.json").read_text())["queries"]
    lost = [row["index"] for row in said if "the workers that had this query died" in row.get("note", "")]
    assert lost
    again = coverify(*QUERIES, "--out", tmp_path, "--json", "-").result["queries"]
    assert {row["index"] for row in again if row["verdict"] != "UNKNOWN"} >= set(lost)


def dies_first(module, monkeypatch: pytest.MonkeyPatch, one: subprocess.Popen) -> threading.Event:
    """The worker `one` dies when it has said that it is done, and before it is asked what it found."""
    dead, fetch = threading.Event(), module.result_of
    monkeypatch.setattr(cluster, "_LOOK_EVERY_S", 0.05)

    def late(*asked):
        one.kill()
        one.wait()
        dead.set()
        return fetch(*asked)

    monkeypatch.setattr(module, "result_of", late)
    return dead


def small_task() -> Task:
    """A claim that a network of few inputs keeps the class that it gives, about one input."""
    arrays = random_network(np.random.default_rng(7))
    network = FixedPointNetwork.from_bytes(content(arrays)).program
    x0 = np.zeros(arrays["w0"].shape[1], np.int64)
    label = int(outputs(arrays, x0[None])[0].argmax())
    asked = Asked(network, Robustness.around(x0, label, 0, None, 0, 255), stays(label))
    return Task(Question(0, 0), asked, "enumerate", 30.0, 0)


def test_an_answer_that_died_with_its_worker_is_found_by_another(monkeypatch):
    with contextlib.ExitStack() as stack:
        address, _ = stack.enter_context(scheduler())
        one = stack.enter_context(worker(address))
        pool = stack.enter_context(cluster.DaskPool(address, lambda task, outcome: outcome, 1))
        dead = dies_first(cluster, monkeypatch, one)
        pool.submit(task := small_task())
        assert dead.wait(60)
        time.sleep(1)  # nobody has it now
        stack.enter_context(worker(address))
        answer = pool.wait()
    assert answer.task is task and answer.entry.verdict is Verdict.HOLDS


def test_a_pool_closes_though_nobody_has_an_answer_any_more(monkeypatch):
    with scheduler() as (address, _), worker(address) as one:
        with cluster.DaskPool(address, lambda task, outcome: outcome, 1) as pool:
            dead = dies_first(cluster, monkeypatch, one)
            pool.submit(small_task())
            assert dead.wait(60)
        (answer,) = pool.left()
    assert isinstance(answer.entry, ClusterError)


def test_a_lost_scheduler_is_said_and_what_was_decided_stays(tmp_path):
    with contextlib.ExitStack() as stack:
        address, server = stack.enter_context(scheduler())
        stack.enter_context(worker(address))
        campaign = stack.enter_context(started(*QUERIES, "--out", tmp_path, "--cluster", address))
        wait_for(tmp_path, 3, campaign)
        server.kill()
        assert campaign.wait(120) == 3
    before = samples(tmp_path)
    said = json.loads((tmp_path / "verify.json").read_text())
    assert said["verdict"] == "LINK_ERROR"
    assert said["message"] == f"--cluster {address}: its scheduler is lost"
    assert sorted(q["index"] for q in said["queries"]) == sorted(before)
    assert f"{60 - len(before)} of 60 queries: not decided yet" in said["not_covered"]
    assert coverify(*QUERIES, "--out", tmp_path).code == 1
    assert samples(tmp_path)[: len(before)] == before
    assert sorted(samples(tmp_path)) == list(range(60))


def test_a_scheduler_that_dies_while_it_is_asked_is_lost(monkeypatch):
    """The line breaks before the client has noticed that it is alone."""
    monkeypatch.setattr(cluster, "_LOOK_EVERY_S", 0.0)
    with contextlib.ExitStack() as stack:
        address, server = stack.enter_context(scheduler())
        stack.enter_context(worker(address))
        pool = stack.enter_context(cluster.DaskPool(address, lambda task, outcome: None, 1))
        assert pool.capacity > 0
        server.kill()
        with pytest.raises(ClusterError, match="its scheduler is lost"):
            while True:
                _ = pool.capacity


@pytest.fixture
def dashboard_port():
    """Somebody listens where Dask shows its pages."""
    with socket.socket() as taken:
        with contextlib.suppress(OSError):  # somebody does
            taken.bind(("127.0.0.1", 8787))
            taken.listen()
        yield


def test_ctrl_c_ends_the_processes_of_a_cluster_of_ones_own_quietly(tmp_path, dashboard_port):
    """Also beside another cluster, which has the port of Dask's pages."""
    command = [sys.executable, "-m", "coverify", *map(str, QUERIES), "--cluster", "local:2"]
    whole_group = {"start_new_session": True, "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    with subprocess.Popen([*command, "--out", str(tmp_path)], text=True, **whole_group) as campaign:
        wait_for(tmp_path, 3, campaign)
        os.killpg(campaign.pid, signal.SIGINT)
        said = campaign.communicate(timeout=120)[1]
    assert (campaign.returncode, said.strip()) == (130, "interrupted")
    known = samples(tmp_path)
    assert len(rows(tmp_path)) == len(known) == len(set(known)) < 60


def test_a_package_that_a_worker_lacks_is_missing_there_and_not_here(tmp_path):
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['z3'] = None\n")
    with contextlib.ExitStack() as stack:
        address, _ = stack.enter_context(scheduler())
        stack.enter_context(worker(address, env={**os.environ, "PYTHONPATH": str(tmp_path)}))
        done = coverify(*QUERIES, "--engine", "z3", "--cluster", address, "--json", "-")
    assert done.code == 3
    said = f"the worker on {socket.gethostname()} cannot decide this: engine z3 needs the package z3-solver"
    assert said in done.result["message"]


@pytest.mark.parametrize(
    ("address", "code"), [("tcp://127.0.0.1:9", 3), ("nowhere", 2), ("local:0", 2), ("", 2)]
)
def test_no_cluster_there_is_an_error(address, code):
    done = coverify(*QUERIES, "--cluster", address, "--json", "-")
    assert done.code == code
    assert "--cluster" in done.result["message"]


@pytest.fixture(scope="module")
def witnesses(tmp_path_factory) -> list[Path]:
    """Of the counterexamples of the attack to four queries that have one."""
    asked = (*QUERIES[:-1], "19,25,43,55", "--engine", "attack")
    folder = tmp_path_factory.mktemp("run")
    assert coverify(*asked, "--out", folder).code == 1
    found = sorted(folder.glob("witness-*.zip"))
    assert len(found) == 4
    return found


def replays(folder: Path) -> list[tuple[str, str, str]]:
    said = json.loads((folder / "replay.json").read_text())
    return [(row["witness"], row["verdict"], row.get("note") or "") for row in said["replays"]]


def owner(address: str, name: str) -> contextlib.AbstractContextManager[subprocess.Popen]:
    return worker(address, "--name", name, "--resources", f"{DEVICE}=1")


def test_a_witness_is_replayed_where_the_device_is_and_a_killed_owner_loses_none(witnesses, tmp_path):
    with contextlib.ExitStack() as stack:
        address, _ = stack.enter_context(scheduler())
        stack.enter_context(worker(address, "--name", "without"))
        first = stack.enter_context(owner(address, "first"))
        options = ("--device", DEVICE, "--cluster", address)
        assert coverify("replay", witnesses[0], *options, "--out", tmp_path / "one").code == 0
        first.send_signal(signal.SIGSTOP)  # from now on it holds what it is given
        more = stack.enter_context(started("replay", *witnesses, *options, "--out", tmp_path / "more"))
        time.sleep(5)
        assert more.poll() is None
        stack.enter_context(owner(address, "second"))
        first.kill()
        assert more.wait(300) == 0
    ((name, verdict, note),) = replays(tmp_path / "one")
    assert (name, verdict) == (witnesses[0].name, "CONFIRMED") and "by the worker first on" in note
    rows = replays(tmp_path / "more")
    assert [(name, verdict) for name, verdict, _ in rows] == [(path.name, "CONFIRMED") for path in witnesses]
    assert all("by the worker second on" in note for *_, note in rows)
    assert json.loads((tmp_path / "more" / "replay.json").read_text())["device"]["url"] == DEVICE


@pytest.mark.parametrize("others", [True, False])
def test_a_replay_that_died_with_its_owner_is_done_by_another_or_said(witnesses, monkeypatch, others):
    monkeypatch.setattr(owners, "WAIT_S", 60.0 if others else 1.0)
    with contextlib.ExitStack() as stack:
        address, _ = stack.enter_context(scheduler())
        dead = dies_first(owners, monkeypatch, stack.enter_context(owner(address, "first")))
        if others:
            comes = threading.Thread(
                target=lambda: dead.wait(60) and stack.enter_context(owner(address, "2"))
            )
            comes.start()
            stack.callback(comes.join)
        owners.replayed_there([read(witnesses[0], "w.zip")], DEVICE, address, done := Replays())
    (row,) = done.rows
    if others:
        assert row.verdict == "CONFIRMED" and "by the worker 2 on" in row.note
    else:
        assert row.verdict == "LINK_ERROR" and "no worker has the device" in row.note


def test_a_device_that_no_worker_has_is_said(witnesses, monkeypatch):
    monkeypatch.setattr(owners, "WAIT_S", 1.0)
    with contextlib.ExitStack() as stack:
        address, _ = stack.enter_context(scheduler())
        stack.enter_context(worker(address))
        jobs = [read(path, path.name) for path in witnesses]
        owners.replayed_there(jobs, DEVICE, address, done := Replays())
    assert done.device is None and f"--resources '{DEVICE}=1'" in str(done.message)
    assert [(row.witness, row.verdict, row.note) for row in done.rows] == [
        (path.name, "LINK_ERROR", done.message) for path in witnesses
    ]


def test_what_needs_the_device_here_is_refused(witnesses, tmp_path):
    asked = ("replay", *witnesses, "--device", DEVICE, "--cluster")
    done = coverify(*asked, "tcp://h:1", "--wire-log", tmp_path / "frames.txt")
    assert done.code == 2 and "--wire-log" in done.stdout
    done = coverify(*asked, "local:2")
    assert done.code == 2 and "needs none" in done.stdout


def test_a_cluster_without_any_worker_left_is_said_and_not_waited_for(monkeypatch):
    """As where none can import coverify: each ends with the first query that it gets."""
    with scheduler() as (address, _), worker(address) as only, cluster.DaskPool(address, None, 1) as pool:
        only.kill()
        monkeypatch.setattr(cluster, "ALONE_S", 3.0)
        with pytest.raises(ClusterError, match="no workers for 3 s; one that cannot import coverify"):
            pool.wait()
