"""Bounds by several processes: the same proof as by one, whatever becomes of helpers; none is left behind."""

import itertools
import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from coverify.check import check
from coverify.verify.certificate import Certificate
from coverify.verify.deadline import Deadline, OutOfTime
from coverify.verify.dual import team
from coverify.verify.dual.cases import Cases
from coverify.verify.dual.prover import Prover
from coverify.verify.dual.relaxation import Relaxation
from coverify.verify.dual.team import Ask, Team
from coverify.verify.engines import solve
from coverify.verify.fixed_point import FixedPointNetwork
from coverify.verify.problem import Problem
from coverify.verify.query import Robustness, Verdict
from fixed_point_networks import content, layers_of, outputs

SIZES = (30, 24, 12, 4)


def network(seed: int):
    """Two hidden layers of 5 bits, and an input."""
    rng = np.random.default_rng([seed, 9])
    weights, biases = [], []
    for a, b in itertools.pairwise(SIZES):
        weights.append(rng.integers(-7, 8, (b, a)))
        biases.append(rng.integers(-60, 60, b) * a)
    return layers_of(weights, biases, [5, 5, 3], [(0, 31), (0, 31), (-64, 63)]), rng.integers(20, 200, 30)


def problem(seed: int, eps: int) -> tuple[bytes, Problem]:
    arrays, x = network(seed)
    label = int(outputs(arrays, x[None])[0].argmax())
    data = content(arrays)
    query = Robustness.around(x, label, eps, None, 0, 255)
    return data, Problem(FixedPointNetwork.from_bytes(data).program, query)


@pytest.fixture
def at_once(monkeypatch) -> list[int]:
    """Helpers are started and waited for at once; the numbers of those processes that gave answers."""
    monkeypatch.setattr(team, "LATER_S", 0.0)
    answered, handed, grow = [], Team._handed, Team._grow

    def watched(self, task, process):
        handed(self, task, process)
        answered.append(process.process.pid)

    def waited(self, n_asks):
        grow(self, n_asks)
        while self._helpers and not answered and self._waiting:
            time.sleep(0.01)

    monkeypatch.setattr(Team, "_handed", watched)
    monkeypatch.setattr(Team, "_grow", waited)
    return answered


def same(first, second) -> bool:
    return first.arrays.keys() == second.arrays.keys() and all(
        np.array_equal(first.arrays[name], second.arrays[name]) for name in first.arrays
    )


def gone(pid: int) -> bool:
    """Is there no such process, or only what is left of one that ended?"""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


@pytest.mark.parametrize(("seed", "eps"), [(15, 9), (22, 9)])
def test_three_processes_find_the_proof_that_one_finds_and_none_is_left(seed, eps, at_once, tmp_path):
    data, asked = problem(seed, eps)
    alone = solve("bab", asked, Deadline.in_s(120), 0)
    assert alone.verdict is Verdict.HOLDS and not at_once
    together = solve("bab", asked, Deadline.in_s(120), 0, 3)
    assert together.verdict is Verdict.HOLDS and together.evidence == alone.evidence
    assert same(alone.argument, together.argument)
    assert at_once and all(map(gone, at_once))
    Certificate(data, "fixed-point", asked.query, together.argument, "bab").write(tmp_path / "c.zip")
    assert check(tmp_path / "c.zip").label == asked.query.label


def test_what_a_dead_helper_was_asked_is_answered_all_the_same(at_once, monkeypatch):
    _, asked = problem(22, 9)
    alone = solve("bab", asked, Deadline.in_s(120), 0)
    killed, handed = [], Team._handed

    def shot(self, task, process):
        process.process.kill()
        process.process.wait()
        killed.append(process.process.pid)
        at_once.append(0)  # nobody is to be waited for
        handed(self, task, process)

    monkeypatch.setattr(Team, "_handed", shot)
    together = solve("bab", asked, Deadline.in_s(120), 0, 2)
    assert len(killed) == 1
    assert same(alone.argument, together.argument)


def cases_of(asked: Problem) -> tuple[Cases, list[Ask]]:
    """The first stairs, and bounds of accumulators above them."""
    search = Prover.of(asked, Deadline.in_s(60)).search
    boxes = [(lo[None], hi[None]) for lo, hi in search.boxes]
    rows = [search._rows([search.root(rival)]) for rival in _rivals(asked)]
    assert search.cases is not None
    return search.cases, [Ask(row, boxes, {}, -np.inf) for row in rows for _ in range(3)]


def _rivals(asked: Problem):
    return [root.rival for root in Prover.of(asked, Deadline.in_s(60)).roots]


def test_answers_come_in_the_order_of_the_questions(at_once):
    cases, asks = cases_of(problem(10, 10)[1])
    expected = [ask.answer(cases, Deadline.never()).bound for ask in asks]
    assert len(set(expected)) > 1
    crew = Team(cases, Deadline.in_s(60), 3)
    try:
        assert [found.bound for found in crew.answers(asks)] == expected
        assert [found.bound for found in crew.answers(asks[::-1])] == expected[::-1]
    finally:
        crew.close()
    assert at_once and all(map(gone, at_once))


@pytest.mark.parametrize("size", [1, 2])
def test_what_a_question_raises_is_raised_at_its_turn(size, at_once):
    cases, asks = cases_of(problem(10, 10)[1])
    wrong = Ask(asks[0].rows, asks[0].boxes[:1], {}, -np.inf)
    crew = Team(cases, Deadline.in_s(60), size)
    try:
        answers = crew.answers([asks[0], wrong, asks[1]])
        assert next(answers) is not None
        with pytest.raises(IndexError):
            next(answers)
        assert len(list(crew.answers(asks[:2]))) == 2
    finally:
        crew.close()


@pytest.mark.parametrize("size", [1, 2])
def test_time_ends_it(size):
    cases, asks = cases_of(problem(10, 10)[1])
    crew = Team(cases, Deadline.in_s(0), size)
    try:
        with pytest.raises(OutOfTime):
            list(crew.answers(asks))
    finally:
        crew.close()


def test_a_killed_search_leaves_no_helper():
    script = """
import sys
sys.path[:0] = sys.argv[1:]
import test_team
from coverify.verify.dual import team
team.LATER_S = 0.0
cases, asks = test_team.cases_of(test_team.problem(10, 10)[1])
crew = team.Team(cases, team.Deadline.in_s(600), 2)
said = False
while True:
    list(crew.answers(asks))
    if crew._processes and crew._processes[0].replies.empty() and not said:
        print(crew._processes[0].process.pid, flush=True)
        said = True
"""
    paths = [str(Path(__file__).parent), *sys.path]
    one = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    searching = subprocess.Popen(
        [sys.executable, "-c", script, *paths], stdout=subprocess.PIPE, text=True, env=one
    )
    try:
        pid = int(searching.stdout.readline())
        assert not gone(pid)
    finally:
        searching.send_signal(signal.SIGKILL)
        searching.wait()
        searching.stdout.close()
    end = time.monotonic() + 60
    while not gone(pid) and time.monotonic() < end:
        time.sleep(0.05)
    assert gone(pid)


def test_an_easy_search_starts_no_helper(monkeypatch):
    def refused(*_):
        raise AssertionError("a helper was started")

    monkeypatch.setattr(team.SolverProcess, "start", refused)
    _, asked = problem(10, 3)
    assert solve("bab", asked, Deadline.in_s(60), 0, 4).verdict is Verdict.HOLDS


def test_a_relaxation_goes_to_another_process_and_is_the_same_there(at_once):
    """Its stairs are those of the program, edge for edge."""
    cases, _ = cases_of(problem(22, 9)[1])
    there = pickle.loads(pickle.dumps(cases))
    assert isinstance(there.relaxation, Relaxation)
    assert all(np.array_equal(there.relaxation.edges[w], e) for w, e in cases.relaxation.edges.items())
    assert there.stairs is there.relaxation.steps[there.wire - 1]


def test_where_no_helper_can_be_started_the_search_goes_on_alone(monkeypatch):
    def refused(*_):
        raise OSError("no more processes")

    monkeypatch.setattr(team.SolverProcess, "start", refused)
    monkeypatch.setattr(team, "LATER_S", 0.0)
    cases, asks = cases_of(problem(10, 10)[1])
    expected = [ask.answer(cases, Deadline.never()).bound for ask in asks]
    crew = Team(cases, Deadline.in_s(60), 2)
    assert [found.bound for found in crew.answers(asks)] == expected
    crew.close()
