"""What linear programming says of a sum in a region: a bound, its multipliers, a point. Nothing is believed.

Columns: inputs, and for every neuron before the asked layer its sum z, its activation h and two slacks of its
equation W h + b = z. A neuron whose sign is open has the triangle h >= z, h >= 0, h <= chord; fixing signs
changes bounds only, so that HiGHS goes on from its last basis. HiGHS computes in floating point: bound.py
makes a bound of its multipliers.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np

from coverify.study.reals.bound import Range, Region
from coverify.study.reals.exact import ExactNetwork
from coverify.verify.deadline import Deadline, OutOfTime
from coverify.verify.errors import CannotDecide
from coverify.verify.linear.highs import linear_program
from coverify.verify.query import F64Array, I64Array

FREE = float("inf")


@dataclass(frozen=True, eq=False)
class Relaxed:
    """least: the bound, None where HiGHS finds the region empty; multipliers: of every layer's equations;
    point: the inputs where the bound is met; gaps: of every layer, h − relu(z) there.
    """

    least: float | None
    multipliers: list[F64Array]
    point: F64Array
    gaps: list[F64Array]


class Relaxation:
    """The linear program of a region, for sums of the first layer of which the region says nothing."""

    def __init__(self, network: ExactNetwork, region: Region) -> None:
        self.depth = len(region.sums)
        self._root = region
        self._layer = network.layers[self.depth].floats
        self._sizes = [len(sums.lo) for sums in region.sums]
        self._starts = [network.n_input + 4 * sum(self._sizes[:i]) for i in range(self.depth + 1)]
        api: Any = import_module("highspy")
        self._status = api.HighsModelStatus
        self._solver = api.Highs()
        for option, setting in (("output_flag", False), ("threads", 1), ("solver", "simplex")):
            self._solver.setOptionValue(option, setting)
        self._solver.passModel(self._model(api, network))

    def _columns(self, depth: int) -> slice:
        """Where the activations that layer `depth` reads are."""
        if depth == 0:
            return slice(0, self._starts[0])
        start, n = self._starts[depth - 1], self._sizes[depth - 1]
        return slice(start + n, start + 2 * n)

    def _model(self, api: Any, network: ExactNetwork) -> Any:
        """Per layer: its equations, h − z >= 0 (equal to 0 where the sign is +), and the chords."""
        rows = _Rows()
        for i, sums in enumerate(self._root.sums):
            weights, bias = network.layers[i].floats
            n, start = self._sizes[i], self._starts[i]
            z, h, slack = start + np.arange(n), start + n + np.arange(n), start + 2 * n + np.arange(n)
            place = np.nonzero(weights)
            read = place[1] + self._columns(i).start
            rows.add(
                [(place[0], read, weights[place])],
                [(z, np.full(n, -1.0)), (slack, np.ones(n)), (slack + n, np.full(n, -1.0))],
                (-bias, -bias),
            )
            rows.add(
                [], [(h, np.ones(n)), (z, np.full(n, -1.0))], (np.zeros(n), np.where(sums.lo >= 0, 0.0, FREE))
            )
            crossing = _crossing(sums)
            slope = np.where(crossing, sums.hi / np.where(crossing, sums.hi - sums.lo, 1.0), 0.0)
            least = np.where(crossing, slope * sums.lo, -FREE)
            rows.add([], [(z, slope), (h, np.full(n, -1.0))], (least, np.full(n, FREE)))
        return rows.program(api, self._starts[-1], *self._bounds(self._root))

    def _bounds(self, region: Region) -> tuple[F64Array, F64Array]:
        """The columns' bounds; slacks are 0."""
        lo, hi = [region.inputs.lo], [region.inputs.hi]
        for sums in region.sums:
            nothing = np.zeros(2 * len(sums.lo))
            lo += [sums.lo, np.maximum(sums.lo, 0.0), nothing]
            hi += [sums.hi, np.maximum(sums.hi, 0.0), nothing]
        return np.concatenate(lo), np.concatenate(hi)

    def narrow(self, region: Region) -> None:
        """Ask of a part of the region from now on, in which some signs are fixed."""
        lo, hi = self._bounds(region)
        every = np.arange(len(lo), dtype=np.int32)
        self._solver.changeColsBounds(len(lo), every, lo, hi)
        row = 0
        for sums, root in zip(region.sums, self._root.sums, strict=True):
            n = len(sums.lo)
            for neuron in np.flatnonzero(_crossing(root)):
                on = sums.lo[neuron] >= 0
                self._solver.changeRowBounds(int(row + n + neuron), 0.0, 0.0 if on else FREE)
            row += 3 * n

    def least(self, aim: F64Array, deadline: Deadline) -> Relaxed:
        """The least aim · z, float64 [n_out].  Raises OutOfTime, CannotDecide."""
        weights, bias = self._layer
        cost = np.zeros(self._starts[-1])
        cost[self._columns(self.depth)] = aim @ weights
        status = self._run(cost, deadline)
        if status in (self._status.kInfeasible, self._status.kUnboundedOrInfeasible):
            return self._emptiest(deadline)
        return self._relaxed(float(self._solver.getInfo().objective_function_value) + float(aim @ bias))

    def _emptiest(self, deadline: Deadline) -> Relaxed:
        """The multipliers by which the equations contradict the ranges: slacks are free, and cost 1."""
        cost = np.zeros(self._starts[-1])
        for start, n in zip(self._starts, self._sizes, strict=False):
            slack = np.arange(start + 2 * n, start + 4 * n, dtype=np.int32)
            cost[slack] = 1.0
            self._solver.changeColsBounds(len(slack), slack, np.zeros(len(slack)), np.full(len(slack), FREE))
        self._run(cost, deadline)
        return self._relaxed(None)

    def _run(self, cost: F64Array, deadline: Deadline) -> Any:
        every = np.arange(len(cost), dtype=np.int32)
        self._solver.changeColsCost(len(cost), every, cost)
        deadline.check()
        spent = self._solver.getRunTime()  # the limit counts from when the solver was made
        self._solver.setOptionValue("time_limit", spent + min(deadline.remaining, 1e8))
        self._solver.run()
        status = self._solver.getModelStatus()
        if status == self._status.kTimeLimit:
            raise OutOfTime
        known = (self._status.kOptimal, self._status.kInfeasible, self._status.kUnboundedOrInfeasible)
        if status not in known:
            raise CannotDecide(f"HiGHS says {self._solver.modelStatusToString(status)}")
        return status

    def _relaxed(self, least: float | None) -> Relaxed:
        solution = self._solver.getSolution()
        values, duals = np.array(solution.col_value), np.array(solution.row_dual)
        multipliers, gaps, row = [], [], 0
        for start, n in zip(self._starts, self._sizes, strict=False):
            multipliers.append(-duals[row : row + n])
            z, h = values[start : start + n], values[start + n : start + 2 * n]
            gaps.append(h - np.maximum(z, 0.0))
            row += 3 * n
        return Relaxed(least, multipliers, values[: self._starts[0]], gaps)


def _crossing(sums: Range) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Whose sign is open."""
    open_signs: np.ndarray[Any, np.dtype[np.bool_]] = (sums.lo < 0) & (sums.hi > 0)
    return open_signs


class _Rows:
    """Sparse rows of a linear program without costs."""

    def __init__(self) -> None:
        self._entries: list[tuple[I64Array, I64Array, F64Array]] = []
        self._bounds: list[tuple[F64Array, F64Array]] = []
        self._n = 0

    def add(
        self,
        entries: list[tuple[I64Array, I64Array, F64Array]],
        diagonals: list[tuple[I64Array, F64Array]],
        bounds: tuple[F64Array, F64Array],
    ) -> None:
        """As many rows as `bounds` (lower, upper) has. entries: (row among them, column, value); diagonals: a
        column and a value for each of them.
        """
        numbers = np.arange(len(bounds[0]))
        for row, column, value in [*entries, *((numbers, *diagonal) for diagonal in diagonals)]:
            self._entries.append((self._n + row, column, value))
        self._bounds.append(bounds)
        self._n += len(numbers)

    def program(self, api: Any, n_columns: int, lo: F64Array, hi: F64Array) -> Any:
        """All of it, for HiGHS."""
        empty = np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0)
        row, column, value = (np.concatenate([part[k] for part in (empty, *self._entries)]) for k in range(3))
        order = np.lexsort((column, row))
        counts = np.bincount(row.astype(np.int64), minlength=self._n)
        lower, upper = (np.concatenate([np.zeros(0), *(ends[k] for ends in self._bounds)]) for k in (0, 1))
        starts = np.concatenate([[0], np.cumsum(counts)])
        matrix = starts, column[order], value[order]
        return linear_program(api, np.zeros(n_columns), (lo, hi), (lower, upper), matrix)
