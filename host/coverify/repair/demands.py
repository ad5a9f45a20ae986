"""What must a neuron do on each test? Three criteria, each as exact bounds of accumulators.

`classes` (neurons with one output per sample): every code of the output is tried in the network behind it;
a failing test wishes for the codes that give the wanted class, a passing one requires the codes around its
own that keep its class. What is solved is then the class itself.
`status` (QNNRepair's): on failing tests the output is to be above zero exactly where the float network's is.
`codes`: on failing tests the output is to be the float network's, to within a tolerance in codes.
The last two say nothing of classes: passing tests that break are pinned to their own codes, and solved again.
Bounds are the edges of the requantization's stairs, so that a solution is what the patched file computes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from coverify.repair.bench import Bench
from coverify.repair.program import Demand
from coverify.repair.spectrum import statuses
from tflm_int8.fixedpoint import I64Array

Criterion = Literal["classes", "status", "codes"]
CRITERIA: tuple[Criterion, ...] = get_args(Criterion)
MAX_WISHES: Final = 64
"""Wishes of one neuron at most: the rows farthest from what is wished are taken."""
_SAMPLES: Final = 64


@dataclass(frozen=True, eq=False)
class Neuron:
    """One neuron of a bench, as it is now.

    weights: int64 [weights]; outputs: int64 [N, positions, neurons], the layer's, of all its neurons.
    """

    bench: Bench
    number: int
    weights: I64Array
    outputs: I64Array

    @property
    def column(self) -> I64Array:
        """int64 [N, positions]: its own outputs."""
        return self.outputs[:, :, self.number]

    def demand(self, sample: int, positions: I64Array, lowest: I64Array, highest: I64Array) -> Demand:
        """Codes within one of some ranges: lowest, highest: int64 [alternatives, positions]."""
        layer = self.bench.layer
        rows = self.bench.rows(self.number, np.array([sample]))[0][positions]
        now = layer.accumulators(rows[None], self.number, self.weights)[0]
        lo, hi = layer.interval(self.number, lowest, highest)
        return Demand(rows, lo - now, hi - now)

    def pinned(self, sample: int) -> Demand:
        """Every output of the sample stays the code that it is."""
        codes = self.column[sample][None]
        return self.demand(sample, np.arange(codes.shape[1]), codes, codes)


def by_class(
    neuron: Neuron, wanted: I64Array, failing: I64Array, passing: I64Array
) -> tuple[list[Demand], list[Demand], I64Array]:
    """(wishes, requirements, failing tests that have a wish) for samples numbered int64 [.].

    Requirements are worked out only where there is a wish.
    """
    wishes, able = [], []
    rule, position = neuron.bench.layer.rule, np.zeros(1, np.int64)
    for sample, good in zip(failing, _allowed(neuron, failing, wanted), strict=True):
        runs = _runs(good)
        if runs:
            lowest, highest = (np.array([[run[end]] for run in runs]) + rule.lo for end in (0, 1))
            wishes.append(neuron.demand(int(sample), position, lowest, highest))
            able.append(int(sample))
    required = _kept(neuron, passing, wanted) if wishes else []
    return wishes, required, np.array(able, np.int64)


def _kept(neuron: Neuron, passing: I64Array, wanted: I64Array) -> list[Demand]:
    """The codes around its own that keep each test's class, where not all do."""
    required = []
    rule, position = neuron.bench.layer.rule, np.zeros(1, np.int64)
    for sample, good in zip(passing, _allowed(neuron, passing, wanted), strict=True):
        here = int(neuron.column[sample, 0]) - rule.lo
        low, high = next(run for run in _runs(good) if run[0] <= here <= run[1])
        if (low, high) != (0, len(good) - 1):
            ends = (np.array([[end + rule.lo]]) for end in (low, high))
            required.append(neuron.demand(int(sample), position, *ends))
    return required


def _allowed(neuron: Neuron, samples: I64Array, wanted: I64Array) -> NDArray[np.bool_]:
    """bool [samples, codes]: does the network give the wanted class when the neuron's output is the code?"""
    rule = neuron.bench.layer.rule
    codes = np.arange(rule.lo, rule.hi + 1)
    allowed = np.empty((len(samples), len(codes)), bool)
    for start in range(0, len(samples), _SAMPLES):
        some = samples[start : start + _SAMPLES]
        outputs = np.repeat(neuron.outputs[some, 0], len(codes), axis=0)
        outputs[:, neuron.number] = np.tile(codes, len(some))
        given = neuron.bench.tail.classes(outputs, np.repeat(some, len(codes)))
        allowed[start : start + len(some)] = given.reshape(len(some), -1) == wanted[some, None]
    return allowed


def _runs(good: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """First and last index of every run of True."""
    steps = np.diff(np.concatenate([[0], good.astype(np.int8), [0]]))
    return [
        (int(a), int(b) - 1)
        for a, b in zip(np.flatnonzero(steps > 0), np.flatnonzero(steps < 0), strict=True)
    ]


def by_status(neuron: Neuron, real: NDArray[np.float32], failing: I64Array) -> list[Demand]:
    """Wishes for the failing tests' positions whose status is not the float's; real: [N, positions]."""
    layer = neuron.bench.layer
    above = real[failing] > 0
    wrong = np.argwhere(above != statuses(layer, neuron.column[failing]))
    zero, rule = _zero_point(neuron), layer.rule
    wishes = []
    for test, position in wrong:
        low, high = (zero + 1, rule.hi) if above[test, position] else (rule.lo, zero)
        if low <= high:
            ends = np.array([[low]]), np.array([[high]])
            wishes.append(neuron.demand(int(failing[test]), np.array([position]), *ends))
    return wishes[:MAX_WISHES]


def by_code(neuron: Neuron, real: NDArray[np.float32], failing: I64Array, tolerance: int) -> list[Demand]:
    """Wishes for the failing tests' positions whose code is farther than `tolerance` from the float's."""
    layer = neuron.bench.layer
    quantization, rule = layer.kernel.node.output.quantization, layer.rule
    assert quantization is not None
    steps = np.nan_to_num(real[failing].astype(np.float64)) / float(quantization.scale)
    target = np.clip(np.rint(steps) + quantization.zero_point, rule.lo, rule.hi).astype(np.int64)
    far = np.abs(target - neuron.column[failing])
    wrong = np.argwhere(far > tolerance)
    wrong = wrong[np.argsort(-far[tuple(wrong.T)], kind="stable")][:MAX_WISHES]
    wishes = []
    for test, position in wrong:
        aim = target[test, position]
        ends = np.array([[aim - tolerance]]), np.array([[aim + tolerance]])
        wishes.append(neuron.demand(int(failing[test]), np.array([position]), *ends))
    return wishes


def _zero_point(neuron: Neuron) -> int:
    quantization = neuron.bench.layer.kernel.node.output.quantization
    assert quantization is not None
    return quantization.zero_point
