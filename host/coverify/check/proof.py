"""The argument: for every rival class, a script that leaves no input of the box on which it could win.

The label is the first greatest output. Rival j beats it only where x_j − x_label >= rise on the logits (a
last softmax is not crossed: its outputs tie iff logits differ by less than a gap D that depends on the sum;
D's range over the box is computed here). A script works on boxes of all wires, the root's from intervals:

    RIVAL j                  refute rival j, from the root's boxes
    TIGHTEN first count      bound accumulators by the rows first..first + count − 1 of multipliers
    SPLIT wire element v     first the part with value <= v, later the part with value > v
    CLOSE row                the part is empty: by the row's multipliers, or row = −1: by its boxes

A row (wire, element, sign, scale, m) with multipliers xi bounds, by `Network.back` from the last wire to the
input, scale · sign · value + m · (x_j − x_label − rise), whose second part is >= 0 wherever rival j wins. Any
integers xi and any m >= 0 give a valid bound, so nobody need be trusted for them. With scale = 0 a bound
below 0 shows that there is no such input. A row may have cases: then it is bounded by squares.py.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from coverify.check.squares import greatest
from coverify.check.steps import Box, Ints, Linear, Network, Softmax, Stairs, hold, need, size

RIVAL, TIGHTEN, SPLIT, CLOSE = range(4)
MAX_SUMS = 1 << 24
Squares = dict[int, tuple[Ints, int, Ints]]
"""Row → its cases (wire, element, value, slope, d) [5, m], d0, weights [n_input]."""


@dataclass(frozen=True, eq=False)
class Claim:
    """Rival j wins only where x_j − x_label >= rise on wire `logits`."""

    j: int
    rise: int


class Proof:
    """Runs a script; `rows` [n, 5] and multipliers (wire → [n, size of the wire]) as in the certificate."""

    def __init__(
        self, net: Network, label: int, lo: Ints, hi: Ints, rows: Ints, xi: dict[int, Ints], squares: Squares
    ) -> None:
        self.net, self.label, self.rows, self.xi, self.squares = net, label, rows, xi, squares
        last = net.steps[-1]
        self.logits = last.source if isinstance(last, Softmax) else len(net.steps)
        step = net.steps[self.logits - 1]
        self.stairs = step if isinstance(step, Stairs) else None
        self.root: list[Box] = [(lo, hi)]
        for step in net.steps[: self.logits]:
            assert not isinstance(step, Softmax)
            self.root.append(step.interval(self.root))
        self.gaps = self._gaps(last) if isinstance(last, Softmax) else (1, 1)

    def run(self, script: Ints) -> None:
        """Rejected unless the script refutes every rival."""
        lo, hi = self.root[self.logits]
        left = {j for j in range(len(lo)) if j != self.label and not self._behind(j, lo, hi)}
        claim, stack = None, list[list[Box] | None]()
        for op, a, b, c in script.tolist():
            if op == RIVAL:
                need(not stack and 0 <= a < len(lo) and a != self.label, "a rival out of order")
                claim = Claim(a, self._rise(a))
                stack.append(self._settled(list(self.root), claim))
                continue
            need(claim is not None and stack, "a step outside a rival's script")
            assert claim is not None
            boxes = stack[-1]
            if op == TIGHTEN:
                stack[-1] = None if boxes is None else self._tightened(boxes, claim, a, b)
            elif op == SPLIT:
                stack.pop()
                stack += [self._cut(boxes, claim, a, b, c, 1), self._cut(boxes, claim, a, b, c, 0)]
                need(len(stack) < 4096, "a tree that is too deep")
            else:
                need(op == CLOSE, "an unknown step of the script")
                need(boxes is None or (a >= 0 and self._contradicts(boxes, claim, a)), "a part is not closed")
                stack.pop()
                if not stack:
                    left.discard(claim.j)
        need(not stack and not left, f"the script does not refute {len(left)} rivals")

    def _rise(self, j: int) -> int:
        """A later index must push the label out of the ties; an earlier one need only tie."""
        return self.gaps[0] if j > self.label else min(self.gaps[0], 1 - self.gaps[1])

    def _behind(self, j: int, lo: Ints, hi: Ints) -> bool:
        """Do the root's boxes alone refute rival j?"""
        tied = j < self.label and max(lo[self.label] - hi[j], (lo - hi[j]).max()) < self.gaps[1]
        return bool(hi[j] - lo[self.label] < self.gaps[0]) and not tied

    def _gaps(self, last: Softmax) -> tuple[int, int]:
        """The least and greatest D(S), the least d whose output is below that of d = 0, over the row's sums
        S.
        """
        lo, hi = self.root[self.logits]
        table = last.exponentials
        far, near = table[np.maximum(hi.max() - lo, 0)], table[np.maximum(lo.max() - hi, 0)]
        first, end = int(far.sum() + (table[0] - far).min()), int(near.sum()) + 1
        need(first > 0 and end - first <= MAX_SUMS and end < 2**31, "a softmax of too many sums")
        found = []
        for start in range(first, end, 1 << 18):
            sums = np.arange(start, min(start + (1 << 18), end))
            top, gap, d = last.output(sums, 0), np.full(len(sums), 256), 1
            while d < 256 and np.any(gap == 256):  # outputs do not rise with d: they come from raw[d]
                gap, d = np.where((gap == 256) & (last.output(sums, d) < top), d, gap), d + 1
            found += [int(gap.min()), int(gap.max())]
        return min(found), max(found)

    def _settled(self, boxes: list[Box], claim: Claim, start: int = 0) -> list[Box] | None:
        """Intervals anew from wire `start` on, and what the claim says of the logits; None when empty."""
        for k in range(start, self.logits):
            step = self.net.steps[k]
            assert not isinstance(step, Softmax)
            (lo, hi), (a, b) = boxes[k + 1], step.interval(boxes)
            boxes[k + 1] = np.maximum(lo, a), np.minimum(hi, b)
            if np.any(boxes[k + 1][0] > boxes[k + 1][1]):
                return None
        lo, hi = (end.copy() for end in boxes[self.logits])
        lo[claim.j] = max(lo[claim.j], lo[self.label] + claim.rise)
        hi[self.label] = min(hi[self.label], hi[claim.j] - claim.rise)
        boxes[self.logits] = lo, hi
        if self.stairs is not None:
            first, last = (end.copy() for end in boxes[self.stairs.source])
            first[claim.j] = max(first[claim.j], self.stairs.edge(claim.j, int(lo[claim.j])))
            last[self.label] = min(
                last[self.label], self.stairs.edge(self.label, int(hi[self.label]) + 1) - 1
            )
            boxes[self.stairs.source] = first, last
            if np.any(first > last):
                return None
        return None if np.any(lo > hi) else boxes

    def _bounds(self, boxes: list[Box], claim: Claim, first: int, count: int) -> Ints:
        """An upper bound of each row's form wherever rival j wins."""
        need(first >= 0 and count > 0 and first + count <= len(self.rows), "rows that do not exist")
        total, nu = self._back(boxes, claim, first, count)
        lo, hi = boxes[0]
        total += np.maximum(nu[0] * lo, nu[0] * hi).sum(axis=1)
        for row in self.squares.keys() & set(range(first, first + count)):
            total[row - first] = self._squared(boxes, claim, row)
        return total

    def _back(self, boxes: list[Box], claim: Claim, first: int, count: int) -> tuple[Ints, dict[int, Ints]]:
        """Per row, a constant [R], and the coefficients [R, n] that came to each wire, at last the input."""
        wire, element, sign, scale, m = self.rows[first : first + count].T
        need(np.all(m >= 0) and np.all(scale >= 0) and np.all(np.abs(sign) == 1), "a row of unknown form")
        hold(size(m) * 2, size(scale), size(m) * abs(claim.rise))
        nu = {w: np.zeros((count, len(boxes[w][0])), np.int64) for w in range(self.logits + 1)}
        for w in set(wire.tolist()):
            at = np.flatnonzero(wire == w)
            need(0 <= w <= self.logits and np.all(element[at] >= 0), "a row of an unknown wire")
            nu[w][at, element[at]] += sign[at] * scale[at]
        nu[self.logits][:, claim.j] += m
        nu[self.logits][:, self.label] -= m
        total: Ints = -m * claim.rise
        for w in range(self.logits, 0, -1):
            step = self.net.steps[w - 1]
            assert not isinstance(step, Softmax)
            xi = self.xi[w][first : first + count] if w in self.xi else None
            part, passed = step.back(nu[w], xi, boxes)
            total = total + part
            for source, more in passed:
                nu[source] = nu[source] + more
            hold(size(total), *(size(nu[source]) for source, _ in passed))
        lo, hi = boxes[0]
        hold(size(nu[0]) * max(size(lo), size(hi)) * len(lo), size(total))
        return total, nu

    def _squared(self, boxes: list[Box], claim: Claim, row: int) -> int:
        """A row's bound where stairs next to the input have two cases: up to a value, and beyond."""
        (wire, element, value, slope, d), d0, weights = self.squares[row]
        need(0 < wire[0] <= self.logits and np.all(wire == wire[0]), "cases of an unknown wire")
        stairs, k = self.net.steps[wire[0] - 1], len(wire)
        need(isinstance(stairs, Stairs) and stairs.source > 0 and wire[0] in self.xi, "cases of no stairs")
        assert isinstance(stairs, Stairs)
        linear = self.net.steps[stairs.source - 1]
        need(isinstance(linear, Linear) and all(t[0] == 0 for t in linear.terms), "cases far from the input")
        assert isinstance(linear, Linear)
        (lo, hi), n = boxes[stairs.source], len(stairs.channel)
        need(
            len(set(element.tolist())) == k and np.all((element >= 0) & (element < n)), "cases of no element"
        )
        need(np.all((lo[element] <= value) & (value < hi[element])), "a case that is empty")
        below, above, cases = hi.copy(), lo.copy(), (np.arange(k), element)
        below[element], above[element] = value, value + 1
        lower, upper = list(boxes), list(boxes)
        lower[stairs.source], upper[stairs.source] = (lo, below), (above, hi)
        total, nu = self._back(lower, claim, row, 1)
        own, low, up = np.zeros((3, k, n), np.int64)
        own[cases], low[cases], up[cases] = nu[wire[0]][0, element], self.xi[wire[0]][row, element], slope
        hold(size(low), size(up))
        constant, passed = linear.back(up - low, None, boxes)
        rise = stairs.back(own, up, upper)[0] - stairs.back(own, low, lower)[0] + constant
        forms, base = np.sum([part for _, part in passed], axis=0), 2 * nu[0]
        hold(2 * size(nu[0]), size(forms) * k, 2 * size(total), size(rise) * k)
        return greatest(np.concatenate([base + forms.sum(axis=0), forms]),
                     np.concatenate([2 * total + rise.sum(), rise]),
                     *boxes[0], weights, np.append(d0, d))  # fmt: skip

    def _contradicts(self, boxes: list[Box], claim: Claim, row: int) -> bool:
        """Is the row's form, which is m times something >= 0 where the rival wins, below 0?"""
        bound = self._bounds(boxes, claim, row, 1)
        need(self.rows[row, 3] == 0, "a closing row that bounds something else")
        return bool(bound[0] < 0)

    def _tightened(self, boxes: list[Box], claim: Claim, first: int, count: int) -> list[Box] | None:
        bounds, boxes = self._bounds(boxes, claim, first, count), list(boxes)
        for (wire, element, sign, scale, _), bound in zip(
            self.rows[first : first + count].tolist(), bounds, strict=True
        ):
            need(scale > 0, "a row that bounds nothing")
            lo, hi = (end.copy() for end in boxes[wire])
            if sign > 0:
                hi[element] = min(hi[element], int(bound) // scale)
            else:
                lo[element] = max(lo[element], -(int(bound) // scale))
            if lo[element] > hi[element]:
                return None
            boxes[wire] = lo, hi
        return self._settled(boxes, claim, int(self.rows[first : first + count, 0].min()))

    def _cut(
        self, boxes: list[Box] | None, claim: Claim, wire: int, element: int, v: int, upper: int
    ) -> list[Box] | None:
        if boxes is None:
            return None
        need(0 <= wire <= self.logits and 0 <= element < len(boxes[wire][0]), "a split of an unknown element")
        boxes, (lo, hi) = list(boxes), (end.copy() for end in boxes[wire])
        if upper:
            lo[element] = max(lo[element], v + 1)
        else:
            hi[element] = min(hi[element], v)
        boxes[wire] = lo, hi
        return None if lo[element] > hi[element] else self._settled(boxes, claim, wire)
