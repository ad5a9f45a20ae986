"""A rival's claim for CP-SAT: exact integers throughout, so that its "infeasible" is a solver's proof.

Stairs are integer variables: the run that the argument is in is looked up (element constraints), with the
rows of the hull as guidance for its linear relaxation.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import numpy as np

from coverify.verify.errors import GaveUp
from coverify.verify.few_changes import changes_left
from coverify.verify.linear.pieces import Pieces, hull, product_ends
from coverify.verify.linear.unrolled import Linear, Unrolled
from coverify.verify.query import I64Array
from coverify.verify.rivals import KEEPS, Answer, Question

_MAX_COEFFICIENT = 1 << 40
"""Guidance rows with larger coefficients are left out: CP-SAT's sums must fit int64."""


@dataclass(eq=False)
class CpSat:
    """A model of CP-SAT and its variables by number."""

    api: Any
    model: Any
    variables: list[Any] = field(default_factory=list)

    def integer(self, lo: int, hi: int) -> int:
        self.variables.append(self.model.NewIntVar(lo, hi, ""))
        return len(self.variables) - 1

    def expression(self, form: Linear) -> Any:
        """The form as CP-SAT's own."""
        chosen = [self.variables[v] for v in form.terms]
        return self.api.LinearExpr.WeightedSum(chosen, list(form.terms.values())) + form.constant

    def equal(self, form: Linear, lo: int, hi: int) -> int:
        number = self.integer(lo, hi)
        self.model.Add(self.expression(form) == self.variables[number])
        return number

    def piecewise(self, argument: int, pieces: Pieces) -> int:
        a, n = self.variables[argument], len(pieces)
        y = self.integer(int(pieces.value.min()), int(pieces.value.max()))
        out, run = self.variables[y], self.model.NewIntVar(0, n - 1, "")
        if np.array_equal(pieces.value, pieces.value[0] + np.arange(n)):
            self.model.Add(out == run + int(pieces.value[0]))
        else:
            self.model.AddElement(run, pieces.value.tolist(), out)
        first = self.model.NewIntVar(int(pieces.first[0]), int(pieces.first[-1]), "")
        last = self.model.NewIntVar(int(pieces.last[0]), int(pieces.last[-1]), "")
        self.model.AddElement(run, pieces.first.tolist(), first)
        self.model.AddElement(run, pieces.last.tolist(), last)
        self.model.Add(first <= a)
        self.model.Add(a <= last)
        for edge in hull(pieces):
            if max(abs(edge.rise), abs(edge.run), abs(edge.constant)) < _MAX_COEFFICIENT:
                self.model.Add(edge.rise * a - edge.run * out <= edge.constant)
        return y

    def maximum(self, arguments: list[int], boxes: list[tuple[int, int]]) -> int:
        y = self.integer(max(lo for lo, _ in boxes), max(hi for _, hi in boxes))
        self.model.AddMaxEquality(self.variables[y], [self.variables[a] for a in arguments])
        return y

    def product(self, arguments: tuple[int, int], boxes: tuple[tuple[int, int], tuple[int, int]]) -> int:
        y = self.integer(*product_ends(boxes))
        self.model.AddMultiplicationEquality(self.variables[y], [self.variables[a] for a in arguments])
        return y


def ask(question: Question) -> Answer | I64Array:
    """A counterexample, or why there is none.  Raises CannotDecide, OutOfTime."""
    api: Any = import_module("ortools.sat.python.cp_model")
    rows = CpSat(api, api.CpModel())
    program = Unrolled.of(question, rows)
    _claim(question, program, rows)
    _few_changes(question, program, rows)
    question.deadline.check()
    solver = api.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.random_seed = question.seed & 0x7FFFFFFF
    solver.parameters.max_time_in_seconds = min(question.deadline.remaining, 1e9)
    status = solver.Solve(rows.model)
    if status == api.INFEASIBLE:
        return Answer.NO
    if status == api.MODEL_INVALID:
        raise GaveUp(f"CP-SAT does not take the model: {rows.model.Validate()}")
    if status not in (api.OPTIMAL, api.FEASIBLE):
        if question.deadline.remaining:
            raise GaveUp(f"CP-SAT ended with {solver.StatusName(status)}")
        return Answer.OPEN
    query = question.problem.query
    values = {v: int(solver.Value(rows.variables[v])) for v in program.inputs.values()}
    x = program.input_of(values, query.x0.astype(np.int64))
    if not question.problem.breaks(x):
        raise GaveUp(KEEPS)
    return x


def _few_changes(question: Question, program: Unrolled, rows: CpSat) -> None:
    """No more features than allowed differ from the base input."""
    budget = changes_left(question.problem.query, question.boxes[0])
    if budget is None:
        return
    moved = []
    for i, variable in program.inputs.items():
        if budget.base_inside[i]:
            moved.append(rows.model.NewBoolVar(""))
            rows.model.Add(rows.variables[variable] == budget.base[i]).OnlyEnforceIf(moved[-1].Not())
    rows.model.Add(sum(moved) <= budget.left)


def _claim(question: Question, program: Unrolled, rows: CpSat) -> None:
    """The rival takes the label, the ties' gap at its extremes (see smt/formula.py)."""
    last, j, label = question.last, question.rival, question.problem.query.label
    x_j, x_y = program.form(last.wire, j), program.form(last.wire, label)
    rise = rows.expression(x_j.plus(x_y, -1))
    if j > label:
        rows.model.Add(rise >= last.least_gap)
        return
    if last.greatest_gap == 1:
        rows.model.Add(rise >= 0)
        return
    above, n = rows.model.NewBoolVar(""), len(question.boxes[last.wire].lo)
    rows.model.Add(rise >= 0).OnlyEnforceIf(above)
    for k in range(n):
        if k != j:
            ahead = rows.expression(program.form(last.wire, k).plus(x_j, -1))
            rows.model.Add(ahead <= last.greatest_gap - 1).OnlyEnforceIf(above.Not())
