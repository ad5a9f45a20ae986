"""How large can linear forms become on boxes, for given multipliers? Many forms and boxes at once.

The bound is that of a certificate (docs/certificates.md): going down from the logits, every scalar step
(stairs, table, maximum) with coefficients nu on its output is replaced by its multipliers xi on its source,
at the cost of max over a of (nu · y(a) − xi · a). Arrays are float64. Where they hold integers (`whole`
pieces, integer multipliers) and no sum leaves 2**53, which is checked, the result is exact; otherwise it is a
guess that proposes multipliers. Boxes are [rows, n] or, where all rows share them, [1, n].
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from coverify.verify.deadline import NEVER, Deadline
from coverify.verify.dual import maxima, products
from coverify.verify.dual.maps import added_at, applied, reach
from coverify.verify.dual.pairs import Pairs, Points
from coverify.verify.errors import CannotDecide
from coverify.verify.few_changes import FewChanges
from coverify.verify.query import BoolArray, F64Array, I64Array
from coverify.verify.stairs import edges_of
from tflm_int8.program.primitives import (
    Affine,
    Max,
    Product,
    Program,
    Select,
    Softmax,
    Staircase,
    Table,
)

Boxes = list[tuple[I64Array, I64Array]]
"""One (lo, hi) per wire, each int64 [rows or 1, n]."""
Form = Mapping[int, F64Array]
"""Wire → coefficients, float64 [rows, n of the wire]."""

EXACT = 2.0**52
NO_GUIDES: Mapping[int, maxima.Guide] = {}
FEW = 8
"""Pieces that are compared one after another."""
CELLS = 1 << 18
"""Elements of an array over rows, elements and pieces."""


@dataclass(frozen=True, eq=False)
class Pieces:
    """A scalar step on boxes: y = value where the source lies in first..last; float64 [rows or 1, n, pieces].

    rising, falling: float64 [rows or 1, n], a first multiplier per unit of nu above and below 0; scale: how
    far multipliers may move per unit (0: not at all); full: the slope of the whole staircase.
    """

    value: F64Array
    first: F64Array
    last: F64Array
    rising: F64Array
    falling: F64Array
    scale: F64Array
    full: F64Array


@dataclass(frozen=True, eq=False)
class Together(Pieces):
    """points: where two stairs at a time have their maximum."""

    points: Points


@dataclass(eq=False)
class Pass:
    """One evaluation: every row's bound, and where the maxima are taken.

    asked: wire → nu; multipliers: scalar wire → xi, of a maximum with what guides to them (maxima.py); at,
    value: scalar wire → the maximising source value, but of a maximum, and output (for wire 0: the maximising
    input); constant: what the linear steps add to the bound.
    """

    bound: F64Array
    constant: F64Array
    asked: dict[int, F64Array] = field(default_factory=dict)
    multipliers: dict[int, F64Array] = field(default_factory=dict)
    at: dict[int, F64Array] = field(default_factory=dict)
    value: dict[int, F64Array] = field(default_factory=dict)
    guides: dict[int, maxima.Guide] = field(default_factory=dict)


class Relaxation:
    """The steps of a program up to the wire of its logits, prepared for bounds."""

    def __init__(self, program: Program, logits: int) -> None:
        self.program, self.logits = program, logits
        self.few: FewChanges | None = None
        self.pairs: dict[int, Pairs] = {}
        self.steps, self.sizes = program.steps[:logits], program.sizes()
        self.edges: dict[int, I64Array] = {}
        self.uniform: dict[int, bool] = {}
        self.reach: dict[int, F64Array] = {}
        for k, step in enumerate(self.steps):
            match step:
                case Staircase():
                    inner = edges_of(step.rule)
                    first, last = step.rule.domain()
                    self.edges[k + 1] = np.concatenate([first[:, None], inner, last[:, None] + 1], axis=1)
                    spacing = np.diff(inner, axis=1)
                    self.uniform[k + 1] = bool(np.all(spacing == spacing[:, :1])) if spacing.size else True
                case Affine():
                    self.reach[k + 1] = np.max(
                        [np.maximum(np.abs(step.bias), 1), *map(reach, step.terms)], axis=0
                    )
                case Table() | Max() | Select() | Product():
                    pass
                case Softmax():
                    raise CannotDecide("a softmax before the logits has no dual bound")
                case _:
                    raise CannotDecide(f"{type(step).__name__} has no dual bound")
        self.scalars = tuple(
            k + 1 for k, s in enumerate(self.steps) if isinstance(s, Staircase | Table | Max)
        )

    def pair(self, lo: I64Array, hi: I64Array) -> None:
        """Bound stairs two by two where they move together on inputs lo..hi, the query's: int64 [n_input]."""
        found = {wire: Pairs.of(self.steps, wire, lo, hi) for wire in self.scalars}
        self.pairs = {wire: pairs for wire, pairs in found.items() if pairs}

    def pieces(
        self, boxes: Boxes, natural: Boxes, exact: bool, end: Deadline = NEVER,
        wires: Sequence[int] | None = None,
    ) -> dict[int, Pieces]:  # fmt: skip
        """The pieces of every stair and table, or of `wires`; not `exact`: stairs between the ends may be
        left out (a guess).

        natural: the boxes before anything was cut or tightened.  Raises OutOfTime at `end`.
        """
        found = dict[int, Pieces]()
        for wire, step in ((w, self.steps[w - 1]) for w in (self.scalars if wires is None else wires)):
            end.check()
            if isinstance(step, Staircase):
                found[wire] = self.stairs(wire, boxes, natural, exact)
                if wire in self.pairs:
                    points = self.pairs[wire].points(step, self.edges[wire], *boxes[step.source], exact)
                    found[wire] = Together(**vars(found[wire]), points=points)
            elif isinstance(step, Table):
                found[wire] = _entries(step, *boxes[step.source])
        return found

    def stairs(self, wire: int, boxes: Boxes, natural: Boxes, exact: bool, every: bool = False) -> Pieces:
        """The pieces of the stairs that write `wire`; see `pieces`. every: none is left out."""
        step = self.steps[wire - 1]
        assert isinstance(step, Staircase)
        (lo, hi), (least, most) = boxes[step.source], natural[step.source]
        cut = lo > least, hi < most
        return self._stairs(wire, step, boxes, cut, every or (exact and not self.uniform[wire]))

    def _stairs(
        self, wire: int, step: Staircase, boxes: Boxes, cut: tuple[BoolArray, BoolArray], every: bool
    ) -> Pieces:
        a_lo, a_hi = boxes[step.source]
        low, high = step.rule.apply(a_lo, step.channel), step.rule.apply(a_hi, step.channel)
        if every:
            value = low[:, :, None] + np.arange(int((high - low).max()) + 1)
            value = np.minimum(value, high[:, :, None])
        else:
            value = np.stack([low, np.minimum(low + 1, high), np.maximum(high - 1, low), high], axis=2)
        edges, column = self.edges[wire], step.channel[None, :, None]
        at = value - step.rule.lo
        first = np.clip(edges[column, at], a_lo[:, :, None], a_hi[:, :, None])
        last = np.clip(edges[column, at + 1] - 1, a_lo[:, :, None], a_hi[:, :, None])
        width = np.maximum(a_hi - a_lo, 1).astype(np.float64)
        chord = (high - low) / width
        inner = edges[step.channel]
        full = np.maximum(
            chord, (step.rule.hi - step.rule.lo - 1) / np.maximum(inner[:, -2] - inner[:, 1], 1)
        )
        floor, ceiling = low == step.rule.lo, high == step.rule.hi
        kink_lo = np.clip(inner[:, 1], a_lo, a_hi)
        kink_hi = np.clip(inner[:, -2], a_lo, a_hi)
        above = np.where(a_hi - kink_lo > kink_lo - a_lo, full, 0.0)
        below = np.where(a_hi - kink_hi > kink_hi - a_lo, 0.0, full)
        unstable = high > low
        rising = np.where(unstable, np.where(ceiling & ~floor, below, chord), 0.0)
        falling = np.where(unstable, np.where(floor & ~ceiling, above, chord), 0.0)
        scale = np.where(unstable | cut[0] | cut[1], full, 0.0)
        f = np.float64
        return Pieces(value.astype(f), first.astype(f), last.astype(f), rising, falling, scale, full)

    def evaluate(
        self,
        form: Form,
        boxes: Boxes,
        pieces: Mapping[int, Pieces],
        multipliers: Mapping[int, F64Array],
        exact: bool = False,
        end: Deadline = NEVER,
        guides: Mapping[int, maxima.Guide] = NO_GUIDES,
    ) -> Pass:
        """The bound of every row; scalar wires without multipliers, or a guide to them, take a first guess.

        Raises CannotDecide when `exact` and a sum may leave 2**52; OutOfTime at `end`.
        """
        done = Pass(*np.zeros((2, len(next(iter(form.values()))))))
        asked = dict(form)
        for wire in range(self.logits, -1, -1):
            end.check()
            self._held(np.stack([done.bound, done.constant], axis=1), exact)
            nu = asked.pop(wire, None)
            if nu is None:
                continue
            step = self.steps[wire - 1] if wire else None
            match step:
                case None:
                    done.asked[0] = nu
                    lo, hi = boxes[0]
                    x = np.where(nu > 0, hi, lo)
                    if self.few is not None:
                        x = self.few.corner(nu, x, lo, hi)
                    done.value[0] = x
                    done.bound += self._held(nu * x, exact).sum(axis=1)
                    continue
                case Affine():
                    passed = self._affine(step, wire, nu, done, exact)
                case Staircase() | Table():
                    xi = self._scalar(wire, nu, multipliers.get(wire), pieces[wire], done, exact, end)
                    passed = [(step.source, xi)]
                case Max():
                    given = guides.get(wire, multipliers.get(wire))
                    found = maxima.bounded(step, nu, given, boxes, exact)
                    done.asked[wire] = nu
                    passed = [(step.source, self._maximum(wire, found, done, exact))]
                case Select():
                    passed = [(step.source, added_at(step.index, nu, boxes[step.source][0].shape[1]))]
                case Product():
                    most, slopes = products.bounded(step, nu, boxes, exact)
                    self._held(products.magnitudes(step, nu, slopes, boxes), exact)
                    done.constant += self._held(most, exact).sum(axis=1)
                    passed = [(step.left, slopes[0]), (step.right, slopes[1])]
                case _:
                    raise AssertionError
            for source, part in passed:
                asked[source] = asked[source] + part if source in asked else part
        self._held(np.stack([done.bound, done.constant], axis=1), exact)
        done.bound = done.bound + done.constant
        return done

    def combined(
        self, own: Pass, other: Pass, m: F64Array, boxes: Boxes, pieces: Mapping[int, Pieces]
    ) -> F64Array:
        """The bound of own + m · other, row by row, with the multipliers added up likewise; a guess.

        other: one row, which all share, or as many as `own` has.
        """
        total: F64Array = own.constant + m * other.constant
        factor = m[:, None]
        if 0 in own.asked or 0 in other.asked:
            nu = _part(own.asked, 0) + factor * _part(other.asked, 0)
            lo, hi = boxes[0]
            if self.few is not None:
                total = total + (nu * self.few.corner(nu, np.where(nu > 0, hi, lo), lo, hi)).sum(axis=1)
            else:
                total = total + _weighed(nu, np.multiply(hi + lo, 0.5))
                total += _weighed(np.abs(nu, out=nu), np.multiply(hi - lo, 0.5))
        for wire in other.multipliers.keys() - own.multipliers.keys():
            nu, xi = other.asked[wire], other.multipliers[wire]
            gain = _gains(nu, xi, pieces[wire]) if wire in pieces else self._highest(wire, nu, xi, boxes)
            total += m * gain  # m >= 0: the maximum of m times something
        for wire in own.multipliers:
            nu = own.asked[wire] + factor * _part(other.asked, wire)
            xi = own.multipliers[wire] + factor * _part(other.multipliers, wire)
            total += _gains(nu, xi, pieces[wire]) if wire in pieces else self._highest(wire, nu, xi, boxes)
        return total

    def _highest(self, wire: int, nu: F64Array, xi: F64Array, boxes: Boxes) -> F64Array:
        step = self.steps[wire - 1]
        assert isinstance(step, Max)
        ends, each = maxima.Ends.of(step, boxes), xi.reshape(*nu.shape, -1)
        summed: F64Array = maxima.greatest(step, nu, each, ends)[0].sum(axis=1)
        return summed

    @staticmethod
    def _held(terms: F64Array, exact: bool) -> F64Array:
        if exact and float(np.abs(terms).sum(axis=1).max(initial=0.0)) > EXACT:
            raise CannotDecide("the bounds' coefficients leave the range of exact arithmetic")
        return terms

    def _affine(
        self, step: Affine, wire: int, nu: F64Array, done: Pass, exact: bool
    ) -> list[tuple[int, F64Array]]:
        if exact and float((np.abs(nu) @ self.reach[wire]).max(initial=0.0)) > EXACT:
            raise CannotDecide("the bounds' coefficients leave the range of exact arithmetic")
        done.constant += nu @ step.bias.astype(np.float64)
        passed = []
        for term in step.terms:
            part = term.map.transposed(nu)
            if term.offset:
                done.constant -= self._held(part * term.offset, exact).sum(axis=1)
            passed.append((term.source, part))
        return passed

    def _scalar(
        self, wire: int, nu: F64Array, xi: F64Array | None, p: Pieces, done: Pass, exact: bool, end: Deadline
    ) -> F64Array:
        if xi is None:
            xi = nu * np.where(nu > 0, p.rising, p.falling)
            xi = np.rint(xi) if exact else xi
        best, at, value = _greatest(nu, xi, p, end)
        if exact:
            self._held(nu * np.abs(p.value).max(axis=2), True)
            self._held(xi * np.maximum(np.abs(p.first), np.abs(p.last)).max(axis=2), True)
        done.bound += best.sum(axis=1)
        done.asked[wire], done.multipliers[wire] = nu, xi
        done.at[wire], done.value[wire] = at, value
        return xi

    def width(self, wire: int) -> int:
        """How many multipliers a scalar wire has: one for each element, or of a window."""
        step = self.steps[wire - 1]
        return step.windows.size if isinstance(step, Max) else self.sizes[wire]

    def _maximum(self, wire: int, found: maxima.Bounded, done: Pass, exact: bool) -> F64Array:
        for terms in found.terms:
            self._held(terms, exact)
        done.bound += found.gain.sum(axis=1)
        done.multipliers[wire], done.guides[wire] = found.multipliers, found.guide
        done.value[wire] = found.value
        return found.form

    def slopes(self, done: Pass) -> dict[int, F64Array]:
        """The bound's derivative by every multiplier: the source's value as the steps below make it, less the
        value at which the maximum is taken.
        """
        found = {}
        for wire, at in done.at.items():
            step = self.steps[wire - 1]
            assert isinstance(step, Staircase | Table)
            source = self._source(step.source, done)
            if source is not None:
                found[wire] = source - at
        return found

    def guided(self, done: Pass, rate: float) -> dict[int, maxima.Guide]:
        """The guide of every maximum, a step towards smaller bounds."""
        found = {}
        for wire, guide in done.guides.items():
            step = self.steps[wire - 1]
            assert isinstance(step, Max)
            source = self._source(step.source, done)
            found[wire] = guide if source is None else guide.moved(source[:, step.windows], rate)
        return found

    def _source(self, wire: int, done: Pass) -> F64Array | None:
        """What a wire is where the steps below take their maxima: [rows, n]."""
        step = self.steps[wire - 1] if wire else None
        if isinstance(step, Max) and wire in done.guides:
            source, value = self._source(step.source, done), done.value[wire]
            return value if source is None else done.guides[wire].mean(source[:, step.windows], value)
        if wire in done.value:
            return done.value[wire]
        if isinstance(step, Select):
            source = self._source(step.source, done)
            return None if source is None else source[:, step.index]
        if isinstance(step, Product):
            left, right = self._source(step.left, done), self._source(step.right, done)
            return None if left is None or right is None else products.product(step, left, right)
        if not isinstance(step, Affine):
            return None
        total = np.broadcast_to(step.bias.astype(np.float64), (len(done.bound), len(step.bias)))
        for term in step.terms:
            source = self._source(term.source, done)
            if source is None:
                return None
            total = total + applied(term.map, source - term.offset)
        return total


def _greatest(
    nu: F64Array, xi: F64Array, p: Pieces, end: Deadline = NEVER
) -> tuple[F64Array, F64Array, F64Array]:
    """The greatest nu · y − xi · a over the pieces, its a and its y: float64 like nu."""
    if isinstance(p, Together):
        return p.points.greatest(nu, xi)
    n_pieces = p.value.shape[2]
    if n_pieces > FEW:
        parts = zip(*(_greatest_of_many(nu, xi, p, rows) for rows in _chunks(nu, n_pieces, end)), strict=True)
        best, at, value = (np.concatenate(part) for part in parts)
        return best, at, value
    falls = xi > 0
    best = np.full(nu.shape, -np.inf)
    at, value = np.empty_like(best), np.empty_like(best)
    for k in range(n_pieces):
        a = np.where(falls, p.first[:, :, k], p.last[:, :, k])
        gain = nu * p.value[:, :, k] - xi * a
        better = gain > best
        np.copyto(best, gain, where=better)
        np.copyto(at, a, where=better)
        np.copyto(value, p.value[:, :, k], where=better)
    return best, at, value


def _chunks(nu: F64Array, n_pieces: int, end: Deadline) -> Iterator[slice]:
    """Rows in parts whose arrays over elements and pieces stay small.  Raises OutOfTime at `end`."""
    step = max(1, CELLS // (nu.shape[1] * n_pieces))
    for i in range(0, len(nu), step):
        end.check()
        yield slice(i, i + step)


def _greatest_of_many(
    nu: F64Array, xi: F64Array, p: Pieces, rows: slice
) -> tuple[F64Array, F64Array, F64Array]:
    value, first, last = (x if len(x) == 1 else x[rows] for x in (p.value, p.first, p.last))
    up, slope = nu[rows][:, :, None], xi[rows][:, :, None]
    a = np.where(slope > 0, first, last)
    gain = up * value - slope * a
    pick = gain.argmax(axis=2)[:, :, None]
    values = np.broadcast_to(value, gain.shape)
    best, at, taken = (np.take_along_axis(x, pick, axis=2)[:, :, 0] for x in (gain, a, values))
    return best, at, taken


def _weighed(nu: F64Array, values: F64Array) -> F64Array:
    """nu · values, row by row; values: [rows or 1, n]."""
    summed: F64Array = nu @ values[0] if len(values) == 1 else (nu * values).sum(axis=1)
    return summed


def _gains(nu: F64Array, xi: F64Array, p: Pieces) -> F64Array:
    """The sum over elements of the greatest nu · y − xi · a: [rows]."""
    best = _greatest(nu, xi, p)[0]
    summed: F64Array = best.sum(axis=1)
    return summed


def _part(parts: Mapping[int, F64Array], wire: int) -> F64Array:
    return parts[wire] if wire in parts else np.zeros((1, 1))


def _entries(step: Table, lo: I64Array, hi: I64Array) -> Pieces:
    """Every entry that the source's box reaches."""
    a = np.minimum(lo[:, :, None] + np.arange(int((hi - lo).max()) + 1), hi[:, :, None])
    value = step.values[a + 128].astype(np.float64)
    chord = (value[:, :, -1] - value[:, :, 0]) / np.maximum(hi - lo, 1)
    f = a.astype(np.float64)
    size = np.abs(chord) + 1e-9
    return Pieces(value, f, f, chord, chord, size, size)
