"""The integer program as bit-vector terms, one function per primitive, built only where a property asks.

Each element is encoded once, at the least width that its bounds allow; elements that cannot vary are numbers.
A requantization is the stairs (see `edges_of`) that its accumulator's bounds reach. Softmax rows and
operators that the program only names are a `CannotDecide`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from coverify.verify.bounds import Box
from coverify.verify.deadline import Deadline
from coverify.verify.errors import CannotDecide
from coverify.verify.query import I64Array
from coverify.verify.smt.bitvectors import (
    Term,
    at_least,
    constant,
    greatest,
    narrowed,
    plus,
    product,
    scaled,
    step_function,
    total,
    variable,
)
from coverify.verify.smt.expressions import Condition, negated
from coverify.verify.stairs import Edges
from tflm_int8.program.primitives import (
    MAX_STAIRS,
    Affine,
    Max,
    Product,
    Program,
    Select,
    Staircase,
    Step,
    Table,
)


@dataclass(eq=False)
class Encoding:
    """Terms for the wires of a program, every element asked for being required to lie in its box of
    `boxes`.
    """

    program: Program
    boxes: list[Box]
    deadline: Deadline
    constraints: list[Condition] = field(default_factory=list)
    places: dict[int, Term] = field(default_factory=dict)
    _terms: dict[tuple[int, int], Term] = field(default_factory=dict)
    _edges: Edges = field(default_factory=Edges)

    def term(self, wire: int, i: int) -> Term:
        """Element i of a wire.  Raises CannotDecide, OutOfTime."""
        key = (wire, i)
        if key not in self._terms:
            self.deadline.check()
            lo, hi = int(self.boxes[wire].lo[i]), int(self.boxes[wire].hi[i])
            if lo == hi:
                self._terms[key] = constant(lo)
            elif wire == 0:
                self._terms[key] = plus(constant(lo), self._place(i))
            else:
                self._terms[key] = self._within(self._element(self.program.steps[wire - 1], i, wire), lo, hi)
        return self._terms[key]

    def _within(self, term: Term, lo: int, hi: int) -> Term:
        """The term, required to lie in lo..hi: a constraint where its own bounds do not say so."""
        for holds in (at_least(term, lo), negated(at_least(term, hi + 1))):
            if holds is not True:
                self.constraints.append(holds)
        return narrowed(term, lo, hi)

    def require(self, wire: int, i: int) -> None:
        """Require of an element that cannot vary (or is not asked for) that it lies in its box."""
        lo, hi = int(self.boxes[wire].lo[i]), int(self.boxes[wire].hi[i])
        self._terms[wire, i] = self._within(self._element(self.program.steps[wire - 1], i, wire), lo, hi)

    def input_of(self, values: Mapping[str, int], base: I64Array) -> I64Array:
        """The input of a model (variable → value), int64 [n]; features without a variable as in `base` if
        they can be.
        """
        x = np.clip(base, self.boxes[0].lo, self.boxes[0].hi)
        for i in self.places:
            x[i] = self.boxes[0].lo[i] + values[f"x{i}"]
        return x

    def _place(self, i: int) -> Term:
        """How far input i is above its least value."""
        if i not in self.places:
            reach = int(self.boxes[0].hi[i] - self.boxes[0].lo[i])
            self.places[i], constraints = variable(f"x{i}", reach)
            self.constraints += constraints
        return self.places[i]

    def _element(self, step: Step, i: int, wire: int) -> Term:
        match step:
            case Affine():
                return self._affine(step, i)
            case Staircase():
                return self._staircase(step, i)
            case Table():
                return step_function(self.term(step.source, i), range(-128, 128), step.values.tolist())
            case Max():
                top = greatest([self.term(step.source, int(k)) for k in np.unique(step.windows[i])])
                return clamped(top, step.lo, step.hi)
            case Select():
                return self.term(step.source, int(step.index[i]))
            case Product():
                left = plus(self.term(step.left, i), constant(-step.left_offset))
                return product(left, plus(self.term(step.right, i), constant(-step.right_offset)))
            case _:
                raise CannotDecide(f"step {wire - 1} ({type(step).__name__}) has no bit-vector meaning")

    def _affine(self, step: Affine, i: int) -> Term:
        bias, parts = int(step.bias[i]), []
        for term in step.terms:
            columns, weights = term.map.row(i)
            bias -= term.offset * int(weights.sum())
            parts += [
                self._scaled(term.source, c, w)
                for c, w in zip(columns.tolist(), weights.tolist(), strict=True)
            ]
        return total(parts, bias)

    def _scaled(self, wire: int, i: int, weight: int) -> Term:
        """weight * element, for an input without the detour over its value."""
        if wire or self.boxes[0].lo[i] == self.boxes[0].hi[i]:
            return scaled(self.term(wire, i), weight)
        return plus(constant(weight * int(self.boxes[0].lo[i])), scaled(self._place(i), weight))

    def _staircase(self, step: Staircase, i: int) -> Term:
        starts, values = stairs(self._edges.of(step.rule), int(step.channel[i]), step.rule.lo)
        return step_function(self.term(step.source, i), starts, values)


def stairs(edges: I64Array, channel: int, lo: int) -> tuple[list[int], list[int]]:
    """The steps of a channel's stairs: where each begins (the first one below everything), and its value."""
    by_start = {-(2**62): lo}
    for value, edge in enumerate(edges[channel].tolist(), lo + 1):
        by_start[edge] = value  # of stairs of width 0, the last remains
    return list(by_start), list(by_start.values())


def clamped(term: Term, lo: int, hi: int) -> Term:
    """The term within lo..hi."""
    if lo <= term.lo and term.hi <= hi:
        return term
    if term.hi - term.lo > MAX_STAIRS:
        below = scaled(greatest([term, constant(lo)]), -1)
        return scaled(greatest([below, constant(-hi)]), -1)
    span = range(min(lo, term.lo), max(hi, term.hi) + 1)
    return step_function(term, span, [min(max(v, lo), hi) for v in span])
