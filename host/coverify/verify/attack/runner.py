"""Run points of the box and stop at the first whose label is not the query's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from coverify.verify.attack.score import Score
from coverify.verify.bounds import Box
from coverify.verify.deadline import Deadline
from coverify.verify.gradient import Smoothed
from coverify.verify.problem import Problem
from coverify.verify.query import F64Array, I64Array


class Found(Exception):
    """A point whose label is not the query's: int64 [n]."""

    def __init__(self, x: I64Array) -> None:
        self.x = x


@dataclass(frozen=True, eq=False)
class Runner:
    """One query's program with its score; `boxes` as wire_bounds gives them."""

    problem: Problem
    boxes: list[Box]
    score: Score
    deadline: Deadline

    @property
    def lo(self) -> I64Array:
        """The box's lower end."""
        return self.problem.query.lo

    @property
    def hi(self) -> I64Array:
        """The box's upper end."""
        return self.problem.query.hi

    def run(self, x: I64Array) -> list[I64Array]:
        """All wires of the rows of x.  Raises Found, OutOfTime, OutsideDomain."""
        self.deadline.check()
        wires = self.problem.wires(x)
        broken = self.broken(wires)
        if len(broken):
            raise Found(x[broken[0]])
        return wires

    def run_from(self, values: I64Array, wire: int = 1) -> list[I64Array]:
        """All wires from `wire` on, whose values are int64 [N, n], for the programs whose later steps read
        none before it; those are stand-ins.  Raises OutOfTime, OutsideDomain, never Found.
        """
        self.deadline.check()
        stand_in = np.broadcast_to(np.int64(0), (len(values), 1))
        return [*[stand_in] * wire, *self.problem.evaluator.wires(values, wire)]

    def broken(self, wires: list[I64Array]) -> I64Array:
        """The rows whose label is not the query's."""
        labels = wires[self.problem.program.output].argmax(axis=1)
        return np.flatnonzero(labels != self.problem.query.label)

    def slope(self, wires: list[I64Array], rival: I64Array, reach: Mapping[int, F64Array]) -> F64Array:
        """The smoothed gradient of the score with respect to the input: [N, n_input]."""
        seed = self.score.direction(wires, rival)
        return Smoothed(self.problem.program, self.boxes, reach).input_gradient(wires, self.score.wire, seed)
