"""How large can a linear form of a program's wires become on a box? Lagrangian bounds on the exact stairs.

For integer multipliers xi, one for each accumulator, and nu, what the form and the steps above ask of a
stair's output y(a), the form is at most

    sum over stairs of max over a in lo..hi of (nu * y(a) - xi * a)
    + the form that xi makes of the accumulators

and so on down to the inputs, where it is a sum of ends of ranges. The inner maximum is taken over the stairs'
corners, so nothing is lost to rounding. Any multipliers give a valid bound and all of it is integer
arithmetic: a float only proposes multipliers (a subgradient descent). Coefficients are in units of
2**-FRACTION_BITS.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from coverify.verify.bounds import Box
from coverify.verify.deadline import Deadline
from coverify.verify.errors import CannotDecide
from coverify.verify.query import I64Array
from tflm_int8.program.primitives import (
    MAX_STAIRS,
    Affine,
    Max,
    Program,
    Select,
    Staircase,
    Table,
    thresholds,
)

FRACTION_BITS = 22
ONE = 1 << FRACTION_BITS
_EXACT = 2.0**52
"""What the magnitudes in one sum may add up to: exact in float64, and 2**10 such sums in int64."""

DIRECTION_ROUNDS = 40
_STEP, _SHORTER = 0.6, 0.94
"""The first step of the multipliers, and what each one is of the step before it."""
_CELLS = 1 << 18
"""Elements of a temporary array over rows, elements and stairs."""

Form = Mapping[int, I64Array]
"""Wire → coefficients, int64 [rows, n of the wire]: one linear form in each row."""


@dataclass(frozen=True, eq=False)
class Corners:
    """The stairs of every element of a wire: value and first and last source value, int64 [n, stairs]."""

    value: I64Array
    first: I64Array
    last: I64Array

    @property
    def slope(self) -> NDArray[np.float64]:
        """The rise from end to end over the width: float64 [n]."""
        rise = (self.value[:, -1] - self.value[:, 0]).astype(np.float64)
        slope: NDArray[np.float64] = rise / np.maximum(self.last[:, -1] - self.first[:, 0], 1)
        return slope


@dataclass(eq=False)
class _Pass:
    """One evaluation: the bound of every row, and where the inner maxima are taken."""

    bound: I64Array
    multipliers: dict[int, I64Array] = field(default_factory=dict)
    asked: dict[int, I64Array] = field(default_factory=dict)
    at: dict[int, I64Array] = field(default_factory=dict)
    values: dict[int, I64Array] = field(default_factory=dict)


@dataclass(eq=False)
class Lagrangian:
    """Upper bounds of linear forms on the box whose wire bounds are `boxes` (any valid ones)."""

    program: Program
    boxes: list[Box]
    _corners: dict[int, Corners] = field(default_factory=dict, init=False)

    def upper(
        self, form: Form, deadline: Deadline, rounds: int = 60, target: I64Array | None = None
    ) -> I64Array:
        """A bound of every row of the form, in units of 2**-FRACTION_BITS: int64 [rows].

        Stops early when every row is at most its target.  Raises CannotDecide (coefficients too large).
        """
        now = self._evaluate(form, {})
        bound = now.bound
        for k in range(rounds):
            if not deadline.remaining or (target is not None and np.all(bound <= target)):
                break
            now = self._evaluate(form, self._moved(now, _STEP * _SHORTER**k))
            bound = np.minimum(bound, now.bound)
        return bound

    def direction(self, form: Form, deadline: Deadline) -> I64Array:
        """The coefficients of the inputs in the lowest bound found for the form's first row: int64
        [n_input].
        """
        best = now = self._evaluate(form, {})
        for k in range(DIRECTION_ROUNDS):
            if not deadline.remaining:
                break
            now = self._evaluate(form, self._moved(now, _STEP * _SHORTER**k))
            best = now if now.bound[0] < best.bound[0] else best
        return best.asked[0][0] if 0 in best.asked else np.zeros(self.program.n_input, np.int64)

    def _moved(self, now: _Pass, size: float) -> dict[int, I64Array]:
        """Multipliers a step down the subgradient: accumulators of the maximising values, minus the
        maximisers.
        """
        moved = {}
        for wire, xi in now.multipliers.items():
            step = self.program.steps[wire - 1]
            assert isinstance(step, Staircase | Table)
            acc = self._source_values(step.source, now)
            if acc is None:
                moved[wire] = xi
                continue
            corners = self._corners_of(wire)
            width = np.maximum(corners.last[:, -1] - corners.first[:, 0], 1)
            scale = np.abs(now.asked[wire]) * np.abs(corners.slope) + 1e-3 * np.abs(xi)
            direction = np.clip((acc - now.at[wire]) / width, -1.0, 1.0)
            moved[wire] = np.rint(xi - size * scale * direction).astype(np.int64)
        return moved

    def _source_values(self, wire: int, now: _Pass) -> I64Array | None:
        if wire in now.values:
            return now.values[wire]
        step = self.program.steps[wire - 1]
        if not isinstance(step, Affine) or any(term.source not in now.values for term in step.terms):
            return None
        total = np.broadcast_to(step.bias, (len(now.bound), len(step.bias)))
        for term in step.terms:
            total = total + term.map.apply(now.values[term.source] - term.offset)
        return total

    def _evaluate(self, form: Form, multipliers: Mapping[int, I64Array]) -> _Pass:
        rows = len(next(iter(form.values())))
        done = _Pass(np.zeros(rows, np.int64))
        asked: dict[int, I64Array] = dict(form)
        for wire in range(len(self.program.steps), -1, -1):
            nu = asked.pop(wire, None)
            if nu is None:
                continue
            step = self.program.steps[wire - 1] if wire else None
            match step:
                case Affine():
                    passed = self._affine(step, nu, done)
                case Staircase() | Table() if _has_corners(step):
                    passed = [(step.source, self._stairs(wire, nu, multipliers.get(wire), done))]
                case Select():
                    passed = [(step.source, _added_at(step.index, nu, len(self.boxes[step.source].lo)))]
                    done.values[wire] = self._ends(wire, nu)
                case Max():
                    passed = [(step.source, self._maximum(step, wire, nu, done))]
                case _:
                    passed, done.asked[wire] = [], nu
                    done.values[wire] = self._ends(wire, nu)
                    done.bound += (nu * done.values[wire]).sum(axis=1)
            for source, part in passed:
                asked[source] = asked[source] + part if source in asked else part
        return done

    def _ends(self, wire: int, nu: I64Array) -> I64Array:
        box = self.boxes[wire]
        _check_sum(nu, box.lo)
        _check_sum(nu, box.hi)
        return np.where(nu > 0, box.hi, box.lo)

    def _affine(self, step: Affine, nu: I64Array, done: _Pass) -> list[tuple[int, I64Array]]:
        _check_sum(nu, step.bias)
        done.bound += nu @ step.bias
        passed = []
        for term in step.terms:
            ones = np.ones(term.map.n_in, np.int64)
            _check_sum(nu, term.map.interval(-ones, ones)[1])
            part = term.map.transposed(nu.astype(np.float64)).astype(np.int64)
            _check_sum(part, np.array([term.offset]))
            done.bound -= term.offset * part.sum(axis=1)
            passed.append((term.source, part))
        return passed

    def _stairs(self, wire: int, nu: I64Array, xi: I64Array | None, done: _Pass) -> I64Array:
        corners = self._corners_of(wire)
        if xi is None:
            xi = np.rint(nu * corners.slope).astype(np.int64)
        _check_sum(nu, corners.value)
        _check_sum(xi, corners.first)
        _check_sum(xi, corners.last)
        best, at, value = _greatest_gains(corners, nu, xi)
        done.bound += best.sum(axis=1)
        done.multipliers[wire], done.asked[wire] = xi, nu
        done.at[wire], done.values[wire] = at, value
        return xi

    def _maximum(self, step: Max, wire: int, nu: I64Array, done: _Pass) -> I64Array:
        """Per element the constant end, or its source's highest element plus what the others may add."""
        source, box = self.boxes[step.source], self.boxes[wire]
        rows = np.arange(len(step.windows))
        pick = step.windows[rows, source.lo[step.windows].argmax(axis=1)]
        others = np.where(step.windows == pick[:, None], np.iinfo(np.int32).min, source.hi[step.windows]).max(
            axis=1
        )
        extra = np.maximum(others - source.lo[pick], 0)
        free = (box.lo >= step.lo) & (source.hi[step.windows].max(axis=1) <= step.hi)
        free &= source.lo[step.windows].max(axis=1) >= step.lo
        linear = free & ((nu < 0) | (extra <= (box.hi - box.lo) // 2))
        done.values[wire] = self._ends(wire, nu)
        constant = np.where(nu > 0, nu * np.minimum(extra, box.hi - box.lo), 0)
        done.bound += np.where(linear, constant, nu * done.values[wire]).sum(axis=1)
        return _added_at(pick, np.where(linear, nu, 0), len(source.lo))

    def _corners_of(self, wire: int) -> Corners:
        if wire not in self._corners:
            step = self.program.steps[wire - 1]
            if isinstance(step, Staircase):
                self._corners[wire] = stair_corners(step, self.boxes[step.source])
            else:
                assert isinstance(step, Table)
                self._corners[wire] = table_corners(step, self.boxes[step.source])
        return self._corners[wire]


def _has_corners(step: Staircase | Table) -> bool:
    """Has it few enough stairs to look at each? The others (of int16 and wider) count by their ends."""
    return isinstance(step, Table) or step.rule.hi - step.rule.lo <= MAX_STAIRS


def _greatest_gains(corners: Corners, nu: I64Array, xi: I64Array) -> tuple[I64Array, I64Array, I64Array]:
    """Per row and element the greatest nu * y - xi * a over the corners, its a and its y: int64 like nu."""
    rows, n = nu.shape
    step = max(1, _CELLS // max(1, corners.value.size))
    parts = []
    for first in range(0, rows, step):
        up, slope = nu[first : first + step, :, None], xi[first : first + step, :, None]
        a = np.where(slope > 0, corners.first, corners.last)
        gain = up * corners.value - slope * a
        pick = gain.argmax(axis=2)[:, :, None]
        values = np.broadcast_to(corners.value, gain.shape)
        parts.append([np.take_along_axis(x, pick, axis=2)[:, :, 0] for x in (gain, a, values)])
    best, at, value = (np.concatenate(part).reshape(rows, n) for part in zip(*parts, strict=True))
    return best, at, value


def _check_sum(nu: I64Array, values: I64Array) -> None:
    """CannotDecide unless each row's sum of nu * value is exact whatever the order, in float64 and int64."""
    most = np.abs(nu.astype(np.float64)).sum(axis=1).max(initial=0.0)
    if most * max(1.0, float(np.abs(values).max(initial=0))) > _EXACT:
        raise CannotDecide("the bounds' coefficients leave the range of exact arithmetic")


def _added_at(index: I64Array, nu: I64Array, n: int) -> I64Array:
    out = np.zeros((n, len(nu)), np.int64)
    np.add.at(out, index, nu.T)
    return out.T


def stair_corners(step: Staircase, acc: Box) -> Corners:
    """The stairs that the accumulators' box reaches; short rows repeat their last stair."""
    edges = thresholds(step.rule)[step.channel]
    lo, hi = step.rule.apply(acc.lo, step.channel), step.rule.apply(acc.hi, step.channel)
    n = int((hi - lo).max()) + 1
    value = np.minimum(lo[:, None] + np.arange(n), hi[:, None])
    padded = np.concatenate([acc.lo[:, None], edges, acc.hi[:, None] + 1], axis=1)
    at = value - step.rule.lo
    first = np.clip(np.take_along_axis(padded, at, axis=1), acc.lo[:, None], acc.hi[:, None])
    last = np.take_along_axis(padded, at + 1, axis=1) - 1
    last = np.clip(last, acc.lo[:, None], acc.hi[:, None])
    return Corners(value, first, last)


def table_corners(step: Table, source: Box) -> Corners:
    """Every entry that the source's box reaches is a corner."""
    n = int((source.hi - source.lo).max()) + 1
    at = np.minimum(source.lo[:, None] + np.arange(n), source.hi[:, None])
    return Corners(step.values[at + 128], at, at)
