"""The argument: a script that leaves no input of the box on which a row of C · x <= d fails, x the last wire.

It narrows boxes of all wires on which that row fails (c · x >= d + 1), the root's being intervals:

    ROW j                    now show row j, from the root's boxes
    TIGHTEN first count      bound values by the bounds first..first + count − 1
    SPLIT wire element v     first the part with value <= v, later the part with value > v
    CLOSE bound              the part is empty: by a bound, or (−1) by its boxes

A bound (wire, element, sign, scale, m) is one of scale · sign · value + m · (c · x − d − 1), whose second
part is >= 0 where row j fails: so floor(bound / scale) bounds sign · value there, and with scale = 0 a bound
below 0 shows that there is no such input. Any multipliers xi and any m >= 0 give valid bounds: nobody need be
trusted for them. A bound may have parabolas under stairs next to the input (squares.py).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from coverify.check.squares import greatest
from coverify.check.steps import CELLS, SMALL, Ints, Linear, Network, Pieces, exact, maximum, need, small

ROW, TIGHTEN, SPLIT, CLOSE = range(4)
Fact = tuple[int, int, int, int]  # wire, element, sign, end: sign · value <= end
Curves = dict[int, tuple[Ints, int, Ints]]
"""Bound → its parabolas (wire, element, centre, curve, slope) [5, m], d_0, weights [inputs]."""


class Proof:
    """box [2, n]; bounds [b, 5], xi (wire → [b, elements of the wire]), curves as in the certificate; c, d.

    The claim becomes one more step, z = c · x − d − 1: row j fails where z[j] >= 0. `j`: the row to show;
    `root`: every wire's box, by intervals.
    """

    def __init__(
        self, net: Network, box: Ints, bounds: Ints, xi: dict[int, Ints], curves: Curves, c: Ints, d: Ints
    ) -> None:
        self.net = replace(net, steps=(*net.steps, Linear((len(net.steps),), c, None, -d - 1)))
        self.root, self.bounds, self.xi, self.curves, self.c = self.net.boxes(box), bounds, xi, curves, c

    def products(self, script: Ints) -> int:
        """At most how many multiply-adds a script takes, as a Python integer."""
        counts = script[script[:, 0] == TIGHTEN, 2].tolist()
        passes = 4 * (len(script) + len(self.c)) + sum(max(n, 0) for n in counts)
        m = max((len(case[0][0]) for case in self.curves.values()), default=0)
        squares = m * (self.net.cost + self.root[0].size * m + m * m)
        return passes * (self.net.cost + squares + 10_000 * len(self.net.steps))

    def run(self, script: Ints) -> None:
        """Rejected unless the script shows every row that the root's boxes do not."""
        left = {j for j in range(self.root[-1].shape[1]) if self.failing(j) is not None}
        need(left <= set(script[script[:, 0] == ROW, 1].tolist()), "a row is left open")
        stack = list[list[Ints] | None]()
        for op, first, second, third in script.tolist():
            if op == ROW:
                need(not stack, "a row out of order")
                stack.append(self.failing(first))
                continue
            boxes = stack.pop()
            if op == TIGHTEN:
                stack.append(boxes and self.narrowed(boxes, self.shown(boxes, first, second)))
            elif op == SPLIT:
                need(len(stack) * sum(box.size for box in self.root) < 16 * CELLS, "a tree that is too deep")
                parts = ((first, second, -1, -third - 1), (first, second, 1, third))
                stack += [boxes and self.narrowed(boxes, [part]) for part in parts]
            else:
                need(op == CLOSE and (boxes is None or self.empty(boxes, first)), "a part is not closed")
        need(not stack, "a part is left open")

    def failing(self, j: int) -> list[Ints] | None:
        """The root's boxes where row j fails; from here on it is the row to show."""
        self.j = j
        return self.narrowed(self.root, [(len(self.root) - 1, j, -1, 0)])

    def narrowed(self, boxes: list[Ints], facts: Iterable[Fact]) -> list[Ints] | None:
        """The boxes where the row fails and the facts hold, or None where there is no such input."""
        boxes, start = [box.copy() for box in boxes], len(boxes)
        for wire, element, sign, end in facts:
            need(wire >= 0 and element >= 0, "an element that does not exist")
            low, high = boxes[wire][:, element].tolist()
            low, high = (low, min(high, end)) if sign > 0 else (max(low, -end), high)
            if low > high:
                return None
            boxes[wire][:, element], start = (low, high), min(start, wire)
        for k, step in enumerate(self.net.steps[start:], start + 1):
            (low, high), (a, b) = boxes[k], step.interval(boxes)
            boxes[k] = np.stack([np.maximum(low, a), np.minimum(high, b)])
            if np.any(boxes[k][0] > boxes[k][1]):
                return None
        return boxes if self.above(boxes) else None

    def above(self, boxes: list[Ints]) -> bool:
        """Narrow the last wire to where the row fails, and what its stairs read to where they give that.

        Is anything left?  No element may cost z[j] more than what the others at their best leave of it: its
        upper end by this interval, not one that was shown of it.
        """
        (*_, step, claim), c, (lo, hi) = self.net.steps, self.c[self.j], boxes[-2]
        i = np.flatnonzero(c)
        room = claim.interval(boxes)[1, self.j] // np.abs(c[i])
        lo[i] = np.maximum(lo[i], np.where(c[i] > 0, hi[i] - room, lo[i]))
        hi[i] = np.minimum(hi[i], np.where(c[i] < 0, lo[i] + room, hi[i]))
        if not isinstance(step, Pieces) or np.any(np.diff(step.values) < 0):
            return True
        box, starts, n = boxes[step.sources[0]], step.starts, step.channel
        box[0] = np.maximum(box[0], starts[n, np.searchsorted(step.values, lo)])
        box[1] = np.minimum(box[1], starts[n, np.searchsorted(step.values, hi, side="right")] - 1)
        return bool(np.all(box[0] <= box[1]))

    def empty(self, boxes: list[Ints], k: int) -> bool:
        """Does bound k show that the row does not fail here?"""
        need(0 <= k < len(self.bounds) and self.bounds[k, 3] == 0, "a closing bound of another form")
        return bool(self.upper(boxes, k, 1)[0] < 0)

    def shown(self, boxes: list[Ints], first: int, count: int) -> Iterable[Fact]:
        """The facts that these bounds show, so many at a time."""
        need(first >= 0 and 0 < count <= len(self.bounds) - first, "bounds that do not exist")
        step = max(1, CELLS // sum(box.size for box in boxes))
        for at in range(first, first + count, step):
            rows = self.bounds[at : min(at + step, first + count)].tolist()
            most = self.upper(boxes, at, len(rows)).tolist()
            for (wire, element, sign, scale, _), bound in zip(rows, most, strict=True):
                yield wire, element, sign, bound // scale

    def upper(self, boxes: list[Ints], first: int, count: int) -> Ints:
        """An upper bound of each of these forms where the row fails."""
        constants, nu = self.walked(boxes, first, count)
        total = constants + maximum(nu[0], boxes[0])
        for k in self.curves.keys() & set(range(first, first + count)):
            total[k - first] = self.over_parabolas(boxes, k)
        return total

    def walked(self, boxes: list[Ints], first: int, count: int) -> tuple[Ints, list[Ints]]:
        """Per form a constant, and the coefficients [count, n] that come to each wire, at last the input."""
        wire, element, sign, scale, m = self.bounds[first : first + count].T
        known = (m >= 0) & (scale >= 0) & (abs(sign) == 1) & (wire >= 0) & (element >= 0)
        need(np.all(known), "an unknown form")
        nu, total = [np.zeros((count, box.shape[1]), np.int64) for box in boxes], np.zeros(count, np.int64)
        nu[-1][:, self.j] = m
        for k in range(count):
            nu[wire[k]][k, element[k]] += sign[k] * scale[k]
        for k, step in reversed(list(enumerate(self.net.steps, 1))):
            xi = self.xi[k][first : first + count].astype(np.int64) if k in self.xi else None
            constant, parts = step.back(nu[k], xi, boxes)
            total = small(total + constant)
            for source, part in zip(step.sources, parts, strict=True):
                nu[source] = small(nu[source] + part)
        return total, nu

    def over_parabolas(self, boxes: list[Ints], k: int) -> int:
        """A bound where parabolas are taken from some stairs next to the input, and their sum is bounded.

        curve · (a − centre)² / 2^24 leaves the stairs' maximum, and is at most slope · (a − centre) · y −
        d · y² / 2^30 for some y: forms of y and the input are left (squares.py).
        """
        (wire, element, centre, curve, slope), d0, weights = self.curves[k]
        need(np.all(wire == wire[0]) and wire[0] > 0 and wire[0] in self.xi, "parabolas of no one step")
        stairs = self.net.steps[wire[0] - 1]
        need(isinstance(stairs, Pieces) and stairs.sources[0] > 0, "parabolas of other than stairs")
        linear, n = self.net.steps[stairs.sources[0] - 1], boxes[wire[0]].shape[1]
        need(isinstance(linear, Linear) and set(linear.sources) == {0}, "parabolas far from the input")
        known = (element >= 0) & (element < n) & (curve >= 1) & (slope != 0)
        need(np.all(known) and len(set(element.tolist())) == len(element), "a parabola's form")
        total, nu = self.walked(boxes, k, 1)
        own, xi = nu[wire[0]], self.xi[wire[0]][k : k + 1].astype(np.int64)
        total = total + stairs.eased(own, xi, boxes, element, centre, curve) - stairs.back(own, xi, boxes)[0]
        steps = (element[:, None] == np.arange(n)) * small(slope)[:, None]
        constant, parts = linear.back(steps, None, boxes)
        exact((slope[:, None, None], centre[:, None, None]))
        forms = small(2 * np.concatenate([nu[0], sum(parts)]))
        constants = small(2 * small(np.concatenate([total, constant - slope * centre])))
        d = [(s * s << 52) // c for s, c in zip(slope.tolist(), curve.tolist(), strict=True)]
        need(max(d) < SMALL, "a slope out of range")
        return greatest(forms, constants, boxes[0], weights, np.array([d0, *d]))
