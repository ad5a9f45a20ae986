"""Can this rival take the label within these bounds? One formula for Z3, exact.

A rival j takes the label y when x_j rises by the ties' gap D above x_y (y no longer ties with the maximum),
or, for j < y, when x_j >= x_y or j ties with the maximum: that is exact where D is one number on the box.
Where D varies, its extremes are tried first: what cannot happen even so cannot happen, and a model that
breaks the query when it is run is a counterexample. Only what is left is asked with the row's sum encoded
in full.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import Any

import numpy as np
import z3

from coverify.verify.bounds import Box
from coverify.verify.deadline import Deadline
from coverify.verify.decision import Decision
from coverify.verify.errors import EngineFault
from coverify.verify.problem import Problem
from coverify.verify.query import I64Array
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
from tflm_int8.program.primitives import Affine


class Answer(Enum):
    """What the solver said, where it found no counterexample."""

    NO = "no"
    OPEN = "open"
    SPURIOUS = "spurious"


@dataclass(eq=False)
class Claim:
    """The formula's context: `boxes` bound all wires where it is asked; `natural` are the bounds of the
    query's box.

    Accumulators whose box is smaller than their natural one are required to lie in it.
    """

    problem: Problem
    boxes: list[Box]
    natural: list[Box]
    last: Decision
    deadline: Deadline
    seed: int

    def ask(self, rival: int) -> Answer | I64Array:
        """A counterexample, int64 [n], or why there is none: first with the gap's extremes, then exactly."""
        least, most = constant(self.last.least_gap), constant(self.last.greatest_gap)
        answer = self._check(self._takes_label(rival, least, most), exact=self.last.constant)
        if answer is not Answer.SPURIOUS:
            return answer
        if self.last.pieces is None:
            return Answer.OPEN
        return self._check(self._takes_label(rival, self._gap, self._gap), exact=True)

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
        encoding = Encoding(self.problem.program, self.boxes, self.deadline)
        if np.array_equal(self.boxes[0].lo, self.natural[0].lo) and np.array_equal(
            self.boxes[0].hi, self.natural[0].hi
        ):
            for wire, step in enumerate(self.problem.program.steps, 1):
                box, natural = self.boxes[wire], self.natural[wire]
                if isinstance(step, Affine):
                    for i in np.flatnonzero((box.lo > natural.lo) | (box.hi < natural.hi)).tolist():
                        encoding.require(wire, i)
        return encoding

    @cached_property
    def _gap(self) -> Term:
        """D(S), with the row's sum S in full."""
        pieces = self.last.pieces
        assert pieces is not None
        logits = [self._logit(i) for i in range(self._n)]
        top, table = greatest(logits), pieces.exponentials.tolist()
        below = [plus(top, scaled(x, -1)) for x in logits]
        row_sum = total([step_function(d, range(d.lo, 256), _from(table, d.lo)) for d in below])
        start = [min(pieces.start.tolist()[0], row_sum.lo), *pieces.start.tolist()[1:]]
        return step_function(row_sum, start, pieces.gap.tolist())

    def _check(self, condition: Any, exact: bool) -> Answer | I64Array:
        self.deadline.check()
        if condition is False or False in self._encoding.constraints:
            return Answer.NO
        solver = z3.SolverFor("QF_BV")
        solver.set("random_seed", self.seed & 0x7FFFFFFF)
        if not math.isinf(self.deadline.remaining):
            solver.set("timeout", max(1, int(1000 * self.deadline.remaining)))
        solver.add(condition, *self._encoding.constraints)
        result = solver.check()
        if result == z3.unsat:
            return Answer.NO
        return self._model(solver.model(), exact) if result == z3.sat else Answer.OPEN

    def _model(self, model: Any, exact: bool) -> Answer | I64Array:
        """The input of a model, or SPURIOUS when it keeps the label (EngineFault where that cannot be)."""
        x = self._encoding.input_of(model, self.problem.query.x0.astype(np.int64))
        if int(self.problem.labels(x[None])[0]) != self.problem.query.label:
            return x
        if exact:
            raise EngineFault("z3", "a model of the exact formula keeps the label")
        return Answer.SPURIOUS


def _from(table: list[int], d: int) -> list[int]:
    """The exponentials of d, d + 1, …, 255; a distance below 0 (bounds allow it, nothing has it) counts as
    0.
    """
    return [table[max(k, 0)] for k in range(d, 256)]
