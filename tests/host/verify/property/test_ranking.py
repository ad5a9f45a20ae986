"""One output against all others, behind a softmax: verdicts against TFLM's interpreter on every input."""

import itertools
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from coverify.check import Rejected, check
from coverify.verify.certificate import Certificate
from coverify.verify.deadline import Deadline
from coverify.verify.property.formula import AllOf, AnyOf, ClassIs, holds, negated, not_above, relation
from coverify.verify.property.question import Question, decide
from coverify.verify.property.ranking import Ranking, ranked, rankings
from coverify.verify.query import Robustness, Verdict
from coverify.verify.worker import Worker
from model_builder import Builder
from softmax_networks import N, box, network
from tflm_int8 import Model, lower


def formula_of(ranking: Ranking) -> AllOf:
    return AllOf(tuple(
        AnyOf((not_above(j, ranking.top, -1 if j in ranking.below else 0),))
        for j in range(ranking.n) if j != ranking.top
    ))  # fmt: skip


@pytest.mark.parametrize("seed", range(12))
def test_every_verdict_is_that_of_every_input_and_what_holds_is_certified(seed, tmp_path):
    rng, content = np.random.default_rng([seed, 3]), network(seed)
    program, seen, kept = lower(Model.from_bytes(content)), set(), 0
    with Worker(program) as worker:
        for number in range(6):
            region, _, outputs = box(rng, content)
            top = int(outputs[0].argmax()) if number % 3 else int(rng.integers(N))
            lower_there = outputs[0] < outputs[0, top]
            below = frozenset(int(j) for j in range(N) if j != top and (lower_there[j] or number == 4))
            formula = formula_of(Ranking(N, top, below))
            if number == 5:
                formula = negated(formula)
            truth = Verdict.HOLDS if holds(formula, outputs.astype(np.int64)).all() else Verdict.VIOLATED
            question = Question(program, region, formula)
            assert (question.ranking is None) is (number == 5)
            for engine in ("enumerate", "bab", "z3", "auto", "interval", "attack"):
                outcome = decide(worker, question, engine, 20)
                assert outcome.verdict in (truth, Verdict.UNKNOWN), (number, engine)
                sure = engine in ("enumerate", "auto", "bab", "z3")
                assert outcome.verdict is truth or not sure, (number, engine, outcome.note)
                seen.add((engine, outcome.verdict))
                if outcome.verdict is Verdict.HOLDS and outcome.argument is not None and number < 5:
                    path = tmp_path / "certificate.zip"
                    claimed = question.relation()
                    Certificate(content, "tflm", region, outcome.argument, engine, claimed).write(path)
                    assert np.array_equal(check(path).relation[0], claimed.c)
                    kept += outcome.argument.kind == "bounds"
                    lesser = replace(claimed, d=claimed.d - 1)
                    if not ((outputs @ lesser.c.T) <= lesser.d).all():
                        Certificate(content, "tflm", region, outcome.argument, engine, lesser).write(path)
                        with pytest.raises(Rejected):
                            check(path)
    assert {Verdict.HOLDS, Verdict.VIOLATED} <= {verdict for _, verdict in seen}
    assert kept


def test_what_is_a_ranking_and_what_is_none():
    program = lower(Model.from_bytes(network(0)))
    for top, below in itertools.product(range(N), ((), (0,), (3,), (0, 1, 2, 3))):
        ranking = Ranking(N, top, frozenset(below) - {top})
        assert ranked(formula_of(ranking), program) == ranking
        assert ranked(AllOf((formula_of(ranking), relation({}, 0))), program) == ranking
        assert ranked(negated(formula_of(ranking)), program) is None
    whole = formula_of(Ranking(N, 2, frozenset((0,))))
    assert ranked(AllOf(whole.parts[1:]), program) is None  # of three outputs alone
    assert ranked(AllOf((*whole.parts[1:], not_above(0, 2, -2))), program) is None
    assert ranked(AllOf((*whole.parts[1:], not_above(0, 2, 1))), program) is None
    assert ranked(AllOf((*whole.parts[1:], relation({0: 1, 2: -2}, 0))), program) is None
    assert ranked(AllOf((*whole.parts[1:], relation({0: 3, 2: -3}, 2))), program) == Ranking(
        N, 2, frozenset()
    )
    dense = lower(Model.from_bytes(unnormalized()))
    assert ranked(whole, dense) is None
    found, rest = rankings(AllOf((whole, ClassIs(1, False))), N)
    assert found == [Ranking(N, 2, frozenset((0,)))]
    assert rest == [ClassIs(1, False)]


def unnormalized() -> bytes:
    b = Builder()
    return b.finish(b.fully_connected(b.input((1, 2), 0.05, 0), np.ones((N, 2)), None, 0.01, 0.1, 0))


@pytest.mark.parametrize("seed", range(4))
def test_rankings_within_a_formula_are_exact(seed):
    """None of two outputs is the greatest; one is not, or the class is another."""
    rng, content = np.random.default_rng([seed, 5]), network(seed)
    program, seen = lower(Model.from_bytes(content)), set()
    some = [formula_of(Ranking(N, int(t), frozenset((int((t + 1) % N),)))) for t in rng.permutation(N)[:2]]
    formulas = [AllOf(tuple(map(negated, some))), AnyOf((negated(some[0]), ClassIs(int(rng.integers(N)))))]
    with Worker(program) as worker:
        for formula, _ in itertools.product(formulas, range(3)):
            region, _, outputs = box(rng, content)
            truth = Verdict.HOLDS if holds(formula, outputs.astype(np.int64)).all() else Verdict.VIOLATED
            for engine in ("bab", "z3"):
                outcome = decide(worker, Question(program, region, formula), engine, 20)
                assert outcome.verdict is truth, (engine, outcome.note)
            seen.add(truth)
    assert seen


def test_one_output_against_some_is_shown_by_what_is_more_and_never_refuted_by_it(tmp_path):
    """Where it is not below any other at all, which is no part of the question."""
    shown, left, program = Counter[str](), 0, None
    for seed in range(0, 24, 2):
        rng, content = np.random.default_rng([seed, 7]), network(seed)
        program = lower(Model.from_bytes(content))
        region, _, outputs = box(rng, content, 9)
        top = int(outputs[0].argmax()) if seed % 4 else int(rng.integers(N))
        other = int((top + rng.integers(1, N)) % N)
        formula = not_above(other, top, -1 if outputs[0][other] < outputs[0][top] else 0)
        question = Question(program, region, formula)
        assert question.ranking is None and question.more is not None
        truth = Verdict.HOLDS if holds(formula, outputs.astype(np.int64)).all() else Verdict.VIOLATED
        topmost = holds(formula_of(question.more), outputs.astype(np.int64)).all()
        with Worker(program) as worker:
            for engine in ("bab", "z3", "auto"):
                outcome = decide(worker, question, engine, 6)
                assert outcome.verdict in (truth, Verdict.UNKNOWN), (seed, engine)
                assert outcome.verdict is Verdict.HOLDS or not topmost, (seed, engine, outcome.note)
                shown[outcome.verdict.value] += 1
                left += truth is Verdict.HOLDS and not topmost
                if outcome.argument is not None and outcome.argument.more:
                    path, claimed = tmp_path / "certificate.zip", question.relation(outcome.argument)
                    Certificate(content, "tflm", region, outcome.argument, engine, claimed).write(path)
                    assert len(check(path).relation[0]) == N - 1
                    shown["certified"] += 1
    assert shown["HOLDS"] and shown["VIOLATED"] and shown["certified"] and left


def test_the_order_is_part_of_what_engines_are_asked_and_names_no_other_tensor():
    program = lower(Model.from_bytes(network(0)))
    region = Robustness.around(np.zeros(2, np.int16), 0, 3, None, -128, 127)
    problem = Question(program, region, formula_of(Ranking(N, 1, frozenset((3,))))).problem(Deadline.never())
    assert problem.query.label == 1
    assert problem.program.sizes()[-1] == N
    assert len(problem.program.operators) in (0, len(problem.program.steps))
    assert set(problem.program.tensors) <= set(program.tensors)
