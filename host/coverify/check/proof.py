"""The argument: a script that leaves no input of the box where a row of C · x <= d fails, x the last wire.

The claim becomes one more step, z = C · x − d − 1: row j fails where z[j] >= 0. The script narrows boxes of
all wires, where one row fails, until nothing is left; the root's boxes are intervals:

    ROW j                    now show row j, from the root's boxes
    TIGHTEN first count      narrow by the bounds first..first + count − 1
    SPLIT wire element v     first the part with value <= v, later the part with value > v
    CLOSE                    nothing is left of the part

A bound (wire, element, sign, scale, m) is one of scale · sign · value + m · z[j], whose second part is >= 0
where row j fails: so floor(bound / scale) bounds sign · value there. Any multipliers xi and any m >= 0 give
valid bounds: nobody need be trusted for them. A bound may have parabolas under stairs next to the input
(squares.py).
"""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from coverify.check.squares import greatest
from coverify.check.steps import CELLS, Ints, Linear, Network, Pieces, dot, exact, need, paired, small, wide

ROW, TIGHTEN, SPLIT, CLOSE = range(4)
Fact = tuple[int, int, int, int]  # wire, element, sign, end: sign · value <= end


class Proof:
    """box [2, n]; c, d: the claim; arrays: rows [b, 5]: the bounds; xi-<wire>: [b, elements of the wire];
    parabolas [p, 6]: bound, wire, element, centre, curve, slope; weights [q, 2 + n]: bound, d_0, weights.

    j: the row to show; root: every wire's box, by intervals.
    """

    def __init__(self, net: Network, box: Ints, c: Ints, d: Ints, arrays: dict[str, Ints]) -> None:
        forms = (("rows", 5), ("parabolas", 6), ("weights", 2 + box.shape[1]))
        self.bounds, self.parabolas, self.weights = (wide(arrays.pop(k)).reshape(-1, n) for k, n in forms)
        several, once = np.unique(self.parabolas[:, 0]), np.sort(self.weights[:, 0])
        need(np.array_equal(several, once), "bounds with parabolas, but not one row of weights for each")
        self.xi = {int(name.removeprefix("xi-")): values for name, values in arrays.items()}
        fit = all(0 < k <= len(net.steps) and len(v) == len(self.bounds) for k, v in self.xi.items())
        need(fit, "multipliers of no step, or not a row for each bound")
        claim = Linear((len(net.steps),), c[None], np.arange(c.shape[1])[None, None], -d - 1)
        steps = (paired(step, (None, *net.steps)[step.sources[0]], box) for step in net.steps)
        self.net, self.c = replace(net, steps=(*steps, claim)), c
        self.root = self.net.boxes(box)

    def products(self, script: Ints) -> int:
        """At most how many multiply-adds a script takes, as a Python integer."""
        counts = script[script[:, 0] == TIGHTEN, 2].tolist()
        passes = 16 + 4 * (len(script) + len(self.c)) + sum(max(n, 0) for n in counts)
        m = int(np.unique(self.parabolas[:, 0], return_counts=True)[1].max(initial=0))
        squares = m * (self.net.cost + self.root[0].size * m + m * m) + self.parabolas.size
        return passes * (self.net.cost + squares + 10_000 * len(self.net.steps))

    def run(self, script: Ints) -> None:
        """Rejected unless the script shows every row that the root's boxes do not."""
        left = {j for j in range(len(self.c)) if self.failing(j) is not None}
        need(left <= set(script[script[:, 0] == ROW, 1].tolist()), "a row is left open")
        stack = list[list[Ints] | None]()
        for op, first, second, third in script.tolist():
            need(op != ROW or not stack, "a row out of order")
            boxes = self.failing(first) if op == ROW else stack.pop()
            if op == ROW:
                stack.append(boxes)
            elif op == TIGHTEN:
                stack.append(boxes and self.narrowed(boxes, self.shown(boxes, first, second)))
            elif op == SPLIT:
                need(len(stack) * sum(box.size for box in self.root) < 16 * CELLS, "a tree that is too deep")
                parts = ((first, second, -1, -third - 1), (first, second, 1, third))
                stack += [boxes and self.narrowed(boxes, [part]) for part in parts]
            else:
                need(op == CLOSE and boxes is None, "a part is not closed")
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

    def shown(self, boxes: list[Ints], first: int, count: int) -> Iterable[Fact]:
        """The facts that these bounds show of these boxes, so many at a time."""
        need(first >= 0 and 0 < count <= len(self.bounds) - first, "bounds that do not exist")
        step = max(1, CELLS // sum(box.size for box in boxes))
        for at in range(first, first + count, step):
            rows = self.bounds[at : min(at + step, first + count)]
            ends = self.upper(boxes, at, len(rows)) // rows[:, 3]
            yield from np.column_stack([rows[:, :3], ends]).tolist()

    def upper(self, boxes: list[Ints], first: int, count: int) -> Ints:
        """An upper bound of each of these forms."""
        constants, nu = self.walked(boxes, first, count)
        total = constants + dot(np.maximum(nu[0], 0), boxes[0][1]) + dot(np.minimum(nu[0], 0), boxes[0][0])
        at = self.weights[:, 0]
        for k, d0, *weights in self.weights[(first <= at) & (at < first + count)].tolist():
            total[k - first] = self.over_parabolas(boxes, k, d0, np.array(weights))
        return total

    def walked(self, boxes: list[Ints], first: int, count: int) -> tuple[Ints, list[Ints]]:
        """Per form a constant, and the coefficients [count, n] that come to each wire, at last the input."""
        wire, element, sign, scale, m = self.bounds[first : first + count].T
        known = (m >= 0) & (scale > 0) & (abs(sign) == 1) & (wire >= 0) & (element >= 0)
        need(np.all(known), "an unknown form")
        nu, total = [np.zeros((count, box.shape[1]), np.int64) for box in boxes], np.zeros(count, np.int64)
        nu[-1][:, self.j] = m
        for k in range(count):
            nu[wire[k]][k, element[k]] += sign[k] * scale[k]
        for k, step in reversed(list(enumerate(self.net.steps, 1))):
            xi = self.xi.get(k, np.zeros((0, 0)))[first : first + count].astype(np.int64)
            constant, parts = step.back(nu[k], xi, boxes)
            total = small(total + constant)
            for source, part in zip(step.sources, parts, strict=True):
                nu[source] = small(nu[source] + part)
        return total, nu

    def over_parabolas(self, boxes: list[Ints], k: int, d0: int, weights: Ints) -> int:
        """An upper bound of form k where parabolas are taken from some stairs next to the input.

        curve · (a − centre)² / 2^24 leaves the stairs' maximum, and is at most slope · (a − centre) · y −
        d · y² / 2^30 for some y: forms of y and the input are left (squares.py).
        """
        wires, element, *parabolas = self.parabolas[self.parabolas[:, 0] == k, 1:].T
        wire = min(wires.tolist())
        stairs = self.net.steps[wire - 1]
        one = wire > 0 and np.all(wires == wire) and isinstance(stairs, Pieces)
        need(one, "parabolas of other stairs than of one step")
        linear, n = self.net.steps[stairs.sources[0] - 1], boxes[wire].shape[1]
        need(isinstance(linear, Linear) and linear.sources == (0,), "parabolas far from the input")
        curves = np.zeros((3, n), np.int64)
        curves[:, element] = parabolas
        (centre, curve, slope), on = curves, np.flatnonzero((curves[1] > 0) & (curves[2] != 0))
        need(len(on) == len(element) and np.all(element >= 0), "a parabola's form, or several of one element")
        need(len(on) * max(n, len(weights)) <= 4 * CELLS, "too many parabolas of one bound")
        total, nu = self.walked(boxes, k, 1)
        own, xi = nu[wire], self.xi[wire][k : k + 1].astype(np.int64)
        total = total + stairs.eased(own, xi, boxes, centre, curve) - stairs.back(own, xi, boxes)[0]
        exact((slope, centre))
        constant, (steps,) = linear.back((on[:, None] == np.arange(n)) * slope, None, boxes)
        forms = small(2 * np.concatenate([nu[0], steps]))
        constants = small(2 * small(np.concatenate([total, constant - (slope * centre)[on]])))
        d = [(s * s << 52) // c for s, c in zip(slope[on].tolist(), curve[on].tolist(), strict=True)]
        return greatest(forms, constants, boxes[0], weights, np.array([d0, *d], np.int64))
