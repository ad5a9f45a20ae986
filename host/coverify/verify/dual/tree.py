"""A proof by cases as it grows: parts of the box, how each was narrowed, and what closed it.

Written out as the script and the rows of a certificate (docs/certificates.md).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np

from coverify.verify.dual.claim import Cut, Point, Rival
from coverify.verify.query import F64Array, I64Array


class Op(IntEnum):
    """The steps of a script."""

    RIVAL = 0
    TIGHTEN = 1
    SPLIT = 2
    CLOSE = 3
    KNOW = 4


@dataclass(frozen=True, eq=False)
class Squares:
    """Parabolas under stairs of one row (parabolas.py), and under those on sums of these, if any.

    elements: int64 [m], of the wire; parabolas: int64 [3, m]: centres, curves, slopes; d0: the d of the sign
    that is always 1; weights: int64 [n_input]. lifted: int64 [5, m]: y0, beta, t, g and f of terms in the
    stairs' outputs. upper: the wire of the stairs above, or 0; above_elements [k], of it; above: int64
    [3, k], as parabolas.
    """

    wire: int
    elements: I64Array
    parabolas: I64Array
    d0: int
    weights: I64Array
    upper: int = 0
    lifted: I64Array | None = None
    above_elements: I64Array | None = None
    above: I64Array | None = None

    def dense(self, sizes: dict[int, int]) -> I64Array:
        """What is said of all elements of both wires: parabolas, then lifted and above, if there are any."""
        m = sizes[self.wire]
        parts = [(m, self.elements, self.parabolas)]
        if self.lifted is not None or self.upper:
            lifted = np.zeros((5, len(self.elements)), np.int64) if self.lifted is None else self.lifted
            parts.append((m, self.elements, lifted))
        if self.above_elements is not None and self.above is not None:
            parts.append((sizes[self.upper], self.above_elements, self.above))
        found = [np.zeros((len(values), n), np.int64) for n, _, values in parts]
        for own, (_, elements, values) in zip(found, parts, strict=True):
            own[:, elements] = values
        return np.concatenate([own.reshape(-1) for own in found])


@dataclass(eq=False)
class Bounded:
    """Rows of a proof: targets int64 [rows, 5] (wire, element, sign, scale, m), integer multipliers by
    wire; squares: of a single row; bounds: of every row, where they are known, as of those that hold in the
    whole box, whoever wins (everywhere).
    """

    targets: I64Array
    multipliers: dict[int, F64Array]
    squares: Squares | None = None
    bounds: tuple[int, ...] = ()
    everywhere: bool = False


@dataclass(frozen=True, eq=False)
class Warm:
    """Where the search of a part may start: multipliers and curves of stairs [elements], or NaN; e [n]."""

    xi: F64Array
    curve: F64Array
    e: F64Array
    beyond: Beyond | None = None


@dataclass(frozen=True, eq=False)
class Beyond:
    """Where the search of a part with parabolas under two layers may start (lifted.py); NaN: unknown.

    lower: of the first one; outputs: float64 [4, elements], eta, keep, mix and what outputs are counted from;
    above: float64 [2, elements of the wire above], curves and centres; mu: (wire, elements, multipliers) from
    that wire on; height: of the barrier.
    """

    lower: Warm
    outputs: F64Array
    above: F64Array
    mu: list[tuple[int, I64Array, F64Array]]
    height: float


@dataclass(eq=False)
class Node:
    """A part of the box on which `rival` may win; boxes None: empty.

    tightened: rows and cuts, one after another; then either `closed` by a row (or by its boxes: None), or
    `split` at (wire, element, value) into `parts`. cases: are parabolas worth trying? gain: what those under
    two layers are likely to take from its bound; vain: was a larger part narrowed in vain? same: a larger
    part that is closed for all rivals alike, after the cuts of this one.
    """

    rival: Rival
    boxes: Point | None
    start: dict[int, F64Array] = field(default_factory=dict)
    bound: float = np.inf
    depth: int = 0
    tightened: list[Bounded | Cut] = field(default_factory=list)
    closed: Bounded | None = None
    warm: Warm | None = None
    cases: bool = True
    gain: float = 0.0
    vain: bool = False
    same: Node | None = None
    split: tuple[int, int, int] | None = None
    parts: tuple[Node, ...] = ()

    def smaller(self, cases: bool) -> Node:
        """A part of it, whose boxes are to be found."""
        return Node(
            self.rival, None, dict(self.start), self.bound, self.depth + 1,
            warm=self.warm, cases=cases, gain=self.gain, vain=self.vain,
        )  # fmt: skip


@dataclass(eq=False)
class Script:
    """Steps and rows, gathered from the trees of all rivals."""

    steps: list[tuple[int, int, int, int]] = field(default_factory=list)
    rows: list[Bounded] = field(default_factory=list)
    n_rows: int = 0
    _at: dict[int, int] = field(default_factory=dict, init=False)

    def add(self, root: Node) -> None:
        """The proof that root.rival never wins; every leaf of the tree is closed."""
        self.steps.append((Op.RIVAL, root.rival.rival, 0, 0))
        stack: list[Node | None] = [root]
        while stack:
            node = stack.pop()
            if node is None:
                self.steps.append((Op.CLOSE, -1, 0, 0))
                continue
            for one in node.tightened + (node.same.tightened if node.same else []):
                if isinstance(one, Bounded):
                    if not one.everywhere:
                        self.steps.append((Op.TIGHTEN, self._put(one), len(one.targets), 0))
                    elif id(one) not in self._at:
                        self.steps.append((Op.KNOW, self._put(one), len(one.targets), 0))
                    continue
                self.steps.append((Op.SPLIT, one.wire, one.element, one.value))
                if one.upper:
                    self.steps.append((Op.CLOSE, -1, 0, 0))
                else:
                    stack.append(None)  # its part comes after all others of this node
            node = node.same or node
            if node.split is not None:
                self.steps.append((Op.SPLIT, *node.split))
                stack += reversed(node.parts)
            else:
                self.steps.append((Op.CLOSE, -1 if node.closed is None else self._put(node.closed), 0, 0))

    def _put(self, rows: Bounded) -> int:
        """The number of the first row; rows that several trees share are put once."""
        if id(rows) in self._at:
            return self._at[id(rows)]
        first = self._at[id(rows)] = self.n_rows
        self.rows.append(rows)
        self.n_rows += len(rows.targets)
        return first

    def arrays(self, sizes: dict[int, int]) -> dict[str, I64Array]:
        """The arrays of a certificate; sizes: scalar wire → its number of elements."""
        if not self.rows:
            self._put(Bounded(np.zeros((0, 5), np.int64), {}))
        arrays = {"script": np.array(self.steps, np.int64).reshape(-1, 4)}
        arrays["rows"] = np.concatenate([r.targets for r in self.rows]).astype(np.int64)
        for wire, n in sizes.items():
            parts = [
                r.multipliers[wire] if wire in r.multipliers else np.zeros((len(r.targets), n))
                for r in self.rows
            ]
            arrays[f"xi-{wire}"] = np.concatenate(parts).astype(np.int64)
        return arrays | self._squares(sizes)

    def _squares(self, sizes: dict[int, int]) -> dict[str, I64Array]:
        """The rows that have parabolas: what is said of all elements, with zeros up to one width; and (row,
        wire, upper, d0, weights). Nothing if none has.
        """
        at = np.cumsum([0] + [len(rows.targets) for rows in self.rows])
        parabolas, weights = [], []
        for row, squares in zip(at.tolist(), (rows.squares for rows in self.rows), strict=False):
            if squares is not None:
                parabolas.append(squares.dense(sizes))
                own = [row, squares.wire, squares.upper, squares.d0]
                weights.append(np.concatenate([own, squares.weights]))
        if not weights:
            return {}
        width = max(map(len, parabolas))
        rows = [np.pad(values, (0, width - len(values))) for values in parabolas]
        return {"parabolas": np.stack(rows), "weights": np.stack(weights)}
