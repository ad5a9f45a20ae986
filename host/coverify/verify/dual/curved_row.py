"""A row with parabolas, and what the search finds for it, in floats, as a proof in integers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from coverify.verify.deadline import Deadline
from coverify.verify.dual.curved import Curved, least_d
from coverify.verify.dual.descent import Rows, evaluate
from coverify.verify.dual.lifted import Both
from coverify.verify.dual.parabolas import Point
from coverify.verify.dual.relaxation import Boxes, Pass, Pieces, Relaxation
from coverify.verify.dual.squares import SCALE, Form
from coverify.verify.dual.storeys import Storeys
from coverify.verify.dual.tree import Bounded, Squares
from coverify.verify.query import F64Array, I64Array

LESS = (1e-5, 1e-4, 1e-3, 1e-2)
"""What curves give way for rounding, relative to them."""


@dataclass(frozen=True, eq=False)
class CurvedRow:
    """A row on one part, and its form with parabolas under the stairs of `wire`.

    natural: the boxes of the whole; target, held: as in Cases.bound; pieces: of the part; multipliers: of
    stairs above, rounded to 1 / grain; bare: the form without the stairs; nu: its coefficients on them;
    varying: those that count.
    """

    relaxation: Relaxation
    wire: int
    natural: Boxes
    rows: Rows
    boxes: Boxes
    target: float
    held: tuple[int, int] | None
    deadline: Deadline
    pieces: dict[int, Pieces]
    multipliers: dict[int, F64Array]
    grain: float
    bare: Pass
    nu: F64Array
    varying: I64Array
    curved: Curved

    @property
    def below(self) -> float:
        """The target in units of the form."""
        return self.curved.scale * self.target

    def moved(self, point: Point) -> dict[int, F64Array]:
        """The multipliers above, with those of a point, rounded."""
        moved = {wire: values.copy() for wire, values in self.multipliers.items()}
        for wire, elements, values in self.curved.parabolas.above.multipliers(point.mu):
            moved[wire][0, elements] = np.rint(values * self.grain) / self.grain
        return moved

    def exact(
        self, multipliers: dict[int, F64Array], point: Point,
        lifted: tuple[Storeys, Both] | None = None,
    ) -> tuple[int, int, Bounded] | None:  # fmt: skip
        """The bound for rounded numbers, in integers; its unit; the evidence."""
        for unit in self.curved.units(point):
            found = self._rounded(multipliers, point, unit, lifted)
            if found is not None:
                return found
        return None

    def _rounded(
        self, multipliers: dict[int, F64Array], point: Point, unit: int,
        lifted: tuple[Storeys, Both] | None,
    ) -> tuple[int, int, Bounded] | None:  # fmt: skip
        """The same in this unit; None where a number becomes too large."""
        rows, boxes, varying, curved = self.rows, self.boxes, self.varying, self.curved
        scaled = Rows(
            {w: v * unit for w, v in rows.base.items()}, rows.claim, rows.rise, np.rint(rows.m * unit)
        )
        integers = {w: np.rint(v * unit) for w, v in multipliers.items() if w > self.wire}
        m = int(scaled.m[0]) if rows.claim.any() else 0  # else the search's alone (floor.py)
        targets = np.array([[*rows.target(self.relaxation.logits, unit), m]])
        pieces = self.relaxation.pieces(boxes, self.natural, True)
        for less in LESS:
            xi, curve, centre, slope = curved.rounded(point, unit, 1 - less)
            own = np.zeros((1, len(self.nu)))
            own[0, varying] = xi
            integers[self.wire] = own
            done = evaluate(self.relaxation, scaled, boxes, pieces, integers, exact=True)
            g = done.asked[0][0]
            nu = done.asked[self.wire][0, varying].astype(np.int64)
            plain = curved.levels.greatest(nu, xi, np.zeros_like(curve), centre)
            if plain is None:
                return None
            x_lo, x_hi = (end[0] for end in boxes[0])
            p = np.floor(np.clip(2.0**SCALE / np.maximum(2 * unit * curved.t(point), 1.0), 1, None))
            bare = int(done.bound[0] - np.maximum(g * x_lo, g * x_hi).sum()) - int(plain.sum())
            if lifted is not None:
                storeys, both = lifted
                of = self.wire, varying, (xi, curve, centre, slope), nu, bare, (x_lo, x_hi)
                proof = storeys.proof(both, done, *of, p.astype(np.int64), unit, 1 - less)
                if proof is None:
                    continue
                bound, squares = proof
                return bound, unit, Bounded(targets, dict(done.multipliers), squares, (bound,))
            eased = curved.levels.greatest(nu, xi, curve, centre)
            if eased is None:
                return None
            constant = bare + int(eased.sum())
            on = np.flatnonzero(curve)
            if not len(on):
                total = int(done.bound[0])
                return total, unit, Bounded(targets, dict(done.multipliers), None, (total,))
            steps = slope[on]
            form = _form(curved, on, g, constant, steps, centre[on], (x_lo, x_hi))
            d = [least_d(s, c) for s, c in zip(steps.tolist(), curve[on].tolist(), strict=True)]
            if max(d) >= 2**60:
                return None
            result = form.bound(p.astype(np.int64), np.array(d))
            if result is None:
                continue
            bound, d0 = result
            parabolas = np.stack([centre[on], curve[on], steps])
            squares = Squares(self.wire, varying[on], parabolas, d0, p.astype(np.int64))
            return bound, unit, Bounded(targets, dict(done.multipliers), squares, (bound,))
        return None


def _form(
    curved: Curved, on: I64Array, g: F64Array, constant: int, slope: I64Array, centre: I64Array,
    ends: tuple[I64Array, I64Array],
) -> Form:  # fmt: skip
    """Twice the form and the squares of the stairs `on`; slope, centre: theirs; ends: of the inputs."""
    weights, bias = curved.weights[on].astype(np.int64), curved.bias[on].astype(np.int64)
    return Form(
        np.concatenate([2 * g[None].astype(np.int64), 2 * slope[:, None] * weights]),
        np.concatenate([[2 * constant], 2 * slope * (bias - centre)]),
        *ends,
    )
