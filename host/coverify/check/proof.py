"""The argument: a script that leaves no input of the box where a row of C · y <= d fails, y the outputs.

The claim becomes one more step, z = C · y − d − 1: row j fails where z[j] >= 0. For one row after the other
the script narrows boxes of all elements, where that row fails, until nothing is left. It begins with the
root's boxes, which are intervals, and its steps are about the part of the box that is next:

    TIGHTEN first count 0    narrow it by the bounds first..first + count − 1
    TIGHTEN first 1 q        narrow it by the bound `first` with the parabolas q − 1
    KNOW first count q       the same by bounds of the root, which they narrow for all rows to come
    SPLIT element v          divide it: next is the part with value <= v, after that the part with value > v
    CLOSE                    nothing is left of it

Where the script ends nothing is left of any part, or it is no proof. A bound (element, factor, m) is one of
factor · value + m · z[j], whose second part is >= 0 where row j fails: so factor · value is no more there.
Any multipliers xi and any m >= 0 give valid bounds: nobody need be trusted for them. Nor for parabolas, which
may stand under stairs on sums of the input, and under stairs on sums of what these write (squares.py).
"""

import numpy as np

from coverify.check.squares import greatest
from coverify.check.steps import CELLS, Ints, Linear, Network, Pieces, dot, exact, need, small, within

TIGHTEN, SPLIT, CLOSE, KNOW = range(4)
Fact = tuple[int, int, int]  # element, factor, end: factor · value <= end


class Proof:
    """net: its last step is the claim's; box [2, n]; arrays: script [steps, 4]; rows [b, 3]: the bounds;
    xi [b, k]: for these, a multiplier for each element that stairs, tables and maxima write; parabolas
    [q, 3 + n + …]: the first of some stairs and of others or 0, d_0, a weight for every input, the parabolas.

    few: an input of the box, and how many may differ from it, if not any number. root: the box of all
    elements, by intervals; j: z of the row to show.
    """

    base: Ints

    def __init__(
        self, net: Network, box: Ints, arrays: dict[str, Ints], few: tuple[Ints, int] | None = None
    ) -> None:
        self.net, self.n, self.j = net, int(box.shape[1]), 0
        self.base, self.changes = few or (box[0], self.n)
        for step in net.steps:
            if isinstance(step, Linear) and self.changes < self.n:
                step.count(np.append(0, self.base), self.changes)
        self.root = net.boxes(box)
        self.script, self.bounds = arrays.pop("script").reshape(-1, 4), arrays.pop("rows").reshape(-1, 3)
        self.heads, self.weights, self.tails = np.split(arrays.pop("parabolas"), [3, 3 + self.n], axis=1)
        for step in net.steps:
            if isinstance(step, Pieces) and step.sums and step.sums.columns.max() <= self.n:
                step.pair(self.root)
        widths = [step.width for step in net.steps]
        self.xi, many = np.split(arrays.pop("xi"), np.cumsum(widths)[:-1], axis=1), len(self.bounds)
        need(len(self.xi[0]) == many and not arrays, "not multipliers for each bound, or other arrays")

    def products(self, budget: int) -> int:
        """At most how many multiply-adds the script takes, as a Python integer."""
        counts, named = self.script[np.isin(self.script[:, 0], (TIGHTEN, KNOW)), 2:].T.tolist()
        passes = 16 + 4 * (len(self.script) + len(self.net.outputs)) + sum(map(abs, counts))
        work = passes * (self.net.cost + self.root.shape[1] + 10_000 * len(self.net.steps))
        work += self.few_products + 500 * self.net.edges()
        within(work, budget)  # else very many parabolas may be read
        m = 1 + max((int(np.count_nonzero(self.curves(q - 1)[1][[1, 7]])) for q in {*named} - {0}), default=0)
        return work + m * (self.net.cost + self.n * m + m * m) * int(np.count_nonzero(named))

    @property
    def few_products(self) -> int:
        """The same of sums where few of the input change: as often as what stands before them is narrowed."""
        few = [step for step in self.net.steps if isinstance(step, Linear) and step.few]
        last = max((step.out[0] for step in few), default=0)
        splits = int(np.count_nonzero((self.script[:, 0] == SPLIT) & (self.script[:, 1] < last)))
        often = splits + (len(self.script) if np.any(self.bounds[:, 0] < last) else 0)
        return 80 * (often + len(self.net.outputs) + 2) * sum(step.products for step in few)

    def run(self, budget: int) -> str:
        """What the evidence is.  Rejected unless the script shows every row."""
        within(self.products(budget), budget)
        steps, end = iter(self.script.tolist()), [CLOSE, 0, 0, 0]
        for j in self.net.outputs.tolist():
            self.j, parts, held = j, [self.narrowed(self.root, [(j, -1, 0)])], 1  # with boxes, so many
            while parts:
                boxes, (op, first, second, third), below = parts.pop(), next(steps, end), len(parts)
                if op == TIGHTEN:
                    facts = [] if boxes is None else self.shown(boxes, first, second, third)
                    parts.append(self.narrowed(boxes, facts))
                elif op == KNOW:
                    need(not self.bounds[first : first + second, 2].any(), "a bound of one row alone")
                    facts = self.shown(self.root, first, second, third)
                    parts.append(self.narrowed(boxes, facts))
                    self.root[:] = np.asarray(self.narrowed(self.root, facts))
                elif op == SPLIT:
                    need(held * self.root.size < 16 * CELLS, "a tree that is too deep")
                    parts += [self.narrowed(boxes, [(first, *e)]) for e in ((-1, -second - 1), (1, second))]
                else:
                    need(op == CLOSE and boxes is None, "a part is not closed")
                held += sum(part is not None for part in parts[below:]) - (boxes is not None)
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
            boxes[:, element], start = (low, high), min(start, element)
        inputs = boxes[:, 1 : self.n + 1]
        away = (self.base < inputs[0]) | (inputs[1] < self.base)
        if np.count_nonzero(away) >= self.changes:
            inputs[:, ~away] = self.base[~away]
        empty = np.any(boxes[0] > boxes[1]) or np.count_nonzero(away) > self.changes
        for step in self.net.steps:
            if start < step.out[0] and not empty:
                (low, high), (a, b) = boxes[:, step.out], step.interval(boxes)
                boxes[:, step.out] = low, high = np.maximum(low, a), np.minimum(high, b)
                empty = np.any(low > high)
        return None if empty else boxes

    def shown(self, boxes: Ints, first: int, count: int, q: int) -> list[Fact]:
        """The facts that these bounds show of these boxes, so many at a time."""
        need(first >= 0 and 0 < count <= len(self.bounds) - first, "bounds that do not exist")
        if q:
            return [(*self.bounds[first, :2].tolist(), self.over_parabolas(boxes, first, q - 1))]
        held = dict(enumerate(s.corners(boxes) for s in self.net.steps)) if self.net.cost < 8 * CELLS else {}
        facts, inputs = list[Fact](), boxes[:, 1 : self.n + 1]
        most = max(1, CELLS // (2 * max(step.cost for step in self.net.steps) + boxes.shape[1]))
        for block in np.split(np.arange(first, first + count), range(most, count, most)):
            total, form = self.walked(boxes, held, block)
            ends = total + self.most(form, *inputs)
            facts += np.column_stack([self.bounds[block, :2], ends]).tolist()
        return facts

    def most(self, forms: Ints, lo: Ints, hi: Ints) -> Ints:
        """Of forms [bounds, n] of the inputs, the greatest values: at the base, and the greatest gains."""
        exact((forms, 3 * np.abs([lo, hi, self.base]).max(axis=0)))
        gain: Ints = np.multiply(forms, np.where(forms > 0, hi, lo) - self.base)
        away = (self.base < lo) | (hi < self.base)
        kept, left = gain[:, ~away], max(0, self.changes - np.count_nonzero(away))
        if left < kept.shape[1]:
            kept = -np.sort(-kept, axis=1)[:, :left]
        return forms @ self.base + gain[:, away].sum(axis=1) + kept.sum(axis=1)

    def walked(self, boxes: Ints, given: dict[int, object], block: Ints) -> tuple[Ints, Ints]:
        """Of these bounds: each one's constant, and the coefficients [bounds, n] that come to the input.

        given: corners of some steps; those of the others are not held, as all at once may be too many.
        """
        element, factor, m = self.bounds[block].T
        need(np.all(m >= 0), "a row's part that is not positive where the row fails")
        nu, total = np.zeros((self.root.shape[1], len(block)), np.int64), np.zeros(len(block), np.int64)
        nu[self.j] = m
        nu[element, np.arange(len(block))] += factor
        for i, step in reversed(list(enumerate(self.net.steps))):
            corners = given.get(i) or step.corners(boxes)
            total = small(total + step.back(nu, self.xi[i][block].astype(np.int64), corners))
        return total, nu[1 : self.n + 1].T

    def curves(self, q: int) -> tuple[list[int], Ints]:
        """Parabolas q: of one step or two, and z, k, s, y0, beta, t, g and f of all these stairs, [8, n].

        A row says z, k and s alone of the second; what it does not say is 0.
        """
        starts, parts, row = [step.out[0] for step in self.net.steps], list[Ints](), self.tails[q]
        steps = [starts.index(element) for element in self.heads[q, :2].tolist() if element]
        for step, rows in zip((self.net.steps[i] for i in steps), (8, 3), strict=False):
            need(isinstance(step, Pieces) and step.sums, "parabolas of no stairs on sums")
            own, row = np.split(row, [rows * len(step.out)])
            parts.append(np.pad(own, (0, 8 * len(step.out) - len(own))).reshape(8, -1))
        _, k, s, _, beta, t, g, f = curves = np.hstack(parts)
        good = np.where(k, (k > 0) & (s != 0), True) & np.where(f, (f > 0) & (beta > 0), (t == 0) & (g == 0))
        need(np.all(good) and not np.any(row) and len(set(steps)) == len(steps), "a parabola's form")
        return steps, curves

    def over_parabolas(self, boxes: Ints, first: int, q: int) -> int:
        """An upper bound of the form `first` where parabolas q are taken from stairs on sums.

        With u = a − z and v = (y − y0) / beta that is k u² / 2^24 + t v + g u v − f beta² v² / 2^24, and
        k u² / 2^24 <= s u w − d w² / 2^30 for some w. All a must be sums of the input, of constants, and of y
        with f > 0: then forms of the input and of real w and v are left (squares.py).
        """
        steps, curves = self.curves(q)
        stairs, n = [self.net.steps[i] for i in steps], boxes.shape[1]
        z, k, s, y0, beta, t, g, f = curves
        on, own = np.flatnonzero(k), np.flatnonzero(f)
        at, factor, y = np.append(on, own), np.append(s[on], g[own]), stairs[0].out[own]
        need(len(at) * max(n, *(x.sums.columns.size for x in stairs)) <= 4 * CELLS, "too many parabolas")
        parts = zip(steps, stairs, np.split(curves, [len(stairs[0].out)], axis=1), strict=False)
        given = {i: step.corners(boxes, self.xi[i][first].astype(np.int64), *part) for i, step, part in parts}
        total, form = self.walked(boxes, given, np.array([first]))
        lines = np.zeros((n, len(at)), np.int64)
        lines[np.concatenate([step.pick for step in stairs])[at], np.arange(len(at))] = factor
        heights = np.append(0 * on, t[own]) - dot(np.diag(factor), z[at])
        for step in reversed(stairs):
            heights = small(heights + step.sums.back(lines, None, None))
            lines[step.sums.out] = 0
        rest = boxes.copy()
        rest[:, 1 : self.n + 1], rest[:, y] = 0, y0[own]
        need(not np.any(lines[rest[0] < rest[1]]), "parabolas of stairs on sums of anything else")
        forms = np.concatenate([form, lines[1 : self.n + 1].T])
        constants = np.append(total, heights + dot(rest[0], lines))
        products = np.pad(dot(lines[y].T, np.diag(beta[own])), ((1, 0), (1 + len(on), 0)))
        _, k, s, _, b, _, _, f = curves.astype(object)  # Python's integers
        d = np.array([self.heads[q, 2], *(s[on] ** 2 << 52) // k[on], *f[own] * b[own] ** 2 << 6], np.int64)
        return greatest(forms, constants, products, boxes[:, 1 : self.n + 1], self.weights[q], d)
