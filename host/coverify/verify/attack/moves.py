"""What does the exact score become when a few features move? The answer for many small changes of one point.

Where the input enters one dense layer only, a change adds a column of it to the first accumulators, and only
the layers after it are run. Any other program is run whole, on the changes that the gradient likes best.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from coverify.verify.attack.runner import Found, Runner
from coverify.verify.query import F64Array, I64Array
from tflm_int8.program.linear import Dense
from tflm_int8.program.primitives import Affine, Program, sources

_MOST_ELEMENTS = 1 << 21
"""Elements of all wires that one batch of moves may hold."""


@dataclass(frozen=True, eq=False)
class Moves:
    """Single moves: feature[k] of the point goes to value[k]; int64 [m] each."""

    feature: I64Array
    value: I64Array

    def take(self, index: I64Array) -> Moves:
        """Some of them, in that order."""
        return Moves(self.feature[index], self.value[index])

    def on(self, x: I64Array) -> I64Array:
        """The point x after all of them."""
        moved = x.copy()
        moved[self.feature] = self.value
        return moved


class Neighbourhood(Protocol):
    """The points near one point, each given by the moves that lead to it."""

    @property
    def limit(self) -> int:
        """How many single moves are worth trying."""

    def scores(self, x: I64Array, moves: Moves, groups: I64Array, rival: int) -> F64Array:
        """The score after each group of moves: groups int64 [g, k] of indices into moves, -1 for none → [g].

        Raises Found, OutOfTime, OutsideDomain.
        """


def neighbourhood(runner: Runner) -> Neighbourhood:
    """The fastest that is right for the program."""
    weights = entrance(runner.problem.program)
    return Whole(runner) if weights is None else Incremental(runner, weights)


def entrance(program: Program) -> I64Array | None:
    """The matrix of the first step, int64 [n_out, n_input], when that step alone reads the input and is
    dense.
    """
    first = program.steps[0] if program.steps else None
    if not isinstance(first, Affine) or len(first.terms) != 1 or not isinstance(first.terms[0].map, Dense):
        return None
    read_again = any(0 in sources(step) for step in program.steps[1:])
    return None if read_again or program.output == 0 else first.terms[0].map.weights


@dataclass(frozen=True, eq=False)
class Whole:
    """Every changed point is run through the whole program."""

    runner: Runner

    @property
    def limit(self) -> int:
        """About one batch."""
        return max(16, min(1024, self.runner.problem.batch))

    def scores(self, x: I64Array, moves: Moves, groups: I64Array, rival: int) -> F64Array:
        """See Neighbourhood."""
        found = []
        for start in range(0, len(groups), self.runner.problem.batch):
            part = groups[start : start + self.runner.problem.batch]
            points = np.stack([moves.take(group[group >= 0]).on(x) for group in part])
            found.append(self.runner.score.of_rows(self.runner.run(points), np.full(len(part), rival)))
        return np.concatenate(found) if found else np.zeros(0)


@dataclass(frozen=True, eq=False)
class Incremental:
    """Changed points are run from the first accumulators on."""

    runner: Runner
    weights: I64Array

    @property
    def limit(self) -> int:
        """Those of all features, up to four thousand."""
        return 1 << 14

    def scores(self, x: I64Array, moves: Moves, groups: I64Array, rival: int) -> F64Array:
        """See Neighbourhood."""
        columns = self.weights.T[moves.feature] * (moves.value - x[moves.feature])[:, None]
        columns = np.concatenate([columns, np.zeros_like(columns[:1])])  # what index -1 adds
        start = self.runner.problem.wires(x[None])[1]
        batch = max(1, _MOST_ELEMENTS // sum(self.runner.problem.program.sizes()[1:]))
        found = []
        for first in range(0, len(groups), batch):
            part = groups[first : first + batch]
            acc = np.repeat(start, len(part), axis=0)
            for k in range(groups.shape[1]):
                acc += columns[part[:, k]]
            wires = self.runner.run_from(acc)
            for row in self.runner.broken(wires)[:1]:
                raise Found(moves.take(part[row][part[row] >= 0]).on(x))
            found.append(self.runner.score.of_rows(wires, np.full(len(part), rival)))
        return np.concatenate(found) if found else np.zeros(0)
