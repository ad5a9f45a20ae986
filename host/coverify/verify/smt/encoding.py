"""The integer program as bit-vector terms, one function per primitive, built only where a property asks.

Each element is encoded once, at the least width that its bounds allow; elements that cannot vary are numbers.
A requantization is the stairs (see `thresholds`) that its accumulator's bounds reach. Softmax rows and operators
that the program only names are a `CannotDecide`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from coverify.verify.bounds import Box
from coverify.verify.deadline import Deadline
from coverify.verify.errors import CannotDecide
from coverify.verify.query import I64Array
from coverify.verify.smt.bitvectors import (
    Term,
    constant,
    greatest,
    narrowed,
    scaled,
    step_function,
    total,
    variable,
)
from tflm_int8.program.primitives import (
    Affine,
    Max,
    Program,
    Rule,
    Select,
    Staircase,
    Step,
    Table,
    thresholds,
)


@dataclass(eq=False)
class Encoding:
    """Terms for the wires of a program whose wire bounds on the query's box are `boxes`."""

    program: Program
    boxes: list[Box]
    deadline: Deadline
    constraints: list[Any] = field(default_factory=list)
    inputs: dict[int, Term] = field(default_factory=dict)
    _terms: dict[tuple[int, int], Term] = field(default_factory=dict)
    _edges: dict[int, I64Array] = field(default_factory=dict)

    def term(self, wire: int, i: int) -> Term:
        """Element i of a wire.  Raises CannotDecide, OutOfTime."""
        key = (wire, i)
        if key not in self._terms:
            self.deadline.check()
            lo, hi = int(self.boxes[wire].lo[i]), int(self.boxes[wire].hi[i])
            if lo == hi:
                self._terms[key] = constant(lo)
            elif wire == 0:
                self._terms[key] = self._input(i, lo, hi)
            else:
                self._terms[key] = narrowed(self._element(self.program.steps[wire - 1], i, wire), lo, hi)
        return self._terms[key]

    def _input(self, i: int, lo: int, hi: int) -> Term:
        term, constraints = variable(f"x{i}", lo, hi)
        self.constraints += constraints
        self.inputs[i] = term
        return term

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
            case _:
                raise CannotDecide(f"step {wire - 1} ({type(step).__name__}) has no bit-vector meaning")

    def _affine(self, step: Affine, i: int) -> Term:
        bias, parts = int(step.bias[i]), []
        for term in step.terms:
            columns, weights = term.map.row(i)
            bias -= term.offset * int(weights.sum())
            sources = [self.term(term.source, c) for c in columns.tolist()]
            parts += [scaled(source, w) for source, w in zip(sources, weights.tolist(), strict=True)]
        return total(parts, bias)

    def _staircase(self, step: Staircase, i: int) -> Term:
        starts, values = stairs(self._rule_edges(step.rule), int(step.channel[i]), step.rule.lo)
        return step_function(self.term(step.source, i), starts, values)

    def _rule_edges(self, rule: Rule) -> I64Array:
        if id(rule) not in self._edges:
            self._edges[id(rule)] = thresholds(rule)
        return self._edges[id(rule)]


def stairs(edges: I64Array, channel: int, lo: int) -> tuple[list[int], list[int]]:
    """The steps of a channel's stairs: where each begins (the first one below everything), and its value."""
    by_start = {-(2**31): lo}
    for value, edge in enumerate(edges[channel].tolist(), lo + 1):
        by_start[edge] = value  # of stairs of width 0, the last remains
    return list(by_start), list(by_start.values())


def clamped(term: Term, lo: int, hi: int) -> Term:
    """The term within lo..hi, which lie in int8."""
    if lo <= term.lo and term.hi <= hi:
        return term
    span = range(min(lo, term.lo), max(hi, term.hi) + 1)
    return step_function(term, span, [min(max(v, lo), hi) for v in span])
