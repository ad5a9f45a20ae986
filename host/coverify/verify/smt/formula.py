"""When does the label fall? The decision (see decision.py) as a condition on the terms of the logits.

A rival j takes the label y when x_j rises by the ties' gap D above x_y (y no longer ties with the maximum),
or, for j < y, when x_j >= x_y or j ties with the maximum: that is exact where D is one number on the box.
Where D varies, its extremes bound the condition, and the row's sum in full makes it exact.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from coverify.verify.decision import Decision
from coverify.verify.errors import CannotDecide
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
from coverify.verify.smt.expressions import Condition, all_of, any_of


class Terms(Protocol):
    """An encoding of a program: the terms of its wires, and what must hold besides."""

    constraints: list[Condition]
    places: dict[int, Term]

    def term(self, wire: int, i: int) -> Term:
        """Element i of a wire."""

    def input_of(self, values: Mapping[str, int], base: I64Array) -> I64Array:
        """The input of a model, int64 [n]."""


@dataclass(eq=False)
class LabelFormula:
    """The conditions under which the label falls; n: how many logits there are."""

    encoding: Terms
    last: Decision
    label: int
    n: int

    def bounded(self, rival: int) -> Condition:
        """The rival takes the label, D taken at its extremes: implied by the exact condition."""
        return self._takes(rival, constant(self.last.least_gap), constant(self.last.greatest_gap))

    def exact(self, rival: int) -> Condition:
        """The rival takes the label.  CannotDecide where D is not known piece by piece."""
        if self.last.constant:
            return self.bounded(rival)
        return self._takes(rival, self._gap, self._gap)

    def falls(self, rivals: Sequence[int]) -> Condition:
        """One of the rivals takes the label, exactly."""
        return any_of([self.exact(j) for j in rivals])

    def _takes(self, j: int, least: Term, most: Term) -> Condition:
        x_j, x_y = self._logit(j), self._logit(self.label)
        if j > self.label:
            return rises_by(x_j, plus(x_y, least), 0)
        if most.hi == 1:
            return rises_by(x_j, x_y, 0)
        reach = plus(x_j, plus(most, constant(-1)))
        ties = [rises_by(reach, self._logit(k), 0) for k in range(self.n) if k != j]
        return any_of([rises_by(x_j, x_y, 0), all_of(ties)])

    def _logit(self, i: int) -> Term:
        return self.encoding.term(self.last.wire, i)

    @cached_property
    def _gap(self) -> Term:
        """D(S), with the row's sum S in full."""
        pieces = self.last.pieces
        if pieces is None:
            raise CannotDecide("the gap at which the softmax's outputs tie varies too much on this box")
        logits = [self._logit(i) for i in range(self.n)]
        top, table = greatest(logits), pieces.exponentials.tolist()
        below = [plus(top, scaled(x, -1)) for x in logits]
        row_sum = total([step_function(d, range(d.lo, 256), _from(table, d.lo)) for d in below])
        start = [min(pieces.start.tolist()[0], row_sum.lo), *pieces.start.tolist()[1:]]
        return step_function(row_sum, start, pieces.gap.tolist())


def _from(table: list[int], d: int) -> list[int]:
    """The exponentials of d, d + 1, …, 255; a distance below 0 (bounds allow it, nothing has it) counts as
    0.
    """
    return [table[max(k, 0)] for k in range(d, 256)]
