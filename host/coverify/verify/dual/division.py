"""Which stair is best divided? What a bound is likely to lose on either side of an edge.

At the end of a search for parabolas the bound is a sum of maxima, one per stair, and each is the maximum over
several levels at once: where only the levels of one side remain, a maximum is smaller, but most of what a
division gives comes after it, when all multipliers move to where they suit that side. How far they go and
what that gives is read from the second derivatives at the point, without a search: for each stair by a
problem in its own two or three variables, of which the others are minimised out (one small inverse for all
stairs). Searches follow for the chosen division alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np

from coverify.verify.dual import newton
from coverify.verify.dual.levels import Smooth
from coverify.verify.dual.parabolas import Parabolas, Reached
from coverify.verify.query import F64Array, I64Array

SHARE = 0.15
"""So much of an accumulator's box must lie on either side of a clamp for a division there."""
LEAST = 1e-3
"""A side counts as if it gained this share of the bound at least: what is less is not known so well."""


@dataclass(frozen=True, eq=False)
class Maxima:
    """Smoothed maxima of some stairs, [c]; their slopes in each stair's own r variables, [c, r], and second
    derivatives, [c, r, r].
    """

    value: F64Array
    slope: F64Array
    bend: F64Array


@dataclass(frozen=True, eq=False)
class Divisions:
    """The point where a search ended."""

    parabolas: Parabolas
    reached: Reached

    @cached_property
    def rest(self) -> F64Array:
        """The inverse of the second derivatives in (xi, curve, mu), e minimised out.  Raises LinAlgError."""
        point = self.reached.point
        return newton.lesser(self.parabolas.slopes(point, self.parabolas.inverse(point)))

    def worth(self, layer: int, stairs: I64Array, level: I64Array) -> F64Array:
        """How much dividing each stair [c] below a level [c] is worth: the product of what both sides gain,
        or 0 where nothing says.

        layer: 0 for the first one, k for the k-th of those above it.
        """
        bound = max(self.reached.bound, 0.0)
        try:
            low, high = np.clip(self.gains(layer, stairs, level), LEAST * bound, bound)
        except np.linalg.LinAlgError:
            return np.zeros(len(stairs))
        worth: F64Array = np.nan_to_num(low * high)
        return worth

    def gains(self, layer: int, stairs: I64Array, level: I64Array) -> F64Array:
        """What the levels below these alone, and the others alone, are likely to take from the bound [2, c].

        Raises LinAlgError.
        """
        of = self._first if layer == 0 else partial(self._above, layer - 1)
        basis, whole, *sides = of(stairs, level)
        response = np.einsum("ikc,jkc->cij", basis, self.rest @ basis)
        return np.stack([_gained(whole, side, response) for side in sides])

    @property
    def _heat(self) -> float:
        return self.parabolas.path.heat * self.reached.point.height

    def _first(self, stairs: I64Array, level: I64Array) -> tuple[F64Array, Maxima, Maxima, Maxima]:
        """Of the first layer: variables xi, curve and nu of a stair, which mu moves."""
        parabolas, point = self.parabolas, self.reached.point
        m, nu = len(point.xi), parabolas.nu(point.mu)
        basis = np.zeros((3, len(self.rest), len(stairs)))
        each = np.arange(len(stairs))
        basis[0, stairs, each] = basis[1, m + stairs, each] = 1.0
        basis[2, 2 * m :] = parabolas.above.per[:, stairs]
        parts = parabolas.stairs.sides(stairs, level)
        own = (nu[stairs], point.xi[stairs], point.curve[stairs])
        whole, low, high = (_smoothed(part, *own, self._heat) for part in parts)
        return basis, whole, low, high

    def _above(
        self, number: int, stairs: I64Array, level: I64Array
    ) -> tuple[F64Array, Maxima, Maxima, Maxima]:
        """Of a layer above it: variables mu and nu of a stair, the latter moved by the next layer's mu."""
        above, m = self.parabolas.above, len(self.reached.point.xi)
        starts = 2 * m + np.cumsum([0, *(len(layer.mu) for layer in above.layers)])
        basis = np.zeros((2, len(self.rest), len(stairs)))
        basis[0, starts[number] + stairs, np.arange(len(stairs))] = 1.0
        if number + 1 < len(above.layers):
            basis[1, starts[number + 1] : starts[number + 2]] = above.layers[number + 1].weights[:, stairs]
        parts = above.sides(number, self.reached.point.mu, stairs, level, self._heat)
        whole, low, high = (Maxima(*part) for part in parts)
        return basis, whole, low, high


def _smoothed(stairs: Smooth, nu: F64Array, xi: F64Array, curve: F64Array, heat: float) -> Maxima:
    """Slopes in (xi, curve, nu)."""
    value, means, both = stairs.smoothed(nu, xi, curve, heat)
    signs = np.array([-1.0, -1.0, 1.0])
    bend = both[[[0, 1, 3], [1, 2, 4], [3, 4, 5]]].transpose(2, 0, 1) * np.outer(signs, signs) / heat
    return Maxima(value, means.T * signs, bend)


def _gained(whole: Maxima, side: Maxima, response: F64Array) -> F64Array:
    """What the bound is likely to lose where these stairs have the levels of one side alone, [c].

    response [c, r, r]: how far a stair's variables move for a slope in them, all others following.
    """
    slope, change = side.slope - whole.slope, side.bend - whole.bend
    moved = np.linalg.solve(np.eye(slope.shape[1]) + change @ response, slope[:, :, None])
    follows = (slope[:, None] @ response @ moved)[:, 0, 0] / 2
    gained: F64Array = whole.value - side.value + np.where(follows > 0, follows, 0.0)
    return gained


def edge_near(edges: I64Array, clamps: I64Array, lo: int, hi: int, mean: float) -> int:
    """Where a stair is divided, of its edges within lo..hi."""
    clamp = int(clamps[np.abs(clamps - mean).argmin()])
    if clamp in edges and SHARE * (hi - lo) < min(clamp - lo, hi - clamp):
        return clamp
    return int(edges[np.abs(edges - mean).argmin()])
