"""The solvers, each in its process, against brute force (by TFLM's interpreter for .tflite networks).

COVERIFY_FUZZ_CASES=3000 runs more cases than the default; tests/fuzz/engines.py is the campaign.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest

from coverify.verify import rivals
from coverify.verify.bounds import wire_bounds
from coverify.verify.deadline import Deadline, OutOfTime
from coverify.verify.decision import decision
from coverify.verify.engines import solve
from coverify.verify.engines.packages import PACKAGES, usable
from coverify.verify.errors import GaveUp
from coverify.verify.problem import Problem
from coverify.verify.query import Robustness, Verdict
from coverify.verify.solver_process import SolverProcess
from coverify.verify.worker import Worker
from oracle import NETWORKS, Tflm
from tflm_int8 import Model, lower
from tflm_int8.program.concrete import run
from verify_cases import FAMILIES, GATED, case

CASES = int(os.environ.get("COVERIFY_FUZZ_CASES", "8"))
ENCODED = (
    "z3:balanced",
    "bitwuzla:balanced",
    "boolector:literal",
    "bitwuzla:threshold",
    "cardinality:cadical",
    "cardinality:pb",
)
SOLVERS = [*PACKAGES, *ENCODED]


def needs(engine: str) -> None:
    package = PACKAGES[engine.partition(":")[0]]
    if not package.installed:
        pytest.skip(f"{package.distribution} is not installed: {package.hint}")


@pytest.mark.slow
@pytest.mark.parametrize("engine", SOLVERS)
def test_no_verdict_differs_from_brute_force_and_few_are_open(engine):
    needs(engine)
    seen, wrong, worker = Counter(), [], None
    try:
        for seed in range(CASES):
            for subject in filter(None, (case(family, seed) for family in FAMILIES)):
                worker = worker or Worker(subject.problem.program)
                worker.program = subject.problem.program
                outcome = worker.decide(subject.problem.query, engine, 30)
                truth = Verdict.HOLDS if subject.holds else Verdict.VIOLATED
                seen[outcome.verdict] += 1
                if outcome.verdict not in (truth, Verdict.UNKNOWN):
                    wrong.append((subject.name, outcome))
    finally:
        if worker is not None:
            worker.close()
    assert not wrong
    assert seen[Verdict.HOLDS] > CASES / 5, seen
    assert seen[Verdict.VIOLATED] > CASES / 5, seen
    if engine != "marabou":  # a relaxation
        assert seen[Verdict.UNKNOWN] <= CASES / 5, seen


@pytest.mark.parametrize(
    "engine", ["bitwuzla", "bitwuzla:balanced", "boolector:literal", "cpsat", "milp", "z3"]
)
def test_products_of_two_computed_tensors_are_what_brute_force_says(engine):
    """Exactly, or, of what is linear, by their envelope."""
    needs(engine)
    decided = 0
    for seed in range(CASES):
        subject = case(GATED, seed)
        verdict = solve(engine, subject.problem, Deadline.in_s(4), seed).verdict
        truth = Verdict.HOLDS if subject.holds else Verdict.VIOLATED
        assert verdict in (truth, Verdict.UNKNOWN), subject.name
        decided += verdict is truth
    assert decided >= CASES / 2


@pytest.mark.parametrize("engine", sorted(PACKAGES))
def test_a_holds_says_what_it_rests_on(problem_of, engine):
    needs(engine)
    problem = next(p for p in map(problem_of, range(100)) if holds_by_enumeration(p))
    with Worker(problem.program) as worker:
        outcome = worker.decide(problem.query, engine, 30)
    assert outcome.verdict is Verdict.HOLDS
    sound = engine not in ("milp", "marabou", "eqv") or outcome.proof == "integer bounds"
    assert outcome.sound is sound
    assert outcome.proof


def holds_by_enumeration(problem) -> bool:
    box = [np.arange(lo, hi + 1) for lo, hi in zip(problem.query.lo, problem.query.hi, strict=True)]
    every = np.stack(np.meshgrid(*box, indexing="ij"), axis=-1).reshape(-1, len(box))
    return len(every) > 50 and bool(np.all(problem.labels(every) == problem.query.label))


def test_engines_without_a_package_are_always_usable():
    assert usable("enumerate")
    assert usable("attack")


@pytest.mark.slow
def test_z3_reads_a_model_whose_variables_are_given_by_terms():
    """On this query Z3 gives some inputs as terms over others; TFLM classifies the witness otherwise."""
    model = Model.read(NETWORKS / "digits_mlp.tflite")
    with np.load(NETWORKS / "digits_mlp.npz") as data:
        x, label = data["x"][1], int(data["y"][1])
    with Worker(lower(model)) as worker:
        outcome = worker.decide(Robustness.around(x, label, 24), "z3", 60)
    assert outcome.verdict is Verdict.VIOLATED
    assert Tflm(model.content, 1 << 20).run(outcome.witness.astype(np.int8).reshape(1, -1)).argmax() != label


def gives_up(engine: str) -> str:
    """What a query with rivals left says whose solver ends at once, unlike any solver that has time."""
    network = Model.read(NETWORKS / "digits_mlp.tflite")
    program = lower(network)
    x0 = np.zeros(program.n_input, np.int64)
    label = int(run(program, x0[None])[program.output].argmax())
    outcome = solve(engine, Problem(program, Robustness.around(x0, label, 6)), Deadline.in_s(120))
    assert outcome.verdict is Verdict.UNKNOWN
    return outcome.note


def test_z3_says_why_it_gives_up(monkeypatch):
    """Of 1 unit of its own resources."""
    z3 = pytest.importorskip("z3")
    real = z3.SolverFor

    def limited(logic):
        solver = real(logic)
        solver.set("rlimit", 1)
        return solver

    monkeypatch.setattr(z3, "SolverFor", limited)
    assert re.fullmatch(r"the solver leaves \d+ rival labels open: Z3 gave up: .+", gives_up("z3"))
    assert gives_up("z3:balanced").startswith("Z3 gave up: ")


def test_cpsat_says_how_it_ended(monkeypatch):
    """Of no deterministic time."""
    needs("cpsat")
    from ortools.sat.python import cp_model

    real = cp_model.CpSolver

    def limited():
        solver = real()
        solver.parameters.max_deterministic_time = 1e-9
        return solver

    monkeypatch.setattr(cp_model, "CpSolver", limited)
    said = r"the solver leaves \d+ rival labels open: CP-SAT ended with UNKNOWN"
    assert re.fullmatch(said, gives_up("cpsat"))


def test_highs_says_how_it_ended(monkeypatch):
    needs("milp")
    from coverify.verify.linear import milp

    monkeypatch.setattr(milp.Milp, "solve", lambda *_: "HiGHS ended with Memory limit reached")
    assert gives_up("milp").endswith("open: HiGHS ended with Memory limit reached")
    assert gives_up("eqv:program").endswith("open: HiGHS ended with Memory limit reached")


def test_a_solver_of_cardinalities_whose_process_dies_is_said_to(monkeypatch):
    needs("cardinality")
    from coverify.verify.cardinality import formula

    monkeypatch.setattr(formula, "_answer", lambda *_: None)
    with pytest.raises(GaveUp, match="its process died"):
        formula._forked(None, Deadline.in_s(20))


def test_with_debugging_the_traceback_of_a_process_that_died_is_shown(monkeypatch, capfd):
    monkeypatch.setenv("COVERIFY_DEBUG", "1")
    child = SolverProcess.start("coverify.verify.solver_child")
    child.ask(None, 60)
    with pytest.raises(EOFError):
        child.ask("no request", 60)
    child.process.wait(60)
    assert child.end() == "TypeError: not a request: <class 'str'>"
    shown = capfd.readouterr().err
    assert "Traceback (most recent call last)" in shown
    assert 'child.py", line' in shown
    monkeypatch.delenv("COVERIFY_DEBUG")
    child = SolverProcess.start("coverify.verify.solver_child")
    child.ask(None, 60)
    child.end()
    assert capfd.readouterr().err == ""


def test_no_rival_is_bounded_when_the_time_is_over(monkeypatch):
    """A first bound takes a second on a large network."""
    program = lower(Model.read(NETWORKS / "digits_mlp.tflite"))
    problem = Problem(program, Robustness.around(np.zeros(program.n_input, np.int64), 0, 60))
    boxes = wire_bounds(program, problem.query.lo, problem.query.hi)
    last = decision(program, boxes, Deadline.never())
    asked = []
    monkeypatch.setattr(rivals, "impossible", lambda *_: asked.append(1))
    for plain in (False, True):
        late = Deadline.in_s(-1)
        one = rivals.Search("z3", lambda _: asked.append(1), problem, boxes, last, late, 0, plain=plain)
        with pytest.raises(OutOfTime):
            one.run()
    assert not asked


def test_ctrl_c_while_z3_solves_in_the_main_thread_is_heard():
    """Z3 takes the signal for itself and says "unknown": that would be read as an open question."""
    n = 64
    wide = " ".join(f"(declare-const x{k} (_ BitVec {n}))" for k in "abc")
    hard = f"(assert (= (bvmul xa xb xc) (_ bv18446744073709551557 {n})))" + "".join(
        f"(assert (bvugt x{k} (_ bv65537 {n})))(assert (bvult x{k} (_ bv4294967296 {n})))" for k in "abc"
    )
    code = (
        "import threading, signal, time\n"
        "from types import SimpleNamespace\n"
        "from coverify.verify.deadline import Deadline\n"
        "from coverify.verify.smt.solvers import z3\n"
        f"script = SimpleNamespace(text={wide + hard!r}, variables=())\n"
        "threading.Timer(2, lambda: signal.raise_signal(signal.SIGINT)).start()\n"
        "try:\n    print(z3(script, Deadline.in_s(40), 0))\n"
        "except KeyboardInterrupt:\n    print('heard')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60
    )
    assert done.stdout == "heard\n", done
