"""Which pieces of a scalar step can hold the maximum of nu · y − xi · a?  The corners of their convex hull.

There are far fewer of them than levels or entries, and many rows share them.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from coverify.verify.dual.relaxation import FEW, Pieces, Together
from coverify.verify.query import BoolArray, F64Array, I64Array


def corners(p: Pieces) -> Pieces:
    """The pieces, of one box, with the same maximum for all nu and xi; FEW are all kept.

    A level is at its first end where xi > 0, else at its last one; levels rise, so that the maximum is at the
    upper hull of the first ends, at the lower hull of the last ones, or at an end. No two pieces are the
    same, but those at the end that fill a row.
    """
    if isinstance(p, Together) or p.value.shape[2] <= FEW:  # few: ends alone, in no order
        return p
    kept = _upper(p.first[0], p.value[0]) | _upper(p.last[0], -p.value[0])
    index = _together(kept)[None]
    value, first, last = (np.take_along_axis(x, index, axis=2) for x in (p.value, p.first, p.last))
    return replace(p, value=value, first=first, last=last)


def _upper(a: F64Array, y: F64Array) -> BoolArray:
    """Which points, a ascending, are corners of the least concave function above them, [n, points]; those at
    both ends are.
    """
    kept = np.ones(a.shape, bool)
    while True:
        index = _together(kept)
        (u, v, w), (before, at, after) = (
            (x[:, :-2], x[:, 1:-1], x[:, 2:]) for x in (np.take_along_axis(z, index, axis=1) for z in (y, a))
        )
        inner = index[:, 1:-1] < a.shape[1] - 1
        below = inner & ((v - u) * (after - before) <= (w - u) * (at - before))
        if not below.any():
            return kept
        rows, columns = np.nonzero(below)
        kept[rows, index[rows, columns + 1]] = False


def _together(kept: BoolArray) -> I64Array:
    """The numbers of those kept, ascending, as many as there are in any row: the last one repeats."""
    order = np.argsort(~kept, axis=1, kind="stable")[:, : int(kept.sum(axis=1).max())]
    return np.where(np.take_along_axis(kept, order, axis=1), order, kept.shape[1] - 1)
