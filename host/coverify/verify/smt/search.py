"""Search for an input that loses the label, with Z3: each rival's way to make it lose is a solver call of its own.

A rival j takes the label y when x_j rises by the ties' gap D above x_y (y no longer ties with the maximum), or,
for j < y, when x_j >= x_y or j ties with the maximum: that is exact where D is one number on the box. Where D
varies, its extremes are tried first: what cannot happen even so cannot happen, and a model that breaks the query
when it is run is a counterexample. Only what is left is asked with the row's sum encoded in full.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from typing import Any

import numpy as np
import z3

from coverify.verify.bounds import Box
from coverify.verify.deadline import Deadline
from coverify.verify.decision import Decision
from coverify.verify.difference import Differences
from coverify.verify.engines.interval import open_rivals
from coverify.verify.errors import EngineFault
from coverify.verify.problem import Problem
from coverify.verify.query import I64Array, Outcome
from coverify.verify.smt.bitvectors import (
    Term,
    constant,
    greatest,
    plus,
    rises_by,
    scaled,
    step_function,
    total,
)
from coverify.verify.smt.encoding import Encoding

ROUNDS = (0.5, 1.0)
"""Shares of the time left for each round over all open rivals: a hard one must not starve the others."""


class Answer(Enum):
    """What the solver said of one rival, where it found no counterexample."""

    NO = "no"
    OPEN = "open"
    SPURIOUS = "spurious"


@dataclass(eq=False)
class Search:
    """One query for the solver; `boxes` and `last` as wire_bounds and decision give them."""

    problem: Problem
    boxes: list[Box]
    last: Decision
    deadline: Deadline
    seed: int
    calls: int = field(default=0, init=False)

    def run(self) -> Outcome:
        """HOLDS, VIOLATED or UNKNOWN; CannotDecide, OutOfTime."""
        differences = Differences(self.problem.program, self.boxes, self.last.wire)
        rivals = open_rivals(self.problem.query.label, self._n, self.last, differences)
        rivals.sort(key=lambda j: -differences.upper(j, self.problem.query.label))
        for share in ROUNDS:
            until, still_open = self.deadline.share(share), []
            for k, rival in enumerate(rivals):
                answer = self._ask(rival, until.share(1.0 / (len(rivals) - k)))
                if isinstance(answer, np.ndarray):
                    return Outcome.violated("z3", answer, calls=self.calls, rival=rival)
                if answer is not Answer.NO:
                    still_open.append(rival)
            rivals = still_open
        if not rivals:
            return Outcome.holds("z3", calls=self.calls)
        return Outcome.unknown("z3", f"out of time with {len(rivals)} rival labels open", calls=self.calls)

    def _ask(self, rival: int, deadline: Deadline) -> Answer | I64Array:
        """One rival: first with the gap's extremes, then, where that is spurious, exactly."""
        least, greatest_gap = constant(self.last.least_gap), constant(self.last.greatest_gap)
        answer = self._check(
            self._takes_label(rival, least, greatest_gap), deadline, exact=self.last.constant
        )
        if answer is not Answer.SPURIOUS:
            return answer
        if self.last.pieces is None:
            return Answer.OPEN
        return self._check(self._takes_label(rival, self._gap, self._gap), deadline, exact=True)

    def _takes_label(self, j: int, least: Term, most: Term) -> Any:
        """Does rival j take the label, for a gap from `least` to `most`?"""
        label = self.problem.query.label
        x_j, x_y = self._logit(j), self._logit(label)
        if j > label:
            return rises_by(x_j, plus(x_y, least), 0)
        if most.hi == 1:
            return rises_by(x_j, x_y, 0)
        reach = plus(x_j, plus(most, constant(-1)))
        ties = [rises_by(reach, self._logit(k), 0) for k in range(self._n) if k != j]
        return z3.Or(rises_by(x_j, x_y, 0), z3.And(*ties))

    @property
    def _n(self) -> int:
        return len(self.boxes[self.last.wire].lo)

    def _logit(self, i: int) -> Term:
        return self._encoding.term(self.last.wire, i)

    @cached_property
    def _encoding(self) -> Encoding:
        return Encoding(self.problem.program, self.boxes, self.deadline)

    @cached_property
    def _gap(self) -> Term:
        """D(S), with the row's sum S in full."""
        pieces = self.last.pieces
        assert pieces is not None
        logits = [self._logit(i) for i in range(self._n)]
        top, table = greatest(logits), pieces.exponentials.tolist()
        below = [plus(top, scaled(x, -1)) for x in logits]
        parts = [step_function(d, range(d.lo, 256), _from(table, d.lo)) for d in below]
        start, gap = pieces.start.tolist(), pieces.gap.tolist()
        row_sum = total(parts)
        start[0] = min(start[0], row_sum.lo)
        return step_function(row_sum, start, gap)

    @cached_property
    def _solver(self) -> Any:
        solver = z3.SolverFor("QF_BV")
        solver.set("random_seed", self.seed & 0x7FFFFFFF)
        return solver

    def _check(self, condition: Any, deadline: Deadline, exact: bool) -> Answer | I64Array:
        deadline.check()
        if condition is False:
            return Answer.NO
        solver = self._solver
        solver.push()
        try:
            solver.add(condition, *self._encoding.constraints)
            if not math.isinf(deadline.remaining):
                solver.set("timeout", max(1, int(1000 * deadline.remaining)))
            self.calls += 1
            result = solver.check()
            if result == z3.unsat:
                return Answer.NO
            return self._model(solver.model(), exact) if result == z3.sat else Answer.OPEN
        finally:
            solver.pop()

    def _model(self, model: Any, exact: bool) -> Answer | I64Array:
        """The input of a model, or SPURIOUS when it keeps the label (EngineFault where that cannot be)."""
        x = self._encoding.input_of(model, self.problem.query.x0.astype(np.int64))
        if int(self.problem.labels(x[None])[0]) != self.problem.query.label:
            return x
        if exact:
            raise EngineFault("z3", "a model of the exact formula keeps the label")
        return Answer.SPURIOUS


def _from(table: list[int], d: int) -> list[int]:
    """The exponentials of d, d + 1, …, 255; a distance below 0 (which bounds allow, but nothing has) counts as 0."""
    return [table[max(k, 0)] for k in range(d, 256)]
