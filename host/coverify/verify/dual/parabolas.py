"""Multipliers and parabolas for stairs that read accumulators of one box, so that the bound becomes small.

With accumulators a = W z + b of inputs |z| <= 1, multipliers xi and curves D > 0,

    Σ nu · y(a) <= Σ max over a of (nu · y(a) − xi · a − D a²)  +  max over z of (xi · a(z) + Σ D a(z)²),

and the last is at most Σ E + lᵀ C l / 4 for every diagonal E with E − Wᵀ D W positive definite, C its
inverse and l the form's coefficients on z. Each stair is maximised over all its levels, so that a rounding
that all stairs want at once has its price: an accumulator that sits beside two edges has a large square.
nu depends on multipliers mu of the stairs above, which add maxima of their own (above.py). The function is
convex in (E, xi, D, mu); a Newton method on it, smoothed and with a logarithmic barrier, proposes them, in
floats. By Woodbury's identity what is inverted is small, one row per stair, in the first steps; when these
have not been enough, the second derivatives in E are taken as they are.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from coverify.verify.dual.above import Above
from coverify.verify.dual.levels import Smooth
from coverify.verify.dual.relaxation import F64Array

ROUGH = 6
"""So many steps have only a part of the second derivatives in E: what is easy is quicker so."""
MOST_INPUTS = 1200
"""With more, that is all that is done."""
GAP = 1.5
"""Where the barrier and the smoothing leave less than this, of about 450, the search ends."""
CENTRED = 0.02
"""Parts start from a point of at least this height, or of the last one before it was so low."""
NEARER = 0.4
"""How much nearer to the end of positive matrices one step may come: what is too near moves no more."""


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


NEAR = Path(0.2, 20.0, 6, 0.3, 100.0)
"""Where the start is good: one layer, or a part."""
FAR = Path(2.0, 3.0, 8, 0.4, 30.0)
"""With free multipliers in several layers the start is far off, and a low barrier would be in the way."""


@dataclass(frozen=True, eq=False)
class Point:
    """xi [m], curve [m], e [n]; mu [q]: the multipliers above; height: of the barrier."""

    xi: F64Array
    curve: F64Array
    e: F64Array
    mu: F64Array
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

    def __init__(
        self, stairs: Smooth, above: Above, weights: F64Array, rest: F64Array, constant: float
    ) -> None:
        self.stairs, self.above = stairs, above
        self.path = FAR if len(above.layers) > 1 else NEAR
        self.weights, self.rest, self.constant = weights, rest, constant

    def inside(self, xi: F64Array, curve: F64Array, e: F64Array, height: float, near: float) -> Point:
        """A point near these where all is defined; near: how near to where it ends, below 1."""
        curve, e = np.maximum(curve, 1e-3), np.maximum(e, 1e-3)
        root = np.sqrt(curve)[:, None] * self.weights
        largest = float(np.linalg.eigvalsh((root / e) @ root.T)[-1])
        if largest > near:
            curve = curve * (near / largest)
        return Point(xi, curve, e, self.above.mu, height)

    def lowered(self, point: Point, steps: int, target: float, part: bool) -> tuple[Reached, Reached]:
        """The best of so many Newton steps, or the first below the target; and a centred one, from which
        others are reached, and whose moments say where bounds are loose.

        Gives up where the last steps promise that it will not be reached; part: does it start from what a
        larger part had?  Then it gives up sooner.
        """
        best = centred = self.valued(point)
        history, at_height = [best.bound], 0
        for k in range(steps):
            if best.bound < target or point.height * (len(point.e) + self.path.heat * len(point.xi)) < GAP:
                break
            new, decrement = self._stepped(point, part or k >= ROUGH)
            at = self.valued(new)
            best = at if at.bound < best.bound else best
            history.append(best.bound)
            at_height, height = at_height + 1, point.height
            if decrement < self.path.settled * height or new is point or at_height == self.path.per_height:
                centred = at if height >= CENTRED else centred
                at_height, height = 0, self.path.lower * height
            point = replace(new, height=height)
            if height > NEAR.height:
                continue
            if k >= 15 and history[-7] - best.bound < 0.02 * min(best.bound - target, 450.0):
                break
            if part and k >= 5 and (history[-4] - best.bound) * (steps - k) / 6 < best.bound - target:
                break
        return best, centred

    def nu(self, mu: F64Array) -> F64Array:
        """The first stairs' coefficients, [m]."""
        nu: F64Array = self.stairs.nu + (mu - self.above.mu) @ self.above.per
        return nu

    def _u(self, point: Point) -> F64Array:
        """U [m, n] with (E − Wᵀ D W)⁻¹ = E⁻¹ + Uᵀ U."""
        root = np.sqrt(point.curve)[:, None] * self.weights
        low = np.linalg.cholesky(np.eye(len(root)) - (root / point.e) @ root.T)
        u: F64Array = np.linalg.solve(low, root / point.e)
        return u

    def valued(self, point: Point) -> Reached:
        """The bound at a point, in floats."""
        e, xi, curve = point.e, point.xi, point.curve
        form, u = self.rest + xi @ self.weights, self._u(point)
        seen = u @ form
        z = (form / e + seen @ u) / 2
        spread = point.height * ((self.weights**2) @ (1 / e) + ((self.weights @ u.T) ** 2).sum(axis=1))
        bound = self.stairs.greatest(self.nu(point.mu), xi, curve).sum() + self.above.greatest(point.mu)
        bound += self.above.tilt @ (point.mu - self.above.mu)
        bound += e.sum() + (form @ (form / e) + seen @ seen) / 4
        a = self.weights @ z
        return Reached(point, float(bound) + self.constant, z, a, a * a + spread)

    def drawn(self, reached: Reached, count: int) -> F64Array:
        """Corners of |z| <= 1 for draws with the moments that the bound rests on: [count, n]."""
        point, rng = reached.point, np.random.default_rng(0)
        noise = rng.standard_normal((count, len(point.e))) / np.sqrt(point.e)
        noise += rng.standard_normal((count, len(point.xi))) @ self._u(point)
        noise[0] = 0
        corners: F64Array = np.where(reached.z + np.sqrt(point.height) * noise > 0, 1.0, -1.0)
        return corners

    def _value(self, point: Point) -> tuple[float, float]:
        """What is descended on, infinite where it is not defined; how far the matrix is from its end."""
        e, xi, curve = point.e, point.xi, point.curve
        if min(float(e.min()), float(curve.min())) <= 0:
            return np.inf, 0.0
        form = self.rest + xi @ self.weights
        root = np.sqrt(curve)[:, None] * self.weights
        try:
            low = np.linalg.cholesky(np.eye(len(xi)) - (root / e) @ root.T)
        except np.linalg.LinAlgError:
            return np.inf, 0.0
        seen = np.linalg.solve(low, root @ (form / e))
        heat = self.path.heat * point.height
        smooth, *_ = self.stairs.smoothed(self.nu(point.mu), xi, curve, heat)
        above, *_ = self.above.smoothed(point.mu, heat)
        above += float(self.above.tilt @ (point.mu - self.above.mu))
        logs = np.log(e).sum() + 2 * np.log(low.diagonal()).sum() + np.log(curve).sum()
        value = above + smooth.sum() + e.sum() + (form @ (form / e) + seen @ seen) / 4 - point.height * logs
        return float(value), float(low.diagonal().min())

    def _stepped(self, point: Point, whole: bool) -> tuple[Point, float]:
        """One damped Newton step, and its decrement; whole: with all second derivatives."""
        direction, decrement = self._direction(point, whole and len(point.e) <= MOST_INPUTS)
        n, m = len(point.e), len(point.xi)
        de, dxi, dcurve, dmu = np.split(direction, [n, n + m, n + 2 * m])
        before, near = self._value(point)
        shrinks = np.minimum(de / point.e, 0).min(), np.minimum(dcurve / point.curve, 0).min()
        step = min(1.0, -0.95 / min(-1e-9, *shrinks))
        while step > 1e-5:
            moved = (point.xi + step * dxi, point.curve + step * dcurve, point.e + step * de)
            new = Point(*moved, point.mu + step * dmu, point.height)
            value, low = self._value(new)
            if value < before - 0.05 * step * decrement and low > NEARER * near:
                return new, decrement
            step *= 0.5
        return point, decrement

    def _direction(self, point: Point, whole: bool) -> tuple[F64Array, float]:
        """Newton's, of (e, xi, curve, mu) in a row."""
        w, e, height = self.weights, point.e, point.height
        m, q, u = len(w), len(point.mu), self._u(point)
        uw = u @ w.T
        cw = w.T / e[:, None] + u.T @ uw
        k = (w / e) @ w.T + uw.T @ uw
        form = self.rest + point.xi @ w
        z = (form / e + (u @ form) @ u) / 2
        a = w @ z
        heat = self.path.heat * height
        _, means, both = self.stairs.smoothed(self.nu(point.mu), point.xi, point.curve, heat)
        _, above, bends = self.above.smoothed(point.mu, heat)
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
        both = (_whole if whole else _rough)(u, e, z, height, np.hstack([across, slope_e[:, None]]))
        h -= across.T @ both[:, :-1]
        right = slope - across.T @ both[:, -1]
        size = 1 / np.sqrt(np.maximum(h.diagonal(), 1e-12))
        h *= size[:, None]
        h *= size
        h[np.arange(2 * m + q), np.arange(2 * m + q)] += 1e-8
        rest = -size * np.linalg.solve(h, size * right)
        de = -(both[:, -1] + both[:, :-1] @ rest)
        return np.concatenate([de, rest]), float(-(slope @ rest + slope_e @ de))


def _rough(u: F64Array, e: F64Array, z: F64Array, height: float, right: F64Array) -> F64Array:
    """Solved for the second derivatives in e, (2 z zᵀ + height M)∘M with M = E⁻¹ + UᵀU: [n, k].

    They are a diagonal, something of rank m, and height · (UᵀU)∘(UᵀU), for which its rows' sums stand: more
    than it, and diagonal too.
    """
    own, sums = (u * u).sum(axis=0), ((u @ u.T @ u) * u).sum(axis=0)
    diagonal = 2 * z * z / e + height * (1 / e**2 + 2 * own / e + sums)
    v = np.sqrt(2) * z[:, None] * u.T
    inner = np.eye(len(u)) + v.T @ (v / diagonal[:, None])
    y: F64Array = right / diagonal[:, None]
    y -= (v / diagonal[:, None]) @ np.linalg.solve(inner, v.T @ y)
    return y


def _whole(u: F64Array, e: F64Array, z: F64Array, height: float, right: F64Array) -> F64Array:
    """The same without leaving anything out, in single precision: a direction need not be exact."""
    single, at = np.float32, np.arange(len(e))
    small = u.astype(single)
    m = small.T @ small
    m[at, at] += (1 / e).astype(single)
    h = np.multiply.outer(2 * z.astype(single), z.astype(single))
    h += single(height) * m
    h *= m
    size = 1 / np.sqrt(h.diagonal())
    h *= size
    h *= size[:, None]
    h[at, at] += single(1e-6)
    y = np.linalg.solve(h, (right * size[:, None]).astype(single))
    found: F64Array = (y * size[:, None]).astype(np.float64)
    return found
