"""The child process: its limits, its death, and what reaches the caller."""

from __future__ import annotations

import dataclasses
import io
import os
import signal
import time

import numpy as np
import pytest

from coverify.verify import worker as worker_module
from coverify.verify.child import receive, send
from coverify.verify.engines import confirm
from coverify.verify.errors import BadQuery, EngineFault, MissingPackage
from coverify.verify.query import Outcome, Robustness, Verdict
from coverify.verify.solver_process import SolverProcess
from coverify.verify.solver_requests import Solve
from coverify.verify.worker import Worker, place_of
from tflm_int8.program.linear import Dense
from tflm_int8.program.primitives import Affine, Program, Term


def subtraction(n: int) -> Program:
    """Two outputs, x_0 - x_1 and 0: label 0 while x_0 >= x_1 (by hand)."""
    weights = np.zeros((2, n), np.int64)
    weights[0, :2] = 1, -1
    return Program(n, (Affine((Term(0, Dense(weights), 0),), np.zeros(2, np.int64)),), 1)


def query(gap: int, eps: int, n: int = 2) -> Robustness:
    return Robustness.around(np.array([gap] + [0] * (n - 1)), 0, eps)


@pytest.mark.parametrize("engine", ["auto", "enumerate", "interval", "z3"])
def test_a_gap_of_twice_eps_holds(engine):
    with Worker(subtraction(2)) as worker:
        assert worker.decide(query(6, 3), engine).verdict is Verdict.HOLDS


@pytest.mark.parametrize("engine", ["auto", "enumerate", "attack", "z3"])
def test_a_gap_one_less_is_violated_by_the_only_input_that_can(engine):
    with Worker(subtraction(2)) as worker:
        outcome = worker.decide(query(5, 3), engine)
    assert outcome.verdict is Verdict.VIOLATED
    assert outcome.witness.tolist() == [2, 3]


def test_a_wrong_label_is_violated_by_the_base_input():
    with Worker(subtraction(2)) as worker:
        outcome = worker.decide(Robustness.around(np.array([5, 0]), 1, 0))
    assert outcome.verdict is Verdict.VIOLATED
    assert "base input itself" in outcome.note


def test_a_dead_child_is_unknown_and_the_next_query_has_a_new_one():
    with Worker(subtraction(2)) as worker:
        worker.decide(query(6, 3))
        worker.decide(query(6, 3), "interval")
        (child,) = worker._children.values()
        child.process.kill()
        child.process.wait()
        assert worker.decide(query(6, 3), "interval").verdict is Verdict.UNKNOWN
        assert worker.decide(query(6, 3), "interval").verdict is Verdict.HOLDS


def test_a_child_that_dies_as_it_starts_costs_no_time(monkeypatch):
    """As where memory is short: of `auto` the engine that asks it has another one."""
    start, killed = SolverProcess.start, []

    def first_dies():
        child = start()
        if not killed:
            child.process.kill()
            killed.append(child)
        return child

    monkeypatch.setattr(worker_module.SolverProcess, "start", first_dies)
    before = time.monotonic()
    with Worker(subtraction(2)) as worker:
        assert worker.decide(query(6, 3)).verdict is Verdict.HOLDS
    assert killed and time.monotonic() - before < 15  # 60 s before
    with pytest.raises(EOFError):
        killed[0].ask(None, 60)


def test_what_died_says_so_to_whoever_asks_again():
    child = SolverProcess.start()
    child.process.kill()
    for _ in range(3):
        with pytest.raises(EOFError):
            child.ask(None, 30)
    child.end()


def test_a_stuck_child_is_killed_at_its_time():
    with Worker(subtraction(2)) as worker:
        worker.decide(query(6, 3))
        (child,) = (c.process for c in worker._children.values())
        os.kill(child.pid, signal.SIGSTOP)
        outcome = worker.decide(query(6, 3), "interval", timeout_s=0.2)
        assert outcome.verdict is Verdict.UNKNOWN
        assert 0.2 <= outcome.time_s < 2.2
        assert child.poll() is not None


def test_a_child_that_starts_late_takes_its_start_from_the_querys_time():
    broken = query(5, 3, 8)
    with Worker(subtraction(8)) as worker:
        assert worker.decide(broken).verdict is Verdict.VIOLATED
        start, child = worker._started, worker._children[place_of("interval")].process

        def slowly(place, over):
            if place not in worker._children:
                time.sleep(1.5)
            return start(place, over)

        worker._started = slowly
        worker._end("bab")
        os.kill(child.pid, signal.SIGSTOP)
        assert worker.decide(broken, timeout_s=2.0).verdict is Verdict.UNKNOWN


def test_too_little_memory_is_unknown():
    with Worker(subtraction(4), memory_bytes=1 << 20) as worker:
        assert worker.decide(query(6, 3, 4), "enumerate").verdict is Verdict.UNKNOWN


@pytest.mark.parametrize("witness", [[5, 0], [9, 9]])
def test_a_counterexample_that_is_none_is_an_engine_fault(problem_of, witness):
    problem = dataclasses.replace(problem_of(0), program=subtraction(2), query=query(5, 3))
    with pytest.raises(EngineFault):
        confirm(problem, Outcome.violated("lying", np.array(witness)))


@pytest.mark.parametrize(
    "fault",
    [EngineFault("bab", "its counterexample keeps the label"), MissingPackage("z3", "z3-solver", "pip")],
)
def test_a_fault_comes_whole_out_of_a_child(fault):
    pipe = io.BytesIO()
    send(pipe, fault)
    pipe.seek(0)
    received = receive(pipe)
    assert (type(received), str(received), vars(received)) == (type(fault), str(fault), vars(fault))


def test_a_stopped_worker_decides_nothing_more():
    with Worker(subtraction(2)) as worker:
        assert worker.decide(query(6, 3)).verdict is Verdict.HOLDS
        worker.stop()
        assert worker.decide(query(6, 3)).verdict is Verdict.UNKNOWN


def test_an_unknown_engine_is_refused():
    with Worker(subtraction(2)) as worker, pytest.raises(BadQuery, match="oracle"):
        worker.decide(query(5, 3), "oracle")


def test_who_looks_on_sees_the_engine_that_solves(monkeypatch):
    """At the moment in which it is asked: a small query may be over before another thread has its turn."""
    seen, ask = set(), SolverProcess.ask

    def looked_on(child, request, timeout_s):
        if isinstance(request, Solve):
            seen.update(worker.at_work)
        return ask(child, request, timeout_s)

    monkeypatch.setattr(SolverProcess, "ask", looked_on)
    with Worker(subtraction(2)) as worker:
        assert worker.at_work == []
        worker.decide(query(6, 3), "z3")
        assert worker.at_work == []
    assert seen == {"z3"}
