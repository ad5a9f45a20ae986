"""Limits of logits that show a formula of a softmax's outputs, against every input of a region."""

from collections import Counter

import numpy as np
import pytest

from coverify.check import check
from coverify.verify.certificate import Certificate
from coverify.verify.deadline import Deadline
from coverify.verify.property.apart import FAR, apart
from coverify.verify.property.formula import AllOf, AnyOf, Formula, holds, not_above, relation
from coverify.verify.property.question import Question, decide
from coverify.verify.query import Robustness, Verdict
from coverify.verify.worker import Worker
from model_builder import Builder
from softmax_networks import N, box, network
from tflm_int8 import Model, lower
from tflm_int8.program.concrete import run
from tflm_int8.program.primitives import Program


def formulas(rng: np.random.Generator, outputs: np.ndarray) -> list[Formula]:
    """Ranges, a margin, a sum, the order of two, alternatives; most hold, some just do not."""
    least, most = outputs.min(axis=0).astype(int), outputs.max(axis=0).astype(int)
    i, j = (int(k) for k in rng.permutation(N)[:2])
    off = int(rng.choice([0, 0, 4, 30, -1]))
    margin = int((outputs[:, i] - outputs[:, j]).max())
    low = int(np.argmin(outputs[0]))
    return [
        AllOf((relation({i: 1}, most[i] + off), relation({i: -1}, off - least[i]))),
        AllOf(tuple(relation({k: -1}, off - least[k]) for k in range(N))),
        not_above(i, j, margin + off),
        relation({i: 2, j: 1}, int((2 * outputs[:, i] + outputs[:, j]).max()) + off),
        not_above(low, int(np.argmax(outputs[0]))),
        AllOf((AnyOf((not_above(i, j), not_above(j, i, -1))), relation({low: 1}, most[low] + abs(off)))),
        AnyOf((relation({i: 1}, least[i] - 1), relation({j: -1}, off - least[j]))),
    ]


@pytest.mark.parametrize("seed", range(10))
def test_where_the_limits_hold_the_formula_does(seed):
    rng, content = np.random.default_rng([seed, 5]), network(seed)
    program = lower(Model.from_bytes(content))
    region, every, outputs = box(rng, content, 6)
    outputs = outputs.astype(np.int64)
    for formula in formulas(rng, outputs):
        found = apart(program, formula, region, Deadline.in_s(20))
        if found is None:
            continue
        logits = run(program, every.astype(np.int64))[program.output - 1]
        differences = logits[:, None, :] - logits[:, :, None]
        within = np.all(differences <= found.limits, axis=(1, 2))
        assert np.all(holds(formula, outputs)[within])
        labels = run(found.program, every.astype(np.int64))[found.program.output].argmax(axis=1)
        assert np.array_equal(labels == 0, within)
        assert within[np.all(every == region.x0, axis=1)]
        assert np.all(np.diag(found.limits) == 0) and found.limits.max() <= FAR


@pytest.mark.parametrize("seed", range(6))
def test_what_they_prove_is_certified_and_true(seed, tmp_path):
    rng, content = np.random.default_rng([seed, 6]), network(seed)
    program, told = lower(Model.from_bytes(content)), Counter[str]()
    region, _, outputs = box(rng, content, 8)
    with Worker(program) as worker:
        for formula in formulas(rng, outputs.astype(np.int64)):
            question, truth = (
                Question(program, region, formula),
                holds(formula, outputs.astype(np.int64)).all(),
            )
            outcome = decide(worker, question, "bab", 6)
            assert outcome.verdict in (Verdict.HOLDS if truth else Verdict.VIOLATED, Verdict.UNKNOWN)
            argument = outcome.argument
            if argument is None:
                continue
            told["apart" if argument.apart is not None else "else"] += 1
            if question.checkable(argument):
                claim = question.relation(argument)
                Certificate(content, "tflm", question.query, argument, "bab", claim).write(tmp_path / "c.zip")
                said = check(tmp_path / "c.zip")
                c, d, some = said.relation
                shown = (outputs.astype(np.int64) @ c.T <= d)[:, some].any(axis=2).all()
                assert shown and np.array_equal(said.lo, region.lo)
    assert told["apart"] >= 1, told


def test_limits_that_do_not_matter_are_those_of_the_region():
    """One logit far above the others keeps an output low, whatever these do: no limit of theirs is moved."""
    b = Builder()
    weights = np.array([[20, 0], [0, 127], [127, 0], [0, 20]])
    y = b.fully_connected(b.input((1, 2), 0.05, 0), weights, np.array([9000, 0, 0, 0]), 0.01, 0.1, 0)
    program = lower(Model.from_bytes(b.finish(b.softmax(y))))
    region = Robustness.around(np.zeros(2, np.int16), 0, 60)
    wide, near = (apart(program, relation({1: 1}, v), region, Deadline.in_s(9)) for v in (127, -120))
    assert wide is not None and near is not None
    moved = near.limits < bounded(program, region)
    assert moved[1].sum() == 0 and moved[:, 1].sum() == 1 and moved[0, 1]
    assert np.all(wide.limits >= near.limits)


def bounded(program: Program, region: Robustness) -> np.ndarray:
    """Bounds of x_j − x_i on the region, by all of its inputs; FAR on the diagonal."""
    ends = np.stack([region.lo, region.hi]).astype(np.int64)
    corners = np.array([[ends[k, 0], ends[m, 1]] for k in range(2) for m in range(2)])
    logits = run(program, corners)[program.output - 1]  # monotone in either input
    return (logits[:, None, :] - logits[:, :, None]).max(axis=0)


def test_bounds_of_the_region_are_moved_no_more_than_is_needed():
    """Of a claim that the bounds of the region show, the limits are these; of a tighter one they are less."""
    content = network(2)
    program = lower(Model.from_bytes(content))
    region, _, _ = box(np.random.default_rng(3), content, 4)
    here = int(run(program, region.x0[None].astype(np.int64))[program.output][0, 1])
    wide, tight = (relation({1: 1}, bound) for bound in (126, here))
    loose, near = (apart(program, f, region, Deadline.in_s(20)) for f in (wide, tight))
    assert loose is not None and near is not None
    assert np.all(near.limits <= loose.limits) and np.any(near.limits < loose.limits)


def test_what_is_always_so_needs_no_limit(tmp_path):
    """Of no outputs, or of a softmax of one element."""
    region, _, _ = box(np.random.default_rng(3), network(2), 4)
    b = Builder()
    one = b.softmax(b.fully_connected(b.input((1, 2), 0.05, 0), np.ones((1, 2)), None, 0.01, 0.1, 0))
    for content, formula in ((network(2), relation({}, 0)), (b.finish(one), relation({0: -1}, 128))):
        program = lower(Model.from_bytes(content))
        found = apart(program, formula, region, Deadline.in_s(9))
        assert found is not None and set(found.limits[~np.eye(len(found.limits), dtype=bool)]) <= {FAR}
        with Worker(program) as worker:
            question = Question(program, region, formula)
            outcome = decide(worker, question, "interval", 9)
            assert outcome.verdict is Verdict.HOLDS and outcome.argument.apart is not None
        claim = question.relation(outcome.argument)
        Certificate(content, "tflm", question.query, outcome.argument, "i", claim).write(tmp_path / "c.zip")
        assert check(tmp_path / "c.zip").relation is not None


def test_a_network_without_a_softmax_has_none():
    b = Builder()
    y = b.fully_connected(b.input((1, 2), 0.1, 0), np.eye(3, 2, dtype=np.int8) * 90, None, 0.01, 0.1, 0)
    program = lower(Model.from_bytes(b.finish(y)))
    region = box(np.random.default_rng(0), network(0), 2)[0]
    assert apart(program, relation({0: 1}, 126), region, Deadline.in_s(5)) is None
