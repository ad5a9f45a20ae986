"""Which multipliers bound a sum of functions, each of one linear form of the input? A linear program's.

A function is the gain of a pair of stairs over its box (pairs.py); in its place the program has the least
concave function above it. HiGHS computes in floating point: its multipliers are proposals.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from coverify.verify.errors import CannotDecide
from coverify.verify.linear.highs import maximiser, solved
from coverify.verify.query import F64Array, I64Array

PENALTY = 64.0
"""The cost of missing a form, relative to the steepest function: where no input is left, multipliers grow up
to that.
"""


@dataclass(frozen=True, eq=False)
class Curve:
    """A function of sum `element`: gain at the places `at`, ascending, float64 [points] each."""

    element: int
    at: F64Array
    gain: F64Array

    @staticmethod
    def of(element: int, at: F64Array, gain: F64Array) -> Curve:
        """Of points in any order, also repeated ones."""
        places, first = np.unique(at, return_index=True)
        return Curve(element, places, gain[first])

    @cached_property
    def corners(self) -> I64Array:
        """Of the least concave function above: the numbers of its points."""
        kept = list[int]()
        for i in range(len(self.at)):
            while len(kept) > 1 and self._below(kept[-2], kept[-1], i):
                kept.pop()
            kept.append(i)
        return np.array(kept, np.int64)

    def _below(self, i: int, j: int, k: int) -> bool:
        """Does point j not rise above the line from i to k?"""
        (a, b, c), (u, v, w) = self.at[[i, j, k]], self.gain[[i, j, k]]
        return bool((v - u) * (c - a) <= (w - u) * (b - a))

    def gap(self, a: float) -> float:
        """How far the concave function is above the gain at a, between points as on a line."""
        above = np.interp(a, self.at[self.corners], self.gain[self.corners])
        return float(above - np.interp(a, self.at, self.gain))


@dataclass(frozen=True, eq=False)
class Hulls:
    """The program's answer for `curves`: multipliers, and the sums where it has its maximum, float64
    [curves]; inputs: float64 [n], there.
    """

    curves: list[Curve]
    multipliers: F64Array
    sums: F64Array
    inputs: F64Array


def hulls_of(curves: list[Curve], forms: I64Array, constant: I64Array, lo: I64Array, hi: I64Array) -> Hulls:
    """sum = forms · x + constant, [sums, n] and [sums], on inputs lo..hi.  Raises CannotDecide."""
    n, m = len(lo), len(curves)
    unit = np.maximum([max(float(c.at[-1] - c.at[0]), 1.0) for c in curves], 1.0)
    size = max(*(float(np.ptp(c.gain)) for c in curves), 1.0)
    which = np.array([c.element for c in curves])
    places, rows, ends = list[Any](), list[Any](), list[float]()
    for k, c in enumerate(curves):  # gain <= value + slope · (sum − at), in units of `size` and `unit`
        for i, j in zip(c.corners[:-1], c.corners[1:], strict=True):
            slope = (c.gain[j] - c.gain[i]) / (c.at[j] - c.at[i]) * unit[k] / size
            places.append((n + k, n + m + k))
            rows.append((-slope, 1.0))
            ends.append(c.gain[i] / size - slope * (c.at[i] / unit[k]))
    equal = np.concatenate(
        [-forms[which] / unit[:, None], np.eye(m), np.zeros((m, m)), np.eye(m), -np.eye(m)], 1
    )
    matrix = np.zeros((m + len(rows), n + 4 * m))
    matrix[:m] = equal
    for r, (place, values) in enumerate(zip(places, rows, strict=True), m):
        matrix[r, place] = values
    steepest = max([1.0, *(abs(values[0]) for values in rows)])
    cost = np.concatenate([np.zeros(n + m), np.ones(m), np.full(2 * m, -PENALTY * steepest)])
    ends_at = np.array([[c.at[0], c.at[-1], c.gain.max()] for c in curves]).T
    least = np.concatenate([lo, ends_at[0] / unit, np.full(m, -np.inf), np.zeros(2 * m)])
    most = np.concatenate([hi, ends_at[1] / unit, ends_at[2] / size, np.full(2 * m, np.inf)])
    middle = constant[which] / unit
    below = np.concatenate([middle, np.full(len(rows), -np.inf)])
    values, duals = _solved(matrix, cost, (below, np.concatenate([middle, ends])), (least, most))
    return Hulls(curves, duals[:m] * size / unit, values[n : n + m] * unit, values[:n])


def _solved(
    matrix: F64Array, cost: F64Array, rows: tuple[F64Array, F64Array], columns: tuple[F64Array, F64Array]
) -> tuple[F64Array, F64Array]:
    """The greatest cost · columns: its columns, and the duals of the rows."""
    solver = maximiser(matrix, cost, rows, columns)
    if not solved(solver):
        raise CannotDecide(f"HiGHS says {solver.modelStatusToString(solver.getModelStatus())}")
    solution = solver.getSolution()
    return np.array(solution.col_value), np.array(solution.row_dual)
