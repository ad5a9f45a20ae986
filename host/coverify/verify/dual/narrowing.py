"""Accumulators bounded where a rival wins: boxes of a part become narrower."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from coverify.verify.deadline import Deadline
from coverify.verify.dual.claim import UNIT, Claims, Point, fewer_bits, stacked
from coverify.verify.dual.descent import Rows, evaluate, exact
from coverify.verify.dual.floor import Floor
from coverify.verify.dual.relaxation import Boxes, Pass, Pieces, Relaxation
from coverify.verify.dual.tree import Bounded, Node
from coverify.verify.errors import CannotDecide
from coverify.verify.query import F64Array, I64Array
from tflm_int8.program.primitives import Affine, Staircase

WORTH = 0.97
"""Narrower by so much is worth another turn."""
MOST = 128
"""So many accumulators of a layer are bounded at a time, those on which the bound hangs most."""
_WEIGHTS = (0.03, 0.1, 0.3, 0.6, 1.0, 2.0, 5.0)


@dataclass(frozen=True, eq=False)
class Narrowing:
    """natural: the query's boxes; unit: what 1 is in a row of the claim; widths: see claim.py."""

    relaxation: Relaxation
    claims: Claims
    floor: Floor
    natural: Boxes
    unit: int
    widths: dict[int, int]
    deadline: Deadline

    def narrow(self, node: Node) -> bool:
        """Bound the accumulators where the rival wins; was it worth while?  node.boxes may become None."""
        boxes = node.boxes
        assert boxes is not None
        if self.floor.holds(node):
            return False
        before = self._width(boxes)
        for wire in self.relaxation.scalars:
            step = self.relaxation.steps[wire - 1]
            if not isinstance(step, Staircase) or not isinstance(
                self.relaxation.steps[step.source - 1], Affine
            ):
                continue
            if step.source == 0 or wire == self.relaxation.logits:
                continue
            if not self._wire(node, wire, step.source):
                return False
        assert node.boxes is not None
        return self._width(node.boxes) < WORTH * before

    def _width(self, boxes: Point) -> int:
        return sum(int((boxes[w][1] - boxes[w][0]).sum()) for w in self.relaxation.scalars[:-1])

    def _wire(self, node: Node, wire: int, source: int) -> bool:
        """The accumulators of one stair; False when the part became empty."""
        assert node.boxes is not None
        lo, hi = node.boxes[source]
        unstable = np.flatnonzero(node.boxes[wire][1] > node.boxes[wire][0])
        if not len(unstable):
            return True
        boxes = stacked(node.boxes)
        end = self.deadline.late
        pieces = self.relaxation.pieces(boxes, self.natural, False, end)
        row, start = self.floor.rows([node], float(self.unit)), {w: v[None] for w, v in node.start.items()}
        star = evaluate(self.relaxation, row, boxes, pieces, start, end=end)
        if len(unstable) > MOST and wire in star.multipliers:
            weight = np.abs(star.multipliers[wire][0, unstable]) * (hi - lo)[unstable]
            unstable = np.sort(unstable[np.argsort(-weight, kind="stable")[:MOST]])
        n = len(unstable)
        base = np.zeros((2 * n, len(lo)))
        sign = np.repeat([1, -1], n)
        element = np.tile(unstable, 2)
        own_unit = UNIT >> fewer_bits(self.widths[wire])
        base[np.arange(2 * n), element] = sign * float(own_unit)
        own = self.relaxation.evaluate({source: base}, boxes, pieces, {}, end=end)
        finer = self.unit // own_unit
        unit = np.tile((hi - lo)[unstable], 2) / max(1.0, star.bound[0] / self.unit) / finer
        best, at = self.relaxation.combined(own, star, np.zeros(2 * n), boxes, pieces), np.zeros(2 * n)
        for share in _WEIGHTS:
            self.deadline.check()
            m = unit * share
            bound = self.relaxation.combined(own, star, m, boxes, pieces)
            better = bound < best
            best, at = np.where(better, bound, best), np.where(better, m, at)
        now = np.where(sign > 0, hi[element], -lo[element])
        useful = np.flatnonzero(best / own_unit < now - 0.5)
        if not len(useful):
            return True
        m = np.rint(at * finer * 256) / (finer * 256)
        try:
            return self._apply(
                node, boxes, pieces, source, element[useful], sign[useful], base[useful], own, star,
                m[useful], useful, own_unit,
            )  # fmt: skip
        except CannotDecide:  # these numbers are too large: the boxes stay as they are
            return True

    def _apply(
        self, node: Node, boxes: Boxes, pieces: dict[int, Pieces], source: int, element: I64Array,
        sign: I64Array, base: F64Array, own: Pass, star: Pass, m: F64Array, useful: I64Array, own_unit: int,
    ) -> bool:  # fmt: skip
        """Evaluate the chosen rows exactly and narrow the boxes."""
        rows = self.floor.rows([node], float(self.unit))
        k = len(useful)
        multipliers = {}
        for w in star.multipliers.keys() | own.multipliers.keys():
            total = np.zeros((k, self.relaxation.width(w)))
            if w in own.multipliers:
                total = total + own.multipliers[w][useful]
            if w in star.multipliers:
                total = total + m[:, None] * star.multipliers[w]
            multipliers[w] = total
        many = Rows(
            {source: base}, np.repeat(rows.claim, k, axis=0), np.repeat(rows.rise, k), np.rint(m * self.unit)
        )
        end = self.deadline.late
        done = exact(self.relaxation, many, boxes, self.natural, pieces, multipliers, end)
        targets = np.stack(
            [np.full(k, source), element, sign, np.full(k, own_unit), many.m.astype(np.int64)], axis=1
        )
        node.tightened.append(Bounded(targets, done.multipliers))
        bound = np.floor(done.bound / own_unit).astype(np.int64)
        assert node.boxes is not None
        lo, hi = (end.copy() for end in node.boxes[source])
        np.minimum.at(hi, element[sign > 0], bound[sign > 0])
        np.maximum.at(lo, element[sign < 0], -bound[sign < 0])
        new = [*node.boxes[:source], (lo, hi), *node.boxes[source + 1 :]]
        cut = node.tightened.append
        node.boxes = None if np.any(lo > hi) else self.claims.settled(new, node.rival, cut, source)
        return node.boxes is not None
