"""Relations of a softmax's outputs, said of its logits: verdicts against TFLM's own on every input."""

import itertools
from collections import Counter

import numpy as np
import pytest

from coverify.verify.bounds import Box
from coverify.verify.deadline import Deadline
from coverify.verify.decision import Pieces, sum_bounds
from coverify.verify.errors import CannotDecide
from coverify.verify.property.claim import among_top
from coverify.verify.property.distances import Distances
from coverify.verify.property.formula import AllOf, AnyOf, ClassIs, Formula, holds, not_above, relation
from coverify.verify.property.question import Question, decide
from coverify.verify.query import Verdict
from coverify.verify.worker import Worker
from softmax_networks import N, box, network
from tflm_int8 import Model, lower
from tflm_int8.fixedpoint import Rounding, quantize_multiplier
from tflm_int8.kernels.log_softmax import LogSoftmaxFunction
from tflm_int8.kernels.softmax import SoftmaxFunction


def softmax_of(scale: float) -> SoftmaxFunction:
    multiplier = quantize_multiplier(scale * 2.0**26)
    return SoftmaxFunction(multiplier, (31 << 26) // (1 << multiplier.shift))


def functions() -> list[SoftmaxFunction | LogSoftmaxFunction]:
    softmax = softmax_of(0.05)
    logarithm = LogSoftmaxFunction(softmax, quantize_multiplier(1 / (0.05 * 2.0**26)), Rounding.DOUBLE)
    return [softmax, softmax_of(0.004), softmax_of(0.3), logarithm]


def longest_run(row: np.ndarray, v: int) -> int:
    """Of neighbours that are equal, and at least v."""
    return max((len(list(run)) for value, run in itertools.groupby(row.tolist()) if value >= v), default=0)


@pytest.mark.parametrize("function", functions(), ids=["0.05", "0.004", "0.3", "logarithm"])
@pytest.mark.parametrize("seed", range(3))
def test_distances_are_those_of_every_sum(function, seed):
    """Brute force: each sum that the box reaches, each distance, by the kernel's own arithmetic."""
    rng = np.random.default_rng([seed, 31])
    lo = rng.integers(-40, 40, 3)
    logits = Box(lo, lo + (rng.integers(0, 3, 3) if seed else 0))
    first, last = sum_bounds(function.exponentials(), logits)
    sums, farthest = np.arange(first, last + 1), int(logits.hi.max() - logits.lo.min())
    rows = np.stack([function.output(sums, d) for d in range(farthest + 1)])
    distances = Distances(function, logits, Deadline.never())
    values = [-127, -100, -1, 0, 40, 127]
    for v, gap in zip(values, distances.below(values), strict=True):
        if isinstance(gap, Pieces):
            assert np.all(np.diff(gap.gap) != 0)
            gap = gap.gap[np.searchsorted(gap.start, sums, side="right") - 1]
        assert np.array_equal((rows >= v).sum(axis=0), np.broadcast_to(gap, sums.shape))
        assert distances.longest_run(v) >= max(longest_run(row, v) for row in rows.T[:: len(sums) // 500 + 1])
        if rows.min() >= v:
            assert distances.longest_run(v) == 256
    ends = [v for v in range(-127, 128) if rows[-1].max() < v]
    assert distances.lowest == min(ends, default=127)
    assert all(distances.longest_run(v) < 256 for v in ends)
    for i in range(3):
        nearest = max(0, int(logits.lo.max() - logits.hi[i]))
        there = rows[nearest : int(logits.hi.max() - logits.lo[i]) + 1]
        assert distances.range(i) == (there.min(), there.max())


def test_outputs_fall_along_all_sums_of_eight_elements():
    for function in functions():
        assert function.falls(np.arange(1 << 17, 1 << 22))


def test_where_outputs_may_rise_along_the_sum_nothing_is_decided():
    """TFLM's reciprocal is not monotone where neighbouring sums differ by one of its last digits."""
    function = softmax_of(0.05)
    sums = np.arange(1 << 30, (1 << 30) + (1 << 20))
    assert not function.falls(sums)
    logits = Box(np.zeros(2050, np.int64), np.full(2050, 2))
    with pytest.raises(CannotDecide):
        Distances(function, logits, Deadline.never()).below([0])


def formulas(rng: np.random.Generator, outputs: np.ndarray) -> list[Formula]:
    """The label among the top, a margin, alternatives, a relation of several outputs; of the first row."""
    order = np.lexsort((np.arange(N), -outputs[0]))
    low, high = (int(i) for i in order[[2, int(rng.integers(2))]])
    margin = int(outputs[0, high] - outputs[0, low])
    spread = {int(i): int(rng.integers(-3, 4)) for i in range(N)}
    value = sum(c * int(outputs[0, i]) for i, c in spread.items())
    return [
        among_top(int(order[int(rng.integers(2))]), 2, N),
        AllOf((among_top(int(order[int(rng.integers(3))]), 3, N), not_above(low, high, 1))),
        not_above(low, high, -int(rng.integers(margin + 1))),
        AnyOf((not_above(low, high, -margin), not_above(int(order[1]), high, -1), ClassIs(low))),
        relation(spread, value + int(rng.integers(150))),
    ]


@pytest.mark.parametrize("seed", range(7))
def test_every_verdict_is_that_of_every_input(seed):
    rng, content = np.random.default_rng([seed, 99]), network(seed)
    program, told = lower(Model.from_bytes(content)), Counter[tuple[str, str]]()
    with Worker(program) as worker:
        region, _, outputs = box(rng, content, 11)
        for formula in formulas(rng, outputs.astype(np.int64)):
            truth = Verdict.HOLDS if holds(formula, outputs.astype(np.int64)).all() else Verdict.VIOLATED
            for engine in ("bab", "z3", "interval"):
                outcome = decide(worker, Question(program, region, formula), engine, 4)
                assert outcome.verdict in (truth, Verdict.UNKNOWN), (formula, engine)
                told[engine, outcome.verdict.value] += 1
    assert told["bab", "HOLDS"] >= 2, told


def test_what_more_than_the_formula_leaves_open_is_said_beside_what_the_formula_does():
    content = network(0)
    program, rng = lower(Model.from_bytes(content)), np.random.default_rng(0)
    region, _, outputs = box(rng, content, 3)
    bound = int(outputs.astype(np.int64).sum(axis=1).max())
    with Worker(program) as worker:  # the sum of all outputs is about 255, whatever the logits
        outcome = decide(
            worker, Question(program, region, relation(dict.fromkeys(range(N), 1), bound)), "bab", 8
        )
    assert outcome.verdict is Verdict.UNKNOWN
    assert "then, of the outputs: a softmax before the logits has no dual bound" in outcome.note
