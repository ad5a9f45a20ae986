"""Proofs with stairs two by two. Expected: every pair of copies run on the integer model, and the checker."""

from __future__ import annotations

import itertools
import subprocess
import sys

import numpy as np
import pytest

from coverify.check import Rejected, check
from coverify.study.twin_file import claimed, gap_relation, gap_relations, twin_npz
from coverify.study.twins import Twins
from coverify.verify.certificate import Certificate, Relation
from coverify.verify.deadline import Deadline
from coverify.verify.dual import abreast
from coverify.verify.dual.abreast import Abreast
from coverify.verify.dual.pairs import Pairs
from coverify.verify.dual.search import Counterexample
from coverify.verify.errors import CannotDecide
from coverify.verify.fixed_point import FixedPointNetwork
from coverify.verify.problem import Problem
from coverify.verify.query import Robustness
from fixed_point_networks import content, layers_of, outputs

CODES = (40, 47)
"""Of the protected feature, in the first copy and in the second."""


def network(seed: int, opposite: bool):
    """2-3-2 of some 4 bits, and the box of both copies: its sums bend inside it."""
    rng = np.random.default_rng(seed)
    inner, outer = rng.integers(-8, 9, (3, 3)), rng.integers(-8, 9, (2, 3))
    inner[:, 1] = rng.choice([-9, -5, 5, 9], 3)
    if opposite:
        outer[1] = -outer[0]
    lo = np.array([60, CODES[0], 90])
    hi = lo + np.array([25, 0, 25])
    biases = [rng.integers(0, 60, 3) - inner @ ((lo + hi) // 2), rng.integers(-20, 20, 2)]
    arrays = layers_of([inner, outer], biases, [2, 3], [(0, 15), (-9, 9)])
    found = FixedPointNetwork.from_bytes(content(arrays))
    lo, hi = np.append(lo, CODES[1]), np.append(hi, CODES[1])
    return arrays, found, Robustness(lo.astype(np.int16), 0, 255, lo, hi)


def copies(arrays, query):
    """The outputs of both copies at every point of the box: int64 [N, 2] each."""
    points = np.array(list(itertools.product(*map(range, query.lo[[0, 2]], query.hi[[0, 2]] + 1))))
    sides = [np.insert(points, 1, code, axis=1) for code in CODES]
    return [outputs(arrays, side) for side in sides]


def twin(found: FixedPointNetwork) -> FixedPointNetwork:
    return FixedPointNetwork.from_bytes(twin_npz(found, (1,)))


@pytest.mark.parametrize("opposite", [True, False])
@pytest.mark.parametrize("seed", range(4))
def test_a_relation_of_both_copies_is_proved_where_it_holds_and_never_where_it_does_not(
    seed, opposite, tmp_path
):
    arrays, found, query = network(seed, opposite)
    first, second = copies(arrays, query)
    y = np.concatenate([first, second], axis=1)
    score = np.array([-1, 1])
    gap = int(np.abs((second - first) @ score).max())
    both, twins = twin(found), Twins(found.program, (1,), score)
    for relation in (gap_relation(score, gap - 1), *gap_relations(twins, gap), gap_relation(score, gap + 1)):
        holds = bool(np.all(y @ relation.c.T <= relation.d))
        try:
            proof = Abreast(Problem(claimed(both.program, relation), query), Deadline.in_s(20)).proved()
        except Counterexample as met:
            assert not holds
            assert np.any(outputs(dict_of(both), met.x[None]) @ relation.c.T > relation.d)
            continue
        assert proof.argument is not None and proof.excess == 0 and holds
        file = tmp_path / "proof.zip"
        Certificate(both.content, "fixed-point", query, proof.argument, "abreast", relation).write(file)
        assert check(file).relation is not None
        tight = np.where(np.arange(len(relation.d)) == 0, (y @ relation.c.T).max(axis=0) - 1, relation.d)
        false = Relation(relation.c, tight.astype(np.int64))
        Certificate(both.content, "fixed-point", query, proof.argument, "abreast", false).write(file)
        with pytest.raises(Rejected):
            check(file)


def dict_of(found: FixedPointNetwork) -> dict:
    weights, biases = [layer.weights for layer in found.layers], [layer.bias for layer in found.layers]
    ends = [(layer.lo, layer.hi) for layer in found.layers]
    return layers_of(weights, biases, [layer.shift for layer in found.layers], ends)


@pytest.mark.parametrize("seed", range(6))
def test_an_unfinished_proof_says_how_far_the_relation_can_be_exceeded(seed):
    arrays, found, query = network(seed, opposite=False)
    first, second = copies(arrays, query)
    score = np.array([0, 1])
    most = int(np.abs(second - first)[:, 1].max())
    relation = gap_relation(score, most)
    proof = Abreast(Problem(claimed(twin(found).program, relation), query), Deadline.in_s(0)).proved()
    assert proof.argument is None or not len(proof.argument.arrays["rows"])
    assert proof.excess >= 0
    low = gap_relation(score, 0)
    unfinished = Abreast(Problem(claimed(twin(found).program, low), query), Deadline.in_s(0)).proved()
    assert unfinished.excess >= most


@pytest.mark.parametrize("parts", range(1, 10))
def test_a_proof_of_too_many_parts_forgets_none_of_them(parts, monkeypatch):
    """Wherever it ends, the excess covers the largest gap: the part that was next is among what is open."""
    arrays, found, query = network(6, opposite=True)
    first, second = copies(arrays, query)
    gap = int(np.abs(second - first)[:, 1].max())
    problem = Problem(claimed(twin(found).program, gap_relation(np.array([0, 1]), 0)), query)
    monkeypatch.setattr(Problem, "first_violation", lambda *_: None)  # else it ends at a pair that is met
    monkeypatch.setattr(abreast, "MOST", parts)
    assert Abreast(problem, Deadline.in_s(20)).proved().excess >= gap


def test_only_copies_that_differ_in_fixed_features_are_bounded_two_by_two():
    _, found, query = network(0, opposite=True)
    program = claimed(twin(found).program, gap_relation(np.array([-1, 1]), 3))
    assert Pairs.of(program.steps, 2, query.lo, query.hi) is not None
    wide = query.hi + np.array([0, 0, 0, 1])
    assert Pairs.of(program.steps, 2, query.lo, wide) is None
    with pytest.raises(CannotDecide):
        Abreast(Problem(program, Robustness(query.x0, 0, 255, query.lo, wide)), Deadline.in_s(1))


def test_nothing_is_written_to_the_standard_output():
    code = (
        "import numpy as np; from coverify.verify.dual.hulls import Curve, hulls_of\n"
        "curve = Curve.of(0, np.array([0.0, 1.0, 2.0]), np.array([0.0, 2.0, 3.0]))\n"
        "one = np.ones((1, 1), np.int64)\n"
        "hulls_of([curve], one, one[0], 0 * one[0], one[0]); print('end')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert done.stdout == "end\n"
