"""auto races solvers: the first sound answer ends it, nothing is left behind, nothing unsound is taken."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from coverify.verify import portfolio
from coverify.verify.deadline import Deadline
from coverify.verify.engines import ENGINES
from coverify.verify.engines.packages import PACKAGES, Package, usable
from coverify.verify.errors import BadQuery, MissingPackage
from coverify.verify.query import Outcome, Robustness, Verdict
from coverify.verify.solver_process import SolverProcess
from coverify.verify.solver_requests import Solve
from coverify.verify.worker import Worker
from fixed_point_networks import content, layers_of, outputs
from tflm_int8.program.linear import Dense
from tflm_int8.program.primitives import Affine, Program, Term

WIDE = Robustness.around(np.zeros(40, np.int64), 0, 8)
"""More points than are enumerated."""


def program() -> Program:
    weights = np.zeros((2, 40), np.int64)
    weights[0, 0] = 1
    return Program(40, (Affine((Term(0, Dense(weights), 0),), np.array([9, 0])),), 1)


def holding(engine: str, proof: str) -> Outcome:
    return Outcome.holds(engine, proof=proof)


def test_a_holds_that_is_not_proof_grade_decides_nothing():
    outcome = portfolio.decide(
        WIDE,
        42,
        lambda name, until: Outcome.unknown(name, "open"),
        lambda names, until: holding("milp", "floating point, not proof-grade"),
        Deadline.in_s(9),
    )
    assert outcome.verdict is Verdict.UNKNOWN


def test_what_an_engine_says_twice_is_told_once():
    said = {"interval": "the bounds leave 1 rival label open", "bab": "out of time"}
    outcome = portfolio.decide(
        WIDE,
        42,
        lambda name, until: Outcome.unknown(name, said.get(name, "9 runs")),
        lambda names, until: Outcome.unknown("auto", "bab: out of time; attack: 12 runs; z3: gave up"),
        Deadline.in_s(9),
    )
    first = "interval: the bounds leave 1 rival label open; attack: 9 runs"
    assert outcome.note == f"{first}; bab: out of time; attack: 12 runs; z3: gave up"


def test_an_exact_holds_ends_it():
    outcome = portfolio.decide(
        WIDE,
        42,
        lambda name, until: Outcome.unknown(name, "open"),
        lambda names, until: holding("cpsat", "exact solver"),
        Deadline.in_s(9),
    )
    assert (outcome.verdict, outcome.engine) == (Verdict.HOLDS, "cpsat")


@pytest.mark.parametrize("jobs", [2, 5])
def test_the_winner_ends_the_others(monkeypatch, jobs):
    monkeypatch.setattr(portfolio, "stages", lambda query, elements, time_s: ())
    monkeypatch.setattr(portfolio, "racers", lambda query: ("attack", "z3"))
    with Worker(program(), jobs=jobs) as worker:
        worker.decide(WIDE, "attack", 0.5)
        (stuck,) = (child.process for child in worker._children.values())
        os.kill(stuck.pid, signal.SIGSTOP)
        start = time.monotonic()
        outcome = worker.decide(WIDE, "auto", 120)
        assert (outcome.verdict, outcome.engine) == (Verdict.HOLDS, "z3")
        assert time.monotonic() - start < 60
        assert stuck.poll() is not None
        assert list(worker._children) == ["z3"]


def test_a_racer_with_a_place_for_all_gets_all_the_time():
    deadline = Deadline.in_s(100)
    assert portfolio.turn("z3", deadline, n_waiting=1, n_free=1) == deadline
    assert portfolio.turn("z3", deadline, n_waiting=0, n_free=0) == deadline
    assert 40 < portfolio.turn("z3", deadline, n_waiting=2, n_free=1).remaining <= 50


def test_the_strongest_is_not_interrupted_for_others_that_have_a_place():
    deadline, strongest = Deadline.in_s(100), portfolio.RACERS[0]
    assert portfolio.turn(strongest, deadline, n_waiting=6, n_free=1) == deadline
    assert 60 < portfolio.turn(strongest, deadline, n_waiting=6, n_free=0).remaining <= 70


@pytest.mark.parametrize(
    ("eps", "time_s", "asked"),
    [
        (15, 10, ["interval", "bab", "enumerate"]),  # 29,791 points
        (60, 9, ["interval", "bab", "attack", "enumerate"]),  # 1,771,561: about four seconds
        (60, 7, ["interval", "bab", "attack"]),
        (127, 1000, ["interval", "bab", "attack"]),  # more than are enumerated
    ],
)
def test_what_can_be_run_in_time_is(eps, time_s, asked):
    query = Robustness.around(np.zeros(3, np.int64), 0, eps)
    assert [stage.engine for stage in portfolio.stages(query, 250, time_s)] == asked


@pytest.mark.parametrize("n", [784, 40_000])
@pytest.mark.parametrize("engine", ["auto", *ENGINES])
def test_a_box_of_an_image_with_more_points_than_a_float_can_count(n, engine):
    if not usable(engine.partition(":")[0]):
        pytest.skip(f"{engine} is not installed")
    weights = np.zeros((2, n), np.int64)
    weights[0, 0] = 1
    step = Affine((Term(0, Dense(weights), 0),), np.array([9, 0]))
    query = Robustness.around(np.zeros(n, np.int64), 0, 8)  # x_0 + 9 > 0
    with Worker(Program(n, (step,), 1)) as worker:
        outcome = worker.decide(query, engine, 3 if engine == "attack" else 30)
    unable = ("attack", "enumerate")
    assert outcome.verdict is (Verdict.UNKNOWN if engine in unable else Verdict.HOLDS), outcome
    assert "died" not in outcome.note
    if engine == "enumerate":
        assert f"about 10^{int(n * np.log10(17))} points" in outcome.note


def test_all_reasons_are_told_when_nobody_decides(monkeypatch):
    monkeypatch.setattr(portfolio, "stages", lambda query, elements, time_s: ())
    monkeypatch.setattr(portfolio, "racers", lambda query: ("attack", "enumerate"))
    with Worker(program(), jobs=1) as worker:
        outcome = worker.decide(WIDE, "auto", 2)
    assert outcome.verdict is Verdict.UNKNOWN
    assert "attack: no counterexample" in outcome.note
    assert "enumerate: the box has" in outcome.note


def test_who_would_start_after_the_time_does_not(monkeypatch):
    monkeypatch.setattr(portfolio, "stages", lambda query, elements, time_s: ())
    monkeypatch.setattr(portfolio, "racers", lambda query: ("attack", "z3", "cpsat"))
    asked, real = [], Worker._started

    def slowly(self, place, over):
        asked.append(place)
        time.sleep(1)
        return real(self, place, over)

    monkeypatch.setattr(Worker, "_started", slowly)
    with Worker(program(), jobs=1) as worker:
        outcome = worker.decide(WIDE, "auto", 0.5)
    assert outcome.verdict is Verdict.UNKNOWN
    assert outcome.note == "; ".join(f"{name}: out of time" for name in ("attack", "z3", "cpsat"))
    assert len(asked) == 2  # the first before the time begins


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(PACKAGES, "cpsat", Package("no_such_module", "some-solver"))
    with Worker(program()) as worker, pytest.raises(MissingPackage, match=r"some-solver.*pip install"):
        worker.decide(WIDE, "cpsat")
    assert "cpsat" not in portfolio.racers(WIDE)


@pytest.mark.parametrize("engine", ["z3:none", "attack:balanced", "nobody:literal"])
def test_an_encoding_that_does_not_exist_is_refused(engine):
    with Worker(program()) as worker, pytest.raises(BadQuery):
        worker.decide(WIDE, engine)


HARD = """
import sys
import numpy as np
from coverify.verify.fixed_point import FixedPointNetwork
from coverify.verify.query import Robustness
from coverify.verify.worker import Worker
x0 = np.load(sys.argv[2])
with Worker(FixedPointNetwork.read(sys.argv[1]).program, jobs=2) as worker:
    print("go", flush=True)
    try:
        worker.decide(Robustness.around(x0, int(sys.argv[3]), 2, None, 0, 255), sys.argv[4], 300)
    except KeyboardInterrupt:
        pass
"""


@pytest.fixture
def hard(tmp_path) -> list[str]:
    """A network and a query that no engine decides in the time of a test."""
    rng = np.random.default_rng(5)
    sizes = [(60, 200), (30, 60), (10, 30)]
    weights = [rng.integers(-31, 32, size) for size in sizes]
    biases = [rng.integers(-999, 999, size[0]) for size in sizes]
    arrays = layers_of(weights, biases, [8, 7, 4], [(0, 63), (0, 63), (-512, 511)])
    x0 = rng.integers(20, 235, 200)
    (tmp_path / "hard.npz").write_bytes(content(arrays))
    np.save(tmp_path / "x0.npy", x0)
    label = int(outputs(arrays, x0[None])[0].argmax())
    return [sys.executable, "-c", HARD, str(tmp_path / "hard.npz"), str(tmp_path / "x0.npy"), str(label)]


def children(pid: int) -> list[int]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid and fields[0] != "Z":
            found.append(int(stat.parent.name))
    return found


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc")
@pytest.mark.parametrize(
    ("engine", "signal_"),
    [
        ("auto", signal.SIGINT),
        ("z3", signal.SIGINT),
        *((engine, signal.SIGKILL) for engine in ("auto", *PACKAGES)),
    ],
)
def test_no_process_outlives_an_interrupted_or_killed_parent(hard, engine, signal_):
    if engine in PACKAGES and not PACKAGES[engine].installed:
        pytest.skip(f"{PACKAGES[engine].distribution} is not installed")
    parent = subprocess.Popen([*hard, engine], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    parent.stdout.readline()
    deadline = time.monotonic() + 30
    while not (started := children(parent.pid)) and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(3)  # into the solver
    started = children(parent.pid) or started
    os.kill(parent.pid, signal_)
    parent.wait(timeout=30)
    deadline = time.monotonic() + 30
    while any(Path(f"/proc/{pid}").exists() for pid in started) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert started
    assert not [pid for pid in started if Path(f"/proc/{pid}").exists()]


def test_two_engines_of_one_place_do_not_run_at_once(monkeypatch):
    monkeypatch.setattr(portfolio, "stages", lambda query, elements, time_s: ())
    monkeypatch.setattr(portfolio, "racers", lambda query: ("attack", "enumerate", "interval"))
    with Worker(program(), jobs=3) as worker:
        outcome = worker.decide(WIDE, "auto", 60)
    assert (outcome.verdict, outcome.engine) == (Verdict.HOLDS, "interval")


@pytest.mark.parametrize(
    ("jobs", "racers", "seats"), [(1, 7, 1), (2, 7, 1), (4, 7, 2), (8, 7, 4), (16, 7, 10), (4, 2, 3)]
)
def test_branch_and_bound_uses_half_of_the_places_and_what_the_others_leave(jobs, racers, seats):
    assert portfolio.seats("bab", jobs, racers) == seats
    assert portfolio.seats("z3", jobs, racers) == 1


@pytest.mark.parametrize(
    ("engine", "jobs"), [("bab", {"bab": 5}), ("z3", {"z3": 5}), ("auto", {"bab": 4, "attack:rounds": 1})]
)
def test_an_engine_alone_may_use_all_places_and_racers_their_own(engine, jobs, monkeypatch):
    asked, ask = {}, SolverProcess.ask

    def watched(self, request, timeout_s):
        if isinstance(request, Solve):
            asked[request.engine] = request.jobs
        return ask(self, request, timeout_s)

    monkeypatch.setattr(SolverProcess, "ask", watched)
    monkeypatch.setattr(portfolio, "stages", lambda query, elements, time_s: ())
    monkeypatch.setattr(portfolio, "racers", lambda query: ("bab", "attack"))
    with Worker(program(), jobs=5) as worker:
        assert worker.decide(WIDE, engine, 60).verdict is Verdict.HOLDS
    assert asked and asked.items() <= jobs.items()  # the race may end before the second starts
