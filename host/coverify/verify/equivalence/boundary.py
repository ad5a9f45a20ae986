"""Where do two roundings choose different classes? Next to where one of them changes its own.

Between two points of different classes, bisection finds neighbours (one code of one feature apart) at which
the first network's class changes; the logits nearly tie there, so that the last bit decides. These points and
what lies around them are what is worth running.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from coverify.verify.query import I64Array

Classes = Callable[[I64Array], I64Array]
"""int64 [N, n_input] → the classes, int64 [N]."""
_FINE = 256
"""Points on the straight line between two inputs: neighbours differ by about a code per feature."""


def crossings(rng: np.random.Generator, x: I64Array, classes: I64Array, of: Classes) -> I64Array | None:
    """Pairs of neighbours of different classes, int64 [2 · pairs, n_input]; None where all have one class.

    x: int64 [N, n_input], with their classes.
    """
    ends = _pairs(rng, classes)
    if ends is None:
        return None
    p, q = x[ends[0]], x[ends[1]]
    label = classes[ends[0]]

    def line(t: I64Array) -> I64Array:
        moved: I64Array = p + (2 * (q - p) * t[:, None] + _FINE) // (2 * _FINE)
        return moved

    low = _last(lambda t: of(line(t)) == label, np.full(len(p), _FINE))
    near, far = line(low), line(low + 1)
    order = np.argsort(rng.random(p.shape), axis=1)
    rank = np.argsort(order, axis=1)

    def path(t: I64Array) -> I64Array:
        return np.where(rank < t[:, None], far, near)

    last = _last(lambda t: of(path(t)) == label, np.full(len(p), p.shape[1]))
    return np.concatenate([path(last), path(last + 1)])


def _pairs(rng: np.random.Generator, classes: I64Array) -> tuple[I64Array, I64Array] | None:
    """Indices of pairs of different classes, each point at most once as the first one."""
    if len(np.unique(classes)) < 2:
        return None
    other = rng.permutation(len(classes))
    first = np.flatnonzero(classes != classes[other])
    if not len(first):
        first = np.flatnonzero(classes == classes[0])
        other[first] = np.flatnonzero(classes != classes[0])[0]
    return first, other[first]


def _last(holds: Callable[[I64Array], np.ndarray[tuple[int], np.dtype[np.bool_]]], end: I64Array) -> I64Array:
    """Per pair a t in 0..end − 1 with holds(t) and not holds(t + 1); holds(0), not holds(end)."""
    low, high = np.zeros_like(end), end.copy()
    while np.any(high - low > 1):
        middle = (low + high) // 2
        kept = holds(middle)
        low, high = np.where(kept, middle, low), np.where(kept, high, middle)
    return low


def around(rng: np.random.Generator, x: I64Array, lo: I64Array, hi: I64Array, n: int) -> I64Array:
    """n points near the rows of x: a few features moved by a code or two."""
    base = x[rng.integers(len(x), size=n)]
    few = np.maximum(1, rng.geometric(0.3, n))
    moved = rng.random(base.shape) < (few / base.shape[1])[:, None]
    change = rng.integers(-2, 3, base.shape)
    near: I64Array = np.clip(np.where(moved, base + change, base), lo, hi)
    return near
