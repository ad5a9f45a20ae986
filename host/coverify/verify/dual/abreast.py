"""Does a relation of the outputs of two copies hold? Proofs by cases, stairs two by two.

For networks of one hidden layer, written as one network that holds both copies. Where the protected features
are fixed, the sums of both copies differ by constants (pairs.py). A part of the box is divided where output
stairs are clamped to the relation's favour, then where pairs bend. Elsewhere multipliers are those of a linear
program over the hulls of the pairs (HiGHS), of which nothing is believed: a bound is evaluated in exact
integers, whatever the multipliers are, and is one that a certificate may hold.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from itertools import count

import numpy as np

from coverify.verify.bounds import wire_bounds
from coverify.verify.deadline import Deadline, OutOfTime
from coverify.verify.decision import decision
from coverify.verify.dual.claim import Claims, Rival
from coverify.verify.dual.descent import Rows, evaluate
from coverify.verify.dual.hulls import Curve, best_multipliers
from coverify.verify.dual.prover import rivals_left
from coverify.verify.dual.relaxation import Boxes, F64Array, Relaxation
from coverify.verify.dual.tree import Bounded, Node, Script
from coverify.verify.errors import CannotDecide
from coverify.verify.problem import Problem
from coverify.verify.query import Argument, I64Array
from tflm_int8.program.primitives import Affine, Staircase

UNIT = 1 << 22
"""What 1 is in a row's form."""
MOST = 20_000
"""Parts of a proof: beyond, a certificate is of no use."""


@dataclass(frozen=True, eq=False)
class Places:
    """Where a linear program has its maximum: curves, the value of the sum of each, the inputs."""

    curves: list[Curve]
    sums: F64Array
    inputs: F64Array


@dataclass(frozen=True, eq=False)
class Found:
    """excess: by so much is a row above its bound at most, 0 where all are proved; then there is an argument."""

    excess: int
    argument: Argument | None
    parts: int


class Abreast:
    """A program whose output is [0, rows of a relation] (property/appended.py), on a box.

    Raises CannotDecide: not a network of this form, or without pairs on this box.
    """

    def __init__(self, problem: Problem, deadline: Deadline) -> None:
        steps = problem.program.steps
        kinds = (Affine, Staircase, Affine, Staircase, Affine)
        chain = [isinstance(step, kind) for step, kind in zip(steps, kinds, strict=False)]
        if len(steps) != len(kinds) or not all(chain) or problem.query.changes is not None:
            raise CannotDecide("only one hidden layer is bounded two by two")
        self.problem, self.deadline = problem, deadline
        boxes = wire_bounds(problem.program, problem.query.lo, problem.query.hi)
        self.boxes = [(box.lo, box.hi) for box in boxes]
        self.relaxation = Relaxation(problem.program, len(steps))
        self.relaxation.pair(*self.boxes[0])
        if 2 not in self.relaxation.pairs:
            raise CannotDecide("no sums of the first layer differ by constants")
        self.pairs = self.relaxation.pairs[2]
        self.claims = Claims(self.relaxation, problem.query.label)
        last = decision(problem.program, boxes, deadline)
        self.rivals = rivals_left(problem.query.label, boxes[-1], last)
        first = steps[0]
        assert isinstance(first, Affine)
        self.forms = sum(t.map.transposed(np.eye(len(first.bias))) for t in first.terms)
        offsets = [np.full(t.map.n_in, t.offset, np.int64) for t in first.terms]
        self.constant = first.bias - sum(t.map.apply(at) for t, at in zip(first.terms, offsets, strict=True))
        self.nodes = 0

    def proved(self) -> Found:
        """All rows, or how far above they may be when the time is over."""
        script, excess = Script(), 0
        for rival in self.rivals:
            left = self._row(rival, script)
            excess = max(excess, left)
        if excess:
            return Found(excess, None, self.nodes)
        sizes = {w: len(self.boxes[w][0]) for w in self.relaxation.scalars}
        return Found(0, Argument("bounds", script.arrays(sizes)), self.nodes)

    def _row(self, rival: Rival, script: Script) -> int:
        """0, and the proof in the script; else by how much the row may be above its bound."""
        boxes = self.claims.settled(list(self.boxes), rival, self.relaxation.logits)
        root = Node(rival, boxes, bound=float(self.boxes[-1][1][rival.rival] * UNIT))
        number, waiting = count(), [(-root.bound, 0, root)]
        try:
            self._bound(root)
            while waiting:
                node = heapq.heappop(waiting)[2]
                if node.boxes is None or node.closed is not None:
                    continue
                if self.nodes >= MOST:
                    raise OutOfTime
                try:
                    for part in self._divided(node):
                        self._bound(part)
                        heapq.heappush(waiting, (-part.bound, next(number) + 1, part))
                except OutOfTime:
                    heapq.heappush(waiting, (-node.bound, next(number) + 1, node))
                    raise
        except OutOfTime:
            most = max([-bound for bound, _, node in waiting if node.closed is None], default=root.bound)
            return int(most // UNIT) + rival.rise
        script.add(root)
        return 0

    def _bound(self, node: Node) -> None:
        """Close a part, or say where to divide it.  Raises OutOfTime."""
        self.deadline.check()
        self.nodes += 1
        if node.boxes is None:
            return
        claim = np.zeros((1, len(self.boxes[-1][0])))
        claim[0, node.rival.rival], claim[0, self.claims.label] = 1.0, -1.0
        rows = Rows({}, claim, np.array([float(node.rival.rise)]), np.array([float(UNIT)]))
        boxes: Boxes = [(lo[None], hi[None]) for lo, hi in node.boxes]
        nu = self._asked(5, UNIT * claim)
        node.split = self._clamp(node, nu[0])
        if node.split is not None:
            return
        xi, places = self._multipliers(boxes, nu)
        pieces = self.relaxation.pieces(boxes, boxes, True)
        done = evaluate(self.relaxation, rows, boxes, pieces, xi, exact=True)
        node.bound = min(node.bound, float(done.bound[0]))
        if done.bound[0] < 0:
            target = np.array([[self.relaxation.logits, 0, 1, 0, UNIT]])
            node.closed = Bounded(target, done.multipliers)
            return
        node.split = self._looser(node, nu[0], places)

    def _asked(self, wire: int, nu: F64Array) -> F64Array:
        """What an affine step asks of its source, which is a single wire."""
        step = self.relaxation.steps[wire - 1]
        assert isinstance(step, Affine)
        return sum((term.map.transposed(nu) for term in step.terms), np.zeros(1))

    def _clamp(self, node: Node, nu: F64Array) -> tuple[int, int, int] | None:
        """Where an output is clamped to its row's favour: below where it counts for the row, above where against."""
        step = self.relaxation.steps[3]
        assert isinstance(step, Staircase) and node.boxes is not None
        lo, hi = node.boxes[3]
        inner = self.relaxation.edges[4][step.channel, 1:-1]
        for e in np.flatnonzero(nu):
            edge = int(inner[e, 0 if nu[e] > 0 else -1])
            if lo[e] < edge <= hi[e]:
                return 3, int(e), edge - 1
        return None

    def _multipliers(self, boxes: Boxes, nu: F64Array) -> tuple[dict[int, F64Array], Places]:
        """Output stairs at their slope, pairs as a linear program says; integers."""
        pieces = self.relaxation.pieces(boxes, boxes, False)
        lo, hi = boxes[4]
        outputs = np.rint(np.where(hi > lo, nu * pieces[4].full, 0.0))
        inner = self._asked(3, outputs)
        points = pieces[2].points
        assert points is not None
        curves = [Curve.of(*curve) for curve in points.gains(inner[0])]
        found, sums, inputs = best_multipliers(curves, self.forms, self.constant, *self.boxes[0])
        xi = np.zeros_like(inner)
        for curve, value in zip(curves, found, strict=True):
            xi[0, curve.element] = np.rint(value)
        return {4: outputs, 2: xi}, Places(curves, sums, inputs)

    def _looser(self, node: Node, nu: F64Array, places: Places) -> tuple[int, int, int]:
        """Where a part is divided: at a bend of the pair whose hull is furthest above it, else at a stair of a
        pair, at one of an output, or at an input.  Raises CannotDecide: it is a single input.
        """
        assert node.boxes is not None
        step = self.relaxation.steps[1]
        assert isinstance(step, Staircase)
        low, high = (end[0] for end in self.pairs.common(*(end[None] for end in node.boxes[1])))
        bends = self.pairs.bends(self.relaxation.edges[2][step.channel, 1:-1])
        best, choice = [0.0, 0.0], list[tuple[int, int, int] | None]([None, None])
        for curve, at in zip(places.curves, places.sums, strict=True):
            e = curve.element
            gap = curve.above(at) - curve.least(at)
            inside = bends[e][(low[e] < bends[e]) & (bends[e] <= high[e])]
            kind = 0 if len(inside) else 1
            if not len(inside):
                inside = self._edges(e, int(low[e]), int(high[e]))
            if len(inside) and gap > best[kind]:
                best[kind] = gap
                choice[kind] = 1, e, int(inside[np.abs(inside - at).argmin()]) - 1
        for one in choice:
            if one is not None:
                return one
        return self._outer(node, nu, places)

    def _edges(self, e: int, low: int, high: int) -> I64Array:
        """Where the stairs of a pair rise, above low and up to high: first values."""
        step = self.relaxation.steps[1]
        assert isinstance(step, Staircase)
        found = []
        for i in {e, int(self.pairs.partner[e])}:
            inner = (
                self.relaxation.edges[2][step.channel[i], 1:-1] - self.pairs.offset[i] + self.pairs.offset[e]
            )
            found.append(inner[(low < inner) & (inner <= high)])
        return np.concatenate(found)

    def _outer(self, node: Node, nu: F64Array, places: Places) -> tuple[int, int, int]:
        """At a stair of an output near where the bound is reached, else at the widest input."""
        assert node.boxes is not None
        step = self.relaxation.steps[3]
        assert isinstance(step, Staircase)
        x = np.clip(np.rint(places.inputs).astype(np.int64), *node.boxes[0])
        at = self.problem.wires(x[None])[3][0]
        lo, hi = node.boxes[3]
        for e in np.flatnonzero(nu):
            inner = self.relaxation.edges[4][step.channel[e], 1:-1]
            inside = inner[(lo[e] < inner) & (inner <= hi[e])]
            if len(inside):
                return 3, int(e), int(inside[np.abs(inside - at[e]).argmin()]) - 1
        lo, hi = node.boxes[0]
        e = int((hi - lo).argmax())
        if lo[e] == hi[e]:
            raise CannotDecide("a part of the box cannot be divided further")
        return 0, e, int(lo[e] + hi[e]) >> 1

    def _divided(self, node: Node) -> list[Node]:
        """Both parts of an open one."""
        assert node.split is not None and node.boxes is not None
        wire, e, value = node.split
        parts = []
        for upper in (False, True):
            lo, hi = (end.copy() for end in node.boxes[wire])
            (lo if upper else hi)[e] = value + 1 if upper else value
            boxes = list(node.boxes)
            boxes[wire] = lo, hi
            settled = self.claims.settled(boxes, node.rival, wire)
            parts.append(Node(node.rival, settled, bound=node.bound, depth=node.depth + 1))
        node.parts = tuple(parts)
        return parts
