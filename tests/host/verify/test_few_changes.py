"""Regions in which only a few features may change, against brute force over the box."""

import dataclasses
import itertools

import numpy as np
import pytest

from coverify.check import Rejected, check
from coverify.check.certificate import network
from coverify.check.proof import Proof
from coverify.check.steps import Linear
from coverify.verify.certificate import Certificate, normal
from coverify.verify.deadline import Deadline
from coverify.verify.engines import ENGINES, solve
from coverify.verify.engines.enumerate import few_changes
from coverify.verify.engines.packages import usable
from coverify.verify.few_changes import region_bounds
from coverify.verify.fixed_point import FixedPointNetwork
from coverify.verify.problem import Problem
from coverify.verify.query import Argument, Robustness, Verdict
from fixed_point_networks import content, layers_of, outputs, points
from model_builder import Builder
from oracle import ROOT
from tflm_int8 import Model, lower
from tflm_int8.program.concrete import run

SOLVERS = [name for name in (*ENGINES, "z3:balanced", "z3:literal") if usable(name.partition(":")[0])]
COMPLETE = ("enumerate", "z3", "bitwuzla", "boolector", "cpsat", "z3:balanced")


def case(seed):
    """A network of four pixels, a query in which at most 0 to 3 change, its points and whether it holds, and
    the network's file.
    """
    rng = np.random.default_rng([seed, 4])
    hidden = int(rng.integers(2, 5))
    arrays = layers_of(
        [rng.integers(-9, 10, (hidden, 4)), rng.integers(-9, 10, (3, hidden))],
        [rng.integers(-900, 900, hidden), rng.integers(-900, 900, 3)],
        [int(rng.integers(2, 6)), int(rng.integers(1, 6))],
        [(0, 255), (-128, 127)],
    )
    x0, eps = rng.integers(0, 256, 4), int(rng.integers(1, 4))
    if rng.random() < 0.5:  # an input near which the class changes
        other = rng.integers(0, 256, 4)
        label = outputs(arrays, x0[None]).argmax()
        for _ in range(7):
            middle = (x0 + other) // 2
            x0, other = (middle, other) if outputs(arrays, middle[None]).argmax() == label else (x0, middle)
    changes = int(rng.integers(0, 4))
    every = points(x0, eps)
    every = every[(every != x0).sum(axis=1) <= changes]
    label = int(outputs(arrays, x0[None]).argmax())
    query = dataclasses.replace(Robustness.around(x0, label, eps, None, 0, 255), changes=changes)
    file = content(arrays)
    program = FixedPointNetwork.from_bytes(file).program
    holds = bool(np.all(outputs(arrays, every).argmax(axis=1) == label))
    return Problem(program, query), every, holds, file


@pytest.mark.parametrize("engine", SOLVERS)
def test_every_engine_answers_as_brute_force_does(engine):
    verdicts = set()
    for seed in range(25 if engine != "marabou" else 5):
        problem, _, wanted, _ = case(seed)
        outcome = solve(engine, problem, Deadline.in_s(20))
        assert outcome.verdict in (Verdict.UNKNOWN, Verdict.HOLDS if wanted else Verdict.VIOLATED), seed
        if engine in COMPLETE:
            assert outcome.verdict is not Verdict.UNKNOWN, (seed, outcome.note)
        if outcome.witness is not None:
            assert problem.query.contains(outcome.witness)
        verdicts.add(outcome.verdict)
    assert engine not in COMPLETE or {Verdict.HOLDS, Verdict.VIOLATED} <= verdicts


@pytest.mark.parametrize("engine", ["interval", "dual", "bab", "enumerate"])
def test_what_bounds_or_every_point_prove_has_a_certificate(engine, tmp_path):
    """It says of which input how many values may change; the same is no proof of four where that is false."""
    proved = 0
    for seed in range(40):
        problem, _, wanted, file = case(seed)
        outcome, query = solve(engine, problem, Deadline.in_s(20)), problem.query
        if outcome.verdict is not Verdict.HOLDS:
            assert engine in ("interval", "dual") or not wanted, seed
            continue
        proved += 1
        Certificate(file, "fixed-point", query, outcome.argument, engine).write(tmp_path / "c.zip")
        claim = check(tmp_path / "c.zip")
        assert claim.changes == query.changes and np.array_equal(claim.base, query.x0)
        wide = dataclasses.replace(query, changes=4)
        every = points(query.x0, query.eps)
        Certificate(file, "fixed-point", wide, outcome.argument, engine).write(tmp_path / "c.zip")
        if np.any(problem.labels(every) != query.label):
            with pytest.raises(Rejected):
                check(tmp_path / "c.zip")
    assert proved > 25


@pytest.mark.parametrize("seed", range(20))
def test_the_checker_s_boxes_and_bounds_leave_out_no_input_that_may_be_reached(seed):
    """Of random parts of a box: no engine is asked; what the checker finds is held against every point."""
    rng = np.random.default_rng([seed, 8])
    problem, *_, file = case(seed)
    net, query = network(file, "fixed-point"), problem.query
    n, box = len(query.x0), np.stack([query.lo, query.hi])
    net.put(
        Linear, 1, np.ones((1, 1, len(net.outputs)), np.int64), net.outputs[None, None], np.zeros(1, np.int64)
    )
    widths = [step.width for step in net.steps]
    arrays = {
        "script": np.zeros((0, 4), np.int64),
        "rows": np.zeros((0, 3), np.int64),
        "xi": np.zeros((0, sum(widths)), np.int64),
        "parabolas": np.zeros((0, 3 + n), np.int64),
    }
    proof = Proof(net, box, arrays, (query.x0.astype(np.int64), query.changes))
    every = points(query.x0, query.eps)
    every = every[(every != query.x0).sum(axis=1) <= query.changes]
    for _ in range(20):
        facts = [
            (int(rng.integers(1, n + 1)), int(rng.choice([-1, 1])), int(rng.integers(-3, 4)))
            for _ in range(int(rng.integers(0, 3)))
        ]
        facts = [(e, sign, sign * int(query.x0[e - 1]) + end) for e, sign, end in facts]
        inside = (
            every[np.all([sign * every[:, e - 1] <= end for e, sign, end in facts], axis=0)]
            if facts
            else every
        )
        part = proof.narrowed(proof.root, facts)
        if part is None:
            assert not len(inside)
            continue
        wires = np.concatenate(run(problem.program, inside), axis=1)
        assert np.all((part[0, 1 : wires.shape[1] + 1] <= wires) & (wires <= part[1, 1 : wires.shape[1] + 1]))
        forms = rng.integers(-9, 10, (8, n))
        most = proof.most(forms, *part[:, 1 : n + 1])
        reached = (inside @ forms.T).max(axis=0, initial=-(10**9))
        assert np.all(reached <= most)
        if not facts:
            assert np.array_equal(reached, most)


@pytest.mark.parametrize("seed", range(20))
def test_the_bounds_hold_and_the_points_are_counted(seed):
    problem, every, *_ = case(seed)
    assert problem.query.n_points == len(every)
    for wire, box in zip(run(problem.program, every), region_bounds(problem, Deadline.never()), strict=True):
        assert np.all(wire >= box.lo) and np.all(wire <= box.hi)
    first = run(problem.program, every)[1]
    box = region_bounds(problem, Deadline.never())[1]
    assert np.array_equal(first.max(axis=0), box.hi) and np.array_equal(first.min(axis=0), box.lo)


def test_bounds_prove_more_than_those_of_the_whole_box():
    proved = {None: 0, 1: 0}
    for seed in range(30):
        problem, *_ = case(seed)
        for changes in proved:
            wide = Robustness.around(problem.query.x0, problem.query.label, 25, None, 0, 255)
            query = dataclasses.replace(wide, changes=changes)
            outcome = solve("dual", Problem(problem.program, query), Deadline.in_s(20))
            proved[changes] += outcome.verdict is Verdict.HOLDS
    assert proved[1] > proved[None] > 0


def test_an_engine_that_does_not_count_changes_says_so():
    if not usable("marabou"):
        pytest.skip("marabou is not installed")
    problem, *_ = next(c for c in map(case, range(30)) if c[2])
    assert "does not count" in solve("marabou", problem, Deadline.in_s(5)).note


@pytest.mark.parametrize("engine", ["dual", "bab"])
def test_bounds_on_wide_boxes_never_prove_what_is_broken(engine):
    """Six pixels, two changed by up to 60 codes: where most stairs of the first layer have both clamps."""
    broken = 0
    for seed in range(40):
        rng = np.random.default_rng([seed, 5])
        arrays = layers_of(
            [rng.integers(-9, 10, (6, 6)), rng.integers(-9, 10, (3, 6))],
            [rng.integers(-900, 900, 6), rng.integers(-900, 900, 3)],
            [4, 5],
            [(0, 60), (-128, 127)],
        )
        x0, program = rng.integers(0, 256, 6), FixedPointNetwork.from_bytes(content(arrays)).program
        label = int(outputs(arrays, x0[None]).argmax())
        query = dataclasses.replace(Robustness.around(x0, label, 30, None, 0, 255), changes=2)
        problem = Problem(program, query)
        said = solve(engine, problem, Deadline.in_s(5)).verdict
        x = np.concatenate(list(few_changes(query, 1 << 15)))
        wanted = bool(np.all(outputs(arrays, x).argmax(axis=1) == label))
        assert said in (Verdict.UNKNOWN, Verdict.HOLDS if wanted else Verdict.VIOLATED), seed
        broken += not wanted
    assert broken > 5


@pytest.mark.parametrize("engine", ["interval", "dual", "bab"])
def test_sums_of_a_settled_border_are_bounded_as_the_checker_bounds_them(engine, tmp_path):
    """A dense layer of a padded vector: in the checker its elements are no inputs, but sums of one each."""
    proved = 0
    for seed in range(30):
        rng = np.random.default_rng([seed, 15])
        b = Builder()
        x = b.input((1, 4), 0.05, int(rng.integers(-9, 10)))
        wide = b.op("PAD", [x, b.integers([[0, 0], [1, 2]])], b.like(x, (1, 7)))
        y = b.fully_connected(wide, rng.integers(-9, 10, (3, 7)), rng.integers(-300, 300, 3), [0.05], 0.1, 0)
        file = b.finish(y)
        program = lower(Model.from_bytes(file))
        base = rng.integers(-100, 100, 4)
        label = int(run(program, base[None])[program.output][0].argmax())
        query = dataclasses.replace(Robustness.around(base, label, 20), changes=1)
        outcome = solve(engine, Problem(program, query), Deadline.in_s(5))
        if outcome.verdict is Verdict.HOLDS and outcome.argument is not None:
            Certificate(file, "tflm", query, outcome.argument, engine).write(tmp_path / "c.zip")
            assert check(tmp_path / "c.zip").changes == 1
            proved += 1
    assert proved > 10


@pytest.mark.parametrize("changes", [None, 100_000])
def test_a_certificate_that_runs_too_many_inputs_is_refused_before_they_are_counted(changes, tmp_path):
    """Their number has as many digits as there are inputs."""
    n = 200_000
    file = content(layers_of([np.zeros((2, n), np.int64)], [np.array([1, 0])], [0], [(0, 9)]))
    lo, hi = np.zeros(n, np.int64), np.full(n, 255)
    query = Robustness(lo.astype(np.int16), 0, 255, lo, hi, changes)
    Certificate(file, "fixed-point", query, Argument("enumeration"), "enumerate").write(tmp_path / "c.zip")
    with pytest.raises(Rejected, match="multiply-adds"):
        check(tmp_path / "c.zip")


def test_what_narrows_sums_of_inputs_is_counted_before_it_is_done():
    problem, *_, file = case(3)
    query, works = problem.query, []
    outcome = solve("interval", problem, Deadline.in_s(20))
    assert outcome.verdict is Verdict.HOLDS and outcome.argument is not None
    for changes in (1, len(query.x0)):
        arrays = normal(outcome.argument, None, len(query.x0))
        arrays["script"] = np.array([[1, 1, 0, 0]] * 50)  # an input divided, 50 times
        net = network(file, "fixed-point")
        proof = Proof(net, np.stack([query.lo, query.hi]), dict(arrays), (query.lo, changes))
        works.append(proof.products(10**9))
    assert works[0] - works[1] >= 50 * 40 * net.steps[0].products > 0


def test_any_two_pixels_may_be_anything_on_a_trained_network(tmp_path):
    """64 pixels: 1.3 · 10⁸ images, by parts in which a pixel has changed."""
    file = ROOT / "firmware_models" / "networks" / "digits_mlp.tflite"
    data, program = np.load(file.with_suffix(".npz")), lower(Model.read(file))
    x, y = data["x"].reshape(len(data["x"]), -1).astype(np.int64), data["y"]
    verdicts = []
    for i in (0, 3):
        query = dataclasses.replace(Robustness.around(x[i], int(y[i]), 255), changes=2)
        outcome = solve("bab", Problem(program, query), Deadline.in_s(60))
        verdicts.append(outcome.verdict)
    assert verdicts == [Verdict.VIOLATED, Verdict.HOLDS]
    assert int(outcome.evidence["parts"]) > 10
    Certificate(file.read_bytes(), "tflm", query, outcome.argument, "bab").write(tmp_path / "c.zip")
    assert check(tmp_path / "c.zip").changes == 2


def test_points_of_few_changes_come_once_each_feature_after_feature():
    """As itertools counts them, in batches of any size."""
    for seed in range(60):
        rng = np.random.default_rng([seed, 13])
        n, changes, batch = int(rng.integers(1, 6)), int(rng.integers(0, 4)), int(rng.integers(1, 40))
        around = Robustness.around(
            rng.integers(-128, 128, n), 0, int(rng.integers(0, 4)), rng.random(n) < 0.8
        )
        query, expected = dataclasses.replace(around, changes=changes), []
        values = [range(lo, hi + 1) for lo, hi in zip(query.lo, query.hi, strict=True)]
        for k in range(changes + 1):
            for chosen in itertools.combinations(np.flatnonzero(query.hi > query.lo).tolist(), k):
                for new in itertools.product(*([v for v in values[i] if v != query.x0[i]] for i in chosen)):
                    expected.append(
                        [dict(zip(chosen, new, strict=True)).get(i, query.x0[i]) for i in range(n)]
                    )
        parts = list(few_changes(query, batch))
        assert all(0 < len(part) <= batch for part in parts)
        assert np.concatenate(parts).tolist() == expected
        assert len(expected) == query.n_points
