"""The linear program of a network around a point: inputs and levels are real, and no stair leaves its clamp.

There a program of affine steps and stairs is linear but for its rounding: an accumulator lies in a strip
about slope · level. Where the least or the greatest level is a clamp, the strip has an end; a point's stairs
at their clamps stay there, and the others stay within the strip. HiGHS computes in floating point: what it
finds has to be run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from coverify.verify.attack.runner import Runner
from coverify.verify.bounds import Box
from coverify.verify.linear.highs import available, maximiser, solved
from coverify.verify.query import BoolArray, F64Array, I64Array
from tflm_int8.program.primitives import MAX_STAIRS, Affine, Program, Staircase, thresholds

MAX_LEVELS = 512
"""Stairs of all layers together; beyond, a program takes too long to be solved many times."""
MAX_ENTRIES = 1 << 19
"""Of the matrix."""
_ROUNDING = 1.0 / 12
"""The variance of what is added to an input when it is rounded."""
_NARROWEST = 0.25
"""No strip is narrowed by more than this share of a stair on either side."""


def margin(weights: F64Array, rounded: int, width: F64Array) -> F64Array:
    """By how much accumulators' bounds are narrowed where so many of the inputs are rounded afterwards, [m].

    weights: [m, n], on inputs that vary; width [m]: of a stair.
    """
    squares = (weights**2).mean(axis=1) if weights.size else np.zeros(len(weights))
    spread: F64Array = np.minimum(np.sqrt(_ROUNDING * rounded * squares), _NARROWEST * width)
    return spread


@dataclass(frozen=True, eq=False)
class Strips:
    """One layer's stairs, [n] each: below + slope · level <= accumulator <= above + slope · level.

    columns: where their levels start; least, most: the levels that the box reaches; first, last: the least
    accumulators of the levels least + 1 and most; ends: bool, is least, or most, a clamp.
    """

    columns: int
    least: F64Array
    most: F64Array
    first: F64Array
    last: F64Array
    slope: F64Array
    below: F64Array
    above: F64Array
    ends: tuple[BoolArray, BoolArray]

    @staticmethod
    def of(step: Staircase, box: Box, columns: int) -> Strips:
        """`box`: the bounds of the accumulators."""
        rule = step.rule
        edges = thresholds(rule)[step.channel].astype(np.float64)
        lo, hi = (rule.apply(end, step.channel) for end in (box.lo, box.hi))
        k = np.arange(len(lo))
        level = np.arange(rule.lo, rule.hi + 1)
        n_inner = np.maximum(hi - lo - 1, 1)
        first = edges[k, np.minimum(lo, rule.hi - 1) - rule.lo]
        last = edges[k, np.maximum(hi, rule.lo + 1) - rule.lo - 1]
        slope = np.maximum((last - first) / n_inner, 1.0)
        starts, stops = edges - slope[:, None] * level[1:], edges - 1 - slope[:, None] * level[:-1]
        reached = (level[1:] > lo[:, None]) & (level[1:] <= hi[:, None])
        below = np.where(reached, starts, np.inf).min(axis=1)
        above = np.where(reached, stops, -np.inf).max(axis=1)
        two = hi - lo < 2  # one edge: nothing lies between its sides
        ends = (lo == rule.lo) | two, (hi == rule.hi) | two
        return Strips(columns, lo.astype(float), hi.astype(float), first, last, slope, below, above, ends)

    @property
    def n(self) -> int:
        """How many."""
        return len(self.least)

    def limits(self, level: I64Array, margin: F64Array) -> tuple[F64Array, F64Array, F64Array, F64Array]:
        """The least and greatest levels, and those of accumulator − slope · level, in the region of levels.

        margin: by how much strips are narrowed on either side.
        """
        constant = self.least == self.most
        low = (level <= self.least) & self.ends[0] & ~constant
        high = (level >= self.most) & self.ends[1] & ~constant
        lower = np.where(high, self.last + margin - self.slope * self.most, self.below + margin)
        upper = np.where(low, self.first - 1 - margin - self.slope * self.least, self.above - margin)
        return (
            np.where(high, self.most, self.least),
            np.where(low, self.least, self.most),
            np.where(low | constant, -np.inf, lower),
            np.where(high | constant, np.inf, upper),
        )


@dataclass(eq=False)
class Region:
    """The linear program of one region; `values`: the columns of the last solution (inputs, levels of all
    stairs, the score), float64.

    first: the columns of the first stairs' levels which are free.
    """

    solver: Any
    first: I64Array
    values: F64Array

    def solved(self) -> bool:
        """Solve it as it now is; False where nothing lies in it."""
        if not solved(self.solver):
            return False
        self.values = np.array(self.solver.getSolution().col_value)
        return True

    @property
    def score(self) -> float:
        """The greatest score, levels being real."""
        return float(self.values[-1])

    def rounded(self, column: int) -> bool:
        """Hold a column at the nearest whole number, or at the next where that leaves nothing, and solve."""
        value = float(self.values[column])
        nearest = float(np.rint(value))
        other = nearest + 1 if nearest <= value else nearest - 1
        for held in (nearest, other):
            self.solver.changeColBounds(column, held, held)
            if self.solved():
                return True
        return False


@dataclass(frozen=True, eq=False)
class Regions:
    """What all regions of a query have in common.

    strips: by wire; matrix, constant: rows accumulator − slope · level of all stairs, and the constants of
    the accumulators.
    """

    runner: Runner
    strips: Mapping[int, Strips]
    matrix: F64Array
    constant: F64Array

    @staticmethod
    def of(runner: Runner) -> Regions | None:
        """None where HiGHS is not installed, or the program is large, or has other steps on its way."""
        program, score = runner.problem.program, runner.score
        if not available() or score.wire == 0 or not _suited(program, score.wire):
            return None
        strips, end = dict[int, Strips](), program.sizes()[0]
        for wire, step in enumerate(program.steps[: score.wire], 1):
            if isinstance(step, Staircase):
                strips[wire] = Strips.of(step, runner.boxes[step.source], end)
                end += strips[wire].n
        n_levels = end - program.sizes()[0]
        if not 0 < n_levels <= MAX_LEVELS or n_levels * end > MAX_ENTRIES:
            return None
        matrix, constant = np.zeros((n_levels, end + 1)), np.zeros(n_levels)
        row = 0
        for wire, one in strips.items():
            source = program.steps[wire - 1]
            assert isinstance(source, Staircase)
            every, rows = np.arange(one.n), slice(row, row + one.n)
            matrix[rows], constant[rows] = _accumulators(program, strips, source.source, every, end + 1)
            matrix[row + every, one.columns + every] = -one.slope
            row += one.n
        return Regions(runner, strips, matrix, constant)

    def around(self, x: I64Array, rival: int) -> Region:
        """The region of the point x, int64 [n]."""
        problem, n = self.runner.problem, len(x)
        wires = problem.wires(x[None])
        least, most = [self.runner.lo.astype(np.float64)], [self.runner.hi.astype(np.float64)]
        lower, upper = list[F64Array](), list[F64Array]()
        free = [np.zeros(0, np.int64)]
        for wire, one in self.strips.items():
            rows = slice(one.columns - n, one.columns - n + one.n)
            ends = one.limits(wires[wire][0], self._margin(one, rows))
            for kept, values in zip((least, most, lower, upper), ends, strict=True):
                kept.append(values)
            if np.any(self.matrix[rows, :n]):
                free.append(one.columns + np.flatnonzero(ends[0] < ends[1]))
        goals, constants, bounds = self._goals(wires, rival)
        constant, inf = np.concatenate([self.constant, constants]), np.full(len(bounds), np.inf)
        solver = maximiser(
            np.concatenate([self.matrix, goals]),
            np.append(np.zeros(self.matrix.shape[1] - 1), 1.0),
            (np.concatenate([*lower, bounds]) - constant, np.concatenate([*upper, inf]) - constant),
            (np.append(np.concatenate(least), -np.inf), np.append(np.concatenate(most), np.inf)),
            self.runner.deadline.remaining,
        )
        return Region(solver, np.concatenate(free), np.zeros(0))

    def _margin(self, one: Strips, rows: slice) -> F64Array:
        """What rounding the inputs may take: no more of them than rows lie between whole numbers. [n]."""
        n = len(self.runner.lo)
        moved = self.runner.hi > self.runner.lo
        return margin(self.matrix[rows, :n][:, moved], min(n, one.n), one.slope)

    def _goals(self, wires: list[I64Array], rival: int) -> tuple[F64Array, F64Array, F64Array]:
        """The rows that the score is not to exceed, their constants, and what they are at least."""
        score, program = self.runner.score, self.runner.problem.program
        rows, constant = _accumulators(
            program, self.strips, score.wire, np.array([rival, score.label]), self.matrix.shape[1]
        )
        least, most = score.aims(
            rival, int(wires[score.wire][0, rival]), int(wires[score.wire][0, score.label])
        )
        if most is None:
            rows, constant, bounds = rows[:1] - rows[1:], constant[:1] - constant[1:], np.array([least])
        else:
            signs = np.array([1.0, -1.0])
            rows, constant, bounds = signs[:, None] * rows, signs * constant, np.array([least, -most])
        rows[:, -1] = -1.0
        return rows, constant, bounds.astype(np.float64)


def _suited(program: Program, wire: int) -> bool:
    """Do stairs that are listed, and sums of these and of the input, lead to a sum?"""
    steps = program.steps
    for step in steps[:wire]:
        if isinstance(step, Staircase):
            if not 0 < step.rule.hi - step.rule.lo <= MAX_STAIRS or not _sums(program, step.source):
                return False
        elif not isinstance(step, Affine) or any(
            term.source and not isinstance(steps[term.source - 1], Staircase) for term in step.terms
        ):
            return False
    return _sums(program, wire)


def _sums(program: Program, wire: int) -> bool:
    return wire > 0 and isinstance(program.steps[wire - 1], Affine)


def _accumulators(
    program: Program, strips: Mapping[int, Strips], wire: int, elements: I64Array, n_columns: int
) -> tuple[F64Array, F64Array]:
    """Coefficients [k, columns] and constants [k] of some elements of a sum."""
    step = program.steps[wire - 1]
    assert isinstance(step, Affine)
    one = np.zeros((len(elements), len(step.bias)))
    one[np.arange(len(elements)), elements] = 1.0
    rows, constant = np.zeros((len(elements), n_columns)), step.bias[elements].astype(np.float64)
    for term in step.terms:
        part = term.map.transposed(one)
        first = strips[term.source].columns if term.source else 0
        rows[:, first : first + part.shape[1]] += part
        constant -= term.offset * part.sum(axis=1)
    return rows, constant
