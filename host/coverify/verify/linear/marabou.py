"""A rival's claim for Marabou: stairs as clamped strips (rounding and clamps as ReLUs), in floating point.

What Marabou decides is a relaxation: its "unsat" covers every integer input, but only to the tolerance of
floating point, so that it is not proof-grade; its "sat" counts only when the rounded input breaks the query
on the integers, else nothing is known.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import numpy as np

from coverify.verify.errors import GaveUp
from coverify.verify.linear.pieces import Pieces, hull, product_ends, product_rows, strip
from coverify.verify.linear.unrolled import Linear, Unrolled
from coverify.verify.query import I64Array
from coverify.verify.rivals import KEEPS, Answer, Question

_REACH = 128.0
"""Accumulators are divided by a power of two so that they stay about this small: Marabou is fragile."""


@dataclass(eq=False)
class Marabou:
    """An input query and the scale of its variables: the true value is scale * variable."""

    api: Any
    query: Any
    scale: list[float] = field(default_factory=list)

    def integer(self, lo: int, hi: int) -> int:
        return self._variable(lo, hi, 1.0)

    def _variable(self, lo: float, hi: float, scale: float) -> int:
        number = len(self.scale)
        self.scale.append(scale)
        self.query.setNumberOfVariables(number + 1)
        self.query.setLowerBound(number, lo / scale)
        self.query.setUpperBound(number, hi / scale)
        return number

    def row(self, terms: dict[int, float], kind: str, bound: float) -> None:
        """Σ coefficient * true value, `kind` (EQ, GE, LE) the bound; divided by the largest coefficient."""
        scaled = {v: c * self.scale[v] for v, c in terms.items()}
        most = max([abs(c) for c in scaled.values()], default=1.0)
        equation = self.api.Equation(getattr(self.api.Equation, kind))
        for variable, coefficient in scaled.items():
            equation.addAddend(coefficient / most, variable)
        equation.setScalar(bound / most)
        self.query.addEquation(equation)

    def equal(self, form: Linear, lo: int, hi: int) -> int:
        number = self._variable(lo, hi, _scale(lo, hi))
        self.row({**form.terms, number: -1.0}, "EQ", -form.constant)
        return number

    def piecewise(self, argument: int, pieces: Pieces) -> int:
        lo, hi = int(pieces.value.min()), int(pieces.value.max())
        narrow = strip(pieces)
        if narrow is None:
            y = self.integer(lo, hi)
            for edge in hull(pieces):
                self.row({argument: edge.rise, y: -edge.run}, "LE", edge.constant)
            return y
        slope, below, above = float(narrow.slope), float(narrow.below), float(narrow.above)
        first, last = int(pieces.first[0]), int(pieces.last[-1])
        real = self._variable((first - above) / slope, (last - below) / slope, 1.0)
        self.row({argument: 1.0, real: -slope}, "GE", below)
        self.row({argument: 1.0, real: -slope}, "LE", above)
        over_lo = self._relu(real, lo, (first - above) / slope, (last - below) / slope)
        over_hi = self._relu(real, hi, (first - above) / slope, (last - below) / slope)
        y = self.integer(lo, hi)
        self.row({y: 1.0, over_lo: -1.0, over_hi: 1.0}, "EQ", lo)
        return y

    def _relu(self, variable: int, offset: int, lo: float, hi: float) -> int:
        """max(0, variable - offset), for a variable in lo..hi."""
        shifted = self._variable(lo - offset, hi - offset, 1.0)
        self.row({variable: 1.0, shifted: -1.0}, "EQ", offset)
        y = self._variable(0.0, max(0.0, hi - offset), 1.0)
        self.api.addReluConstraint(self.query, shifted, y)
        return y

    def maximum(self, arguments: list[int], boxes: list[tuple[int, int]]) -> int:
        y = self.integer(max(lo for lo, _ in boxes), max(hi for _, hi in boxes))
        alike = []
        for argument, (lo, hi) in zip(arguments, boxes, strict=True):
            alike.append(self._variable(lo, hi, 1.0))
            self.row({argument: 1.0, alike[-1]: -1.0}, "EQ", 0.0)
        self.api.addMaxConstraint(self.query, set(alike), y)
        return y

    def product(self, arguments: tuple[int, int], boxes: tuple[tuple[int, int], tuple[int, int]]) -> int:
        lo, hi = product_ends(boxes)
        made = self._variable(lo, hi, _scale(lo, hi))
        for row, least in product_rows(made, arguments, boxes):
            self.row(row, "GE", least)
        return made


def _scale(lo: int, hi: int) -> float:
    """What a variable of this range is counted in."""
    return float(2.0 ** max(0, round(np.log2(max(abs(lo), abs(hi), 1) / _REACH))))


def ask(question: Question) -> Answer | I64Array:
    """A counterexample, or why there is none.  Raises CannotDecide, OutOfTime."""
    api: Any = import_module("maraboupy.MarabouCore")
    rows = Marabou(api, api.InputQuery())
    program = Unrolled.of(question, rows)
    _claim(question, program, rows)
    question.deadline.check()
    options = api.Options()
    options._verbosity, options._numWorkers = 0, 1
    options._timeoutInSeconds = max(1, int(min(question.deadline.remaining, 1e6)))
    said, values, _ = api.solve(rows.query, options, "")
    if said == "unsat":
        return Answer.NO
    if said != "sat":
        if question.deadline.remaining:
            raise GaveUp(f"Marabou ended with {said}")
        return Answer.OPEN
    query = question.problem.query
    found = {v: round(values[v]) for v in program.inputs.values()}
    x = program.input_of(found, query.x0.astype(np.int64))
    if int(question.problem.labels(x[None])[0]) == query.label:
        raise GaveUp(KEEPS)
    return x


def _claim(question: Question, program: Unrolled, rows: Marabou) -> None:
    """What follows where the rival takes the label (see rival_claim), within the bounds of both logits."""
    last, j, label = question.last, question.rival, question.problem.query.label
    rise = last.least_gap if j > label else min(last.least_gap, 1 - last.greatest_gap)
    form = program.form(last.wire, j).plus(program.form(last.wire, label), -1)
    if form.terms:
        rows.row({v: float(c) for v, c in form.terms.items()}, "GE", rise - form.constant)
    elif form.constant < rise:
        rows.row({rows.integer(0, 1): 1.0}, "GE", 2)
