"""Every way of telling two networks apart against brute force: each point of the region run on both."""

from __future__ import annotations

import os
from collections import Counter

import numpy as np
import pytest

import equivalence_cases as cases
import fixed_point_networks
from coverify.verify.deadline import Deadline
from coverify.verify.equivalence.claim import Question, class_claim, output_claim
from coverify.verify.equivalence.decide import OWN, Decider
from coverify.verify.equivalence.product import joined_on
from coverify.verify.equivalence.sides import Pair
from coverify.verify.errors import BadQuery, CannotDecide
from coverify.verify.fixed_point import FixedPointNetwork
from coverify.verify.query import Robustness, Verdict
from coverify.verify.worker import Worker
from model_builder import Builder
from tflm_int8 import Model, lower
from tflm_int8.program.concrete import run
from tflm_int8.program.primitives import Program

SEEDS = int(os.environ.get("COVERIFY_FUZZ_CASES", "20"))
ENGINES = (*OWN, "enumerate", "interval", "dual", "bab", "attack", "z3")


def decider(case: cases.Case) -> Decider:
    worker = cases.InProcess(case.pair.first.program)
    return Decider(case.pair, worker, case.region.x0[None].astype(np.int64))


@pytest.mark.parametrize("question", Question)
def test_every_verdict_agrees_with_brute_force(problem_of, question):
    seen, wrong = Counter(), []
    for seed in range(SEEDS):
        case = cases.case(problem_of(seed), np.random.default_rng([seed, 7]), question)
        seen["brute force", case.holds] += 1
        for engine in ENGINES:
            limit_s = 0.3 if engine in ("search", "attack") else 1.0
            said = decider(case).decide(case.region, engine, limit_s, seed)
            seen[engine, said.verdict] += 1
            if said.verdict is not Verdict.UNKNOWN and (said.verdict is Verdict.HOLDS) is not case.holds:
                wrong.append((seed, engine, said.verdict, case.holds))
    assert not wrong
    assert min(seen["brute force", True], seen["brute force", False]) >= 5, seen
    assert not seen["enumerate", Verdict.UNKNOWN]
    for engine in ("interval", "dual", "bab", "z3", "enumerate"):
        assert seen[engine, Verdict.HOLDS] and seen[engine, Verdict.VIOLATED], (engine, seen)
    # within reach of a small region the search finds what there is
    assert seen["search", Verdict.VIOLATED] >= 0.9 * seen["brute force", False], seen


def test_networks_of_as_many_layers_of_other_widths_are_told_apart_or_not_as_brute_force_says():
    """Partners are layers whose outputs are as many; what they read need not be."""
    seen = set()
    for seed in range(8):
        rng, sides = np.random.default_rng([seed, 9]), []
        for hidden in (3, 5):
            weights = [rng.integers(-9, 10, (hidden, 2)), rng.integers(-9, 10, (3, hidden))]
            biases = [rng.integers(-400, 400, hidden), rng.integers(-90, 90, 3)]
            arrays = fixed_point_networks.layers_of(weights, biases, [4, 3], [(0, 63), (-64, 63)])
            file = fixed_point_networks.content(arrays)
            sides.append(cases.side(f"{hidden}", FixedPointNetwork.from_bytes(file).program))
        for question in Question:
            x0 = rng.integers(0, 256, 2)
            region, pair = Robustness.around(x0, 0, 3, None, 0, 255), Pair(*sides, question)
            truth = cases.holds(pair, region)
            for engine in ENGINES:
                case = cases.Case(pair, region, truth)
                said = decider(case).decide(region, engine, 1.0, seed).verdict
                assert said in (Verdict.UNKNOWN, Verdict.HOLDS if truth else Verdict.VIOLATED), (seed, engine)
                seen.add(said)
    assert seen >= {Verdict.HOLDS, Verdict.VIOLATED}


def test_auto_decides_what_is_small(problem_of):
    with Worker(problem_of(0).program) as worker:
        for seed in range(8):
            case = cases.case(problem_of(seed), np.random.default_rng([seed, 7]), Question.OUTPUT)
            said = Decider(case.pair, worker, case.region.x0[None].astype(np.int64))
            assert said.decide(case.region, "auto", 20.0, 0).verdict.value == (
                "HOLDS" if case.holds else "VIOLATED"
            )


@pytest.mark.parametrize("question", Question)
def test_the_claim_is_the_question_on_every_point(problem_of, question):
    """The product program loses label 0 exactly where the two programs, run one by one, are apart."""
    exact = 0
    for seed in range(SEEDS, 2 * SEEDS):
        case = cases.case(problem_of(seed), np.random.default_rng([seed, 8]), question)
        first, second = case.pair.first.program, case.pair.second.program
        joint = joined_on(first, second, case.region.lo, case.region.hi, Deadline.never())
        try:
            claim = (
                class_claim(joint, Deadline.never())
                if question is Question.CLASS
                else output_claim(joint, case.pair.tolerance)
            )
        except CannotDecide:  # a softmax whose ties depend on the sum
            continue
        x = cases.points(case.region, 0, case.region.n_points)
        outputs = [run(p, x)[p.output] for p in (first, second)]
        apart = case.pair.told_apart(*outputs)
        if claim.program is None:
            assert not apart.any()
            continue
        fallen = run(claim.program, x)[claim.program.output].argmax(axis=1) != 0
        assert not np.any(apart & ~fallen)
        if claim.exact:
            exact += 1
            assert np.array_equal(apart, fallen), seed
    assert exact >= SEEDS / 5


def test_bounds_of_the_difference_hold_on_every_point(problem_of):
    loose = 0
    for seed in range(2 * SEEDS, 3 * SEEDS):
        case = cases.case(problem_of(seed), np.random.default_rng([seed, 9]), Question.OUTPUT)
        first, second = case.pair.first.program, case.pair.second.program
        joint = joined_on(first, second, case.region.lo, case.region.hi, Deadline.never())
        x = cases.points(case.region, 0, case.region.n_points)
        wires = run(joint.program, x)
        assert np.array_equal(wires[joint.first], run(first, x)[first.output])
        assert np.array_equal(wires[joint.second], run(second, x)[second.output])
        for (a, b), box in joint.drifts.items():
            difference = wires[b] - wires[a]
            assert np.all(box.lo <= difference) and np.all(difference <= box.hi)
            loose += int(np.any(box.lo < difference.min(axis=0)))
    assert loose  # a box that is always exact would be a box that was computed from the points


@pytest.mark.parametrize("engine", ["structure", "difference", "attack", "interval", "z3"])
def test_a_program_and_itself_are_one_program(problem_of, engine):
    case = cases.case(problem_of(3), np.random.default_rng(0), Question.OUTPUT)
    program = case.pair.first.program
    pair = cases.Pair(case.pair.first, cases.side("again", _copy(program)), Question.OUTPUT)
    said = Decider(pair, cases.InProcess(program), case.region.x0[None].astype(np.int64)).decide(
        case.region, engine, 5.0, 0
    )
    assert (said.verdict, said.engine, said.proof) == (Verdict.HOLDS, "structure", "the same program")


@pytest.mark.parametrize("engine", ["auto", "structure", "attack", "enumerate"])
def test_what_is_undefined_is_not_equal(engine):
    """A sum of 127 shifted to the left by 17 bits fits int32, one of 127 · 130 does not."""
    b = Builder()
    y = b.fully_connected(b.input((1, 2), 1.0, 0), np.full((2, 2), 127), np.zeros(2), 1.0, 2.0**-17, 0)
    program = lower(Model.from_bytes(b.finish(y)))
    pair = cases.Pair(cases.side("one", program), cases.side("again", _copy(program)), Question.OUTPUT)
    for centre, verdict in ((0, Verdict.HOLDS), (65, Verdict.UNKNOWN)):
        region = Robustness.around(np.full(2, centre, np.int16), 0, 1)
        given = region.x0[None].astype(np.int64)
        said = Decider(pair, cases.InProcess(program), given).decide(region, engine, 2.0, 0)
        assert said.verdict is verdict
        assert (verdict is Verdict.HOLDS) or "TFLM's result is undefined" in said.note


def _copy(program: Program) -> Program:
    import pickle  # of our own object

    return pickle.loads(pickle.dumps(program))


def test_networks_of_other_sizes_are_refused(problem_of):
    programs = [problem_of(seed).program for seed in range(12)]
    sizes = {(p.n_input, p.sizes()[p.output]): p for p in programs}
    one, other = list(sizes.values())[:2]
    with pytest.raises(BadQuery, match=r"takes|has"):
        cases.Pair(cases.side("one", one), cases.side("other", other), Question.OUTPUT)


def test_a_tolerance_for_classes_is_refused(problem_of):
    side = cases.side("one", problem_of(0).program)
    with pytest.raises(BadQuery, match="tolerance"):
        cases.Pair(side, side, Question.CLASS, 1)


def test_an_unknown_engine_is_refused(problem_of):
    case = cases.case(problem_of(1), np.random.default_rng(0), Question.OUTPUT)
    with pytest.raises(BadQuery, match="unknown engine"):
        decider(case).decide(case.region, "crystal-ball", 1.0, 0)


def test_the_label_of_the_region_means_nothing(problem_of):
    case = cases.case(problem_of(5), np.random.default_rng([5, 7]), Question.OUTPUT)
    region = Robustness.around(case.region.x0, 1, case.region.eps)
    assert cases.holds(case.pair, region) is (
        decider(case).decide(region, "enumerate", 20.0, 0).verdict is Verdict.HOLDS
    )
