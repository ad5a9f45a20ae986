"""Multipliers and parabolas for stairs that read accumulators of one box, so that the bound becomes small.

With accumulators a = W z + b of inputs |z| <= 1, multipliers xi and curves D > 0,

    Σ nu · y(a) <= Σ max over a of (nu · y(a) − xi · a − D a²)  +  max over z of (xi · a(z) + Σ D a(z)²),

and the last is at most Σ E + lᵀ C l / 4 for every diagonal E with E − Wᵀ D W positive definite, C its
inverse and l the form's coefficients on z. Each stair is maximised over all its levels, so that a rounding
that all stairs want at once has its price: an accumulator that sits beside two edges has a large square.
The function is convex in (E, xi, D); a Newton method on it, smoothed and with a logarithmic barrier, proposes
them, in floats. By Woodbury's identity what is inverted is small, one row per stair.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from coverify.verify.dual.levels import Smooth
from coverify.verify.dual.relaxation import F64Array

HEAT = 20.0
"""Of the smoothing of the stairs, relative to the barrier."""
GAP = 1.5
"""Where the barrier and the smoothing leave less than this, of about 450, the search ends."""
PER_STEP = 5
"""Newton steps for one height of the barrier."""


@dataclass(frozen=True, eq=False)
class Point:
    """xi [m], curve [m], e [n]; height: of the barrier."""

    xi: F64Array
    curve: F64Array
    e: F64Array
    height: float


@dataclass(frozen=True, eq=False)
class Reached:
    """A point, its bound; z [n], a [m], square [m]: the moments of inputs and accumulators there."""

    point: Point
    bound: float
    z: F64Array
    a: F64Array
    square: F64Array


class Parabolas:
    """weights [m, n] on z; rest [n]: the form's other coefficients on z; constant: what else it is."""

    def __init__(self, stairs: Smooth, weights: F64Array, rest: F64Array, constant: float) -> None:
        self.stairs, self.weights, self.rest, self.constant = stairs, weights, rest, constant

    def inside(self, xi: F64Array, curve: F64Array, e: F64Array, height: float) -> Point:
        """A point near these where all is defined."""
        curve, e = np.maximum(curve, 1e-3), np.maximum(e, 1e-3)
        root = np.sqrt(curve)[:, None] * self.weights
        largest = float(np.linalg.eigvalsh((root / e) @ root.T)[-1])
        if largest > 0.999:
            curve = curve * (0.999 / largest)
        return Point(xi, curve, e, height)

    def lowered(self, point: Point, steps: int, target: float) -> Reached:
        """The best of so many Newton steps, or the first below the target.

        Gives up where the last steps promise that it will not be reached.
        """
        best = self.valued(point)
        history = [best]
        for k in range(steps):
            if best.bound < target or point.height * (len(point.e) + HEAT * len(point.xi)) < GAP:
                break
            new, decrement = self._stepped(point)
            at = self.valued(new)
            if at.bound < best.bound:
                best = at
            history.append(best)
            settled = decrement < point.height or new is point
            height = point.height * (0.5 if settled or k % PER_STEP == PER_STEP - 1 else 1.0)
            point = Point(new.xi, new.curve, new.e, height)
            if k >= 15 and history[-7].bound - best.bound < 0.02 * min(best.bound - target, 450.0):
                break
        return Reached(
            Point(best.point.xi, best.point.curve, best.point.e, point.height),
            best.bound, best.z, best.a, best.square,
        )  # fmt: skip

    def valued(self, point: Point) -> Reached:
        """The bound at a point, in floats."""
        e, xi, curve = point.e, point.xi, point.curve
        form = self.rest + xi @ self.weights
        root = np.sqrt(curve)[:, None] * self.weights
        low = np.linalg.cholesky(np.eye(len(xi)) - (root / e) @ root.T)
        u = np.linalg.solve(low, root / e)
        seen = u @ form
        z = (form / e + seen @ u) / 2
        spread = point.height * ((self.weights**2) @ (1 / e) + ((self.weights @ u.T) ** 2).sum(axis=1))
        bound = self.stairs.greatest(xi, curve).sum() + e.sum() + (form @ (form / e) + seen @ seen) / 4
        a = self.weights @ z
        return Reached(point, float(bound) + self.constant, z, a, a * a + spread)

    def drawn(self, reached: Reached, count: int) -> F64Array:
        """Corners of |z| <= 1 for draws with the moments that the bound rests on: [count, n]."""
        point, rng = reached.point, np.random.default_rng(0)
        root = np.sqrt(point.curve)[:, None] * self.weights
        low = np.linalg.cholesky(np.eye(len(point.xi)) - (root / point.e) @ root.T)
        u = np.linalg.solve(low, root / point.e)
        noise = rng.standard_normal((count, len(point.e))) / np.sqrt(point.e)
        noise += rng.standard_normal((count, len(point.xi))) @ u
        noise[0] = 0
        corners: F64Array = np.where(reached.z + np.sqrt(point.height) * noise > 0, 1.0, -1.0)
        return corners

    def _value(self, point: Point) -> float:
        """What is descended on; infinite where it is not defined."""
        e, xi, curve = point.e, point.xi, point.curve
        if min(float(e.min()), float(curve.min())) <= 0:
            return np.inf
        form = self.rest + xi @ self.weights
        root = np.sqrt(curve)[:, None] * self.weights
        try:
            low = np.linalg.cholesky(np.eye(len(xi)) - (root / e) @ root.T)
        except np.linalg.LinAlgError:
            return np.inf
        seen = np.linalg.solve(low, root @ (form / e))
        smooth, _ = self.stairs.smoothed(xi, curve, HEAT * point.height)
        logs = np.log(e).sum() + 2 * np.log(low.diagonal()).sum() + np.log(curve).sum()
        return float(smooth.sum() + e.sum() + (form @ (form / e) + seen @ seen) / 4 - point.height * logs)

    def _stepped(self, point: Point) -> tuple[Point, float]:
        """One damped Newton step, and its decrement."""
        direction, decrement = self._direction(point)
        n, m = len(point.e), len(point.xi)
        de, dxi, dcurve = np.split(direction, [n, n + m])
        before, step = self._value(point), 1.0
        while step > 1e-4:
            new = Point(point.xi + step * dxi, point.curve + step * dcurve, point.e + step * de, point.height)
            if self._value(new) < before - 0.05 * step * decrement:
                return new, decrement
            step *= 0.5
        return point, decrement

    def _direction(self, point: Point) -> tuple[F64Array, float]:
        """Newton's, of (e, xi, curve) in a row.

        In e the second derivative is a diagonal, something of rank m, and height · (UᵀU)∘(UᵀU), for which its
        rows' sums stand: more than it, and diagonal too.
        """
        w, e, height = self.weights, point.e, point.height
        m = len(w)
        root = np.sqrt(point.curve)[:, None] * w
        low = np.linalg.cholesky(np.eye(m) - (root / e) @ root.T)
        u = np.linalg.solve(low, root / e)
        uw = u @ w.T
        cw = w.T / e[:, None] + u.T @ uw
        k = (w / e) @ w.T + uw.T @ uw
        form = self.rest + point.xi @ w
        z = (form / e + (u @ form) @ u) / 2
        a, own = w @ z, (u * u).sum(axis=0)
        heat = HEAT * height
        _, (m1, m2, m3, m4) = self.stairs.smoothed(point.xi, point.curve, heat)
        slope_e = 1 - z * z - height * (1 / e + own)
        slope = np.concatenate([a - m1, a * a + height * k.diagonal() - m2 - height / point.curve])
        across = -np.hstack([z[:, None] * cw, cw * (2 * np.outer(z, a) + height * cw)])
        h = np.block([[k / 2, k * a], [(k * a).T, k * (2 * np.outer(a, a) + height * k)]])
        at = np.arange(m)
        h[at, at] += (m2 - m1 * m1) / heat + 1e-9
        h[at, m + at] += (m3 - m1 * m2) / heat
        h[m + at, at] += (m3 - m1 * m2) / heat
        h[m + at, m + at] += (m4 - m2 * m2) / heat + height / point.curve**2
        sums = ((u @ u.T @ u) * u).sum(axis=0)
        diagonal = 2 * z * z / e + height * (1 / e**2 + 2 * own / e + sums)
        v = np.sqrt(2) * z[:, None] * u.T
        inner = np.eye(m) + v.T @ (v / diagonal[:, None])

        def solved(x: F64Array) -> F64Array:
            y: F64Array = x / diagonal[:, None]
            y -= (v / diagonal[:, None]) @ np.linalg.solve(inner, v.T @ y)
            return y

        both = solved(np.hstack([across, slope_e[:, None]]))
        h -= across.T @ both[:, :-1]
        right = slope - across.T @ both[:, -1]
        size = 1 / np.sqrt(np.maximum(h.diagonal(), 1e-12))
        h *= size[:, None]
        h *= size
        h[np.arange(2 * m), np.arange(2 * m)] += 1e-9
        rest = -size * np.linalg.solve(h, size * right)
        de = -(both[:, -1] + both[:, :-1] @ rest)
        return np.concatenate([de, rest]), float(-(slope @ rest + slope_e @ de))
