"""Is there an input on which a rival wins? Bounds, tighter boxes, and cases, until every part is closed.

All rivals' parts share one queue, the loosest bound first, and are bounded in batches. A part is closed
only by a bound that was evaluated in exact integers. Every part's maximising input is run on the network: it
may be a counterexample.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field

import numpy as np

from coverify.verify.deadline import Deadline
from coverify.verify.dual.branching import Branching
from coverify.verify.dual.cases import Cases, Lift
from coverify.verify.dual.claim import Claims, Point, Rival, fewer_bits, more_bits, widths
from coverify.verify.dual.descent import Rows, descend, evaluate
from coverify.verify.dual.floor import Floor
from coverify.verify.dual.hunt import Hunt
from coverify.verify.dual.outer import applied, facts
from coverify.verify.dual.pair import Pair
from coverify.verify.dual.relaxation import Boxes, F64Array, Pass, Pieces, Relaxation
from coverify.verify.dual.tree import Bounded, Node
from coverify.verify.errors import CannotDecide
from coverify.verify.problem import Problem
from coverify.verify.query import I64Array
from tflm_int8.program.primitives import Affine, Staircase

UNIT = 1 << 22
"""What 1 is in a row's form, where no accumulator is wide (see claim.py)."""
BATCH = 16
SIZE = 0.15
"""The first step of a descent, relative to the multipliers."""
ROUNDS = 12
"""Evaluations for a part that inherits multipliers."""
FIRST_ROUNDS = 40
TIGHTENINGS = 4
WORTH = 0.97
TIGHTEN_EVERY = 3
"""A part is tightened when its depth is a multiple of this, or bounded afresh where there are stairs between
those that have cases and the logits; cases that were given up are tried again.
"""
PLAIN = 60
"""So many parts are bounded without cases at first: what is easy is quicker so."""
MOST = 128
"""So many accumulators of a layer are bounded at a time, those on which the bound hangs most."""
_WEIGHTS = (0.03, 0.1, 0.3, 0.6, 1.0, 2.0, 5.0)


class Counterexample(Exception):
    """A point of the box whose label is not the query's."""

    def __init__(self, x: I64Array) -> None:
        self.x = x


@dataclass(eq=False)
class Search:
    """One query; `boxes` as wire_bounds gives them."""

    problem: Problem
    relaxation: Relaxation
    claims: Claims
    boxes: Point
    deadline: Deadline
    seed: int = 0
    nodes: int = 0
    _plain: bool = field(default=False, init=False)
    cases: Cases | None = field(default=None, init=False)
    _queue: list[tuple[float, int, Node]] = field(default_factory=list, init=False)
    _number: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self._widths = widths(self.relaxation.steps, self.boxes)
        self._unit = UNIT << more_bits(self._widths)
        self.cases = Cases.of(self.relaxation, self._natural)
        self._branching = Branching(self.problem, self.relaxation, self.claims)
        self._pair = Pair(self.relaxation, self.claims, self.boxes)
        self._hunt = Hunt(self.problem, self.deadline, self.seed)
        self._floor = Floor(self.relaxation, self.claims, self.boxes)

    def root(self, rival: Rival) -> Node:
        """The whole box."""
        node = Node(rival, None)
        node.boxes = self.claims.settled(
            list(self.boxes), rival, node.tightened.append, self.relaxation.logits
        )
        return node

    def bounded(self, nodes: list[Node], rounds: int) -> list[Node]:
        """Bound the parts; those that stay open.  Raises Counterexample."""
        live = [node for node in nodes if node.boxes is not None]
        self.nodes += len(nodes)
        for node in live:
            if self._deep and node.depth % TIGHTEN_EVERY == 0:
                node.warm = None  # afresh: what a parent had leads nowhere after a while
        settled = [n for n in live if n.warm is not None and self._inherited(n)]
        left = [node for node in settled if node.closed is None and node.boxes is not None]
        live = [node for node in live if node not in settled]
        return left + (self._descended(live, rounds) if live else [])

    def _inherited(self, node: Node) -> bool:
        """Bound a part by parabolas as its parent was; is nothing left to do but to divide it?"""
        start = {w: v[None] for w, v in node.start.items()}
        return self._squared(node, self._rows([node]), 0, self._stacked([node]), start) or bool(node.split)

    def _descended(self, live: list[Node], rounds: int) -> list[Node]:
        boxes, rows = self._stacked(live), self._rows(live)
        guess = self.relaxation.pieces(boxes, self._natural, False)
        start = self._start(live, guess)
        found = descend(
            self.relaxation,
            rows,
            boxes,
            guess,
            start,
            self.deadline,
            rounds,
            size=SIZE if rounds > ROUNDS else SIZE / 2,
            target=-1e-3 * self._unit,
        )
        done = self._exact(rows, boxes, guess, found.multipliers)
        open_ = []
        for k, node in enumerate(live):
            node.start = {w: v[k] for w, v in done.multipliers.items()}
            node.bound = float(done.bound[k])
            node.split = None
            if node.bound < 0:
                self._floor.close_by(node, self._unit, {w: v[k : k + 1] for w, v in done.multipliers.items()})
            elif not self._squared(node, rows, k, boxes, done.multipliers):
                open_.append(k)
        if open_:
            self._look(done.value[0][open_])
        return [self._marked(live[k], done, k) for k in open_]

    def _squared(
        self, node: Node, rows: Rows, k: int, boxes: Boxes, multipliers: dict[int, F64Array]
    ) -> bool:
        """Close a node by parabolas under the first stairs."""
        if self.cases is None or not node.cases or self._plain or self._branching.saturated(node) is not None:
            return False
        self.deadline.check()
        base = {w: v[k : k + 1] / self._unit for w, v in rows.base.items()} if self._floor.holds(node) else {}
        one = Rows(base, rows.claim[k : k + 1], rows.rise[k : k + 1], np.ones(1))
        own: Boxes = [(lo[min(k, len(lo) - 1)][None], hi[min(k, len(hi) - 1)][None]) for lo, hi in boxes]
        above = {w: v[k : k + 1] / self._unit for w, v in multipliers.items()}
        if node.warm is None:
            above = self._pair.linear(node, self._untaught(above))
        lift = Lift(node.gain, self.deadline.check) if self._deep else None
        found = self.cases.bound(one, own, above, -1e-3, node.warm, self._pair.held(node, above), lift)
        if found is None:
            return False
        self._look(found.inputs)
        if found.bound >= 0:
            node.gain = node.gain if found.gain is None else found.gain
            if node.warm is None and self._unit * found.bound / found.unit >= node.bound:
                node.cases = False
                return False
            node.bound = min(node.bound, self._unit * found.bound / found.unit)
            node.split, node.warm = found.split, found.warm
            node.start = node.start | {w: self._unit * v[0] for w, v in found.multipliers.items()}
            return False
        node.split, node.warm = None, None
        assert found.evidence is not None
        self._floor.close(node, found.evidence)
        return True

    def _untaught(self, above: dict[int, F64Array]) -> dict[int, F64Array]:
        """Without those which the search with parabolas finds from chords sooner than from a descent's."""
        free = set() if self.cases is None else set(self.cases.chain) - {self.relaxation.logits}
        return {wire: values for wire, values in above.items() if wire not in free}

    def _marked(self, node: Node, done: Pass, k: int) -> Node:
        """Keep where the node's bound is loose."""
        if node.split is None or self._deep:
            outer = self._branching.looser(node, done, k)
            if node.split is None or (outer is not None and self._beyond(outer[0])):
                node.split = outer
        return node

    @property
    def _deep(self) -> bool:
        """Are there stairs between those that have cases and the logits?"""
        return self.cases is not None and any(map(self._beyond, self.relaxation.scalars[:-1]))

    def _beyond(self, wire: int) -> bool:
        return self.cases is not None and wire > self.cases.wire

    @property
    def _natural(self) -> Boxes:
        return [(lo[None], hi[None]) for lo, hi in self.boxes]

    def _stacked(self, nodes: list[Node]) -> Boxes:
        stacked: Boxes = []
        for wire in range(self.relaxation.logits + 1):
            parts = [node.boxes[wire] for node in nodes if node.boxes is not None]
            if all(part is parts[0] for part in parts):
                stacked.append((parts[0][0][None], parts[0][1][None]))
            else:
                stacked.append((np.stack([p[0] for p in parts]), np.stack([p[1] for p in parts])))
        return stacked

    def _rows(self, nodes: list[Node]) -> Rows:
        return self._floor.rows(nodes, float(self._unit))

    def _start(self, nodes: list[Node], pieces: dict[int, Pieces]) -> dict[int, F64Array]:
        """The inherited multipliers where all nodes have them.

        Where the claim has fixed both logits it says something of their accumulators only: one of these is
        then what is bounded, and its multiplier is held.
        """
        wires = set.intersection(*(set(node.start) for node in nodes))
        start = {w: np.stack([node.start[w] for node in nodes]) for w in wires}
        logits = self.relaxation.logits
        step = self.relaxation.steps[logits - 1] if logits else None
        if not isinstance(step, Staircase):
            return start
        p, natural = pieces[logits], self.boxes[step.source]
        for k, node in enumerate(nodes):
            if self._floor.holds(node):
                continue
            assert node.boxes is not None
            j, y = node.rival.rival, self.claims.label
            (lo, hi), (first, last) = node.boxes[logits], node.boxes[step.source]
            if lo[j] < hi[j] or lo[y] < hi[y]:
                if self._deep and self._branching.saturated(node) is None:
                    if logits not in start:
                        start[logits] = np.zeros((len(nodes), len(lo)))
                    start[logits][k] = self._unit * self._pair.linear(node, {})[logits][0]
                    p.scale[k if len(p.scale) > 1 else 0, [j, y]] = 0.0
                continue
            held, sign = (j, 1) if first[j] > natural[0][j] or last[y] == natural[1][y] else (y, -1)
            row = k if len(p.scale) > 1 else 0
            slope = p.full[row, held]
            if logits not in start:
                start[logits] = np.zeros((len(nodes), len(lo)))
                nu = self._rows(nodes)
                start[logits] = self._unit * nu.claim * np.where(nu.claim > 0, p.rising, p.falling)
            start[logits][k, held] = sign * self._unit * slope
            p.scale[row, held] = 0.0
        return start

    def _exact(
        self, rows: Rows, boxes: Boxes, guess: dict[int, Pieces], multipliers: dict[int, F64Array]
    ) -> Pass:
        """The rows' bounds for the rounded multipliers, in exact integers."""
        whole = {w: np.rint(v) for w, v in multipliers.items()}
        pieces = (
            guess
            if all(self.relaxation.uniform.values())
            else self.relaxation.pieces(boxes, self._natural, True)
        )
        return evaluate(self.relaxation, rows, boxes, pieces, whole, exact=True)

    def _look(self, x: F64Array) -> None:
        """Run maximising inputs: one may be a counterexample."""
        if len(x):
            self._hunt.note(x[0])
            self._shot(self.problem.first_violation(x.astype(np.int64)))

    def _shot(self, witness: I64Array | None) -> None:
        if witness is not None:
            raise Counterexample(witness)

    def tighten(self, node: Node) -> bool:
        """Bound the accumulators where the rival wins; was it worth while?  node.boxes may become None."""
        boxes = node.boxes
        assert boxes is not None
        if self._floor.holds(node):
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
            if not self._tighten_wire(node, wire, step.source):
                return False
        assert node.boxes is not None
        return self._width(node.boxes) < WORTH * before

    def _width(self, boxes: Point) -> int:
        return sum(int((boxes[w][1] - boxes[w][0]).sum()) for w in self.relaxation.scalars[:-1])

    def _tighten_wire(self, node: Node, wire: int, source: int) -> bool:
        """The accumulators of one stair; False when the part became empty."""
        assert node.boxes is not None
        lo, hi = node.boxes[source]
        unstable = np.flatnonzero(node.boxes[wire][1] > node.boxes[wire][0])
        if not len(unstable):
            return True
        boxes: Boxes = [(a[None], b[None]) for a, b in node.boxes]
        pieces = self.relaxation.pieces(boxes, self._natural, False)
        star = evaluate(
            self.relaxation, self._rows([node]), boxes, pieces, {w: v[None] for w, v in node.start.items()}
        )
        if len(unstable) > MOST and wire in star.multipliers:
            weight = np.abs(star.multipliers[wire][0, unstable]) * (hi - lo)[unstable]
            unstable = np.sort(unstable[np.argsort(-weight, kind="stable")[:MOST]])
        n = len(unstable)
        base = np.zeros((2 * n, len(lo)))
        sign = np.repeat([1, -1], n)
        element = np.tile(unstable, 2)
        own_unit = UNIT >> fewer_bits(self._widths[wire])
        base[np.arange(2 * n), element] = sign * float(own_unit)
        own = self.relaxation.evaluate({source: base}, boxes, pieces, {})
        finer = self._unit // own_unit
        unit = np.tile((hi - lo)[unstable], 2) / max(1.0, star.bound[0] / self._unit) / finer
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
        rows = self._rows([node])
        k = len(useful)
        multipliers = {}
        for w in star.multipliers.keys() | own.multipliers.keys():
            total = np.zeros((k, len(self.boxes[w][0])))
            if w in own.multipliers:
                total = total + own.multipliers[w][useful]
            if w in star.multipliers:
                total = total + m[:, None] * star.multipliers[w]
            multipliers[w] = total
        many = Rows(
            {source: base}, np.repeat(rows.claim, k, axis=0), np.repeat(rows.rise, k), np.rint(m * self._unit)
        )
        done = self._exact(many, boxes, pieces, multipliers)
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

    def run(self, roots: list[Node], rounds: int = FIRST_ROUNDS) -> bool:
        """Close all parts, at first without cases; then from new roots, which take the place of these.

        True when it was done.  Raises Counterexample, OutOfTime, CannotDecide.
        """
        self._plain = self.cases is not None
        if self._closed(roots, rounds):
            return True
        self._plain = False
        self._floor.part = None
        roots[:] = [self.root(node.rival) for node in roots]
        return self._closed(roots, rounds)

    def _closed(self, roots: list[Node], rounds: int) -> bool:
        """False when what can be tried without cases is used up."""
        left = self.bounded(roots, rounds)
        if left and self._deep and not self._plain:
            left = self.bounded(self._narrowed(left), rounds)
        for node in left:
            self._deepen(node, first=True)
        while self._queue:
            self.deadline.check()
            self._shot(self._hunt.turn())
            if self._plain and self.nodes > PLAIN:
                self._queue.clear()
                return False
            parts: list[Node] = []
            while self._queue and len(parts) < BATCH:
                node = heapq.heappop(self._queue)[2]
                parts += self._divided(node)
            for part in self.bounded(parts, ROUNDS):
                self._deepen(part, first=False)
        return True

    def _narrowed(self, roots: list[Node]) -> list[Node]:
        """The roots with the accumulators beyond the first layer bounded over its cases, whoever wins."""
        new = [] if self.cases is None else facts(self.relaxation, self.cases, self.boxes, self.deadline)
        self._floor.shared = new
        for node in roots:
            assert node.boxes is not None
            node.tightened += new
            node.split, node.warm, node.gain = None, None, np.inf
            boxes = applied(node.boxes, new)
            node.boxes, node.start = self.claims.settled(boxes, node.rival, node.tightened.append), {}
        return roots

    def _deepen(self, node: Node, first: bool) -> None:
        """Tighten an open part while that helps, then queue it."""
        for _ in range(TIGHTENINGS if first else node.depth % TIGHTEN_EVERY == 0 and node.warm is None):
            self.deadline.check()
            worth = self.tighten(node)
            if node.boxes is None:
                node.split = None
                return
            if not worth:
                break
            if not self.bounded([node], ROUNDS):
                node.split = None
                return
        self._number += 1
        heapq.heappush(self._queue, (-node.bound, self._number, node))

    def _divided(self, node: Node) -> list[Node]:
        """The two parts of a node."""
        if node.split is None or node.boxes is None:
            raise CannotDecide("a part of the box cannot be divided further")
        wire, e, value = node.split
        parts, fresh = list[Node](), list[Node]()
        for upper in (False, True):
            lo, hi = (end.copy() for end in node.boxes[wire])
            if upper:
                lo[e] = max(lo[e], value + 1)
            else:
                hi[e] = min(hi[e], value)
            boxes = list(node.boxes)
            boxes[wire] = lo, hi
            part = node.smaller(node.cases or (node.depth + 1) % TIGHTEN_EVERY == 0)
            if lo[e] <= hi[e]:
                part.boxes = self.claims.settled(boxes, node.rival, part.tightened.append, wire)
            fresh += self._floor.taken(part)
            parts.append(part)
        node.parts = tuple(parts)
        node.boxes = None
        return [part for part in parts if part.same is None] + fresh
