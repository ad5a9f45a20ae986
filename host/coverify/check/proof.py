"""The argument: a script that leaves no input of the box where a row of C · y <= d fails, y the outputs.

The claim becomes one more step, z = C · y − d − 1: row j fails where z[j] >= 0. For one row after the other
the script narrows boxes of all elements, where that row fails, until nothing is left. It begins with the
root's boxes, which are intervals, and its steps are about the part of the box that is next:

    TIGHTEN first count 0    narrow it by the bounds first..first + count − 1
    TIGHTEN first 1 q        narrow it by the bound `first` with the parabolas q − 1
    SPLIT element v          divide it: next is the part with value <= v, after that the part with value > v
    CLOSE                    nothing is left of it

Where the script ends nothing is left of any part, or it is no proof. A bound (element, factor, m) is one of
factor · value + m · z[j], whose second part is >= 0 where row j fails: so factor · value is no more there.
Any multipliers xi and any m >= 0 give valid bounds: nobody need be trusted for them. Nor for parabolas, which
may stand under stairs on sums of the input (squares.py).
"""

from typing import Any

import numpy as np

from coverify.check.squares import greatest
from coverify.check.steps import CELLS, Ints, Network, Pieces, Scalar, dot, exact, need, small, within

TIGHTEN, SPLIT, CLOSE = range(3)
Fact = tuple[int, int, int]  # element, factor, end: factor · value <= end


class Proof:
    """net: its last step is the claim's; box [2, n]; arrays: script [steps, 4]; rows [b, 3]: the bounds;
    xi [b, k]: for these, a multiplier for each element that stairs, tables and maxima write; parabolas
    [q, 2 + n + 3 m]: the first of m stairs, d_0, a weight for every input, all centres, curves and slopes.

    root: the box of all elements, by intervals; j: z of the row to show.
    """

    def __init__(self, net: Network, box: Ints, arrays: dict[str, Ints]) -> None:
        self.net, self.n, self.root, self.j = net, box.shape[1], net.boxes(box), 0
        self.script, self.bounds = arrays.pop("script").reshape(-1, 4), arrays.pop("rows").reshape(-1, 3)
        xi, (self.heads, curves) = arrays.pop("xi"), np.split(arrays.pop("parabolas"), [2 + self.n], axis=1)
        self.curves = np.stack(np.split(curves, 3, axis=1))
        need(len(xi) == len(self.bounds) and not arrays, "not multipliers for each bound, or other arrays")
        for step in net.steps:
            if isinstance(step, Pieces):
                step.pair(self.root)
        widths = [len(step.out) if isinstance(step, Scalar) else 0 for step in net.steps]
        self.xi = np.split(xi, np.cumsum(widths)[:-1], axis=1)

    def products(self) -> int:
        """At most how many multiply-adds the script takes, as a Python integer."""
        shown = self.script[self.script[:, 0] == TIGHTEN, 2:]
        passes = 16 + 4 * (len(self.script) + len(self.net.outputs)) + sum(map(abs, shown[:, 0].tolist()))
        m = int(np.count_nonzero(self.curves[1], axis=1).max(initial=0))
        squares = m * (self.net.cost + self.n * m + m * m) * int(np.count_nonzero(shown[:, 1]))
        return passes * (self.net.cost + self.root.shape[1] + 10_000 * len(self.net.steps)) + squares

    def run(self, budget: int) -> str:
        """What the evidence is.  Rejected unless the script shows every row."""
        within(self.products(), budget)
        steps, end = iter(self.script.tolist()), [CLOSE, 0, 0, 0]
        for j in self.net.outputs.tolist():
            self.j, parts = j, [self.narrowed(self.root, [(j, -1, 0)])]
            while parts:
                boxes, (op, first, second, third) = parts.pop(), next(steps, end)
                if op == TIGHTEN:
                    facts = [] if boxes is None else self.shown(boxes, first, second, third)
                    parts.append(self.narrowed(boxes, facts))
                elif op == SPLIT:
                    held = sum(part is not None for part in parts)
                    need(held * self.root.size < 16 * CELLS, "a tree that is too deep")
                    ends = (first, -1, -second - 1), (first, 1, second)
                    parts += [self.narrowed(boxes, [end]) for end in ends]
                else:
                    need(op == CLOSE and boxes is None, "a part is not closed")
        need(next(steps, None) is None, "a step beyond the end")
        return f"bounds, {len(self.script)} steps"

    def narrowed(self, boxes: Ints | None, facts: list[Fact]) -> Ints | None:
        """The boxes where the facts hold, or None where there is no such input."""
        if boxes is None:
            return None
        boxes, start = boxes.copy(), boxes.shape[1]
        for element, factor, end in facts:
            need(0 < element < boxes.shape[1] and factor, "an element that does not exist, or 0 times one")
            low, high = boxes[:, element].tolist()
            low, high = (low, min(high, end // factor)) if factor > 0 else (max(low, -(end // -factor)), high)
            if low > high:
                return None
            boxes[:, element], start = (low, high), min(start, element)
        for step in self.net.steps:
            if start < step.out[0]:
                (low, high), (a, b) = boxes[:, step.out], step.interval(boxes)
                boxes[:, step.out] = low, high = np.maximum(low, a), np.minimum(high, b)
                if np.any(low > high):
                    return None
        return boxes

    def shown(self, boxes: Ints, first: int, count: int, parabolas: int) -> list[Fact]:
        """The facts that these bounds show of these boxes, so many at a time."""
        need(first >= 0 and 0 < count <= len(self.bounds) - first, "bounds that do not exist")
        corners = [step.corners(boxes) for step in self.net.steps]
        if parabolas:
            end = self.over_parabolas(boxes, corners, first, parabolas - 1)
            return [(*self.bounds[first, :2].tolist(), end)]
        facts, inputs = list[Fact](), boxes[:, 1 : self.n + 1]
        most = max(1, CELLS // (self.net.cost + boxes.shape[1]))
        for block in np.split(np.arange(first, first + count), range(most, count, most)):
            total, form = self.walked(corners, block)
            ends = total + dot(np.maximum(form, 0), inputs[1]) + dot(np.minimum(form, 0), inputs[0])
            facts += np.column_stack([self.bounds[block, :2], ends]).tolist()
        return facts

    def walked(self, corners: list[Any], block: Ints) -> tuple[Ints, Ints]:
        """Of these bounds: each one's constant, and the coefficients [bounds, n] that come to the input."""
        element, factor, m = self.bounds[block].T
        need(np.all(m >= 0), "a row's part that is not positive where the row fails")
        nu, total = np.zeros((self.root.shape[1], len(block)), np.int64), np.zeros(len(block), np.int64)
        nu[self.j] = m
        nu[element, np.arange(len(block))] += factor
        for step, xi, corner in reversed(list(zip(self.net.steps, self.xi, corners, strict=True))):
            total = small(total + step.back(nu, xi[block].astype(np.int64), corner))
        return total, nu[1 : self.n + 1].T

    def over_parabolas(self, boxes: Ints, corners: list[Any], first: int, q: int) -> int:
        """An upper bound of the form `first` where parabolas q are taken from stairs on sums of the input.

        curve · (a − centre)² / 2^24 leaves the stairs' maximum, and is at most slope · (a − centre) · y −
        d · y² / 2^30 for some y: forms of y and the input are left (squares.py).
        """
        (element, d0), weights = self.heads[q, :2].tolist(), self.heads[q, 2:]
        k = [step.out[0] for step in self.net.steps].index(element)
        stairs, (centre, curve, slope) = self.net.steps[k], self.curves[:, q]
        need(isinstance(stairs, Pieces) and stairs.sums, "parabolas of no stairs on sums of the input")
        on, n, linear = np.flatnonzero(curve), self.root.shape[1], stairs.sums
        need(len(curve) == len(stairs.out) and np.all(curve >= 0) and np.all(slope[on]), "a parabola's form")
        need(len(on) * max(n, linear.columns.size) <= 4 * CELLS, "too many parabolas of one bound")
        bent = stairs.corners(boxes, self.xi[k][first].astype(np.int64), centre, curve)
        total, form = self.walked([*corners[:k], bent, *corners[k + 1 :]], np.array([first]))
        exact((slope, centre))
        lines = np.zeros((n, len(on)), np.int64)
        lines[linear.out[on], np.arange(len(on))] = slope[on]
        heights = linear.back(lines, None, None) - (slope * centre)[on]
        forms, constants = np.concatenate([form, lines[1 : self.n + 1].T]), np.append(total, heights)
        d = [(s * s << 52) // c for s, c in zip(slope[on].tolist(), curve[on].tolist(), strict=True)]
        return greatest(forms, constants, boxes[:, 1 : self.n + 1], weights, np.array([d0, *d], np.int64))
