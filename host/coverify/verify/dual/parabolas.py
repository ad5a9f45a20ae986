"""Multipliers and parabolas for stairs that read accumulators of one box, so that the bound becomes small.

With accumulators a = W z + b of inputs |z| <= 1, multipliers xi and curves D > 0,

    Σ nu · y(a) <= Σ max over a of (nu · y(a) − xi · a − D a²)  +  max over z of (xi · a(z) + Σ D a(z)²),

and the last is at most Σ E + lᵀ C l / 4 for every diagonal E with E − Wᵀ D W positive definite, C its
inverse and l the form's coefficients on z. Each stair is maximised over all its levels, so that a rounding
that all stairs want at once has its price: an accumulator that sits beside two edges has a large square.
nu depends on multipliers mu of the stairs above, which add maxima of their own (above.py). The function is
convex in (E, xi, D, mu); a Newton method on it, smoothed and with a logarithmic barrier, proposes them, in
floats. What is inverted is small, one row per stair (woodbury.py); when the first steps have not been enough,
the second derivatives in E are taken as they are (newton.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from coverify.verify.dual import newton
from coverify.verify.dual.above import Above
from coverify.verify.dual.damped import Descent, farthest
from coverify.verify.dual.levels import Smooth
from coverify.verify.dual.woodbury import Woodbury
from coverify.verify.query import F64Array

ROUGH = 6
"""So many steps have only a part of the second derivatives in E: what is easy is quicker so."""
GAP = 1.5
"""Where the barrier and the smoothing leave less than this, of about 450, the search ends."""
CENTRED = 0.02
"""Parts start from a point of at least this height, or of the last one before it was so low."""
NEARER = 0.4
"""How much nearer to the end of positive matrices one step may come: what is too near moves no more."""
SHORTEST = 1e-5
"""Of a step."""


@dataclass(frozen=True)
class Path:
    """How the barrier is lowered.

    height: the first one; heat: of the smoothing of the stairs, relative to it; per_height: Newton steps for
    one, at most; lower: the next, relative to one; settled: a decrement of so many heights is small enough.
    """

    height: float
    heat: float
    per_height: int
    lower: float
    settled: float


NEAR = Path(0.2, 20.0, 8, 0.3, 100.0)
"""Where multipliers of the logits at most are free, from the start on."""
PART = Path(0.05, 20.0, 40, 0.5, 3.0)
"""For a part, which starts from what a larger one had: the barrier is low at once, and lowered with care."""
FAR, FAR_PART = Path(0.2, 3.0, 8, 0.4, 30.0), Path(0.05, 3.0, 40, 0.5, 3.0)
"""The same two with free multipliers in several layers. Higher ones would take the start away."""


@dataclass(frozen=True, eq=False)
class Point:
    """xi [m], curve [m], e [n]; mu [q]: the multipliers above; height: of the barrier."""

    xi: F64Array
    curve: F64Array
    e: F64Array
    mu: F64Array
    height: float

    @property
    def least(self) -> float:
        """All of e and curve must be positive."""
        return min(float(self.e.min()), float(self.curve.min()))


@dataclass(frozen=True, eq=False)
class Reached:
    """A point, its bound; z [n], a [m], square [m]: the moments of inputs and accumulators there."""

    point: Point
    bound: float
    z: F64Array
    a: F64Array
    square: F64Array


def promised(before: tuple[float, float], now: tuple[float, float]) -> float:
    """Where bounds at two heights of the barrier lead to: in a straight line, and they bend upwards."""
    return now[1] - (before[1] - now[1]) * now[0] / (before[0] - now[0])


class Parabolas:
    """weights [m, n] on z; rest [n]: the form's other coefficients on z; constant: what else it is."""

    def __init__(
        self, stairs: Smooth, above: Above, weights: F64Array, rest: F64Array, constant: float
    ) -> None:
        self.stairs, self.above = stairs, above
        self.path, self.part = (FAR, FAR_PART) if len(above.layers) > 1 else (NEAR, PART)
        self.weights, self.rest, self.constant = weights, rest, constant

    def inside(self, xi: F64Array, curve: F64Array, e: F64Array, height: float, near: float) -> Point:
        """A point near these where all is defined; near: how near to where it ends, below 1."""
        curve, e = np.maximum(curve, 1e-3), np.maximum(e, 1e-3)
        root = np.sqrt(curve)[:, None] * self.weights
        largest = float(np.linalg.eigvalsh((root / e) @ root.T)[-1])
        if largest > near:
            curve = curve * (near / largest)
        return Point(xi, curve, e, self.above.mu, height)

    def lowered(
        self, point: Point, steps: int, target: float, part: bool, check: Callable[[], object]
    ) -> tuple[Reached, Reached]:
        """The best of so many Newton steps, or the first below the target; and a centred one, from which
        others are reached, and whose moments say where bounds are loose.

        Gives up where two heights of the barrier promise that it will not be reached; part: does it start
        from what a larger part had?  Then it needs all second derivatives from the first step on.  check is
        called between steps.
        """
        inverse, value = self.inverse(point), None
        path = self.part if part else self.path
        best = centred = self._reached(point, inverse)
        marks, at_height = list[tuple[float, float]](), 0
        for k in range(steps):
            if best.bound < target or point.height * (len(point.e) + path.heat * len(point.xi)) < GAP:
                break
            check()
            new, inverse, value, decrement = self._stepped(point, inverse, part or k >= ROUGH, value)
            at = self._reached(new, inverse)
            best = at if at.bound < best.bound else best
            at_height, height = at_height + 1, point.height
            settled = decrement < path.settled * height
            if settled or new is point or at_height == path.per_height:
                centred = at if height >= CENTRED else centred
                marks += [(height, at.bound)] if settled and height <= NEAR.height else []
                at_height, height, value = 0, path.lower * height, None
                if len(marks) > 1 and new is not point and promised(*marks[-2:]) > target > -np.inf:
                    break
            point = replace(new, height=height)
        return best, centred

    def nu(self, mu: F64Array) -> F64Array:
        """The first stairs' coefficients, [m]."""
        nu: F64Array = self.stairs.nu + (mu - self.above.mu) @ self.above.per
        return nu

    def valued(self, point: Point) -> Reached:
        """The bound at a point, in floats."""
        return self._reached(point, self.inverse(point))

    def inverse(self, point: Point) -> Woodbury:
        """Raises LinAlgError."""
        return Woodbury(self.weights, point.curve, point.e, self.rest + point.xi @ self.weights)

    def _reached(self, point: Point, inverse: Woodbury) -> Reached:
        form = self.rest + point.xi @ self.weights
        z = inverse.times(form) / 2
        bound = self.stairs.greatest(self.nu(point.mu), point.xi, point.curve).sum()
        bound += self.above.greatest(point.mu) + float(self.above.tilt @ (point.mu - self.above.mu))
        bound += point.e.sum() + float(form @ z) / 2
        a = self.weights @ z
        spread = point.height * inverse.rows.diagonal()
        return Reached(point, float(bound) + self.constant, z, a, a * a + spread)

    def drawn(self, reached: Reached, count: int) -> F64Array:
        """Corners of |z| <= 1 for draws with the moments that the bound rests on: [count, n]."""
        point, rng = reached.point, np.random.default_rng(0)
        noise = rng.standard_normal((count, len(point.e))) / np.sqrt(point.e)
        noise += rng.standard_normal((count, len(point.xi))) @ self.inverse(point).u
        noise[0] = 0
        corners: F64Array = np.where(reached.z + np.sqrt(point.height) * noise > 0, 1.0, -1.0)
        return corners

    def _smoothed(self, point: Point, inverse: Woodbury) -> float:
        heat = self.path.heat * point.height
        smooth = self.stairs.softest(self.nu(point.mu), point.xi, point.curve, heat)
        above = self.above.softest(point.mu, heat)
        above += float(self.above.tilt @ (point.mu - self.above.mu))
        logs = inverse.logs + np.log(point.curve).sum()
        return float(above + smooth + point.e.sum() + inverse.square / 4 - point.height * logs)

    def _stepped(
        self, point: Point, inverse: Woodbury, whole: bool, value: float | None = None
    ) -> tuple[Point, Woodbury, float, float]:
        """One damped Newton step, the inverse and the value there, its decrement; whole: with all second
        derivatives; value: the one here, where it is known.
        """
        at = self.slopes(point, inverse)
        de, rest = newton.direction(at, whole)
        decrement = float(-(at.in_rest @ rest + at.in_e @ de))
        m = len(point.xi)
        dxi, dcurve, dmu = np.split(rest, [m, 2 * m])

        def moved(step: float) -> Point:
            own = (point.xi + step * dxi, point.curve + step * dcurve, point.e + step * de)
            return Point(*own, point.mu + step * dmu, point.height)

        most = farthest((de, point.e), (dcurve, point.curve))
        descent = Descent(self.inverse, self._smoothed, NEARER, SHORTEST)
        return *descent.stepped(point, inverse, moved, decrement, most, value), decrement

    def slopes(self, point: Point, inverse: Woodbury) -> newton.Slopes:
        """The derivatives in e and in (xi, curve, mu)."""
        w, e, height = self.weights, point.e, point.height
        m, q, u = len(w), len(point.mu), inverse.u
        cw, k = inverse.columns, inverse.rows
        z = inverse.times(self.rest + point.xi @ w) / 2
        a = w @ z
        heat = self.path.heat * height
        _, means, both = self.stairs.smoothed(self.nu(point.mu), point.xi, point.curve, heat)
        above, bends = self.above.smoothed(point.mu, heat)
        per = self.above.per
        slope_e = 1 - z * z - height * (1 / e + (u * u).sum(axis=0))
        slope_curve = a * a + height * k.diagonal() - means[1] - height / point.curve
        slope = np.concatenate([a - means[0], slope_curve, self.above.tilt + per @ means[2] + above])
        across = -np.hstack([z[:, None] * cw, cw * (2 * np.outer(z, a) + height * cw), np.zeros((len(e), q))])
        up = -np.vstack([(per * both[3]).T, (per * both[4]).T]) / heat
        own = [[k / 2, k * a], [(k * a).T, k * (2 * np.outer(a, a) + height * k)]]
        h = np.block([[np.block(own), up], [up.T, bends + (per * both[5]) @ per.T / heat]])
        at = np.arange(m)
        h[at, at] += both[0] / heat + 1e-9
        h[at, m + at] += both[1] / heat
        h[m + at, at] += both[1] / heat
        h[m + at, m + at] += both[2] / heat + height / point.curve**2
        return newton.Slopes(inverse, z, height, across, h, slope_e, slope)
