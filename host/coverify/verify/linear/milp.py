"""A rival's claim as a mixed-integer program for HiGHS: exact staircases, floating-point arithmetic.

Stairs are integer variables in the strip of their edges, with a binary for each saturation, and the rows of
their hull; functions without a strip (tables) have a binary for each run. Infeasible counts as "no input", to
the tolerance of floating point: not proof-grade. A solution counts only when the whole program breaks the
query on it; a strip that is not exact is refined to binaries when its solution does not.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import numpy as np

from coverify.verify.deadline import Deadline
from coverify.verify.errors import CannotDecide, GaveUp
from coverify.verify.few_changes import changes_left
from coverify.verify.linear.highs import kinds, linear_program
from coverify.verify.linear.pieces import Pieces, Strip, hull, product_ends, product_rows, strip
from coverify.verify.linear.sparse import SparseProgram
from coverify.verify.linear.unrolled import Linear, Unrolled
from coverify.verify.query import F64Array, I64Array
from coverify.verify.rivals import KEEPS, Answer, Question

MAX_BINARIES = 200_000
"""More binaries than these are not given to the solver."""
WIDE = 512
"""A column that reaches further is counted in units of its own, and not required to be whole."""


@dataclass(eq=False)
class Milp(SparseProgram):
    """The program of a claim; `refined`: binaries wherever a strip is not exact."""

    refined: bool = False
    loosened: bool = field(default=False, init=False)
    """Was a strip used that is not exact?"""

    def integer(self, lo: int, hi: int) -> int:
        return self.column(lo, hi, True)

    def at_least(self, form: Linear, bound: int) -> None:
        """form >= bound."""
        self.row({v: float(c) for v, c in form.terms.items()}, bound - form.constant, math.inf)

    def equal(self, form: Linear, lo: int, hi: int) -> int:
        column = self.column(lo, hi)  # integral by itself: a sum of integers
        self.row({**form.terms, column: -1.0}, -form.constant, -form.constant)
        return column

    def piecewise(self, argument: int, pieces: Pieces) -> int:
        narrow = strip(pieces)
        whole = max(abs(int(pieces.value[0])), abs(int(pieces.value[-1]))) <= WIDE
        loose = narrow is not None and not (narrow.exact and whole)
        if narrow is None or (self.refined and loose):
            return self._runs(argument, pieces)
        self.loosened |= loose
        return self._strip(argument, pieces, narrow)

    def _strip(self, argument: int, pieces: Pieces, s: Strip) -> int:
        lo, hi = int(pieces.value[0]), int(pieces.value[-1])
        y, slope = self.integer(lo, hi), float(s.slope)
        short = float(s.below + s.slope * lo) - int(pieces.first[0])
        low = {argument: 1.0, y: -slope}
        if short > 0:  # saturated below: then y is lo
            saturated = self.integer(0, 1)
            low[saturated] = short
            self.row({y: 1.0, saturated: float(hi - lo)}, -math.inf, hi)
        self.row(low, float(s.below), math.inf)
        beyond = int(pieces.last[-1]) - float(s.above + s.slope * hi)
        high = {argument: 1.0, y: -slope}
        if beyond > 0:
            saturated = self.integer(0, 1)
            high[saturated] = -beyond
            self.row({y: 1.0, saturated: float(lo - hi)}, lo, math.inf)
        self.row(high, -math.inf, float(s.above))
        for edge in hull(pieces):
            scale = max(abs(edge.run), 1)
            self.row({argument: edge.rise / scale, y: -edge.run / scale}, -math.inf, edge.constant / scale)
        return y

    def _runs(self, argument: int, pieces: Pieces) -> int:
        """One binary for each run."""
        if len(self.lower) + len(pieces) > MAX_BINARIES:
            raise CannotDecide(f"the program needs more than {MAX_BINARIES} binaries")
        y = self.integer(int(pieces.value.min()), int(pieces.value.max()))
        chosen = [self.integer(0, 1) for _ in range(len(pieces))]
        self.row(dict.fromkeys(chosen, 1.0), 1.0, 1.0)
        for values, column, sides in (
            (pieces.value, y, (0.0, 0.0)),
            (pieces.first, argument, (0.0, math.inf)),
            (pieces.last, argument, (-math.inf, 0.0)),
        ):
            terms = {c: -float(v) for c, v in zip(chosen, values.tolist(), strict=True)}
            self.row({**terms, column: 1.0}, *sides)
        return y

    def maximum(self, arguments: list[int], boxes: list[tuple[int, int]]) -> int:
        top = max(hi for _, hi in boxes)
        y = self.integer(max(lo for lo, _ in boxes), top)
        chosen = [self.integer(0, 1) for _ in arguments]
        self.row(dict.fromkeys(chosen, 1.0), 1.0, 1.0)
        for argument, pick, (lo, _) in zip(arguments, chosen, boxes, strict=True):
            self.row({y: 1.0, argument: -1.0}, 0.0, math.inf)
            self.row({y: 1.0, argument: -1.0, pick: float(top - lo)}, -math.inf, float(top - lo))
        return y

    def product(self, arguments: tuple[int, int], boxes: tuple[tuple[int, int], tuple[int, int]]) -> int:
        """Within its envelope: no counterexample is lost, and not all that is found is one."""
        made = self.column(*product_ends(boxes))
        self.loosened = True
        for row, least in product_rows(made, arguments, boxes):
            self.row(row, least, math.inf)
        return made

    def either(self, first: tuple[Linear, int], others: list[tuple[Linear, int]], reach: int) -> None:
        """first's form >= its bound, or all the others' (none being more than `reach` short)."""
        other = self.integer(0, 1)
        form, bound = first
        self.row({**form.terms, other: float(reach)}, bound - form.constant, math.inf)
        for form, bound in others:
            self.row({**form.terms, other: -float(reach)}, bound - form.constant - reach, math.inf)

    def solve(self, deadline: Deadline, seed: int) -> I64Array | str | None:
        """Values of the columns, rounded; None: infeasible; else why it is open."""
        if not self.lower:  # HiGHS calls it empty, whatever its rows say
            kept = zip(self.row_lower, self.row_upper, strict=True)
            return np.zeros(0, np.int64) if all(lo <= 0 <= hi for lo, hi in kept) else None
        api: Any = import_module("highspy")
        solver = api.Highs()
        for option, setting in (
            ("output_flag", False),
            ("threads", 1),
            ("random_seed", seed & 0x7FFFFFFF),
            ("mip_max_improving_sols", 1),
            ("time_limit", min(deadline.remaining, 1e9)),
        ):
            solver.setOptionValue(option, setting)
        solver.passModel(self._model(api))
        solver.run()
        status = solver.getModelStatus()
        if status == api.HighsModelStatus.kInfeasible:
            return None
        solution = solver.getSolution()
        if not solution.value_valid:
            return f"HiGHS ended with {solver.modelStatusToString(status)}"
        found: I64Array = np.rint(np.array(solution.col_value) * self._units()).astype(np.int64)
        return found

    def _units(self) -> F64Array:
        """What a column's values are counted in: 1, and a power of two where they are wide (accumulators)."""
        reach = np.maximum(np.abs(np.array(self.lower, float)), np.abs(np.array(self.upper, float)))
        return np.where(reach > WIDE, np.exp2(np.rint(np.log2(np.maximum(reach, 1) / WIDE))), 1.0)

    def _model(self, api: Any) -> Any:
        """With columns and rows scaled: HiGHS calls programs infeasible for large coefficients alone."""
        unit, n_rows = self._units(), len(self.row_lower)
        values = np.array(self.values, float) * unit[self.columns]
        of_row = np.repeat(np.arange(n_rows), np.diff(self.starts))
        largest = np.zeros(n_rows)
        np.maximum.at(largest, of_row, np.abs(values))
        scale = np.exp2(-np.rint(np.log2(np.where(largest > 0, largest, 1.0))))
        columns = np.array(self.lower, float) / unit, np.array(self.upper, float) / unit
        rows = np.array(self.row_lower) * scale, np.array(self.row_upper) * scale
        matrix = np.array(self.starts, np.int32), np.array(self.columns, np.int32), values * scale[of_row]
        lp = linear_program(api, np.array(self.cost), columns, rows, matrix)
        lp.integrality_ = kinds(api, np.array(self.integral, bool) & (unit == 1))
        return lp


def ask(question: Question) -> Answer | I64Array:
    """A counterexample, or why there is none.  Raises CannotDecide, OutOfTime."""
    found = _ask(question, refined=False)
    found = _ask(question, refined=True) if found is Answer.SPURIOUS else found
    if found is Answer.SPURIOUS:
        raise GaveUp(KEEPS)
    return found


def _ask(question: Question, refined: bool) -> Answer | I64Array:
    rows = Milp(refined)
    program = Unrolled.of(question, rows)
    _claim(question, program, rows)
    _few_changes(question, program, rows)
    question.deadline.check()
    found = rows.solve(question.deadline, question.seed)
    if found is None:
        return Answer.NO
    if isinstance(found, str):
        if question.deadline.remaining:
            raise GaveUp(found)
        return Answer.OPEN
    query = question.problem.query
    x = program.input_of(dict(enumerate(found.tolist())), query.x0.astype(np.int64))
    if question.problem.breaks(x):
        return x
    if not rows.loosened:
        raise GaveUp(KEEPS)
    return Answer.SPURIOUS


def _few_changes(question: Question, program: Unrolled, rows: Milp) -> None:
    """No more features than allowed differ from the base input."""
    budget = changes_left(question.problem.query, question.boxes[0])
    if budget is None:
        return
    moved = {}
    for i, variable in program.inputs.items():
        if budget.base_inside[i]:
            base, flag = int(budget.base[i]), rows.integer(0, 1)
            moved[flag] = 1.0
            rows.row({variable: 1.0, flag: base - rows.upper[variable]}, -math.inf, base)
            rows.row({variable: 1.0, flag: base - rows.lower[variable]}, base, math.inf)
    rows.row(moved, -math.inf, budget.left)


def _claim(question: Question, program: Unrolled, rows: Milp) -> None:
    """The rival takes the label, the ties' gap at its extremes (see smt/formula.py)."""
    last, j, label = question.last, question.rival, question.problem.query.label
    x_j, x_y = program.form(last.wire, j), program.form(last.wire, label)
    if j > label:
        rows.at_least(x_j.plus(x_y, -1), last.least_gap)
        return
    if last.greatest_gap == 1:
        rows.at_least(x_j.plus(x_y, -1), 0)
        return
    n = len(question.boxes[last.wire].lo)
    others = [(x_j.plus(program.form(last.wire, k), -1), 1 - last.greatest_gap) for k in range(n) if k != j]
    box = question.boxes[last.wire]
    rows.either((x_j.plus(x_y, -1), 0), others, int(box.hi.max() - box.lo.min()) + last.greatest_gap)
