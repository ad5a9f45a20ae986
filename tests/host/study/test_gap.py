"""The largest gap between two copies. Expected: by running every pair of copies on the integer model."""

from __future__ import annotations

import itertools
import math
from typing import ClassVar

import numpy as np
import pytest

from coverify.study import gap
from coverify.study.climbing import Climb
from coverify.study.gap import largest
from coverify.study.splitting import split
from coverify.study.twins import Twins, groups
from coverify.verify.deadline import Deadline, OutOfTime
from coverify.verify.engines import solve
from coverify.verify.fixed_point import FixedPointNetwork
from coverify.verify.problem import Problem
from coverify.verify.query import Outcome
from fixed_point_networks import content, layers_of, outputs

SCORE = np.array([-1, 1])
WIDTHS = (9, 7, 3)


def network(seed: int):
    """3-4-2 of some 5 bits, and the range of its inputs."""
    rng = np.random.default_rng(seed)
    weights = [rng.integers(-16, 16, (4, 3)), rng.integers(-16, 16, (2, 4))]
    lo = rng.integers(0, 200, 3)
    middle = weights[0] @ (lo + np.array(WIDTHS) // 2)
    biases = [rng.integers(0, 248, 4) - middle, rng.integers(-60, 60, 2)]  # not all of it is saturated
    arrays = layers_of(weights, biases, [3, 4], [(0, 31), (-31, 31)])
    return arrays, FixedPointNetwork.from_bytes(content(arrays)).program, lo, lo + np.array(WIDTHS)


def brute(arrays, lo, hi, protected, allowed) -> int:
    """The largest gap of all pairs; allowed: per protected feature, its codes."""
    ranges = [range(a, b + 1) for a, b in zip(lo.tolist(), hi.tolist(), strict=True)]
    points = np.array(list(itertools.product(*ranges)))
    scores = []
    for values in itertools.product(*allowed):
        changed = points.copy()
        changed[:, list(protected)] = values
        scores.append(outputs(arrays, changed) @ SCORE)
    return int(np.ptp(np.stack(scores), axis=0).max())


@pytest.fixture(autouse=True)
def no_group_is_run_as_a_whole(monkeypatch):
    """These groups are small, and the queries and the splitting are what is tested."""
    monkeypatch.setattr(gap, "MAX_POINTS", 0)


def never(*_):
    raise AssertionError("a query was asked")


@pytest.mark.parametrize("case", ["two codes", "three codes", "a range", "two features"])
@pytest.mark.parametrize("seed", range(3))
def test_a_small_group_is_run_as_a_whole_and_needs_no_query(seed, case, monkeypatch):
    monkeypatch.undo()
    arrays, program, lo, hi = network(seed)
    protected, values = CASES[case](lo, hi)
    allowed = [
        v if v is not None else range(lo[k], hi[k] + 1) for k, v in zip(protected, values, strict=True)
    ]
    found = largest(Twins(program, protected, SCORE), groups(lo, hi, protected, values), never, split_s=0)
    assert found.at_least == found.at_most == brute(arrays, lo, hi, protected, allowed)
    first, second = outputs(arrays, np.stack(found.pair)) @ SCORE
    assert abs(int(second - first)) == found.at_least


def test_a_group_of_one_point_is_run(monkeypatch):
    monkeypatch.undo()
    arrays, program, lo, _ = network(1)
    parts = groups(lo, lo, (1,), [(int(lo[1]), int(lo[1]) + 3)])
    found = largest(Twins(program, (1,), SCORE), parts, never, split_s=0)
    other = lo.copy()
    other[1] += 3
    assert found.at_least == found.at_most == abs(int(np.ptp(outputs(arrays, np.stack([lo, other])) @ SCORE)))


def by(engine: str):
    return lambda program, query: solve(engine, Problem(program, query), Deadline.in_s(20))


CASES = {
    "two codes": lambda lo, hi: ((1,), [(int(lo[1]), int(hi[1]))]),
    "three codes": lambda lo, hi: ((2,), [(int(lo[2]), int(lo[2]) + 1, int(hi[2]))]),
    "a range": lambda lo, hi: ((2,), [None]),
    "two features": lambda lo, hi: ((0, 2), [(int(lo[0]), int(hi[0])), None]),
}


@pytest.mark.parametrize("split_s", [0, 20], ids=["queries alone", "splitting first"])
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("seed", range(3))
def test_the_largest_gap_is_that_of_all_pairs_and_of_the_pair_that_is_given(seed, case, split_s):
    arrays, program, lo, hi = network(seed)
    protected, values = CASES[case](lo, hi)
    allowed = [
        v if v is not None else range(lo[k], hi[k] + 1) for k, v in zip(protected, values, strict=True)
    ]
    twins = Twins(program, protected, SCORE)
    found = largest(twins, groups(lo, hi, protected, values), by("enumerate"), split_s=split_s)
    want = brute(arrays, lo, hi, protected, allowed)
    assert (found.at_least, found.at_most) == (want, want)
    first, second = outputs(arrays, np.stack(found.pair)) @ SCORE
    assert abs(int(second - first)) == want
    others = [k for k in range(3) if k not in protected]
    assert np.array_equal(found.pair[0][others], found.pair[1][others])
    for copy in found.pair:
        assert all(lo[k] <= copy[k] <= hi[k] for k in range(3))
        assert all(int(copy[k]) in a for k, a in zip(protected, allowed, strict=True))


@pytest.mark.parametrize("case", ["two codes", "three codes"])
@pytest.mark.parametrize("seed", range(3))
def test_copies_whose_protected_features_are_fixed_need_no_query(seed, case):
    arrays, program, lo, hi = network(seed)
    protected, values = CASES[case](lo, hi)
    twins = Twins(program, protected, SCORE)
    found = largest(twins, groups(lo, hi, protected, values), never, split_s=30)
    assert found.at_least == found.at_most == brute(arrays, lo, hi, protected, values)
    first, second = outputs(arrays, np.stack(found.pair)) @ SCORE
    assert abs(int(second - first)) == found.at_least


def test_a_climb_finds_the_largest_gap_among_all_pairs_of_a_range():
    arrays, program, lo, hi = network(4)
    twins = Twins(program, (2,), SCORE)
    (group,) = groups(lo, hi, (2,), [None])
    query = gap.query_of(group)
    found, pair = Climb(twins, query.lo, query.hi).best(query.lo, 0, Deadline.in_s(60), 300)
    assert found == brute(arrays, lo, hi, (2,), [range(lo[2], hi[2] + 1)]) == twins.gap(pair)
    assert query.contains(pair)


@pytest.mark.parametrize("engine", ["z3"])
@pytest.mark.parametrize("seed", range(3, 5))
def test_other_engines_answer_the_claim_alike(engine, seed):
    arrays, program, lo, hi = network(seed)
    ends = (int(lo[1]), int(hi[1]))
    twins = Twins(program, (1,), SCORE)
    found = largest(twins, groups(lo, hi, (1,), [ends]), by(engine), split_s=0)
    want = brute(arrays, lo, hi, (1,), [ends])
    assert found.at_least <= want <= found.at_most


@pytest.mark.parametrize("seed", range(20))
def test_splitting_alone_closes_small_boxes_and_is_never_below_the_truth(seed):
    arrays, program, lo, hi = network(100 + seed)
    ends = (int(lo[1]), int(hi[1]))
    twins = Twins(program, (1,), SCORE)
    (group,) = groups(lo, hi, (1,), [ends])
    want = brute(arrays, lo, hi, (1,), [ends])
    found = split(twins, group, -1, Deadline.in_s(30))
    assert found.best == found.top == want > 0
    assert twins.gap(found.point) == want


@pytest.mark.parametrize("steps", [1, 2, 3, 5, 9])
def test_splitting_that_is_ended_early_still_bounds_the_gap(steps):
    class Budget(Deadline):
        """Over after so many checks."""

        left: ClassVar[list[int]] = [40 * steps]

        def check(self) -> None:
            if not self.left[0]:
                raise OutOfTime
            self.left[0] -= 1

    arrays, program, lo, hi = network(7)
    ends = (int(lo[1]), int(hi[1]))
    twins = Twins(program, (1,), SCORE)
    (group,) = groups(lo, hi, (1,), [ends])
    found = split(twins, group, -1, Budget(math.inf))
    assert found.best <= brute(arrays, lo, hi, (1,), [ends]) <= found.top


def test_an_unknown_leaves_a_range_and_never_a_proof():
    arrays, program, lo, hi = network(1)
    ends = (int(lo[1]), int(hi[1]))
    twins = Twins(program, (1,), SCORE)
    found = largest(
        twins, groups(lo, hi, (1,), [ends]), lambda *_: Outcome.unknown("none", "for the test"), split_s=0
    )
    want = brute(arrays, lo, hi, (1,), [ends])
    assert found.at_least <= want <= found.at_most
    assert not found.closed


def test_a_proof_in_floating_point_does_not_count():
    _, program, lo, hi = network(1)
    twins = Twins(program, (1,), SCORE)
    parts = groups(lo, hi, (1,), [(int(lo[1]), int(hi[1]))])
    weak = Outcome.holds("milp", proof="floating point, not proof-grade")
    assert not largest(twins, parts, lambda *_: weak, split_s=0).closed


@pytest.mark.parametrize("cut", [1, 2])
def test_a_search_that_was_ended_goes_on_where_it_was(cut):
    arrays, program, lo, hi = network(2)
    protected, values = (2,), [tuple(int(lo[2]) + k for k in (0, 1, 3))]
    twins, parts = Twins(program, protected, SCORE), groups(lo, hi, protected, values)
    heard = []
    whole = largest(twins, parts, by("z3"), split_s=0, told=heard.append)
    assert [progress.done for progress in heard] == [1, 2, 3]
    asked = []

    def decide(claim, query):
        asked.append(query)
        return by("z3")(claim, query)

    rest = largest(twins, parts, decide, split_s=0, known=heard[cut - 1])
    want = brute(arrays, lo, hi, protected, values)
    assert whole.at_least == whole.at_most == rest.at_least == rest.at_most == want
    assert rest.queries == whole.queries == heard[cut - 1].queries + len(asked)
