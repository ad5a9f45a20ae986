"""Bounds of inner accumulators by chords: true of every input, whoever wins, and worth their place."""

import contextlib
import itertools

import numpy as np
import pytest

from coverify.check import check
from coverify.verify.certificate import Certificate
from coverify.verify.deadline import NEVER, Deadline, OutOfTime
from coverify.verify.dual import branching, search
from coverify.verify.dual.narrowing import Narrowing
from coverify.verify.dual.outer import applied, chords
from coverify.verify.dual.prover import Prover
from coverify.verify.dual.relaxation import NO_GUIDES, Relaxation
from coverify.verify.dual.tree import Node
from coverify.verify.engines import solve
from coverify.verify.fixed_point import FixedPointNetwork
from coverify.verify.problem import Problem
from coverify.verify.query import Robustness, Verdict
from fixed_point_networks import content, layers_of, outputs

SIDE = 6


def deep(seed: int, layers: int = 3):
    """Four inputs, hidden layers of 16 and three classes; an input of it, and a box about it."""
    rng = np.random.default_rng([seed, layers])
    sizes, weights, biases = (4, *[16] * layers, 3), [], []
    for n_in, n_out in itertools.pairwise(sizes):
        weights.append(rng.integers(-9, 10, (n_out, n_in)))
        biases.append(rng.integers(-90, 91, n_out))
    ranges = [(0, 255)] * layers + [(-128, 127)]
    arrays = layers_of(weights, biases, [5] * layers + [4], ranges)
    x = rng.integers(20, 200, 4)
    query = Robustness.around(x, int(outputs(arrays, x[None])[0].argmax()), SIDE // 2, None, 0, 255)
    return arrays, Problem(FixedPointNetwork.from_bytes(content(arrays)).program, query)


def every_input(problem: Problem) -> np.ndarray:
    lo, hi = problem.query.lo, problem.query.hi
    return np.array(list(itertools.product(*(range(a, b + 1) for a, b in zip(lo, hi, strict=True)))))


def test_every_input_keeps_to_the_bounds_and_each_of_them_is_narrower():
    wires = set()
    for seed in range(12):
        _, problem = deep(seed)
        one = Prover.of(problem, Deadline.in_s(60)).search
        rows = chords(one.relaxation, one.boxes, {}, Deadline.in_s(60))
        values = problem.wires(every_input(problem))
        for row in rows:
            for (wire, element, sign, scale, m), bound in zip(row.targets.tolist(), row.bounds, strict=True):
                lo, hi = one.boxes[wire]
                assert m == 0
                assert int((sign * values[wire][:, element]).max()) <= bound // scale
                assert bound // scale < (hi[element] if sign > 0 else -lo[element])
                wires.add(wire)
        narrowed = applied(one.boxes, rows)
        assert all(np.all(lo <= hi) for lo, hi in narrowed)
    assert len(wires) == 3, "all layers but the first, the logits' too"


@pytest.mark.slow
def test_verdicts_are_those_of_every_input_certificates_are_accepted_and_more_holds(tmp_path, monkeypatch):
    held = {"interval": 0, "bab": 0}
    bare = 0
    for seed in range(20):
        arrays, problem = deep(seed)
        stays = bool(np.all(outputs(arrays, every_input(problem)).argmax(axis=1) == problem.query.label))
        for engine in held:
            outcome = solve(engine, problem, Deadline.in_s(60))
            assert outcome.verdict is Verdict.UNKNOWN or (outcome.verdict is Verdict.HOLDS) == stays, seed
            if outcome.verdict is Verdict.HOLDS:
                held[engine] += 1
                path = tmp_path / f"{engine}-{seed}.zip"
                assert outcome.argument is not None
                network = content(arrays)
                Certificate(network, "fixed-point", problem.query, outcome.argument, engine).write(path)
                assert check(path).label == problem.query.label
        with monkeypatch.context() as patch:
            patch.setattr(search, "chords", lambda *_: [])
            bare += solve("interval", problem, Deadline.in_s(60)).verdict is Verdict.HOLDS
    assert 0 < bare < held["interval"] <= held["bab"], (bare, held)


def test_time_that_is_over_ends_them():
    one = Prover.of(deep(1)[1], Deadline.in_s(60)).search
    with pytest.raises(OutOfTime):
        chords(one.relaxation, one.boxes, {}, Deadline.in_s(-1))


def test_a_part_that_could_not_be_narrowed_has_none_of_its_own_parts_narrowed(monkeypatch):
    monkeypatch.setattr(branching, "FEW", -1)
    monkeypatch.setattr(search, "PLAIN", 10**6)
    depths, deepest = [], 0
    monkeypatch.setattr(Narrowing, "narrow", lambda self, node: bool(depths.append(node.depth)))
    for seed in range(12):
        prover = Prover.of(deep(seed)[1], Deadline.in_s(1))
        with contextlib.suppress(search.Counterexample, OutOfTime):
            prover.search.run(prover.roots, 2)
        deepest = max([deepest, *(node.depth for root in prover.roots for node in parts(root))])
    assert set(depths) == {0, search.TIGHTEN_EVERY} and deepest > 2 * search.TIGHTEN_EVERY


def test_every_bound_of_a_narrowing_looks_at_the_clock(monkeypatch):
    monkeypatch.setattr(branching, "FEW", -1)
    monkeypatch.setattr(search, "PLAIN", 10**6)
    ends, narrow, evaluate = [], Narrowing.narrow, Relaxation.evaluate
    narrowing = False

    def watched(self, form, boxes, pieces, multipliers, exact=False, end=NEVER, guides=NO_GUIDES):
        if narrowing:
            ends.append(end)
        return evaluate(self, form, boxes, pieces, multipliers, exact, end, guides)

    def within(self, node):
        nonlocal narrowing
        narrowing = True
        try:
            return narrow(self, node)
        finally:
            narrowing = False

    monkeypatch.setattr(Relaxation, "evaluate", watched)
    monkeypatch.setattr(Narrowing, "narrow", within)
    for seed in range(6):
        prover = Prover.of(deep(seed)[1], deadline := Deadline.in_s(1))
        ends.clear()
        with contextlib.suppress(search.Counterexample, OutOfTime):
            prover.search.run(prover.roots, 2)
        assert set(ends) <= {deadline.late}
        if ends:
            return
    raise AssertionError("nothing was narrowed")


def parts(node: Node) -> list[Node]:
    return [node, *(below for part in node.parts for below in parts(part))]
