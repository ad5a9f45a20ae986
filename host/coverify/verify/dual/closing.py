"""Close parts of a search by parabolas under the first stairs: what is asked, and what the answers mean."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from coverify.verify.dual.branching import Branching
from coverify.verify.dual.cases import Bound, Cases
from coverify.verify.dual.descent import Rows
from coverify.verify.dual.floor import Floor
from coverify.verify.dual.pair import Pair
from coverify.verify.dual.relaxation import Boxes, Relaxation
from coverify.verify.dual.team import Ask
from coverify.verify.dual.tree import Node
from coverify.verify.query import F64Array


@dataclass(frozen=True, eq=False)
class Part:
    """A node, the row of `rows` and `boxes` that is its own, and multipliers [1, n] by wire, in `unit`s."""

    node: Node
    rows: Rows
    row: int
    boxes: Boxes
    multipliers: dict[int, F64Array]


@dataclass(frozen=True, eq=False)
class Closing:
    """unit: what 1 is in the rows; deep: are there stairs between those that have cases and the logits?"""

    relaxation: Relaxation
    cases: Cases
    pair: Pair
    floor: Floor
    branching: Branching
    unit: int
    deep: bool

    def ask(self, part: Part) -> Ask | None:
        """None where parabolas are not worth trying."""
        node, k = part.node, part.row
        if not node.cases or self.branching.saturated(node) is not None:
            return None
        base = dict[int, F64Array]()
        if self.floor.holds(node):
            base = {w: v[k : k + 1] / self.unit for w, v in part.rows.base.items()}
        one = Rows(base, part.rows.claim[k : k + 1], part.rows.rise[k : k + 1], np.ones(1))
        own: Boxes = [(lo[min(k, len(lo) - 1)][None], hi[min(k, len(hi) - 1)][None]) for lo, hi in part.boxes]
        above = {w: v / self.unit for w, v in part.multipliers.items()}
        if node.warm is None:
            above = self.pair.linear(node, self._untaught(above))
        gain = node.gain if self.deep else None
        return Ask(one, own, above, -1e-3, node.warm, self.pair.held(node, above), gain)

    def closed(self, node: Node, found: Bound) -> bool:
        """Is it closed?  Else it keeps what was found."""
        if found.bound < 0:
            node.split, node.warm = None, None
            assert found.evidence is not None
            self.floor.close(node, found.evidence)
            return True
        node.gain = node.gain if found.gain is None else found.gain
        bound = self.unit * found.bound / found.unit
        if node.warm is None and bound >= node.bound:
            node.cases = False
        else:
            node.bound = min(node.bound, bound)
            node.split, node.warm = found.split, found.warm
            node.start = node.start | {w: self.unit * v[0] for w, v in found.multipliers.items()}
        return False

    def _untaught(self, above: dict[int, F64Array]) -> dict[int, F64Array]:
        """Without those which the search with parabolas finds from chords sooner than from a descent's."""
        free = set(self.cases.chain) - {self.relaxation.logits}
        return {wire: values for wire, values in above.items() if wire not in free}
