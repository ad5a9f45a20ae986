"""How large is the greatest of a linear form over all 2^m cases of m stairs at once, without visiting them?

Each of m stairs is cut in two cases with multipliers of its own. With signs x in {±1}^(1 + m), x_0 = 1, the
form's coefficients on the input are half of x · B, and its bound is a sum of magnitudes of x · B and
something linear in x. Magnitudes are replaced by squares, |g| <= g²/(2t) + t/2, so that what is left to bound
is a quadratic form xᵀ H x on signs: at most Σ d wherever diag(d) − H is positive semidefinite. t, d and the
multipliers are free: any are valid. They are found by an interior-point method in floats. `Form.bound` is the
same with parabolas (parabolas.py), where x_k is any real number and x_k² has its price, in exact integers
(docs/certificates.md).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from coverify.verify.query import F64Array, I64Array

SCALE = 26
"""2^(SCALE + 1) |g| <= p g² + 4^SCALE / p, the weight p being 2^SCALE / t."""
BARRIER = 0.05
"""What the logarithmic barrier weighs at first, relative to what it bounds."""
_ROOM = 2**61


@dataclass(frozen=True, eq=False)
class Form:
    """Integers: B [1 + m, n] and twice the form's constant l [1 + m], per x_k; the input's box lo, hi [n];
    products [1 + m, 1 + m]: of two of the x_k, with k > 0, one of two at most not 0.

    x_0 = 1, and x_k² counts with −d_k / 2^(SCALE + 4): the form's greatest value over all real x_k is that
    with parabolas.
    """

    forms: I64Array
    constants: I64Array
    lo: I64Array
    hi: I64Array
    products: I64Array | None = None

    def bound(self, p: I64Array, d: I64Array) -> tuple[int, int] | None:
        """A bound of the form less its squares, and d_0, for weights p [n] and d [m].

        None where the numbers are too large for exact int64 arithmetic, or d too small.
        """
        quadratic = self._quadratic(p)
        if quadratic is None or float(np.abs(d).max(initial=0)) >= 2.0**60:
            return None
        h, rest = quadratic
        n = -h.astype(np.float64)
        n[np.arange(1, len(n)), np.arange(1, len(n))] += d
        spare = float(np.abs(n).max()) * 2.0**-25 * len(n)
        try:
            seen = np.linalg.solve(n[1:, 1:] - spare * np.eye(len(d)), n[1:, 0])
        except np.linalg.LinAlgError:
            return None
        first = float(h[0, 0] + n[0, 1:] @ seen)
        for room in (2.0, 16.0, 256.0):
            d0 = first + room * max(spare, first * 2.0**-30)
            if not 0 <= d0 < 2.0**60:
                return None
            whole = np.concatenate([[int(d0)], d])
            if positive(np.diag(whole) - h):
                return (int(d0) + rest) >> (SCALE + 4), int(d0)
        return None

    def _quadratic(self, p: I64Array) -> tuple[I64Array, int] | None:
        """H [1 + m, 1 + m] and the constant of 2^(SCALE + 4) · the form."""
        b, radius, f = self.forms, self.hi - self.lo, np.float64
        ends = np.maximum(np.abs(self.lo), np.abs(self.hi)).astype(f)
        if float((np.abs(b.astype(f)) @ ends + np.abs(self.constants.astype(f))).max()) >= _ROOM / 4:
            return None
        linear = 2 * self.constants + b @ (self.lo + self.hi)
        weight = radius * p
        most = float((b.astype(f) ** 2 @ weight.astype(f)).max())
        if max(2 * most, float(np.abs(linear).max()) * 2.0 ** (SCALE + 1)) >= _ROOM / 4:
            return None
        h: I64Array = 2 * ((b * weight) @ b.T)
        h[0, 1:] += linear[1:] << (SCALE + 1)
        h[1:, 0] += linear[1:] << (SCALE + 1)
        if self.products is not None:
            if float(np.abs(self.products).max()) >= 2.0 ** (60 - SCALE - 3):
                return None
            h += (self.products + self.products.T) << (SCALE + 3)
        squares = sum(r * -(-(4**SCALE) // w) for r, w in zip(radius.tolist(), p.tolist(), strict=True))
        return h, 2 * (int(linear[0]) << (SCALE + 1)) + 2 * squares


def positive(n: I64Array) -> bool:
    """Is a symmetric integer matrix positive semidefinite?  False also where this cannot be told.

    N scaled to 58 bits, less its rounding, minus RᵀR for an integer R near its Cholesky factor, must be
    diagonally dominant.
    """
    size = len(n)
    e = int(np.abs(n).max()).bit_length() - 58
    n = n << -e if e <= 0 else (n >> e) - (size - 1) * np.eye(size, dtype=np.int64)
    try:
        lower = np.linalg.cholesky(n - np.abs(n).max() * 2.0**-26 * size * np.eye(size))
    except np.linalg.LinAlgError:
        return False
    r = np.rint(lower).astype(np.int64)
    if (r.astype(np.float64) ** 2).sum(axis=1).max() >= _ROOM:
        return False
    left = n - r @ r.T
    diagonal = left.diagonal()
    return bool(np.all(2 * diagonal >= np.abs(left).sum(axis=1)) and np.all(diagonal >= 0))


@dataclass(eq=False)
class Parts:
    """What the form is made of, in floats. A part is a case of a stair, or a stair that is not cut.

    sign: which x it goes with, int [P]: 0 for a whole stair, k for x_k; side: 0, or ±1: it counts half and
    with ±x_k; weights [P, n], bias [P]: its accumulator; xi, least, most [P]: multipliers and their range;
    gain: multipliers → max of (nu · y − xi · a) and where it is taken, [P] each; rest [n], constant: the form
    without these parts; lo, hi [n]: the input's box.
    """

    sign: I64Array
    side: F64Array
    weights: F64Array
    bias: F64Array
    xi: F64Array
    least: F64Array
    most: F64Array
    gain: Callable[[F64Array], tuple[F64Array, F64Array]]
    rest: F64Array
    constant: float
    lo: F64Array
    hi: F64Array

    def __post_init__(self) -> None:
        self.k = int(self.sign.max(initial=0)) + 1
        self.share = np.where(self.side == 0, 1.0, 0.5)
        self.middle, self.radius = (self.lo + self.hi) / 2, (self.hi - self.lo) / 2
        self.free = np.flatnonzero(self.most > self.least)
        v = np.zeros((len(self.sign), self.k))
        v[:, 0] = self.share
        cut = np.flatnonzero(self.side)
        v[cut, self.sign[cut]] = self.side[cut] / 2
        self.v = v

    def forms(self, xi: F64Array) -> tuple[F64Array, F64Array, F64Array]:
        """B [n, k] and the constants [k] per sign, both halved, and where the gains are taken."""
        b = np.zeros((len(self.rest), self.k))
        b[:, 0] = self.rest + (xi * self.share) @ self.weights
        cut = np.flatnonzero(self.side)
        np.add.at(b.T, self.sign[cut], (self.side[cut] * xi[cut] / 2)[:, None] * self.weights[cut])
        value, at = self.gain(xi)
        constants = (value + xi * self.bias) @ self.v
        constants[0] += self.constant
        return b, constants, at


@dataclass(eq=False)
class Found:
    """The best multipliers [P], t [n] and bound; d [k]; moments [k, k]: the signs' second moments there."""

    xi: F64Array
    t: F64Array
    bound: float
    moments: F64Array
    d: F64Array


def minimised(parts: Parts, rounds: int, target: float) -> Found:
    """Alternate between d (Newton on a logarithmic barrier), t (in closed form) and multipliers (Newton)."""
    xi = parts.xi.copy()
    b, constants, at = parts.forms(xi)
    t = np.sqrt((b * b).sum(axis=1)) + 1e-9
    d, mu, best, worse = None, 0.0, Found(xi, t, np.inf, np.eye(parts.k), np.ones(parts.k)), 0
    for _ in range(rounds):
        h, tails = _quadratic(parts, b, constants, t)
        if d is None:
            d = np.abs(h).sum(axis=1)
            mu = BARRIER * (float(d.sum()) + tails) / parts.k
            d = d + mu
        d, moments = centred(h, d, mu)
        bound = tails + float(d.sum())
        worse = 0 if bound < best.bound else worse + 1
        if bound < best.bound:
            best = Found(xi, t, bound, moments, d)
        if bound < target or worse > 1:
            break
        moved = b @ moments
        t = np.sqrt(np.sqrt((moved * b).sum(axis=1)) * best.t) + 1e-9
        xi = _stepped(parts, xi, at, moved / t[:, None] * parts.radius[:, None], moments, t)
        b, constants, at = parts.forms(xi)
        mu *= 0.7
    if best.bound >= target:
        b, constants, _ = parts.forms(best.xi)
        h, tails = _quadratic(parts, b, constants, best.t)
        best.d, _ = centred(h, best.d, 1e-4 * mu)
        best.bound = min(best.bound, tails + float(best.d.sum()))
    return best


def _quadratic(parts: Parts, b: F64Array, constants: F64Array, t: F64Array) -> tuple[F64Array, float]:
    """H [k, k] and a constant: the form is at most the latter and xᵀ H x for signs x."""
    linear = constants + parts.middle @ b
    h: F64Array = (b * (parts.radius / (2 * t))[:, None]).T @ b
    h[0] += linear / 2
    h[:, 0] += linear / 2
    return h, float(parts.radius @ t) / 2


def _stepped(
    parts: Parts, xi: F64Array, at: F64Array, pull: F64Array, moments: F64Array, t: F64Array
) -> F64Array:
    """A damped Newton step on the multipliers, clipped to their range."""
    free = parts.free
    if not len(free):
        return xi
    w, v = parts.weights[free], parts.v[free]
    seen = v @ moments
    slope = ((w @ pull) * v).sum(axis=1) + (w @ parts.middle + parts.bias[free] - at[free]) * seen[:, 0]
    curve = ((w * (parts.radius / t)) @ w.T) * (seen @ v.T)
    curve = curve + np.diag(0.3 * curve.diagonal() + 1e-12)
    out = xi.copy()
    out[free] = np.clip(xi[free] - 0.7 * np.linalg.solve(curve, slope), parts.least[free], parts.most[free])
    return out


def centred(h: F64Array, d: F64Array, mu: float) -> tuple[F64Array, F64Array]:
    """d that minimises Σ d − mu · log det(diag(d) − H), and the moments mu (diag(d) − H)^-1, scaled to 1."""
    least = float(np.linalg.eigvalsh(np.diag(d) - h)[0])
    if least < 0.05 * mu:
        d = d + (0.3 * mu - least)
    for _ in range(12):
        moments = mu * np.linalg.inv(np.diag(d) - h)
        slope = 1 - moments.diagonal()
        step = np.linalg.solve(moments * moments / mu, slope)
        decrement = np.sqrt(max(0.0, float(slope @ step)) / mu)
        d = d - step / (1 + decrement)
        if decrement < 0.5:
            break
    moments = mu * np.linalg.inv(np.diag(d) - h)
    size = np.sqrt(moments.diagonal())
    return d, moments / np.outer(size, size)
