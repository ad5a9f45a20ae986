"""Parabolas under the stairs of two layers at once, and what the first one's levels say of both.

With accumulators a = W z of inputs |z| <= 1, first outputs y(a), the next accumulators b = t + V y, and for
any xi, eta, mix, mu and any curve, keep, upper > 0,

    first stairs:   max over a of  − xi a − curve a² − eta y(a) + keep y(a)² − mix a y(a)
    upper stairs:   max over b of  nu · y(b) − mu b − upper b²
    beside them:    max over z and all real y of what both have been relieved of

sum up to a bound. The last is at most Σ E + lᵀ M⁻¹ l / 4 where

    M  =   E − Wᵀ curve W     − Wᵀ mix / 2
           − mix W / 2          keep − Vᵀ upper V

is positive definite, l being the linear form beside it: roundings that all want the same have their price
(parabolas.py) in both layers. All is convex in all variables together. What is left of M when y is minimised
out has E and few rows (woodbury.py).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from coverify.verify.dual import newton
from coverify.verify.dual.above import Above
from coverify.verify.dual.damped import Descent, farthest
from coverify.verify.dual.levels import repeated, softened
from coverify.verify.dual.parabolas import Parabolas, Path, Point, promised
from coverify.verify.dual.woodbury import Woodbury
from coverify.verify.query import F64Array

PATH = Path(1.0, 1.0, 20, 0.5, 5.0)
"""How the barrier is lowered; its first height is the least first one."""
RISE, HIGHEST = 1 / 500, 32.0
"""The first height for a bound, relative to it: too low a one leads to the end of positive matrices, where
steps become small.
"""
NEAR_CENTRE = 20.0
"""A decrement of so many heights is small enough to see where lower heights lead."""
LAST = 0.01
"""The last height of the barrier."""
STUCK, HIGHER = 0.05, 8.0
"""A point is, if it is nearer to the end of positive matrices than so many heights (of 1 at most); then the
search begins again, so much higher.
"""
CLEAR = 0.2
"""So far from the end of positive matrices a direction need not be exact: conjugate gradients in single
precision lead to one in a third of the time.
"""
NEARER = 0.7
"""How much nearer to the end of positive matrices one step may come."""
SHORTEST = 1e-4
"""Of a step."""
LITTLE = 0.3
"""Where the upper curves begin: so much of what the matrix bears."""
LIGHT = 1e-7
"""Candidates of a stair that weigh less, all of them together, have no second derivatives."""


@dataclass(frozen=True, eq=False)
class Both:
    """own: xi, curve [m], e [n], mu [q], height; eta, keep, mix [m]; upper [k]."""

    own: Point
    eta: F64Array
    keep: F64Array
    mix: F64Array
    upper: F64Array

    def moved(self, de: F64Array, rest: F64Array) -> Both:
        """rest: of xi, curve, eta, keep, mix, mu, upper, one after the other."""
        m, q, own = len(self.eta), len(self.own.mu), self.own
        xi, curve, eta, keep, mix, mu, upper = np.split(rest, np.cumsum([m] * 5 + [q]))
        point = Point(own.xi + xi, own.curve + curve, own.e + de, own.mu + mu, own.height)
        return Both(point, self.eta + eta, self.keep + keep, self.mix + mix, self.upper + upper)

    def at(self, height: float) -> Both:
        """At another height of the barrier."""
        return replace(self, own=replace(self.own, height=height))

    @property
    def least(self) -> float:
        """All must be positive."""
        return min(self.own.least, float(self.upper.min()), float(self.keep.min()))


class Matrix:
    """M at a point, as its inverse.  LinAlgError where it is not positive definite."""

    def __init__(self, weights: F64Array, above: F64Array, at: Both) -> None:
        low = np.linalg.cholesky(np.diag(at.keep) - (above.T * at.upper) @ above)
        over = np.linalg.inv(low)
        self.outputs: F64Array = over.T @ over
        mixed = over * (at.mix / 2)
        self.inputs = Woodbury(weights, np.diag(at.own.curve) + mixed.T @ mixed, at.own.e)
        self.logs = self.inputs.logs + 2 * float(np.log(low.diagonal()).sum())
        self.edge = min(self.inputs.edge, float((low.diagonal() / np.sqrt(at.keep)).min()))
        self.weights, self.above, self.mix = weights, above, at.mix

    def half(self, in_z: F64Array, in_y: F64Array) -> tuple[F64Array, F64Array]:
        """Half of M⁻¹ l: z [n], y [m]."""
        z = self.inputs.times(in_z + (self.mix * (self.outputs @ in_y)) @ self.weights / 2) / 2
        return z, self.outputs @ (in_y + self.mix * (self.weights @ z)) / 2

    @cached_property
    def _turned(self) -> F64Array:
        """[m, 2m + k]: a, y and b for a, as far as they follow from it."""
        follows = self.mix[:, None] * self.outputs / 2
        turned: F64Array = np.hstack([np.eye(len(self.mix)), follows, follows @ self.above.T])
        return turned

    @cached_property
    def joint(self) -> F64Array:
        """The rows of a, y and b through M⁻¹: [2m + k, 2m + k]."""
        m, joint = len(self.mix), self._turned.T @ self.inputs.rows @ self._turned
        own = np.vstack([np.eye(m), self.above])
        joint[m:, m:] += own @ self.outputs @ own.T
        return joint

    @cached_property
    def columns(self) -> F64Array:
        """The same from z: [n, 2m + k]."""
        columns: F64Array = self.inputs.columns @ self._turned
        return columns


@dataclass(frozen=True, eq=False)
class Found:
    """A point, its bound; stuck: is it nearer to the end of positive matrices than its height can mend?"""

    point: Both
    bound: float
    stuck: bool = False


class Lifted:
    """parabolas: the same form; above: its upper layers, with every level of the lowest one."""

    def __init__(self, parabolas: Parabolas, above: Above, middle: F64Array) -> None:
        """middle [m]: y0, what the first outputs are counted from."""
        stairs = parabolas.stairs
        self.weights, self.rest, self.above = parabolas.weights, parabolas.rest, above
        self.first, self.last = stairs.first, stairs.last
        self.size = np.maximum((stairs.value[:, -1] - stairs.value[:, 0]) / 2, 0.5)
        self.y = (stairs.value - middle[:, None]) / self.size[:, None]
        self._again = np.tile(repeated(stairs.first), 3)
        k = len(above.layers[0].mu)
        self.v = above.per[:k] * self.size
        self.tilt = above.tilt + above.per @ middle
        self.t = self.tilt[:k]
        self.nu = stairs.nu * self.size
        self.constant = parabolas.constant + float(stairs.nu @ middle)
        m, q = len(self.weights), len(above.mu)
        sizes = np.cumsum([0, m, m, m, m, m, q, k]).tolist()
        self.slices = [slice(*ends) for ends in itertools.pairwise(sizes)]
        self._basis(m, q, k)

    def _basis(self, m: int, q: int, k: int) -> None:
        """Which two of (a, y, b) each variable multiplies in the matrix, and with which sign."""
        a, y, b = np.arange(m), m + np.arange(m), 2 * m + np.arange(k)
        none = np.zeros(m, int)
        self._left = np.concatenate([none, a, none, y, a, np.zeros(q, int), b])
        self._right = np.concatenate([none, a, none, y, y, np.zeros(q, int), b])
        self._sign = np.repeat([0.0, -1.0, 0.0, 1.0, -1.0, 0.0, -1.0], [m, m, m, m, m, q, k])
        linear = np.zeros((2 * m + k, len(self._sign)))
        xi, _, eta, _, _, mu, upper = self.slices
        linear[a, np.arange(xi.start, xi.stop)] = linear[y, np.arange(eta.start, eta.stop)] = 1.0
        linear[b, mu.start + np.arange(k)] = 1.0
        linear[b, np.arange(upper.start, upper.stop)] = 2 * self.t
        self._linear = linear
        self._constant = np.zeros(len(self._sign))
        self._constant[mu], self._constant[upper] = self.tilt, self.t**2

    def started(self, point: Point, bound: float, again: int = 0) -> Both:
        """From a point without upper parabolas, and the bound there; again: how often that was stuck."""
        height, k = min(max(PATH.height, bound * RISE) * HIGHER**again, HIGHEST), len(self.v)
        curve, e = np.maximum(point.curve, 1e-3), 1.02 * point.e + 1.3 * height
        own = replace(point, curve=curve, e=e, height=height)
        eta = -(self.nu + (point.mu[:k] - self.above.mu[:k]) @ self.v)
        keep = np.full(len(eta), 2 * height)
        most = max(float(np.linalg.eigvalsh(self.v.T @ self.v)[-1]), 1e-9)
        upper = np.full(k, LITTLE * 2 * height / most)
        return Both(own, eta, keep, np.zeros(len(eta)), upper)

    def matrix(self, at: Both) -> Matrix:
        """Raises LinAlgError."""
        return Matrix(self.weights, self.v, at)

    def form(self, at: Both) -> tuple[F64Array, F64Array]:
        """What stands beside z and y."""
        k = len(self.v)
        up = at.own.mu[:k] - self.above.mu[:k] + 2 * at.upper * self.t
        return self.rest + at.own.xi @ self.weights, at.eta + self.nu + up @ self.v

    def lowered(self, at: Both, steps: int, target: float, check: Callable[[], object]) -> Found:
        """The best of so many Newton steps, or the first below the target; check: called before each.

        Gives up where two heights of the barrier promise that it will not be reached.
        """
        matrix, value, at_height, marks = self.matrix(at), None, 0, list[tuple[float, float]]()
        best = self.found(at, matrix)
        for _ in range(steps):
            check()
            height = at.own.height
            new, matrix, value, decrement = self._stepped(at, matrix, value)
            now = self.found(new, matrix)
            best = now if now.bound < best.bound else best
            if best.bound < target:
                break
            if matrix.edge < STUCK * min(height, 1.0):
                return replace(best, stuck=True)
            at_height += 1
            stuck = new is at
            settled = decrement < PATH.settled * height
            at = new
            if settled or stuck or at_height == PATH.per_height:
                if height * PATH.lower < LAST:
                    break
                marks += [(height, now.bound)] if decrement < NEAR_CENTRE * height else []
                if len(marks) > 1 and promised(*marks[-2:]) > target > -np.inf:
                    break
                at, value, at_height = at.at(height * PATH.lower), None, 0
        return best

    def found(self, at: Both, matrix: Matrix) -> Found:
        """The bound, in floats."""
        top = self._gains(at)[0].max(axis=1).sum() + self.above.greatest(at.own.mu, at.upper)
        return Found(at, self._middle(at, matrix)[2] + float(top))

    def _middle(self, at: Both, matrix: Matrix) -> tuple[F64Array, F64Array, float]:
        """z, y and all but the maxima."""
        in_z, in_y = self.form(at)
        z, y = matrix.half(in_z, in_y)
        base = self.constant + float(self.tilt @ (at.own.mu - self.above.mu)) + float(at.upper @ self.t**2)
        return z, y, base + float(at.own.e.sum()) + float(in_z @ z + in_y @ y) / 2

    def _gains(self, at: Both) -> tuple[F64Array, F64Array, F64Array]:
        """Of the first stairs at both ends of every level and beside the vertex: [m, 3 levels], and a there;
        does it move?
        """
        own, y = at.own, self.y
        xi = own.xi[:, None] + at.mix[:, None] * y
        curve = own.curve[:, None]
        fixed = (at.keep[:, None] * y - at.eta[:, None]) * y
        vertex = np.clip(-xi / (2 * curve), self.first, self.last)
        inside = (self.first < vertex) & (vertex < self.last)
        a = np.stack([self.first, self.last, vertex], axis=1)
        gain = (fixed[:, None] - xi[:, None] * a - curve[:, None] * a * a).reshape(len(y), -1)
        gain[self._again] = -np.inf
        moves = np.zeros_like(gain, bool)
        moves[:, -y.shape[1] :] = inside
        return gain, a.reshape(len(y), -1), moves

    @property
    def descent(self) -> Descent[Both, Matrix]:
        """On what is smoothed, with a barrier."""
        return Descent(self.matrix, self._smoothed, NEARER, SHORTEST)

    def _smoothed(self, at: Both, matrix: Matrix) -> float:
        heat = PATH.heat * at.own.height
        base = self._middle(at, matrix)[2]
        base += float(softened(self._gains(at)[0], heat)[0].sum())
        base += self.above.softest(at.own.mu, heat, at.upper)
        logs = matrix.logs + float(np.log(at.own.curve).sum() + np.log(at.upper).sum())
        return base - at.own.height * logs

    def _stepped(self, at: Both, matrix: Matrix, value: float | None) -> tuple[Both, Matrix, float, float]:
        """One damped Newton step, the matrix and value there, its decrement; value: the one here, if it is
        known.
        """
        slopes = self.slopes(at, matrix)
        de, rest = _direction(slopes, matrix.edge)
        decrement = float(-(slopes.in_rest @ rest + slopes.in_e @ de))
        curve, keep, upper = (rest[self.slices[i]] for i in (1, 3, 6))
        most = farthest((de, at.own.e), (curve, at.own.curve), (keep, at.keep), (upper, at.upper))
        moved = lambda step: at.moved(step * de, step * rest)  # noqa: E731
        return *self.descent.stepped(at, matrix, moved, decrement, most, value), decrement

    def slopes(self, at: Both, matrix: Matrix) -> newton.Slopes:
        """The derivatives in e and in all others (see Both.moved)."""
        own, height = at.own, at.own.height
        heat = PATH.heat * height
        z, y, _ = self._middle(at, matrix)
        means = np.concatenate([self.weights @ z, y, self.v @ y])
        joint, columns, left, right, sign = matrix.joint, matrix.columns, self._left, self._right, self._sign
        each = np.arange(len(sign))
        follows = self._linear.copy()
        follows[left, each] -= sign * means[right]
        follows[right, each] -= sign * means[left]
        slope = self._constant + self._linear.T @ means
        slope -= sign * (means[left] * means[right] + height * joint[left, right])
        bent = height * np.outer(sign, sign) / 2
        bend = follows.T @ joint @ follows / 2
        bend += bent * (
            joint[np.ix_(left, left)] * joint[np.ix_(right, right)]
            + joint[np.ix_(left, right)] * joint[np.ix_(right, left)]
        )
        across = -z[:, None] * (columns @ follows) + height * sign * columns[:, left] * columns[:, right]
        u = matrix.inputs.u
        slope_e = 1 - z * z - height * (1 / own.e + (u * u).sum(axis=0))
        _, curve, _, _, _, mu, upper = self.slices
        for part, values in ((curve, own.curve), (upper, at.upper)):
            k = each[part]
            slope[k] -= height / values
            bend[k, k] += height / values**2
        self._first_stairs(at, heat, slope, bend)
        above, more = self.above.smoothed(own.mu, heat, at.upper)
        rest = slice(mu.start, upper.stop)
        slope[rest] += above
        bend[rest, rest] += more
        return newton.Slopes(matrix.inputs, z, height, across, bend, slope_e, slope)

    def _first_stairs(self, at: Both, heat: float, slope: F64Array, bend: F64Array) -> None:
        """Add what the first layer's maxima have."""
        gain, a, moves = self._gains(at)
        weight = softened(gain, heat)[1]
        heavy = weight.max(axis=0) > LIGHT
        weight, a, moves = weight[:, heavy], a[:, heavy], moves[:, heavy]
        y = np.tile(self.y, 3)[:, heavy]
        n, one = len(a), np.ones_like(a)
        terms = np.stack([-a, -a * a, -y, y * y, -a * y])
        mean = (terms * weight).sum(axis=2)
        off = terms - mean[:, :, None]
        pull = np.stack([one, 2 * a, 0 * a, 0 * a, y])
        freely = weight * moves / (2 * at.own.curve)[:, None]
        own = np.arange(n)
        for i in range(5):
            slope[i * n + own] += mean[i]
            for j in range(i, 5):
                both = (off[i] * off[j] * weight / heat + pull[i] * pull[j] * freely).sum(axis=1)
                bend[i * n + own, j * n + own] += both
                if i != j:
                    bend[j * n + own, i * n + own] += both


def _direction(at: newton.Slopes, edge: float) -> tuple[F64Array, F64Array]:
    """Newton's, or one near it where the matrix is far from its end.  Raises LinAlgError."""
    if edge > CLEAR:
        try:
            return newton.direction(at, True)
        except np.linalg.LinAlgError:
            pass
    return newton.solved(at)
