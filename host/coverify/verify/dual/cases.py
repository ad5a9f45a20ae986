"""Which stairs of the first layer are worth two cases each, and what is the bound over all cases at once?

The stairs next to the input bend the wrong way for a linear bound at a clamp: at the lower one where their
coefficient is positive, at the upper one where it is negative. There they are cut, and all 2^m combinations
are bounded by squares.py. What multipliers the steps above have stays as the caller gives it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from coverify.verify.dual.descent import Rows, evaluate
from coverify.verify.dual.relaxation import Boxes, F64Array, Pass, Pieces, Relaxation
from coverify.verify.dual.squares import SCALE, Found, Parts, Signs, centred, minimised
from coverify.verify.dual.tree import Bounded, Squares, Warm
from coverify.verify.query import I64Array
from tflm_int8.program.primitives import Affine, Staircase

MAX_STAIRS = 400
"""Stairs of one form that vary; beyond, the matrices are too large to be worth it."""
ROUNDS = 24
SAMPLES = 24
"""Corners of the input that are tried for each bound."""
_ROOM = 2.0**57


@dataclass(frozen=True, eq=False)
class Bound:
    """A row's bound in units of `unit`, exact where there is evidence, else a guess.

    inputs: [N, n], at which it is likely to be reached; split: where the cases are least decided, (wire,
    element, last value of the lower case).
    """

    bound: float
    unit: int
    evidence: Bounded | None
    inputs: F64Array
    split: tuple[int, int, int] | None
    warm: Warm


@dataclass(frozen=True, eq=False)
class Cut:
    """Stairs [m] of a wire, each cut after a value [m], and the boxes of the lower and of the upper cases."""

    elements: I64Array
    values: I64Array
    lower: Boxes
    upper: Boxes


class Cases:
    """The stairs of `wire`, whose accumulators are linear in the input."""

    def __init__(self, relaxation: Relaxation, wire: int, natural: Boxes) -> None:
        self.relaxation, self.wire, self.natural = relaxation, wire, natural
        step = relaxation.steps[wire - 1]
        assert isinstance(step, Staircase)
        affine = relaxation.steps[step.source - 1]
        assert isinstance(affine, Affine)
        self.stairs, self.affine = step, affine

    @staticmethod
    def of(relaxation: Relaxation, natural: Boxes) -> Cases | None:
        """The first such stairs of a program, if any; none where few features may change, as the squares take
        every input to its ends.
        """
        if relaxation.few is not None:
            return None
        for wire in relaxation.scalars:
            step = relaxation.steps[wire - 1]
            if isinstance(step, Staircase) and step.source:
                affine = relaxation.steps[step.source - 1]
                if isinstance(affine, Affine) and all(term.source == 0 for term in affine.terms):
                    return Cases(relaxation, wire, natural)
        return None

    def bound(
        self, rows: Rows, boxes: Boxes, multipliers: dict[int, F64Array], target: float,
        warm: Warm | None = None,
    ) -> Bound | None:  # fmt: skip
        """The bound of one row over all cases; None where it does not apply.  boxes: those of one part.

        target: the search ends below this bound; one of 0 or more is then a guess, unless the target is −∞.
        All in units of 1.
        """
        above = {w: v for w, v in multipliers.items() if w > self.wire}
        pieces = self.relaxation.pieces(boxes, self.natural, False)
        above[self.wire] = np.zeros((1, len(self.stairs.channel)))
        bare = evaluate(self.relaxation, rows, boxes, pieces, above)
        nu = bare.asked[self.wire][0] if self.wire in bare.asked else np.zeros(len(self.stairs.channel))
        lo, hi = (end[0] for end in boxes[self.wire])
        varying = np.flatnonzero((hi > lo) & (nu != 0))
        if not 0 < len(varying) <= MAX_STAIRS:
            return None
        cut = self._cut(nu, varying, boxes)
        whole = np.setdiff1d(varying, cut.elements)
        parts, element = self._parts(bare, pieces[self.wire], nu, whole, cut, boxes)
        if warm is not None:
            old = warm.xi[parts.side.astype(np.int64), element]
            parts.xi = np.clip(np.where(np.isnan(old), parts.xi, old), parts.least, parts.most)
        found = minimised(parts, ROUNDS, target)
        kept = Warm(found.t, np.full((3, len(nu)), np.nan))
        kept.xi[parts.side.astype(np.int64), element] = found.xi
        if found.bound >= 0 > target > -np.inf:
            return Bound(found.bound, 1, None, _corners(parts, found), self._split(cut, found), kept)
        return self._exact(rows, boxes, multipliers, cut, whole, parts, found, nu, kept)

    def _parts(
        self, bare: Pass, pieces: Pieces, nu: F64Array, whole: I64Array, cut: Cut, boxes: Boxes
    ) -> tuple[Parts, I64Array]:
        """The form in parts, whole stairs first, then lower, then upper cases; and their elements."""
        varying = np.concatenate([whole, cut.elements])
        weights, bias = self._accumulators(varying)
        m, n = len(cut.elements), len(whole)
        order = np.concatenate([np.arange(n + m), np.arange(n, n + m)])
        lower, upper = (self._pieces(at, False) for at in (cut.lower, cut.upper))
        element = np.concatenate([varying, cut.elements])
        table = _Table.of(nu, element, lower, upper, n + m, (self.stairs.rule.lo, self.stairs.rule.hi))
        own = (nu[varying, None] * pieces.value[0, varying]).max(axis=1).sum()
        x_lo, x_hi = (end[0].astype(np.float64) for end in boxes[0])
        g = bare.asked[0][0] if 0 in bare.asked else np.zeros(len(x_lo))
        constant = float(bare.bound[0] - np.maximum(g * x_lo, g * x_hi).sum() - own)
        parts = Parts(
            np.concatenate([np.zeros(n, np.int64), np.tile(np.arange(1, m + 1), 2)]),
            np.repeat([0.0, -1.0, 1.0], [n, m, m]),
            weights[order], bias[order], table.xi, table.least, table.most, table.gain,
            g, constant, x_lo, x_hi,
        )  # fmt: skip
        return parts, element

    def _cut(self, nu: F64Array, varying: I64Array, boxes: Boxes) -> Cut:
        lo, hi = (end[0, varying] for end in boxes[self.stairs.source])
        edges = self.relaxation.edges[self.wire][self.stairs.channel[varying]]
        at = np.where(nu[varying] > 0, edges[:, 1], edges[:, -2]) - 1
        bends = np.flatnonzero((lo <= at) & (at < hi))
        elements, values = varying[bends], at[bends]
        lower, upper = list(boxes), list(boxes)
        (a, b) = boxes[self.stairs.source]
        below, above = b.copy(), a.copy()
        below[0, elements], above[0, elements] = values, values + 1
        lower[self.stairs.source], upper[self.stairs.source] = (a, below), (above, b)
        return Cut(elements, values, lower, upper)

    def _pieces(self, boxes: Boxes, exact: bool) -> Pieces:
        return self.relaxation.stairs(self.wire, boxes, self.natural, exact)

    def _accumulators(self, elements: I64Array) -> tuple[F64Array, F64Array]:
        """Weights on the input [k, n] and constants [k] of some accumulators."""
        one = np.zeros((len(elements), len(self.affine.bias)))
        one[np.arange(len(elements)), elements] = 1.0
        bias = self.affine.bias[elements].astype(np.float64)
        weights = np.zeros((len(elements), self.relaxation.program.n_input))
        for term in self.affine.terms:
            part = term.map.transposed(one)
            weights, bias = weights + part, bias - term.offset * part.sum(axis=1)
        return weights, bias

    def _exact(
        self, rows: Rows, boxes: Boxes, multipliers: dict[int, F64Array], cut: Cut, whole: I64Array,
        parts: Parts, found: Found, nu: F64Array, warm: Warm,
    ) -> Bound | None:  # fmt: skip
        """The bound for rounded multipliers and weights, in integers."""
        unit = _unit(parts, found)
        scaled = Rows(
            {w: v * unit for w, v in rows.base.items()}, rows.claim, rows.rise, np.rint(rows.m * unit)
        )
        n, m = len(whole), len(cut.elements)
        xi = np.rint(found.xi * unit)
        low, up = xi[n : n + m], xi[n + m :]
        own = np.zeros((1, len(nu)))
        own[0, whole], own[0, cut.elements] = xi[:n], low
        integers = {w: np.rint(v * unit) for w, v in multipliers.items() if w > self.wire}
        integers[self.wire] = own
        pieces = self.relaxation.pieces(cut.lower, self.natural, True)
        done = evaluate(self.relaxation, scaled, cut.lower, pieces, integers, exact=True)
        targets = np.array([[*_target(rows, self.relaxation.logits, unit), int(scaled.m[0])]])
        if not m:
            total = int(done.bound[0])
            evidence = Bounded(targets, dict(done.multipliers), None, total)
            return Bound(total, unit, evidence, _corners(parts, found), None, warm)
        signs = self._signs(done, low, up, cut, boxes, parts)
        p = np.rint(np.clip(2.0**SCALE / np.maximum(2 * unit * found.t, 1.0), 1, None)).astype(np.int64)
        mu = 1e-4 * max(1.0, abs(found.bound)) * 2.0 ** (SCALE + 4) * unit / parts.k
        shift = 2.0 ** (SCALE + 4) * unit
        result = signs.bound(p, lambda h: centred(h / shift, _start(h / shift), mu / shift)[0] * shift)
        if result is None:
            return None
        bound, d = result
        cases = np.stack(
            [np.full(m, self.wire), cut.elements, cut.values, up.astype(np.int64), d[1:]], axis=1
        )
        squares = Squares(cases.astype(np.int64), int(d[0]), p)
        evidence = Bounded(targets, dict(done.multipliers), squares, bound)
        return Bound(bound, unit, evidence, _corners(parts, found), self._split(cut, found), warm)

    def _signs(self, done: Pass, low: F64Array, up: F64Array, cut: Cut, boxes: Boxes, parts: Parts) -> Signs:
        """The form per sign, from its lower cases (`done`) and what the upper ones add to them."""
        m = len(cut.elements)
        g = done.asked[0][0]
        x_lo, x_hi = (end[0] for end in boxes[0])
        constant = done.bound[0] - np.maximum(g * x_lo, g * x_hi).sum()
        asked = done.asked[self.wire][0, cut.elements]
        lower, upper = (self._pieces(at, True) for at in (cut.lower, cut.upper))
        rise = _most(asked, up, upper, cut.elements) - _most(asked, low, lower, cut.elements)
        rise = rise + (up - low) * parts.bias[-m:]
        steps = (up - low)[:, None] * parts.weights[-m:]
        forms = np.vstack([2 * g + steps.sum(axis=0), steps]).astype(np.int64)
        constants = np.concatenate([[2 * constant + rise.sum()], rise]).astype(np.int64)
        return Signs(forms, constants, x_lo, x_hi)

    def _split(self, cut: Cut, found: Found) -> tuple[int, int, int] | None:
        if not len(cut.elements):
            return None
        k = int(((1 - found.moments[0, 1:] ** 2) * found.d[1:]).argmax())
        return self.stairs.source, int(cut.elements[k]), int(cut.values[k])


def _target(rows: Rows, logits: int, unit: int) -> tuple[int, int, int, int]:
    """(wire, element, sign, scale) of a row."""
    for wire, values in rows.base.items():
        element = int(np.abs(values[0]).argmax())
        return wire, element, int(np.sign(values[0, element])), unit
    return logits, 0, 1, 0


def _corners(parts: Parts, found: Found) -> F64Array:
    """Corners of the input's box for signs drawn with the moments that the bound rests on: [N, n]."""
    b, _, _ = parts.forms(found.xi)
    values, vectors = np.linalg.eigh(found.moments)
    root = vectors * np.sqrt(np.maximum(values, 0))
    draws = root @ np.random.default_rng(0).standard_normal((parts.k, SAMPLES))
    signs = np.sign(draws * np.sign(draws[0]))
    signs[:, 0] = found.moments[0]
    corners: F64Array = np.where((b @ signs).T > 0, parts.hi, parts.lo)
    return corners


def _start(h: F64Array) -> F64Array:
    size: F64Array = np.abs(h).sum(axis=1)
    return size + 1.0


def _most(nu: F64Array, xi: F64Array, pieces: Pieces, elements: I64Array) -> F64Array:
    """max over a of nu · y(a) − xi · a, per element."""
    slope = xi[:, None]
    worst = np.minimum(slope * pieces.first[0, elements], slope * pieces.last[0, elements])
    gain: F64Array = (nu[:, None] * pieces.value[0, elements] - worst).max(axis=1)
    return gain


def _unit(parts: Parts, found: Found) -> int:
    """What 1 is in integers: a power of two for which no number of the exact bound becomes too large."""
    b, constants, _ = parts.forms(found.xi)
    most = float(((b * b).T @ (2 * parts.radius / found.t)).max())
    linear = float(np.abs(constants + parts.middle @ b).max())
    size = max(4 * most, 4 * linear, 1e-9) * 2.0**SCALE
    return int(2.0 ** np.clip(np.floor(np.log2(_ROOM / size)), 0, 24))


@dataclass(frozen=True, eq=False)
class _Table:
    """The parts' stairs: value, first, last [P, pieces], nu [P]; multipliers and their range [P]."""

    nu: F64Array
    value: F64Array
    first: F64Array
    last: F64Array
    xi: F64Array
    least: F64Array
    most: F64Array

    @staticmethod
    def of(
        nu: F64Array, element: I64Array, lower: Pieces, upper: Pieces, n_lower: int, ends: tuple[int, int]
    ) -> _Table:
        """The first n_lower parts from the lower cases, the others from the upper ones.

        A multiplier is the stairs' slope, and free only where a clamp, one of `ends`, bends the other way.
        """
        a, b = element[:n_lower], element[n_lower:]
        both = [(getattr(lower, name)[0][a], getattr(upper, name)[0][b]) for name in Pieces.__annotations__]
        value, first, last, rising, falling, _, full = (np.concatenate(pair) for pair in both)
        own = nu[element]
        rise = value.max(axis=1) - value.min(axis=1)
        end = np.where(rise > 1, own * full, own * rise / np.maximum(last[:, -1] - first[:, 0], 1))
        bend = np.where(own > 0, value[:, -1] == ends[1], value[:, 0] == ends[0]) & (rise > 1)
        xi = np.where(bend, own * np.where(own > 0, rising, falling), end)
        least = np.where(bend, np.minimum(end, 0), end)
        most = np.where(bend, np.maximum(end, 0), end)
        return _Table(own, value, first, last, np.clip(xi, least, most), least, most)

    def gain(self, xi: F64Array) -> tuple[F64Array, F64Array]:
        """max over a of nu · y(a) − xi · a, and that a: [P] each."""
        a = np.where(xi[:, None] > 0, self.first, self.last)
        gain = self.nu[:, None] * self.value - xi[:, None] * a
        pick = gain.argmax(axis=1)
        at = np.arange(len(pick))
        return gain[at, pick], a[at, pick]
