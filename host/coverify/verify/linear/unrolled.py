"""The program as a linear solver sees it: elements are linear forms of variables, one function per primitive.

Sums and moved elements are forms, nothing more; stairs, tables, maxima and products are variables that the
solver's own `Rows` ties to their arguments. Elements are built only where a property asks, within the bounds
given.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from coverify.verify.bounds import Box
from coverify.verify.deadline import Deadline
from coverify.verify.errors import CannotDecide
from coverify.verify.linear.pieces import Pieces, stair_pieces, table_pieces
from coverify.verify.query import I64Array
from coverify.verify.rivals import Question
from coverify.verify.stairs import Edges
from tflm_int8.program.primitives import Affine, Max, Product, Program, Select, Staircase, Table


@dataclass(frozen=True, eq=False)
class Linear:
    """constant + Σ coefficient * variable."""

    terms: Mapping[int, int]
    constant: int = 0

    def plus(self, other: Linear, factor: int = 1) -> Linear:
        """self + factor * other."""
        terms = dict(self.terms)
        for variable, coefficient in other.terms.items():
            terms[variable] = terms.get(variable, 0) + factor * coefficient
        kept = {v: c for v, c in terms.items() if c}
        return Linear(kept, self.constant + factor * other.constant)


class Rows(Protocol):
    """What a solver does with variables (numbered) and the ties between them."""

    def integer(self, lo: int, hi: int) -> int:
        """A new integer variable."""

    def equal(self, form: Linear, lo: int, hi: int) -> int:
        """A variable that equals a form, within lo..hi."""

    def piecewise(self, argument: int, pieces: Pieces) -> int:
        """A variable that is the function of the argument (two pieces or more)."""

    def maximum(self, arguments: list[int], boxes: list[tuple[int, int]]) -> int:
        """A variable that is the greatest of the arguments, whose bounds are `boxes`."""

    def product(self, arguments: tuple[int, int], boxes: tuple[tuple[int, int], tuple[int, int]]) -> int:
        """A variable that is the product of two (or, of a relaxation, near it), whose bounds are `boxes`."""


@dataclass(eq=False)
class Unrolled:
    """The elements of a program's wires, every element asked for being required to lie in its box."""

    program: Program
    boxes: list[Box]
    rows: Rows
    deadline: Deadline
    inputs: dict[int, int] = field(default_factory=dict)
    _forms: dict[tuple[int, int], Linear] = field(default_factory=dict)
    _variables: dict[tuple[int, int], int] = field(default_factory=dict)
    _edges: Edges = field(default_factory=Edges)

    @staticmethod
    def of(question: Question, rows: Rows) -> Unrolled:
        """The program that a question is about; accumulators that it narrows must lie in their boxes.

        Raises CannotDecide, OutOfTime.
        """
        program = Unrolled(question.problem.program, question.boxes, rows, question.deadline)
        for wire, i in question.narrowed():
            program.require(wire, i)
        return program

    def form(self, wire: int, i: int) -> Linear:
        """Element i of a wire.  Raises CannotDecide, OutOfTime."""
        key = (wire, i)
        if key not in self._forms:
            self.deadline.check()
            lo, hi = self._range(wire, i)
            if lo == hi:
                self._forms[key] = Linear({}, lo)
            elif wire == 0:
                self.inputs[i] = self.rows.integer(lo, hi)
                self._forms[key] = Linear({self.inputs[i]: 1})
            else:
                self._forms[key] = self._element(wire, i)
        return self._forms[key]

    def require(self, wire: int, i: int) -> None:
        """Require of an element that cannot vary (or is not asked for) that it lies in its box."""
        lo, hi = self._range(wire, i)
        self._variables[wire, i] = self.rows.equal(self._element(wire, i), lo, hi)

    def input_of(self, values: Mapping[int, int], base: I64Array) -> I64Array:
        """The input of a solution (variable → value), int64 [n]; other features as in `base`."""
        x = np.clip(base, self.boxes[0].lo, self.boxes[0].hi)
        for i, variable in self.inputs.items():
            x[i] = min(max(values[variable], int(self.boxes[0].lo[i])), int(self.boxes[0].hi[i]))
        return x

    def _range(self, wire: int, i: int) -> tuple[int, int]:
        return int(self.boxes[wire].lo[i]), int(self.boxes[wire].hi[i])

    def _element(self, wire: int, i: int) -> Linear:
        step = self.program.steps[wire - 1]
        match step:
            case Affine():
                return self._affine(step, i)
            case Select():
                return self.form(step.source, int(step.index[i]))
            case Staircase():
                lo, hi = self._range(step.source, i)
                edges = self._edges.of(step.rule)
                pieces = stair_pieces(step.rule, edges, int(step.channel[i]), lo, hi)
                return self._of(step.source, i, pieces)
            case Table():
                lo, hi = self._range(step.source, i)
                return self._of(step.source, i, table_pieces(step.values[lo + 128 : hi + 129], lo))
            case Max():
                return self._maximum(step, i)
            case Product():
                return self._product(step, i)
            case _:
                raise CannotDecide(f"step {wire - 1} ({type(step).__name__}) has no linear meaning")

    def _affine(self, step: Affine, i: int) -> Linear:
        total: dict[int, int] = {}
        constant = int(step.bias[i])
        for term in step.terms:
            columns, weights = term.map.row(i)
            constant -= term.offset * int(weights.sum())
            for c, w in zip(columns.tolist(), weights.tolist(), strict=True):
                form = self.form(term.source, c)
                constant += w * form.constant
                for variable, coefficient in form.terms.items():
                    total[variable] = total.get(variable, 0) + w * coefficient
        return Linear({v: c for v, c in total.items() if c}, constant)

    def variable(self, wire: int, i: int) -> int:
        """Element i as one variable, which keeps it in its box."""
        key = (wire, i)
        if key not in self._variables:
            self._variables[key] = self.rows.equal(self.form(wire, i), *self._range(wire, i))
        return self._variables[key]

    def _of(self, wire: int, i: int, pieces: Pieces) -> Linear:
        """A function of element i of a wire."""
        argument = self.variable(wire, i)
        if len(pieces) == 1:
            return Linear({}, int(pieces.value[0]))
        return Linear({self.rows.piecewise(argument, pieces): 1})

    def _maximum(self, step: Max, i: int) -> Linear:
        window = np.unique(step.windows[i]).tolist()
        boxes = [self._range(step.source, k) for k in window]
        floor = max(lo for lo, _ in boxes)
        kept = [(k, box) for k, box in zip(window, boxes, strict=True) if box[1] >= floor]
        arguments = [self.variable(step.source, k) for k, _ in kept]
        lo, hi = floor, max(box[1] for _, box in kept)
        top = arguments[0] if len(kept) == 1 else self.rows.maximum(arguments, [box for _, box in kept])
        if step.lo <= lo and hi <= step.hi:
            return Linear({top: 1})
        values = np.clip(np.arange(lo, hi + 1), step.lo, step.hi)
        pieces = table_pieces(values, lo)
        if len(pieces) == 1:
            return Linear({}, int(values[0]))
        saturating = Pieces(pieces.first, pieces.last, pieces.value, lo < step.lo, hi > step.hi)
        return Linear({self.rows.piecewise(top, saturating): 1})

    def _product(self, step: Product, i: int) -> Linear:
        """(a − p)(b − q) = a · b − q · a − p · b + p · q."""
        wires, (p, q) = (step.left, step.right), (step.left_offset, step.right_offset)
        a, b = (self.form(wire, i) for wire in wires)
        if not (a.terms and b.terms):
            factor, form, offset = (a.constant - p, b, q) if not a.terms else (b.constant - q, a, p)
            return Linear({}, -factor * offset).plus(form, factor)
        boxes = self._range(step.left, i), self._range(step.right, i)
        made = self.rows.product((self.variable(step.left, i), self.variable(step.right, i)), boxes)
        return Linear({made: 1}, p * q).plus(a, -q).plus(b, -p)
