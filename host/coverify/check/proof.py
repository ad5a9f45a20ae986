"""The argument: a script that leaves no input of the box on which a row of C · x <= d fails, x the last wire.

It narrows boxes of all wires on which that row fails (c · x >= d + 1), the root's being intervals:

    ROW j                    now show row j, from the root's boxes
    TIGHTEN first count      bound values by the bounds first..first + count − 1
    SPLIT wire element v     first the part with value <= v, later the part with value > v
    CLOSE bound              the part is empty: by a bound, or (−1) by its boxes

A bound (wire, element, sign, scale, m) is one of scale · sign · value + m · (c · x − d − 1), whose second
part is >= 0 where row j fails: so floor(bound / scale) bounds sign · value there, and with scale = 0 a bound
below 0 shows that there is no such input. Any multipliers xi and any m >= 0 give valid bounds: nobody need be
trusted for them. A bound may have cases of stairs next to the input: then squares.py has the last word.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from coverify.check.squares import greatest
from coverify.check.steps import CELLS, Ints, Linear, Network, Pieces, exact, need, norm, size

ROW, TIGHTEN, SPLIT, CLOSE = range(4)
Cases = dict[int, tuple[Ints, int, Ints]]
"""Bound → its cases (wire, element, value, slope, d) [5, m], d of the constant sign, weights [inputs]."""


class Proof:
    """box [2, n]; bounds [b, 5] and xi (wire → [b, elements of the wire]) as in the certificate."""

    def __init__(self, net: Network, box: Ints, bounds: Ints, xi: dict[int, Ints], cases: Cases) -> None:
        self.net, self.bounds, self.xi, self.cases, self.root = net, bounds, xi, cases, [box]
        for step in net.steps:
            self.root.append(step.interval(self.root))

    def products(self, script: Ints) -> int:
        """At most how many multiply-adds a script takes, as a Python integer."""
        passes: int = sum(
            {TIGHTEN: 2 + max(count, 0), SPLIT: 4}.get(op, 2) for op, _, count, _ in script.tolist()
        )
        m = max((len(case[0][0]) for case in self.cases.values()), default=0)
        squares = m * (self.net.cost + self.net.n * m + m * m)
        return max(passes, 1) * (self.net.cost + squares + 10_000 * len(self.net.steps))

    def run(self, script: Ints, c: Ints, d: Ints) -> None:
        """Rejected unless the script shows every row that does not follow from the root's boxes."""
        exact(norm(c) * max(1, *(size(box) for box in self.root)), size(d))
        left, stack = set[int](), list[list[Ints] | None]()
        for j in range(len(c)):
            self.c, self.least, self.j = c[j], int(d[j]) + 1, j
            left |= {j} if self.narrowed(self.root) is not None else set()
        for op, first, second, third in script.tolist():
            if op == ROW:
                need(not stack and 0 <= first < len(c), "a row out of order")
                self.c, self.least, self.j = c[first], int(d[first]) + 1, first
                stack.append(self.narrowed(self.root))
                continue
            boxes = stack.pop()
            if op == TIGHTEN:
                stack.append(boxes and self.narrowed(boxes, self.shown(boxes, first, second)))
            elif op == SPLIT:
                need(len(stack) * sum(box.size for box in self.root) < 16 * CELLS, "a tree that is too deep")
                parts = ((first, second, -1, -third - 1), (first, second, 1, third))
                stack += [boxes and self.narrowed(boxes, [part]) for part in parts]
            else:
                need(
                    op == CLOSE and (boxes is None or self.contradicted(boxes, first)), "a part is not closed"
                )
                left -= set() if stack else {self.j}
        need(not stack and not left, f"the script leaves {len(left)} rows open")

    def narrowed(
        self, boxes: list[Ints], facts: Iterable[tuple[int, int, int, int]] = ()
    ) -> list[Ints] | None:
        """The boxes where the row fails and sign · value <= end for (wire, element, sign, end), or None."""
        boxes, start = [box.copy() for box in boxes], len(boxes)
        for wire, element, sign, end in facts:
            need(wire >= 0 and element >= 0, "an element that does not exist")
            low, high = boxes[wire][:, element].tolist()
            low, high = (low, min(high, end)) if sign > 0 else (max(low, -end), high)
            boxes[wire][:, element], start = np.clip([low, high], -(2**62), 2**62), min(start, wire)
            if low > high:
                return None
        for k, step in enumerate(self.net.steps[start:], start + 1):
            (low, high), (a, b) = boxes[k], step.interval(boxes)
            boxes[k] = np.stack([np.maximum(low, a), np.minimum(high, b)])
            if np.any(boxes[k][0] > boxes[k][1]):
                return None
        lo, hi = boxes[-1]
        slack = (
            int(np.maximum(self.c * lo, self.c * hi).sum()) - self.least
        )  # what c · x may fall below its most
        for i in np.flatnonzero(self.c):
            room = slack // abs(int(self.c[i]))
            lo[i], hi[i] = (
                (max(lo[i], hi[i] - room), hi[i]) if self.c[i] > 0 else (lo[i], min(hi[i], lo[i] + room))
            )
        return None if slack < 0 or not self.above_stairs(boxes) else boxes

    def above_stairs(self, boxes: list[Ints]) -> bool:
        """Narrow what the last stairs read to where they give their box; is anything left?"""
        step, (lo, hi) = self.net.steps[-1], boxes[-1]
        if not isinstance(step, Pieces) or np.any(np.diff(step.values) < 0):
            return True
        box, starts, n = boxes[step.sources[0]], step.starts, step.channel
        box[0] = np.maximum(box[0], starts[n, np.searchsorted(step.values, lo)])
        box[1] = np.minimum(box[1], starts[n, np.searchsorted(step.values, hi, side="right")] - 1)
        return bool(np.all(box[0] <= box[1]))

    def upper(self, boxes: list[Ints], first: int, count: int) -> Ints:
        """An upper bound of each of these forms where the row fails."""
        constants, nu = self.walked(boxes, first, count)
        total: Ints = constants + np.maximum(nu[0] * boxes[0][0], nu[0] * boxes[0][1]).sum(axis=1)
        for k in self.cases.keys() & set(range(first, first + count)):
            total[k - first] = self.over_cases(boxes, k)
        return total

    def walked(self, boxes: list[Ints], first: int, count: int) -> tuple[Ints, list[Ints]]:
        """Per form a constant, and the coefficients [count, n] that come to each wire, at last the input."""
        wire, element, sign, scale, m = self.bounds[first : first + count].T
        need(
            np.all((m >= 0) & (scale >= 0) & (abs(sign) == 1) & (wire >= 0) & (element >= 0)),
            "an unknown form",
        )
        exact(size(m) * (size(self.c) + abs(self.least)), size(scale))
        nu = [np.zeros((count, box.shape[1]), np.int64) for box in boxes]
        for k in range(count):
            nu[wire[k]][k, element[k]] = sign[k] * scale[k]
        nu[-1] += m[:, None] * self.c
        total: Ints = -m * self.least
        for k, step in reversed(list(enumerate(self.net.steps, 1))):
            xi = self.xi[k][first : first + count].astype(np.int64) if k in self.xi else None
            constant, parts = step.back(nu[k], xi, boxes)
            total = total + constant
            for source, part in zip(step.sources, parts, strict=True):
                nu[source] = nu[source] + part
            exact(size(total), *(size(nu[source]) for source in step.sources))
        exact(norm(nu[0]) * size(boxes[0]), size(total))
        return total, nu

    def over_cases(self, boxes: list[Ints], k: int) -> int:
        """A bound where each of some stairs next to the input has two cases: up to a value, and beyond.

        In the upper case the stair's multiplier is `slope`; its values there and its coefficients on the
        input are added to what the lower cases give.
        """
        (wire, element, value, slope, d), d0, weights = self.cases[k]
        need(np.all(wire == wire[0]) and wire[0] in self.xi, "cases of more than one step, or of none")
        stairs, m = self.net.steps[wire[0] - 1], np.arange(len(wire))
        need(isinstance(stairs, Pieces) and stairs.sources[0] > 0, "cases of other than stairs")
        linear = self.net.steps[stairs.sources[0] - 1]
        need(isinstance(linear, Linear) and set(linear.sources) == {0}, "cases far from the input")
        (lo, hi), n = boxes[stairs.sources[0]], boxes[wire[0]].shape[1]
        need(np.all((element >= 0) & (element < n)) and len(set(element.tolist())) == len(m), "an element")
        need(np.all((lo[element] <= value) & (value < hi[element])), "a case that is empty")
        lower, upper, own, low, up = list(boxes), list(boxes), *np.zeros((3, len(m), n), np.int64)
        lower[stairs.sources[0]] = below = np.stack([lo, hi])
        upper[stairs.sources[0]] = above = np.stack([lo, hi])
        below[1, element], above[0, element] = value, value + 1
        total, nu = self.walked(lower, k, 1)
        own[m, element], low[m, element] = nu[wire[0]][0, element], self.xi[wire[0]][k, element]
        up[m, element] = slope
        exact(size(low), size(up))
        constant, parts = linear.back(up - low, None, boxes)
        rise = stairs.back(own, up, upper)[0] - stairs.back(own, low, lower)[0] + constant
        forms = np.sum(parts, axis=0)
        exact(2 * size(nu[0]), size(forms) * len(m), 2 * size(total), size(rise) * len(m))
        forms = np.concatenate([2 * nu[0] + forms.sum(axis=0), forms])
        constants = np.concatenate([2 * total + rise.sum(), rise])
        return greatest(forms, constants, boxes[0], weights, np.append(d0, d))

    def contradicted(self, boxes: list[Ints], k: int) -> bool:
        need(0 <= k < len(self.bounds) and self.bounds[k, 3] == 0, "a closing bound of another form")
        return bool(self.upper(boxes, k, 1)[0] < 0)

    def shown(self, boxes: list[Ints], first: int, count: int) -> Iterable[tuple[int, int, int, int]]:
        """The facts that these bounds show, so many at a time."""
        need(first >= 0 and 0 < count <= len(self.bounds) - first, "bounds that do not exist")
        step = max(1, CELLS // sum(box.size for box in boxes))
        for at in range(first, first + count, step):
            rows = self.bounds[at : min(at + step, first + count)].tolist()
            for (wire, element, sign, scale, _), bound in zip(
                rows, self.upper(boxes, at, len(rows)), strict=True
            ):
                yield wire, element, sign, int(bound) // scale
