"""The stairs that bend the wrong way, cut in two: the cases from which a search for parabolas starts.

Next to the input a stair bends the wrong way for a linear bound at a clamp: at the lower one where its
coefficient is positive, at the upper one where it is negative. There it is cut; squares.py bounds all
combinations.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from coverify.verify.dual.relaxation import Boxes, Pass, Pieces, Relaxation
from coverify.verify.dual.squares import Parts
from coverify.verify.query import F64Array, I64Array
from tflm_int8.program.primitives import Affine, Staircase


@dataclass(frozen=True, eq=False)
class Cut:
    """Stairs [m] of a wire, each cut after a value [m], and the boxes of the lower and of the upper cases."""

    elements: I64Array
    values: I64Array
    lower: Boxes
    upper: Boxes


@dataclass(frozen=True, eq=False)
class Halves:
    """Of the stairs of `wire`, which read `affine`; natural: the boxes of all wires by intervals."""

    relaxation: Relaxation
    wire: int
    stairs: Staircase
    affine: Affine
    natural: Boxes

    def parts(
        self, bare: Pass, pieces: Pieces, nu: F64Array, varying: I64Array, boxes: Boxes
    ) -> tuple[Parts, I64Array]:
        """The form in parts, whole stairs first, then lower, then upper cases; and their elements."""
        cut = self._cut(nu, varying, boxes)
        whole = np.setdiff1d(varying, cut.elements)
        varying = np.concatenate([whole, cut.elements])
        weights, bias = accumulators(self.affine, varying)
        m, n = len(cut.elements), len(whole)
        order = np.concatenate([np.arange(n + m), np.arange(n, n + m)])
        lower, upper = (
            self.relaxation.stairs(self.wire, at, self.natural, False) for at in (cut.lower, cut.upper)
        )
        element = np.concatenate([varying, cut.elements])
        table = _Table.of(nu, element, lower, upper, n + m, (self.stairs.rule.lo, self.stairs.rule.hi))
        parts = Parts(
            np.concatenate([np.zeros(n, np.int64), np.tile(np.arange(1, m + 1), 2)]),
            np.repeat([0.0, -1.0, 1.0], [n, m, m]),
            weights[order], bias[order], table.xi, table.least, table.most, table.gain,
            *without(bare, nu, varying, pieces, boxes),
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


def accumulators(affine: Affine, elements: I64Array) -> tuple[F64Array, F64Array]:
    """Weights on one source [k, n] and constants [k] of some accumulators."""
    one = np.zeros((len(elements), len(affine.bias)))
    one[np.arange(len(elements)), elements] = 1.0
    bias = affine.bias[elements].astype(np.float64)
    weights: F64Array | float = 0.0
    for term in affine.terms:
        part = term.map.transposed(one)
        weights, bias = weights + part, bias - term.offset * part.sum(axis=1)
    return np.asarray(weights), bias


def without(
    bare: Pass, nu: F64Array, varying: I64Array, pieces: Pieces, boxes: Boxes
) -> tuple[F64Array, float, F64Array, F64Array]:
    """What the form is without these stairs: its coefficients on the input [n], its constant; the box."""
    lo, hi = (end[0].astype(np.float64) for end in boxes[0])
    g = bare.asked[0][0] if 0 in bare.asked else np.zeros(len(lo))
    own = (nu[varying, None] * pieces.value[0, varying]).max(axis=1).sum()
    return g, float(bare.bound[0] - np.maximum(g * lo, g * hi).sum() - own), lo, hi


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
