"""QNNRepair's own repair: a linear program per neuron, its real solution rounded onto the int8 lattice.

    minimize M   subject to   |δᵢ| ≤ M,   and for every test
    Σ (w + δ) · x + b > 0 where the neuron must be activated, ≤ 0 where it must not

A neuron must do what the float network's does on failing tests, and what it does now on passing ones
(section 4.3). Numbers are in steps of weight and input, so that > 0 is ≥ 1. Neurons are solved one by one
and put together; one whose program has no solution stays as it is. Rows that no solution so far breaks are
left out until one does. What rounding costs is counted: `kept` of `rows` still hold in the file's integers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from coverify.repair.bench import Bench
from coverify.repair.cases import Cases
from coverify.repair.highs import LinearProgram
from coverify.repair.layer import WEIGHT_HI, WEIGHT_LO
from coverify.repair.observation import F32Array
from coverify.repair.solvers import Solvers
from coverify.verify.query import F64Array
from tflm_int8.fixedpoint import I64Array

_ADDED: Final = 200
_MAX_ROUNDS: Final = 40
_SLACK: Final = 1e-6


@dataclass(frozen=True, eq=False)
class Rounded:
    """A neuron's new weights, int64 [weights].

    kept, rows: constraints that hold after rounding, and all; wrong: those that did not hold before.
    """

    weights: I64Array
    wrong: int
    kept: int
    rows: int


@dataclass(eq=False)
class Paper:
    """One layer and its tests. real: the float network's outputs, float32 [N, positions, neurons]."""

    bench: Bench
    cases: Cases
    real: F32Array
    solvers: Solvers
    _known: dict[int, Rounded | None] = field(default_factory=dict, init=False)

    def neuron(self, number: int) -> Rounded | None:
        """The neuron repaired alone; None where nothing is wrong or the program has no solution."""
        if number not in self._known:
            self._known[number] = self._repaired(number)
        return self._known[number]

    def weights(self, order: Sequence[int]) -> I64Array:
        """The layer's weights with these neurons repaired, int64 [neurons, weights]."""
        every = self.bench.layer.weights.copy()
        for number in order:
            found = self.neuron(number)
            if found is not None:
                every[number] = found.weights
        return every

    def _repaired(self, number: int) -> Rounded | None:
        rows, now, wanted = self._constraints(number)
        wrong = (now > 0) != wanted
        if not np.any(wrong):
            return None
        weights = self.bench.layer.weights[number]
        delta = self._least(rows, now, wanted, wrong, weights)
        if delta is None:
            return None
        rounded = np.clip(np.rint(weights + delta), WEIGHT_LO, WEIGHT_HI).astype(np.int64)
        kept = (now + rows @ (rounded - weights) > 0) == wanted
        return Rounded(rounded, int(wrong.sum()), int(kept.sum()), len(kept))

    def _constraints(self, number: int) -> tuple[I64Array, I64Array, NDArray[np.bool_]]:
        """(inputs [n, weights], accumulators [n], must each be above zero [n]) of all tests' positions."""
        tests = np.flatnonzero(self.cases.wanted >= 0)
        rows = self.bench.rows(number, tests)
        now = self.bench.layer.accumulators(rows, number)
        failing = self.cases.failing[tests, None]
        wanted = np.where(failing, self.real[tests, :, number] > 0, now > 0)
        return rows.reshape(-1, rows.shape[2]), now.reshape(-1), wanted.reshape(-1)

    def _least(
        self,
        rows: I64Array,
        now: I64Array,
        wanted: NDArray[np.bool_],
        first: NDArray[np.bool_],
        weights: I64Array,
    ) -> F64Array | None:
        lower = np.where(wanted, 1.0 - now, -math.inf)
        upper = np.where(wanted, math.inf, 0.0 - now)
        most = np.stack([WEIGHT_LO - weights, WEIGHT_HI - weights], axis=1).astype(np.float64)
        active = first.copy()
        for _ in range(_MAX_ROUNDS):
            chosen = np.flatnonzero(active)
            delta = self.solvers.least_change(LinearProgram(rows[chosen], lower[chosen], upper[chosen], most))
            if delta is None:
                return None
            moved = rows @ delta
            short = np.maximum(lower - moved, moved - upper)
            broken = np.flatnonzero((short > _SLACK * (1 + np.abs(now))) & ~active)
            if not len(broken):
                return delta
            active[broken[np.argsort(-short[broken], kind="stable")][:_ADDED]] = True
        return None
