"""Can this rival take the label within these bounds? One formula for a SAT solver, exact.

As for the linear solvers, the ties' gap is taken at its extremes where it varies: an "unsatisfiable" stands,
and a model that keeps the label leaves the question open.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from coverify.verify.cardinality.counting import Counting
from coverify.verify.cardinality.encoding import Bounded
from coverify.verify.cardinality.formula import Formula
from coverify.verify.errors import EngineFault, GaveUp
from coverify.verify.few_changes import changes_left
from coverify.verify.linear.unrolled import Linear, Unrolled
from coverify.verify.query import I64Array
from coverify.verify.rivals import KEEPS, Answer, Question

SOLVER_OF = {"minicard": "minicard", "cadical": "cadical195", "pb": "cadical195"}
"""The variants, and python-sat's names of their solvers."""


@dataclass(frozen=True)
class Claim:
    """Asks in the way of a variant."""

    variant: str

    def __call__(self, question: Question) -> Answer | I64Array:
        """A counterexample, int64 [n], or why there is none.  Raises CannotDecide, OutOfTime."""
        formula = Formula(SOLVER_OF[self.variant], question.deadline)
        try:
            return self._asked(question, formula)
        finally:
            formula.close()

    def _asked(self, question: Question, formula: Formula) -> Answer | I64Array:
        rows = Bounded(formula, Counting(formula, self.variant))
        program = Unrolled.of(question, rows)
        _claim(question, program, rows)
        _few_changes(question, program, rows)
        found = formula.check()
        if isinstance(found, str):
            return Answer.NO if found == "unsat" else Answer.OPEN
        values = rows.values_of(list(program.inputs.values()), found)
        x = program.input_of(values, question.problem.query.x0.astype(np.int64))
        if question.problem.breaks(x):
            return x
        if question.last.constant:
            raise EngineFault("cardinality", "a model of the exact formula keeps the label")
        raise GaveUp(KEEPS)


def _claim(question: Question, program: Unrolled, rows: Bounded) -> None:
    """The rival takes the label (see smt/formula.py)."""
    last, j, label = question.last, question.rival, question.problem.query.label
    x_j = program.form(last.wire, j)
    rise = x_j.plus(program.form(last.wire, label), -1)
    if j > label:
        rows.require(rise, last.least_gap)
        return
    if last.greatest_gap == 1:
        rows.require(rise, 0)
        return
    above = rows.reached(rise, 0)
    for k in range(len(question.boxes[last.wire].lo)):
        if k != j:
            lead = x_j.plus(program.form(last.wire, k), -1)
            rows.formula.clause([above, rows.reached(lead, 1 - last.greatest_gap)])


def _few_changes(question: Question, program: Unrolled, rows: Bounded) -> None:
    """No more features than allowed differ from the base input."""
    budget = changes_left(question.problem.query, question.boxes[0])
    if budget is None:
        return
    moved = Linear({}, budget.left)
    for i, variable in program.inputs.items():
        if budget.base_inside[i]:
            flag, base = rows.integer(0, 1), int(budget.base[i])
            rows.formula.clause([rows.at_least(flag, 1), -rows.at_least(variable, base + 1)])
            rows.formula.clause([rows.at_least(flag, 1), rows.at_least(variable, base)])
            moved = moved.plus(Linear({flag: 1}), -1)
    rows.require(moved, 0)
