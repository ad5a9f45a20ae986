"""Does a relation of the outputs of two copies hold? Proofs by cases, stairs two by two.

For networks of one hidden layer, written as one network that holds both copies. Where the protected features
are fixed, the sums of both copies differ by constants (pairs.py). A part of the box is divided where output
stairs are clamped to the relation's favour, then where pairs bend. Elsewhere multipliers are those of a
linear program over the hulls of the pairs (HiGHS), of which nothing is believed: a bound is evaluated in
exact integers, whatever the multipliers are, and is one that a certificate may hold.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from itertools import count

import numpy as np

from coverify.verify.bounds import wire_bounds
from coverify.verify.deadline import Deadline, OutOfTime
from coverify.verify.decision import decision
from coverify.verify.dual.claim import UNIT, Claims, Point, Rival, stacked
from coverify.verify.dual.descent import evaluate
from coverify.verify.dual.hulls import Curve, Hulls, hulls_of
from coverify.verify.dual.pairs import forms
from coverify.verify.dual.places import places
from coverify.verify.dual.prover import rivals_left
from coverify.verify.dual.relaxation import Boxes, Pass, Relaxation, Together
from coverify.verify.dual.search import Counterexample
from coverify.verify.dual.tree import Bounded, Node, Script
from coverify.verify.engines.packages import require
from coverify.verify.errors import CannotDecide
from coverify.verify.problem import Problem
from coverify.verify.query import Argument, F64Array, I64Array
from tflm_int8.program.primitives import Affine, Staircase

FEW = 4096.0
"""A part of so few inputs is divided at inputs rather than at stairs."""
MOST = 20_000
"""Parts of a proof: beyond, a certificate is of no use."""


@dataclass(frozen=True, eq=False)
class Found:
    """excess: by so much is a row above its bound at most, 0 where all are proved: with an argument."""

    excess: int
    argument: Argument | None
    parts: int


class Abreast:
    """A program whose output is [0, rows of a relation] (property/appended.py), on a box.

    Raises CannotDecide: not a network of this form, or without pairs on this box; MissingPackage: HiGHS.
    """

    def __init__(self, problem: Problem, deadline: Deadline) -> None:
        require("milp")
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
        self.forms, self.constant = forms(first)
        self.nodes = 0

    def proved(self) -> Found:
        """All rows, or how far above they may be when the time is over.  Raises Counterexample."""
        script, excess = Script(), 0
        for number, rival in enumerate(self.rivals, 1):
            until = self.deadline.share(0.5) if number < len(self.rivals) else self.deadline
            excess = max(excess, self._row(rival, script, until))
        if excess:
            return Found(excess, None, self.nodes)
        sizes = {w: self.relaxation.width(w) for w in self.relaxation.scalars}
        elements = places(self.problem.program, self.relaxation.logits)
        return Found(0, Argument("bounds", script.arrays(sizes), elements), self.nodes)

    def _row(self, rival: Rival, script: Script, until: Deadline) -> int:
        """0, and the proof in the script; else by how much the row may be above its bound."""
        root = Node(rival, None, bound=float(self.boxes[-1][1][rival.rival] * UNIT))
        root.boxes = self._settled(root, list(self.boxes), self.relaxation.logits)
        number, waiting = count(), [(-root.bound, 0, root)]
        try:
            self._bound(root, until)
            while waiting:
                node = heapq.heappop(waiting)[2]
                if node.boxes is None or node.closed is not None:
                    continue
                try:
                    if self.nodes >= MOST:
                        raise OutOfTime
                    for part in self._divided(node):
                        self._bound(part, until)
                        heapq.heappush(waiting, (-part.bound, next(number) + 1, part))
                except OutOfTime:
                    heapq.heappush(waiting, (-node.bound, next(number) + 1, node))
                    raise
        except OutOfTime:
            most = max([-bound for bound, _, node in waiting if node.closed is None], default=root.bound)
            return int(most // UNIT) + rival.rise
        script.add(root)
        return 0

    def _bound(self, node: Node, until: Deadline) -> None:
        """Close a part, or say where to divide it.  Raises OutOfTime."""
        until.check()
        self.nodes += 1
        if node.boxes is None:
            return
        rows = self.claims.rows([node.rival], len(self.boxes[-1][0]), float(UNIT))
        boxes = stacked(node.boxes)
        nu = self._asked(5, UNIT * rows.claim)
        node.split = self._clamp(node, nu[0])
        if node.split is not None:
            return
        xi, hulls = self._multipliers(boxes, nu)
        pieces = self.relaxation.pieces(boxes, boxes, True)
        done = evaluate(self.relaxation, rows, boxes, pieces, xi, exact=True)
        node.bound = min(node.bound, float(done.bound[0]))
        if done.bound[0] < 0:
            target = np.array([[self.relaxation.logits, 0, 1, 0, UNIT]])
            node.closed = Bounded(target, done.multipliers)
            return
        node.split = self._looser(node, done, hulls, self._seen(hulls.inputs))

    def _settled(self, node: Node, boxes: Point, start: int) -> Point | None:
        return self.claims.settled(boxes, node.rival, node.tightened.append, start)

    def _seen(self, inputs: F64Array) -> I64Array:
        """The inputs at which the program has its maximum, rounded and run.  Raises Counterexample."""
        x = np.clip(np.rint(inputs).astype(np.int64), *self.boxes[0])
        witness = self.problem.first_violation(x[None])
        if witness is not None:
            raise Counterexample(witness)
        return x

    def _asked(self, wire: int, nu: F64Array) -> F64Array:
        """What an affine step asks of its source, which is a single wire."""
        step = self.relaxation.steps[wire - 1]
        assert isinstance(step, Affine)
        return sum((term.map.transposed(nu) for term in step.terms), np.zeros(1))

    def _clamp(self, node: Node, nu: F64Array) -> tuple[int, int, int] | None:
        """Where an output is clamped to its row's favour: below where it counts for it, else above."""
        step = self.relaxation.steps[3]
        assert isinstance(step, Staircase) and node.boxes is not None
        lo, hi = node.boxes[3]
        inner = self.relaxation.edges[4][step.channel, 1:-1]
        for e in np.flatnonzero(nu):
            edge = int(inner[e, 0 if nu[e] > 0 else -1])
            if lo[e] < edge <= hi[e]:
                return 3, int(e), edge - 1
        return None

    def _multipliers(self, boxes: Boxes, nu: F64Array) -> tuple[dict[int, F64Array], Hulls]:
        """Output stairs at their slope, pairs as a linear program says; integers."""
        pieces = self.relaxation.pieces(boxes, boxes, False)
        lo, hi = boxes[4]
        outputs = np.rint(np.where(hi > lo, nu * pieces[4].full, 0.0))
        inner = self._asked(3, outputs)
        pairs = pieces[2]
        assert isinstance(pairs, Together)
        curves = [Curve.of(*curve) for curve in pairs.points.gains(inner[0])]
        hulls = hulls_of(curves, self.forms, self.constant, *(end[0] for end in boxes[0]))
        xi = np.zeros_like(inner)
        xi[0, : len(curves)] = np.rint(hulls.multipliers)
        return {4: outputs, 2: xi}, hulls

    def _looser(self, node: Node, done: Pass, hulls: Hulls, x: I64Array) -> tuple[int, int, int]:
        """Where a part is divided: at a bend of the pair whose hull is furthest above it, else at a stair
        where the bound is furthest above what the network does on x, else at an input.

        Raises CannotDecide: it is a single input.
        """
        assert node.boxes is not None
        best, choice = 0.0, None
        for curve, at in zip(hulls.curves, hulls.sums.tolist(), strict=True):
            edges = self._rises(node.boxes, curve.element, bends=True)
            gap = curve.gap(at)
            if len(edges) and gap > best:
                best, choice = gap, (1, curve.element, _nearest(edges, at) - 1)
        if choice is None and np.prod(node.boxes[0][1] - node.boxes[0][0] + 1.0) <= FEW:
            choice = self._input(node)
        if choice is not None:
            return choice
        wires = self.problem.wires(x[None])
        for wire in (2, 4):
            nu, xi, at = done.asked[wire][0], done.multipliers[wire][0], wires[wire - 1][0]
            gaps = nu * (done.value[wire][0] - wires[wire][0]) - xi * (done.at[wire][0] - at)
            gaps = gaps + gaps[self.pairs.partner] if wire == 2 else gaps
            for e in range(len(gaps) // 2 if wire == 2 else len(gaps)):
                edges = self._rises(node.boxes, e) if wire == 2 else self._within(4, e, *node.boxes[3])
                if len(edges) and gaps[e] > best:
                    best, choice = float(gaps[e]), (wire - 1, e, _nearest(edges, at[e]) - 1)
        choice = choice or self._input(node)
        if choice is None:
            raise CannotDecide("a part of the box cannot be divided further")
        return choice

    def _input(self, node: Node) -> tuple[int, int, int] | None:
        """At the middle of the widest input; None: there is a single one."""
        assert node.boxes is not None
        lo, hi = node.boxes[0]
        e = int((hi - lo).argmax())
        return (0, e, int(lo[e] + hi[e]) >> 1) if hi[e] > lo[e] else None

    def _rises(self, boxes: Point, e: int, bends: bool = False) -> I64Array:
        """The values of a pair's first sum from which one of its stairs is higher; `bends`: of the lowest and
        the highest stair.
        """
        p = int(self.pairs.partner[e])
        low, high = (end[0] for end in self.pairs.common(boxes[1][0][None], boxes[1][1][None]))
        kept = [0, -1] if bends else slice(None)
        found = [self._within(2, i, low, high, kept) - self.pairs.offset[i] for i in (e, p)]
        both: I64Array = np.concatenate(found) + self.pairs.offset[e]
        return both

    def _within(
        self, wire: int, e: int, lo: I64Array, hi: I64Array, kept: slice | list[int] = slice(None)
    ) -> I64Array:
        """The sums of element e from which its stairs are higher (all, or those kept) above lo, up to hi."""
        step = self.relaxation.steps[wire - 1]
        assert isinstance(step, Staircase)
        inner: I64Array = self.relaxation.edges[wire][step.channel[e], 1:-1][kept]
        inside: I64Array = inner[(lo[e] < inner) & (inner <= hi[e])]
        return inside

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
            part = Node(node.rival, None, bound=node.bound, depth=node.depth + 1)
            part.boxes = self._settled(part, boxes, wire)
            parts.append(part)
        node.parts = tuple(parts)
        return parts


def _nearest(values: I64Array, at: float) -> int:
    return int(values[np.abs(values - at).argmin()])
