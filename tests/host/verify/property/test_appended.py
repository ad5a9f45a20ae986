import time

import numpy as np
import pytest

import random_graphs
from coverify.verify.deadline import Deadline, OutOfTime
from coverify.verify.engines import ENGINES, solve
from coverify.verify.engines.packages import usable
from coverify.verify.errors import BadQuery
from coverify.verify.fixed_point import FixedPointNetwork
from coverify.verify.problem import Problem
from coverify.verify.property import question
from coverify.verify.property.appended import appended
from coverify.verify.property.claim import among_top
from coverify.verify.property.formula import (
    MAX_ALTERNATIVES,
    MAX_CLAUSES,
    AllOf,
    AnyOf,
    ClassIs,
    FewFalse,
    Relation,
    clauses,
    holds,
    negated,
    numbered,
    spelled,
)
from coverify.verify.property.question import Question, decide
from coverify.verify.property.softmax import reduced
from coverify.verify.query import Robustness, Verdict
from coverify.verify.worker import Worker
from fixed_point_networks import content, outputs, points, random_network, region
from model_builder import Builder
from oracle import Tflm
from property_cases import meaning, random_formula
from tflm_int8 import Model, lower
from tflm_int8.program.concrete import run
from tflm_int8.program.linear import Dense
from tflm_int8.program.primitives import Affine, Program, Softmax, Term
from tflm_int8.program.sparse import Sparse

SEEDS = range(40)
EXACT = [name for name in ENGINES if name not in ("milp", "marabou", "eqv") and usable(name)]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_formula_and_its_negation_mean_what_they_say(seed):
    rng = np.random.default_rng([seed, 1])
    y = rng.integers(-4, 5, (30, int(rng.integers(2, 6))))
    formula = random_formula(rng, y)
    wanted = [meaning(formula, row) for row in y.tolist()]
    assert holds(formula, y).tolist() == wanted
    assert holds(negated(formula), y).tolist() == [not w for w in wanted]


@pytest.mark.parametrize("seed", SEEDS)
def test_clauses_mean_what_their_formula_says(seed):
    rng = np.random.default_rng([seed, 4])
    y = rng.integers(-4, 5, (30, int(rng.integers(2, 6))))
    formula = random_formula(rng, y)
    found = clauses(spelled(formula), y.shape[1])
    assert found is not None
    wanted = [meaning(formula, row) for row in y.tolist()]
    assert [all(any(meaning(r, row) for r in clause) for clause in found) for row in y.tolist()] == wanted
    if found and all(found):
        rows, some = numbered(found)
        some = np.arange(len(rows))[:, None] if some is None else some
        held = np.array([[meaning(r, row) for r in rows] for row in y.tolist()])
        assert held[:, some].any(axis=2).all(axis=1).tolist() == wanted


def test_what_would_be_too_many_clauses_is_counted():
    parts = tuple(Relation(((k, 1),), 0) for k in range(12))
    assert len(clauses(spelled(FewFalse(1, parts)), 12)) == 66
    assert spelled(FewFalse(5, parts)) == FewFalse(5, parts)  # 924
    assert clauses(FewFalse(1, parts), 12) is None
    assert clauses(AnyOf((AllOf(parts),) * 3), 12) is None  # 1,728
    assert len(clauses(AllOf(parts * 1000), 12)) == 12_000  # of one relation each there may be any number
    assert clauses(AllOf((AnyOf(parts[:2]),) * (MAX_CLAUSES + 1)), 12) is None
    assert len(clauses(AnyOf(parts[:1] * MAX_ALTERNATIVES), 12)[0]) == MAX_ALTERNATIVES
    assert clauses(AnyOf(parts[:1] * (MAX_ALTERNATIVES + 1)), 12) is None
    assert clauses(AnyOf(parts[:1] * 500_000), 12) is None  # hours, were each joined to all before it


def small_network(seed):
    """A fixed-point network, a region, its points and its outputs there."""
    rng = np.random.default_rng([seed, 2])
    arrays = random_network(rng)
    x0, eps = region(arrays, rng, 300)
    every = points(x0, eps)
    program = FixedPointNetwork.from_bytes(content(arrays)).program
    return rng, program, x0, eps, every, outputs(arrays, every)


def test_never_one_of_many_classes_of_a_thousand_is_exact_and_takes_few_coefficients():
    rng, n = np.random.default_rng(5), 1000
    logits = Affine((Term(0, Dense(rng.integers(-9, 10, (n, 2))), 0),), rng.integers(-20, 21, n))
    x = rng.integers(-128, 128, (400, 2))
    program = Program(2, (logits,), 1)
    labels = run(program, x)[1].argmax(axis=1)
    never = AllOf(tuple(ClassIs(int(c), False) for c in np.unique(labels)[::2]) + (ClassIs(3, False),) * 60)
    whole = appended(program, never)
    kept = ~np.isin(labels, np.append(np.unique(labels)[::2], 3))
    assert 50 < kept.sum() < 350
    assert (run(whole, x)[whole.output].argmax(axis=1) == 0).tolist() == kept.tolist()
    maps = [term.map for step in whole.steps[1:] if isinstance(step, Affine) for term in step.terms]
    assert len(maps) > 60
    assert sum(m.columns.size if isinstance(m, Sparse) else m.weights.size for m in maps) < 10**6


@pytest.mark.parametrize("seed", SEEDS)
def test_the_label_0_stays_exactly_where_the_formula_holds(seed):
    rng, program, _, _, every, y = small_network(seed)
    formula = random_formula(rng, y)
    whole = appended(program, formula)
    labels = run(whole, every)[whole.output].argmax(axis=1)
    assert (labels == 0).tolist() == [meaning(formula, row) for row in y.tolist()]


@pytest.mark.parametrize("engine", EXACT)
@pytest.mark.parametrize("seed", range(8))
def test_every_engine_answers_as_brute_force_does(seed, engine):
    rng, program, x0, eps, every, y = small_network(seed)
    formula = random_formula(rng, y)
    wanted = all(meaning(formula, row) for row in y.tolist())
    query = Robustness.around(x0, 0, eps, None, 0, 255)
    outcome = solve(engine, Problem(appended(program, formula), query), Deadline.in_s(20))
    assert outcome.verdict in (Verdict.UNKNOWN, Verdict.HOLDS if wanted else Verdict.VIOLATED)
    if engine in ("enumerate", "z3", "bitwuzla", "cpsat"):
        assert outcome.verdict is not Verdict.UNKNOWN, outcome.note
    if outcome.witness is not None:
        row = y[np.flatnonzero((every == outcome.witness).all(axis=1))[0]]
        assert not meaning(formula, row.tolist())


@pytest.mark.parametrize(
    ("formula", "wanted"),
    [
        (FewFalse(0, ()), True),
        (FewFalse(-1, ()), False),
        (AnyOf((FewFalse(-1, ()), FewFalse(2, ()))), True),
        (AllOf((among_top(0, 1, 1), ClassIs(0))), True),  # of a single output
        (AnyOf((ClassIs(0, False), AnyOf(()))), False),
    ],
)
def test_of_no_parts_none_is_false(formula, wanted):
    program = Program(1, (Affine((Term(0, Dense(np.array([[1]])), 0),), np.zeros(1, np.int64)),), 1)
    whole = appended(program, formula)
    labels = run(whole, np.arange(-3, 4)[:, None])[whole.output].argmax(axis=1)
    assert np.all((labels == 0) == wanted)
    assert bool(holds(formula, np.zeros((1, 1), np.int64))[0]) is wanted


def softmax_network(seed):
    """A .tflite network with a softmax, a region, its points, and TFLM's outputs there."""
    rng = np.random.default_rng([seed, 3])
    b = Builder()
    x = b.input((1, int(rng.integers(1, 3))), 0.05, int(rng.integers(-20, 20)))
    x = random_graphs.fully_connected(rng, b, x)
    model = Model.from_bytes(b.finish(random_graphs.softmax(rng, b, x)))
    shape = model.tensors[model.inputs[0]].shape
    x0 = rng.integers(-128, 128, int(np.prod(shape)))
    query = Robustness.around(x0, 0, int(rng.integers(1, 9)))
    box = [np.arange(lo, hi + 1) for lo, hi in zip(query.lo, query.hi, strict=True)]
    every = np.stack(np.meshgrid(*box, indexing="ij"), axis=-1).reshape(-1, len(x0))
    tflm = Tflm(model.content, 1 << 18)
    y = np.array([tflm.run(row.astype(np.int8).reshape(shape)).reshape(-1) for row in every], np.int64)
    return rng, lower(model), query, every, y


def softmax_formula(rng, y):
    """The class, or a bound of one output: what is said of the logits."""
    if rng.random() < 0.5:
        return ClassIs(int(rng.integers(0, y.shape[1])), bool(rng.integers(0, 2)))
    i, sign = int(rng.integers(0, y.shape[1])), int(rng.choice([-2, -1, 1, 3]))
    return Relation(((i, sign),), sign * int(y[rng.integers(0, len(y)), i]) + int(rng.integers(-1, 2)))


@pytest.mark.parametrize("seed", range(20))
def test_the_class_and_single_outputs_of_a_softmax_are_said_of_its_logits(seed):
    rng, program, query, every, y = softmax_network(seed)
    if y.shape[1] < 2:
        pytest.skip("a row of one output")
    formula = softmax_formula(rng, y)
    whole = reduced(program, formula, query, Deadline.never())
    assert not any(isinstance(step, Softmax) for step in whole.steps)
    labels = run(whole, every)[whole.output].argmax(axis=1)
    assert (labels == 0).tolist() == [meaning(formula, row) for row in y.tolist()]
    for engine in ("z3", "bab"):
        outcome = solve(engine, Problem(whole, query), Deadline.in_s(10))
        wanted = Verdict.HOLDS if np.all(labels == 0) else Verdict.VIOLATED
        assert outcome.verdict in (wanted, Verdict.UNKNOWN)
        assert engine != "z3" or outcome.verdict is wanted


@pytest.mark.parametrize("engine", ["auto", "attack", "enumerate"])
def test_who_runs_the_network_needs_no_time_for_the_sums_of_its_softmax(engine, monkeypatch):
    _, program, query, _, y = softmax_network(3)

    def never_ready(*_):
        raise OutOfTime

    monkeypatch.setattr("coverify.verify.property.question.reduced", never_ready)
    least = int(y[:, 0].min())
    with Worker(program) as worker:
        broken = decide(worker, Question(program, query, Relation(((0, -1),), -least - 1)), engine, 20.0)
        holds = decide(worker, Question(program, query, Relation(((0, -1),), -least)), engine, 2.0)
    assert broken.verdict is Verdict.VIOLATED
    assert holds.verdict is (Verdict.UNKNOWN if engine == "attack" else Verdict.HOLDS)


def test_coefficients_that_are_too_large_are_refused_by_name():
    _, program, *_ = small_network(0)
    with pytest.raises(BadQuery, match="coefficients are too large"):
        appended(program, Relation(((0, 1 << 40),), 0))


def test_an_output_that_is_not_there_is_refused_by_name():
    _, program, *_ = small_network(0)
    with pytest.raises(BadQuery, match="output 99 is not an output"):
        appended(program, ClassIs(99))


@pytest.mark.parametrize("fails", [False, True])
def test_the_time_includes_making_the_program(monkeypatch, fails):
    _, program, x0, eps, _, y = small_network(0)
    make = question._problem

    def slowly(*asked):
        time.sleep(0.3)
        if fails:
            raise OutOfTime("no time for it")
        return make(*asked)

    monkeypatch.setattr(question, "_problem", slowly)
    asked = Question(
        program, Robustness.around(x0, 0, eps, None, 0, 255), Relation(((0, 1),), int(y[:, 0].max()))
    )
    with Worker(program) as worker:
        outcome = decide(worker, asked, "enumerate")
    assert outcome.verdict is (Verdict.UNKNOWN if fails else Verdict.HOLDS)
    assert outcome.time_s >= 0.3
