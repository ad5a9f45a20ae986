"""Is there an input on which a rival wins? Bounds, tighter boxes, and cases, until every part is closed.

All rivals' parts share one queue, the loosest bound first, and are bounded in batches. A part is closed
only by a bound that was evaluated in exact integers. Every part's maximising input is run on the network: it
may be a counterexample.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field, replace

import numpy as np

from coverify.verify.deadline import Deadline
from coverify.verify.dual.branching import Branching
from coverify.verify.dual.cases import Cases
from coverify.verify.dual.claim import UNIT, Claims, Point, Rival, more_bits, stacked, widths
from coverify.verify.dual.closing import Closing, Part
from coverify.verify.dual.descent import Rows, descend, exact
from coverify.verify.dual.floor import Floor
from coverify.verify.dual.hunt import Hunt
from coverify.verify.dual.narrowing import Narrowing
from coverify.verify.dual.outer import applied, chords, facts
from coverify.verify.dual.pair import Pair
from coverify.verify.dual.relaxation import Boxes, Pass, Pieces, Relaxation
from coverify.verify.dual.team import Team
from coverify.verify.dual.tree import Node
from coverify.verify.errors import CannotDecide
from coverify.verify.few_changes import Parts
from coverify.verify.problem import Problem
from coverify.verify.query import F64Array, I64Array
from tflm_int8.program.primitives import Staircase

BATCH = 16
SIZE = 0.15
"""The first step of a descent, relative to the multipliers."""
ROUNDS = 12
"""Evaluations for a part that inherits multipliers."""
FIRST_ROUNDS = 40
TIGHTENINGS = 4
TIGHTEN_EVERY = 3
"""A part is tightened when its depth is a multiple of this, or bounded afresh where there are stairs between
those that have cases and the logits; cases that were given up are tried again.
"""
CHORDS_EVERY = 8
"""Where few inputs may change, parts whose depth is a multiple of this get chords anew, as do those in which
one has.
"""
PLAIN = 60
"""So many parts are bounded without cases at first: what is easy is quicker so."""

AT_BOUND = "the bound's worst input was run"
"""How bounds find a counterexample."""


class Counterexample(Exception):
    """A point of the box whose label is not the query's."""

    def __init__(self, x: I64Array) -> None:
        self.x = x


@dataclass(eq=False)
class Search:
    """One query; `boxes` as wire_bounds gives them; jobs: processes at most.  A context manager."""

    problem: Problem
    relaxation: Relaxation
    claims: Claims
    boxes: Point
    deadline: Deadline
    seed: int = 0
    jobs: int = 1
    nodes: int = 0
    _plain: bool = field(default=False, init=False)
    _hunting: bool = field(default=False, init=False)
    _chords_known: bool = field(default=False, init=False)
    cases: Cases | None = field(default=None, init=False)
    team: Team | None = field(default=None, init=False)
    _queue: list[tuple[float, int, Node]] = field(default_factory=list, init=False)
    _number: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        wide = widths(self.relaxation.steps, self.boxes)
        self._unit = UNIT << more_bits(wide)
        self._natural = stacked(self.boxes)
        self.cases = Cases.of(self.relaxation, self._natural)
        few = self.relaxation.few
        self._few = None if few is None else Parts.of(self.problem.program, few)
        self._branching = Branching(self.problem, self.relaxation, self.claims, self._few)
        self._pair = Pair(self.relaxation, self.claims, self.boxes)
        self._hunt = Hunt(self.problem, self.deadline, self.seed)
        self._floor = Floor(self.relaxation, self.claims, self.boxes)
        self._narrowing = Narrowing(
            self.relaxation, self.claims, self._floor, self._natural, self._unit, wide, self.deadline
        )
        if self.cases is not None:
            self.team = Team(self.cases, self.deadline, self.jobs)
            deep, tools = self._deep, (self._pair, self._floor, self._branching)
            self._closing = Closing(self.relaxation, self.cases, *tools, self._unit, deep)

    def __enter__(self) -> Search:
        return self

    def __exit__(self, *exc: object) -> None:
        if self.team is not None:
            self.team.close()

    def root(self, rival: Rival) -> Node:
        """The whole box."""
        node = Node(rival, None)
        self._begin(node)
        return node

    def _begin(self, node: Node) -> None:
        """From the query's boxes, and what is known of them."""
        known, logits = self._floor.known, self.relaxation.logits
        node.tightened, node.start, node.split, node.warm = [*self._floor.shared], {}, None, None
        node.boxes = self.claims.settled(list(known), node.rival, node.tightened.append, logits)

    def bounded(self, nodes: list[Node], rounds: int) -> list[Node]:
        """Bound the parts; those that stay open.  Raises Counterexample."""
        live = [node for node in nodes if node.boxes is not None]
        self.nodes += len(nodes)
        for node in live:
            if self._deep and node.depth % TIGHTEN_EVERY == 0:
                node.warm = None  # afresh: what a parent had leads nowhere after a while
        settled = self._inherited([node for node in live if node.warm is not None])
        left = [node for node in settled if node.closed is None and node.boxes is not None]
        live = [node for node in live if node not in settled]
        return left + (self._descended(live, rounds) if live else [])

    def _inherited(self, nodes: list[Node]) -> list[Node]:
        """Bound parts by parabolas as their parents were; those that are closed, or to be divided next."""
        parts = list[Part]()
        for node in nodes:
            start = {w: v[None] for w, v in node.start.items()}
            parts.append(Part(node, self._rows([node]), 0, self._stacked([node]), start))
        closed = self._squared(parts)
        return [node for node in nodes if node in closed or node.split]

    def _descended(self, live: list[Node], rounds: int) -> list[Node]:
        boxes, rows = self._stacked(live), self._rows(live)
        end = self.deadline.late
        guess = self.relaxation.pieces(boxes, self._natural, False, end)
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
        done = exact(self.relaxation, rows, boxes, self._natural, guess, found.multipliers, end)
        parts = list[Part]()
        for k, node in enumerate(live):
            own = {w: v[k : k + 1] for w, v in done.multipliers.items()}
            node.start = {w: v[0] for w, v in own.items()}
            node.bound = float(done.bound[k])
            node.split = None
            if node.bound < 0:
                self._floor.close_by(node, self._unit, own)
            else:
                parts.append(Part(node, rows, k, boxes, own))
        closed = self._squared(parts)
        left = [(part.node, part.row) for part in parts if part.node not in closed]
        if left:
            self._look(done.value[0][[k for _, k in left]])
        return [self._marked(node, done, k) for node, k in left]

    def _squared(self, parts: list[Part]) -> list[Node]:
        """Those that parabolas under the first stairs close."""
        if self.team is None or self._plain:
            return []
        asks = [(part.node, ask) for part in parts if (ask := self._closing.ask(part)) is not None]
        answers, closed = self.team.answers([ask for _, ask in asks]), []
        self._hunted()
        for (node, _), found in zip(asks, answers, strict=True):
            if found is not None:
                self._look(found.inputs)
                if self._closing.closed(node, found):
                    closed.append(node)
        return closed

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

    def _look(self, x: F64Array) -> None:
        """Run maximising inputs: one may be a counterexample."""
        if len(x):
            self._hunt.note(x[0])
            self._shot(self.problem.first_violation(x.astype(np.int64)))

    def _hunted(self) -> None:
        """The attack's turn, if it is one."""
        if self._hunting:
            self._shot(self._hunt.turn())

    def _shot(self, witness: I64Array | None) -> None:
        if witness is not None:
            raise Counterexample(witness)

    def run(self, roots: list[Node], rounds: int = FIRST_ROUNDS) -> bool:
        """Close all parts, at first without cases; then from new roots, which take the place of these.

        True when it was done.  Raises Counterexample, OutOfTime, CannotDecide.
        """
        self._plain, self._hunting = self.cases is not None, True
        if self._closed(roots, rounds):
            return True
        self._plain = False
        self._floor.part = None
        roots[:] = [self.root(node.rival) for node in roots]
        return self._closed(roots, rounds)

    def _closed(self, roots: list[Node], rounds: int) -> bool:
        """False when what can be tried without cases is used up."""
        left = self._chorded(self.bounded(roots, rounds), rounds)
        if left and self._deep and not self._plain:
            left = self.bounded(self._narrowed(left), rounds)
        self._deepen(left, first=True)
        while self._queue:
            self.deadline.check()
            if self.cases is None or self._plain:
                self._hunted()
            if self._plain and self.nodes > PLAIN:
                self._queue.clear()
                return False
            parts: list[Node] = []
            while self._queue and len(parts) < BATCH:
                node = heapq.heappop(self._queue)[2]
                parts += self._divided(node)
            self._deepen(self.bounded(parts, ROUNDS), first=False)
        return True

    def glanced(self, roots: list[Node], rounds: int) -> list[Node]:
        """Bound the whole boxes without parabolas; those that stay open.  Raises Counterexample."""
        self._plain = True
        left = self._chorded(self.bounded(roots, rounds), rounds)
        self._plain = False
        return left

    def _chorded(self, roots: list[Node], rounds: int) -> list[Node]:
        """Bound roots again, once accumulators beyond the first layer are bounded by chords, whoever wins."""
        if not roots or self._chords_known:
            return roots
        self._chords_known = True
        starts = [node.start for node in roots]
        slopes = {w: np.abs([start[w] for start in starts]).sum(axis=0) for w in starts[0]}
        new = chords(self.relaxation, self.boxes, slopes, self.deadline)
        if not new:
            return roots
        self._floor.learn(new)
        for node in roots:
            self._begin(node)
        return self.bounded(roots, rounds)

    def _chorded_part(self, part: Node, few: Parts) -> None:
        """The same of a part in which an input has changed, or several that might are held."""
        if part.boxes is None or not (few.few.away(*part.boxes[0]).any() or part.depth % CHORDS_EVERY == 0):
            return
        found = chords(self.relaxation, part.boxes, {}, self.deadline)
        rows = [replace(row, everywhere=False) for row in found]
        if rows:
            part.tightened += rows
            narrowed = applied(part.boxes, rows)
            part.boxes = self.claims.settled(narrowed, part.rival, part.tightened.append)

    def _narrowed(self, roots: list[Node]) -> list[Node]:
        """The roots with the accumulators beyond the first layer bounded over its cases, whoever wins."""
        if self.team is not None:
            self._floor.learn(facts(self.relaxation, self.team, self._floor.known))
        for node in roots:
            self._begin(node)
            node.gain = np.inf
        return roots

    def _deepen(self, nodes: list[Node], first: bool) -> None:
        """Tighten open parts while that helps, then queue those that stay open."""
        left, turns = nodes, TIGHTENINGS if first else 1
        due = [n for n in nodes if n.depth % TIGHTEN_EVERY == 0 and n.warm is None and not n.vain]
        active = nodes if first else due
        for _ in range(turns):
            narrower = list[Node]()
            for node in active:
                self.deadline.check()
                if self._narrowing.narrow(node):
                    narrower.append(node)
                else:
                    node.vain = not first
            active = self.bounded(narrower, ROUNDS) if narrower else []
            left = [n for n in left if n.boxes is not None and (n not in narrower or n in active)]
        for node in nodes:
            if node not in left:
                node.split = None
                continue
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
            if lo[e] <= hi[e] and (wire > 0 or self._few is None or self._few.narrowed(boxes)):
                part.boxes = self.claims.settled(boxes, node.rival, part.tightened.append, wire)
                if wire == 0 and self._few is not None:
                    self._chorded_part(part, self._few)
            fresh += self._floor.taken(part)
            parts.append(part)
        node.parts = tuple(parts)
        node.boxes = None
        return [part for part in parts if part.same is None] + fresh
