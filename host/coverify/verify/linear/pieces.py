"""A function of one integer as the runs on which it is constant, and the strip that holds them all.

Stairs and tables are such functions. The strip is what linear solvers need: for every argument a that is not
saturated, below + slope * y <= a <= above + slope * y.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import numpy as np

from coverify.verify.query import I64Array
from tflm_int8.program.primitives import Rule


@dataclass(frozen=True, eq=False)
class Pieces:
    """value[k] on the arguments first[k]..last[k], the runs being adjacent and ascending; int64 [n].

    floor, ceiling: may the first and the last run be saturation, so that they say nothing of the slope?
    """

    first: I64Array
    last: I64Array
    value: I64Array
    floor: bool = False
    ceiling: bool = False

    def __len__(self) -> int:
        return len(self.value)


def stair_pieces(rule: Rule, edges: I64Array, channel: int, lo: int, hi: int) -> Pieces:
    """The stairs of one channel that the accumulators lo..hi reach; edges: see `thresholds`."""
    ends = rule.apply(np.array([lo, hi]), np.full(1, channel))
    value = np.arange(ends[0], ends[1] + 1)
    starts = np.concatenate([[lo], edges[channel, ends[0] - rule.lo : ends[1] - rule.lo], [hi + 1]])
    first = np.clip(starts[:-1], lo, hi + 1)
    last = np.clip(starts[1:], lo, hi + 1) - 1
    real = first <= last
    return Pieces(first[real], last[real], value[real], bool(ends[0] == rule.lo), bool(ends[1] == rule.hi))


def table_pieces(values: I64Array, lo: int) -> Pieces:
    """The runs of a table; values[k] belongs to argument lo + k."""
    first = np.flatnonzero(np.concatenate([[True], values[1:] != values[:-1]]))
    last = np.append(first[1:], len(values)) - 1
    return Pieces(first + lo, last + lo, values[first])


@dataclass(frozen=True)
class Strip:
    """below + slope * y <= a <= above + slope * y, but for saturated a; exact: no a has two integers y."""

    slope: Fraction
    below: Fraction
    above: Fraction
    exact: bool


def strip(pieces: Pieces) -> Strip | None:
    """The strip of three or more pieces whose values rise; None for other functions."""
    value, n = pieces.value, len(pieces)
    if n < 3 or np.any(np.diff(value) <= 0):
        return None
    lowest, highest = int(pieces.floor), n - 1 - int(pieces.ceiling)
    a, b = 1, n - 1  # where runs begin, the first (it may be cut by the bounds) apart
    slope = Fraction(int(pieces.first[b] - pieces.first[a]), int(value[b] - value[a]))
    below = min(int(pieces.first[k]) - slope * int(value[k]) for k in range(lowest, n))
    above = max(int(pieces.last[k]) - slope * int(value[k]) for k in range(highest + 1))
    return Strip(slope, below, above, exact=above - below < slope)


def affine_part(pieces: Pieces) -> tuple[Fraction, Fraction] | None:
    """(slope, constant) where the function is y = slope * a + constant on all its arguments, else None."""
    if np.any(pieces.first != pieces.last) and len(pieces) > 1:
        return None
    if len(pieces) == 1:
        return Fraction(0), Fraction(int(pieces.value[0]))
    rise = np.diff(pieces.value)
    if np.any(rise != rise[0]):
        return None
    slope = Fraction(int(rise[0]))
    return slope, int(pieces.value[0]) - slope * int(pieces.first[0])


@dataclass(frozen=True)
class Edge:
    """rise * a - run * y <= constant, for every argument a and its value y; integers."""

    rise: int
    run: int
    constant: int


MAX_EDGES = 8
"""So many edges of each half of a hull are kept, the longest."""


def hull(pieces: Pieces) -> list[Edge]:
    """Edges of the convex hull of the function's graph, above and below: each holds for every argument."""
    above = _envelope(np.concatenate([pieces.first, pieces.last]), np.tile(pieces.value, 2))
    below = _envelope(np.concatenate([pieces.first, pieces.last]), -np.tile(pieces.value, 2))
    return [Edge(-dy, -dx, dx * y - dy * a) for a, y, dx, dy in above] + [
        Edge(-dy, dx, dx * y - dy * a) for a, y, dx, dy in below
    ]


def _envelope(a: I64Array, y: I64Array) -> list[tuple[int, int, int, int]]:
    """The least concave function above the points (a, y): its longest edges as a, y, their run and rise."""
    chain: list[tuple[int, int]] = []
    order = np.lexsort((-y, a))
    for point in zip(a[order].tolist(), y[order].tolist(), strict=True):
        if chain and chain[-1][0] == point[0]:
            continue  # of points above each other, the highest
        while len(chain) > 1 and _turn(chain[-2], chain[-1], point) >= 0:
            chain.pop()
        chain.append(point)
    edges = [(p[0], p[1], q[0] - p[0], q[1] - p[1]) for p, q in pairwise(chain)]
    return sorted(edges, key=lambda edge: -edge[2])[:MAX_EDGES]


def _turn(p: tuple[int, int], q: tuple[int, int], r: tuple[int, int]) -> int:
    """Positive where p, q, r turn left."""
    return (q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0])


def product_ends(boxes: tuple[tuple[int, int], tuple[int, int]]) -> tuple[int, int]:
    """The least and the greatest product of two integers of these boxes."""
    ends = [x * y for x in boxes[0] for y in boxes[1]]
    return min(ends), max(ends)


def product_rows(
    made: int, arguments: tuple[int, int], boxes: tuple[tuple[int, int], tuple[int, int]]
) -> list[tuple[dict[int, float], int]]:
    """Rows of variables' coefficients, and what each is at least: the envelope of the product `made` of two
    arguments, which may be the same one (McCormick).
    """
    (a, b), ((la, ha), (lb, hb)) = arguments, boxes
    rows = list[tuple[dict[int, float], int]]()
    for sign, x, y in ((1, la, lb), (1, ha, hb), (-1, la, hb), (-1, ha, lb)):
        row = {made: float(sign)}  # sign (a − x)(b − y) >= 0
        for argument, other in ((a, y), (b, x)):
            row[argument] = row.get(argument, 0.0) - sign * other
        rows.append((row, -sign * x * y))
    return rows
