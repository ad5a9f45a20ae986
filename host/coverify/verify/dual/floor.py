"""The label's logit at its floor: there every rival wins that need not rise above it.

What is to be shown of that part is the same for all of these rivals, that the label's accumulator does not
come so low: it is shown once, and stands in every rival's tree.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from coverify.verify.dual.claim import Claims, Point, Rival, onward
from coverify.verify.dual.descent import Rows
from coverify.verify.dual.outer import applied
from coverify.verify.dual.relaxation import Relaxation
from coverify.verify.dual.tree import Bounded, Node
from coverify.verify.query import F64Array
from tflm_int8.program.primitives import Staircase


@dataclass(eq=False)
class Floor:
    """boxes: the query's; shared: rows that narrow them, whoever wins, to `known`; part: the floor's, if
    there is one.
    """

    relaxation: Relaxation
    claims: Claims
    boxes: Point
    shared: list[Bounded] = field(default_factory=list, init=False)
    known: Point = field(init=False)
    part: Node | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.known = self.boxes

    def learn(self, rows: list[Bounded]) -> None:
        """More rows that narrow the query's boxes."""
        reached = onward(self.relaxation.steps, applied(self.known, rows))
        assert reached is not None  # bounds that are true leave what the network does
        self.shared, self.known = self.shared + rows, reached

    def holds(self, node: Node) -> bool:
        """Is it a part of the floor's?"""
        return node.rival.rival == self.claims.label

    @property
    def wire(self) -> int:
        """The accumulators of the logits."""
        step = self.relaxation.steps[self.relaxation.logits - 1]
        assert isinstance(step, Staircase)
        return step.source

    def rows(self, nodes: list[Node], unit: float) -> Rows:
        """What is bounded of these nodes: the claim, or how far the label's accumulator is below its box.

        The latter has no claim; what m takes from it is its box's upper end.
        """
        y, n = self.claims.label, len(self.boxes[-1][0])
        rows = self.claims.rows([node.rival for node in nodes], n, unit)
        own = [(k, node.boxes) for k, node in enumerate(nodes) if node.boxes and self.holds(node)]
        if not own:
            return rows
        base = np.zeros((len(nodes), len(self.boxes[self.wire][0])))
        for k, boxes in own:
            base[k, y], rows.claim[k], rows.rise[k] = -unit, 0.0, -boxes[self.wire][1][y]
        return replace(rows, base={self.wire: base})

    def close(self, node: Node, evidence: Bounded) -> None:
        """By a bound of the claim, or by one of the label's accumulator, which leaves an empty box."""
        if self.holds(node):
            node.tightened.append(evidence)
            node.boxes = None
        else:
            node.closed = evidence

    def close_by(self, node: Node, unit: int, multipliers: dict[int, F64Array]) -> None:
        """The same where multipliers [1, n] alone make the bound."""
        target = [self.relaxation.logits, 0, 1, 0, unit]
        if self.holds(node):
            target = [self.wire, self.claims.label, -1, unit, 0]
        self.close(node, Bounded(np.array([target]), multipliers))

    def taken(self, node: Node) -> list[Node]:
        """Put the floor's part for this one if it lies in it; the floor's part when it is new."""
        stairs, y = self.claims.stairs, self.claims.label
        if node.boxes is None or stairs is None or self.holds(node) or node.rival.rise > 0:
            return []
        if node.boxes[self.relaxation.logits][1][y] != stairs.rule.lo:
            return []
        new = [] if self.part is not None else [self._whole(stairs)]
        self.part = new[0] if new else self.part
        node.same, node.boxes = self.part, None
        return new

    def _whole(self, stairs: Staircase) -> Node:
        y, boxes = self.claims.label, list(self.known)
        lo, hi = (end.copy() for end in boxes[stairs.source])
        edge = int(self.relaxation.edges[self.relaxation.logits][stairs.channel[y], 1])
        hi[y] = min(hi[y], edge - 1)
        boxes[stairs.source] = lo, hi
        part = Node(Rival(y, 0), None, gain=np.inf)
        if lo[y] <= hi[y]:
            part.boxes = self.claims.settled(boxes, part.rival, part.tightened.append)
        return part
