"""The argument: a script that leaves no input of the box where a row of C · x <= d fails, x the last wire.

The claim becomes one more step, z = C · x − d − 1: row j fails where z[j] >= 0. For one row after the other
the script narrows boxes of all wires, where that row fails, until nothing is left. It begins with the root's
boxes, which are intervals, and its steps are about the part of the box that is next:

    TIGHTEN first count      narrow it by the bounds first..first + count − 1
    SPLIT wire element v     divide it: next is the part with value <= v, after that the part with value > v
    CLOSE                    nothing is left of it

Where the script ends nothing is left of any part, or it is no proof. A bound (wire, element, factor, m) is
one of factor · value + m · z[j], whose second part is >= 0 where row j fails: so factor · value is no more
there. Any multipliers xi and any m >= 0 give valid bounds: nobody need be trusted for them. A bound may have
parabolas under stairs next to the input (squares.py).
"""

from dataclasses import replace
from typing import Any

import numpy as np

from coverify.check.squares import greatest
from coverify.check.steps import CELLS, Ints, Linear, Network, Pieces, dot, exact, need, paired, small, wide

TIGHTEN, SPLIT, CLOSE = range(3)
Fact = tuple[int, int, int, int]  # wire, element, factor, end: factor · value <= end


class Proof:
    """box [2, n]; claim: [rows, outputs + 1], c and d; arrays: rows [b, 4]: the bounds; xi-<wire>: [b,
    elements of the wire]; for q bounds with parabolas weights [q, 3 + n]: bound, wire, d_0, weights; and
    parabolas [q, 3 elements]: centres, curves and slopes of that wire's stairs.

    j: the row to show; root: every wire's box, by intervals.
    """

    def __init__(self, net: Network, box: Ints, claim: Ints, arrays: dict[str, Ints]) -> None:
        forms = (("rows", 4), ("weights", 3 + box.shape[1]))
        self.bounds, self.weights = (wide(arrays.pop(name)).reshape(-1, n) for name, n in forms)
        self.curved = {k: i for i, k in enumerate(self.weights[:, 0].tolist())}
        self.parabolas = np.stack(np.split(arrays.pop("parabolas"), 3, axis=1))
        self.xi = {int(name.removeprefix("xi-")): values for name, values in arrays.items()}
        fit = all(0 < k <= len(net.steps) and len(v) == len(self.bounds) for k, v in self.xi.items())
        need(fit, "multipliers of no step, or not a row for each bound")
        taps = np.arange(claim.shape[1] - 1)[None, None]
        last = Linear((len(net.steps),), claim[None, :, :-1], taps, -claim[:, -1] - 1)
        steps = (paired(step, (None, *net.steps)[step.sources[0]], box) for step in net.steps)
        self.net, self.j = replace(net, steps=(*steps, last)), 0
        self.root = self.net.boxes(box)

    def products(self, script: Ints) -> int:
        """At most how many multiply-adds a script takes, as a Python integer."""
        shown = script[script[:, 0] == TIGHTEN, 1:3].tolist()
        passes = 16 + 4 * (len(script) + self.root[-1].shape[1]) + sum(max(count, 0) for _, count in shown)
        m, n = int(np.count_nonzero(self.parabolas[1], axis=1).max(initial=0)), self.root[0].size
        squares = m * (self.net.cost + n * m + m * m) * sum(k in self.curved for k, c in shown if c == 1)
        return passes * (self.net.cost + 10_000 * len(self.net.steps)) + squares

    def run(self, script: Ints) -> None:
        """Rejected unless the script shows every row."""
        steps, end = iter(script.tolist()), [CLOSE, 0, 0, 0]
        most = 16 * CELLS // sum(box.size for box in self.root)
        for j in range(self.root[-1].shape[1]):
            parts = [self.failing(j)]
            while parts:
                boxes, (op, first, second, third) = parts.pop(), next(steps, end)
                if op == TIGHTEN:
                    parts.append(boxes and self.narrowed(boxes, self.shown(boxes, first, second)))
                elif op == SPLIT:
                    need(sum(part is not None for part in parts) < most, "a tree that is too deep")
                    ends = ((first, second, -1, -third - 1), (first, second, 1, third))
                    parts += [boxes and self.narrowed(boxes, [fact]) for fact in ends]
                else:
                    need(op == CLOSE and boxes is None, "a part is not closed")
        need(next(steps, None) is None, "a step beyond the end")

    def failing(self, j: int) -> list[Ints] | None:
        """The root's boxes where row j fails; from here on it is the row to show."""
        self.j = j
        return self.narrowed(self.root, [(len(self.root) - 1, j, -1, 0)])

    def narrowed(self, boxes: list[Ints], facts: list[Fact]) -> list[Ints] | None:
        """The boxes where the facts hold, or None where there is no such input."""
        boxes, start = [box.copy() for box in boxes], len(boxes)
        for wire, element, factor, end in facts:
            need(wire >= 0 and element >= 0 and factor, "an element that does not exist, or 0 times one")
            low, high = boxes[wire][:, element].tolist()
            low, high = (low, min(high, end // factor)) if factor > 0 else (max(low, -(end // -factor)), high)
            if low > high:
                return None
            boxes[wire][:, element], start = (low, high), min(start, wire)
        for k, step in enumerate(self.net.steps[start:], start + 1):
            (low, high), (a, b) = boxes[k], step.interval(boxes)
            boxes[k] = np.stack([np.maximum(low, a), np.minimum(high, b)])
            if np.any(boxes[k][0] > boxes[k][1]):
                return None
        return boxes

    def shown(self, boxes: list[Ints], first: int, count: int) -> list[Fact]:
        """The facts that these bounds show of these boxes, so many at a time; parabolas count where one bound
        is shown alone.
        """
        need(first >= 0 and 0 < count <= len(self.bounds) - first, "bounds that do not exist")
        corners, facts = [step.corners(boxes) for step in self.net.steps], list[Fact]()
        if count == 1 and first in self.curved:
            return [(*self.bounds[first, :3].tolist(), self.over_parabolas(boxes, corners, first))]
        most = max(1, CELLS // self.net.cost)
        for at in range(first, first + count, most):
            rows = self.bounds[at : min(at + most, first + count), :3]
            total, form = self.walked(corners, at, len(rows))
            ends = total + dot(np.maximum(form, 0), boxes[0][1]) + dot(np.minimum(form, 0), boxes[0][0])
            facts += np.column_stack([rows, ends]).tolist()
        return facts

    def walked(self, corners: list[Any], first: int, count: int) -> tuple[Ints, Ints]:
        """Per form a constant, and the coefficients [count, n] that come to the input."""
        wire, element, factor, m = self.bounds[first : first + count].T
        need(np.all(m >= 0), "a row's part that is not positive where the row fails")
        nu = [np.zeros((count, box.shape[1]), np.int64) for box in self.root]
        total, nu[-1][:, self.j] = np.zeros(count, np.int64), m
        for k in range(count):
            nu[wire[k]][k, element[k]] += factor[k]
        for k, step in reversed(list(enumerate(self.net.steps, 1))):
            xi = self.xi.get(k, np.zeros((0, 0)))[first : first + count].astype(np.int64)
            constant, parts = step.back(nu[k], xi, corners[k - 1])
            total = small(total + constant)
            for source, part in zip(step.sources, parts, strict=True):
                nu[source] = small(nu[source] + part)
        return total, nu[0]

    def over_parabolas(self, boxes: list[Ints], corners: list[Any], k: int) -> int:
        """An upper bound of form k where parabolas are taken from stairs next to the input.

        curve · (a − centre)² / 2^24 leaves the stairs' maximum, and is at most slope · (a − centre) · y −
        d · y² / 2^30 for some y: forms of y and the input are left (squares.py).
        """
        i = self.curved[k]
        (_, wire, d0), weights = self.weights[i, :3].tolist(), self.weights[i, 3:]
        stairs = self.net.steps[wire - 1]
        linear = self.net.steps[stairs.sources[0] - 1]
        near = isinstance(stairs, Pieces) and isinstance(linear, Linear) and linear.sources == (0,)
        need(wire > 0 and near, "parabolas of no stairs next to the input")
        centre, curve, slope = self.parabolas[:, i].astype(np.int64)
        on, n = np.flatnonzero(curve), boxes[wire].shape[1]
        need(len(curve) == n and np.all(curve >= 0) and np.all(slope[on] != 0), "a parabola's form")
        need(len(on) * max(n, linear.columns.size) <= 4 * CELLS, "too many parabolas of one bound")
        bent = stairs.corners(boxes, self.xi[wire][k].astype(np.int64), centre, curve)
        total, form = self.walked([*corners[: wire - 1], bent, *corners[wire:]], k, 1)
        exact((slope, centre))
        heights, (lines,) = linear.back((on[:, None] == np.arange(n)) * slope, None, [len(weights)])
        forms = small(2 * np.concatenate([form, lines]))
        constants = small(2 * small(np.concatenate([total, heights - (slope * centre)[on]])))
        d = [(s * s << 52) // c for s, c in zip(slope[on].tolist(), curve[on].tolist(), strict=True)]
        return greatest(forms, constants, boxes[0], weights, np.array([d0, *d], np.int64))
