"""The form of one row with parabolas under the stairs next to the input: from accumulators to the method's
units and back, and to the integers of a proof (docs/certificates.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from coverify.verify.dual.above import REACH, Above, Layer, at
from coverify.verify.dual.levels import SHIFT, Levels, Smooth
from coverify.verify.dual.parabolas import Parabolas, Point, Reached
from coverify.verify.dual.squares import SCALE, Found, Parts
from coverify.verify.dual.tree import Warm
from coverify.verify.query import F64Array, I64Array

SIZE = 450.0
"""What the form's slopes on the input come to, in the units of the method."""
SAMPLES = 24
"""Inputs that are tried for each bound."""
INSIDE, WITHIN = 0.8, 0.99
"""How near to the end of positive matrices a search starts, and that of a part."""
FAR = 2.0**27
"""How far a parabola's centre may lie from the middle of its stair."""
MOST_CURVE, MOST_SLOPE = 2.0**58, 2.0**28
"""Any are valid; these keep products in int64."""
MOST_BITS, FINER_BITS = 24, 2
"""Of a unit; and by how many bits one is worth trying that is finer than what is sure to fit."""
_ROOM = 2.0**57


def least_d(slope: int, curve: int) -> int:
    """The greatest d for which max over y of slope · u · y − 2^-(SCALE + 4) d y² is no less than
    2^-SHIFT curve u² for any u.
    """
    return (slope * slope << (SCALE + 2 + SHIFT)) // curve


def whole(
    curve: F64Array, more: F64Array, centre: F64Array, even: float
) -> tuple[I64Array, I64Array, I64Array]:
    """Centres, curves and slopes of a proof, of parabolas of these curves and centres.

    more: what the multipliers beside them gained by rounding, which centres beside the true ones give back.
    """
    curve = np.floor(np.minimum(curve * 2.0**SHIFT, MOST_CURVE))
    beside = np.clip(more / np.maximum(2 * curve * 2.0**-SHIFT, 1e-12), -FAR, FAR)
    slope = np.clip(np.rint(2 * np.sqrt(curve * 2.0**-SHIFT * even)), 1, MOST_SLOPE)
    a, b, c = (x.astype(np.int64) for x in (np.rint(centre + beside), curve, slope))
    return a, b, c


@dataclass(frozen=True, eq=False)
class Curved:
    """weights [m, n], bias [m]: of the accumulators; g [n]: the form's other coefficients on the input."""

    levels: Levels
    weights: F64Array
    bias: F64Array
    g: F64Array
    middle: F64Array
    radius: F64Array
    centre: F64Array
    reach: F64Array
    scale: float
    parabolas: Parabolas

    @staticmethod
    def of(
        levels: Levels, weights: F64Array, bias: F64Array, g: F64Array, constant: float,
        lo: F64Array, hi: F64Array, above: Sequence[Layer] = (),
    ) -> Curved:  # fmt: skip
        """constant: the form without the stairs and the input; lo, hi [n]: the input's box; above: stairs
        whose multipliers are searched for too.
        """
        middle, radius = (lo + hi) / 2, (hi - lo) / 2
        centre = np.rint(weights @ middle + bias)
        reach = np.maximum(np.abs(weights) @ radius, 1.0) / REACH
        one = Smooth.of(levels, centre, reach, 1.0)
        own = weights * radius / reach[:, None]
        scale = SIZE / max(float(np.abs(one.chords() @ own + g * radius).sum()) / 2, 1e-9)
        stairs, upper = Smooth.of(levels, centre, reach, scale), Above.of(above, len(weights), scale)
        constant = scale * (constant + float(g @ middle)) - upper.greatest(upper.mu)
        parabolas = Parabolas(stairs, upper, own, scale * g * radius, constant)
        return Curved(levels, weights, bias, g, middle, radius, centre, reach, scale, parabolas)

    def start(self, parts: Parts, found: Found, gain: F64Array, at: I64Array) -> Point:
        """Parabolas over the two lines of each stair that is cut.  gain, at [P]: parts' gains and stairs."""
        m = len(self.centre)
        xi, curve = np.zeros(m), np.full(m, 1e-2 / self.scale)
        whole, low, up = (np.flatnonzero(parts.side == side) for side in (0, -1, 1))
        xi[at[whole]] = found.xi[whole]
        k = at[low]
        slope, rise = (found.xi[up] - found.xi[low]) / 2, (gain[up] - gain[low]) / 2
        d = np.maximum(found.d[parts.sign[low]], 1e-9)
        xi[k] = (found.xi[up] + found.xi[low]) / 2 + (rise + slope * self.centre[k]) * slope / (2 * d)
        curve = curve / self.reach**2
        curve[k] = slope**2 / (4 * d)
        return self._inside(xi, curve, found.t * self.radius / 2, self.parabolas.path.height, INSIDE)

    def warm(self, warm: Warm, varying: I64Array) -> Point:
        """From what a larger part had."""
        height = self.parabolas.part.height
        return self._inside(warm.xi[varying], warm.curve[varying], warm.e, height, WITHIN)

    def _inside(self, xi: F64Array, curve: F64Array, e: F64Array, height: float, near: float) -> Point:
        return self.parabolas.inside(*self.in_units(xi, curve, e), height, near)

    def in_units(self, xi: F64Array, curve: F64Array, e: F64Array) -> tuple[F64Array, F64Array, F64Array]:
        """These of accumulators and the form as they are, in the units of the search."""
        own = self.scale * self.reach
        return xi * own, curve * own * self.reach, e * self.scale

    def kept(self, point: Point, varying: I64Array, n: int) -> Warm:
        """For smaller parts."""
        own = self.scale * self.reach
        warm = Warm(np.full(n, np.nan), np.full(n, np.nan), point.e / self.scale)
        warm.xi[varying], warm.curve[varying] = point.xi / own, point.curve / own / self.reach
        return warm

    def t(self, point: Point) -> F64Array:
        """|g| <= g² / (2t) + t / 2: [n]."""
        t: F64Array = 2 * point.e / self.scale / np.maximum(self.radius, 0.5)
        return t

    def inputs(self, reached: Reached) -> F64Array:
        """Corners of the box that the bound makes likely: [N, n]."""
        near: F64Array = self.middle + self.radius * self.parabolas.drawn(reached, SAMPLES)
        return near

    def level(self, layer: int, stairs: I64Array, edges: I64Array) -> I64Array:
        """The numbers of the levels that begin at these edges of a layer's stairs: [c]."""
        if layer == 0:
            below = self.levels.first[stairs] < edges[:, None]
        else:
            first, centre, reach = self.parabolas.above.begins(layer - 1)
            at = (edges - 0.5 - centre[stairs]) / reach[stairs]
            below = first[stairs] < at[:, None]
        level: I64Array = below.sum(axis=1)
        return level

    def looseness(
        self, reached: Reached, wire: int, elements: I64Array
    ) -> list[tuple[int, I64Array, F64Array, F64Array]]:
        """Of this wire, the first layer's, and of those above: (wire, elements, accumulators at the mean, how
        far the bounds lie above the stairs' values there).
        """
        point, stairs, nu = reached.point, self.parabolas.stairs, self.parabolas.nu(reached.point.mu)
        above = (
            stairs.greatest(nu, point.xi, point.curve) + point.xi * reached.a + point.curve * reached.square
        )
        y = at(stairs.first, stairs.value, reached.a)
        found = [(wire, elements, self.centre + self.reach * reached.a, above - nu * y)]
        return found + self.parabolas.above.looseness(point.mu, y)

    def units(self, point: Point) -> list[int]:
        """What 1 may be in integers, powers of two, the finest first: for the last one no number of the exact
        bound becomes too large.
        """
        nu = self.parabolas.nu(point.mu)
        gains = np.abs(nu[:, None] * self.parabolas.stairs.value).max(axis=1).sum()
        ends = np.abs(self.parabolas.constant) + gains
        size = 4 * max(2 * float(point.e.sum()), float(ends)) / self.scale * 2.0**SCALE
        sure = int(np.clip(np.floor(np.log2(_ROOM / max(size, 1e-9))), 0, MOST_BITS))
        return [1 << bits for bits in sorted({sure, min(sure + FINER_BITS, MOST_BITS)}, reverse=True)]

    def rounded(self, point: Point, unit: int, share: float) -> tuple[I64Array, I64Array, I64Array, I64Array]:
        """xi, curve, centre, slope of the proof, [m] each; share: of the curves, which must leave room.

        What xi loses by rounding, centres beside the true ones give back.
        """
        own = self.scale * self.reach
        exact = point.xi / own * unit
        xi = np.rint(exact)
        bent = point.curve / own / self.reach * unit * share
        centre, curve, slope = whole(bent, xi - exact, self.centre, self.even(point, unit))
        return xi.astype(np.int64), curve, centre, slope

    def even(self, point: Point, unit: int) -> float:
        """What one square is worth in a matrix all of whose squares are alike."""
        return float(point.e.sum()) / 8 / self.scale * unit
