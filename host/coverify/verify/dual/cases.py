"""How large is a row with parabolas under the stairs of the first layer?

The search for parabolas (parabolas.py) starts from cases of the stairs that bend the wrong way (halves.py),
or from what a larger part had. Multipliers of the stairs above are free too, where these read sums of one
another up to the logits (above.py); others stay as the caller gives them. What the search finds, in floats,
is rounded to a proof in integers; where that loses too much, it goes on.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from coverify.verify.deadline import NEVER, Deadline
from coverify.verify.dual.above import Layer
from coverify.verify.dual.branching import few_vary
from coverify.verify.dual.curved import Curved, least_d
from coverify.verify.dual.descent import Rows, evaluate
from coverify.verify.dual.division import Divisions, edge_near
from coverify.verify.dual.halves import Halves, accumulators, without
from coverify.verify.dual.levels import Levels
from coverify.verify.dual.lifted import Both
from coverify.verify.dual.parabolas import Point, Reached
from coverify.verify.dual.relaxation import BoolArray, Boxes, F64Array, Pass, Pieces, Relaxation
from coverify.verify.dual.squares import SCALE, Form, minimised
from coverify.verify.dual.storeys import Storeys
from coverify.verify.dual.tree import Beyond, Bounded, Squares, Warm
from coverify.verify.query import I64Array
from tflm_int8.program.primitives import Affine, Staircase, needed, sources

MAX_STAIRS = 400
"""Stairs of one form that vary; beyond, the matrices are too large to be worth it."""
ROUNDS = 24
GRAIN = 2.0**28
"""The multipliers above are rounded before the search, so that integers change little later."""
STEPS = 40
"""Newton steps on the parabolas of one part; fewer for few stairs, where a division is as quick."""
WORK = 6e8
"""Multiplications of one kind in all of them, for wide layers."""
PART_STEPS = 100
"""The same on a part, which is lowered with care."""
MANY_STEPS = 60
"""The same where multipliers of several layers are free."""
LIFTED_STEPS, RESUMED_STEPS = 120, 8
"""With parabolas under two layers; from where a larger part ended they close a smaller one soon, or never."""
MOST_LIFTED = 1600
"""So many numbers at most are searched for there: a step takes the cube of it."""
FEW_STEPS = 10
"""For few stairs."""
ROW_STEPS = 4
"""For one of many rows, none of which has a target: what more would gain the claim's search gains sooner."""
TRIES, AGAIN = 3, 8
"""How often a search goes on, and how many steps, where integers lose what it has gained."""
LESS = (1e-5, 1e-4, 1e-3, 1e-2)
"""What curves give way for rounding, relative to them."""


@dataclass(frozen=True, eq=False)
class Bound:
    """A row's bound in units of `unit`, exact where there is evidence, else a guess.

    inputs: [N, n], at which it is likely to be reached; split: where the cases are least decided, (wire,
    element, last value of the lower case); multipliers: those above, by wire; gain: what parabolas under two
    layers have taken from it, if they were tried in vain.
    """

    bound: float
    unit: int
    evidence: Bounded | None
    inputs: F64Array
    split: tuple[int, int, int] | None
    warm: Warm
    multipliers: dict[int, F64Array]
    gain: float | None = None


@dataclass(frozen=True)
class Lifting:
    """With parabolas under two layers: what closes the row, or the bound in floats and where parts start."""

    closed: Bound | None = None
    bound: float = np.inf
    beyond: Beyond | None = None


class Cases:
    """The stairs of `wire`, whose accumulators are linear in the input."""

    def __init__(self, relaxation: Relaxation, wire: int, natural: Boxes) -> None:
        self.relaxation, self.wire, self.natural = relaxation, wire, natural
        step = relaxation.steps[wire - 1]
        assert isinstance(step, Staircase)
        affine = relaxation.steps[step.source - 1]
        assert isinstance(affine, Affine)
        self.stairs, self.affine = step, affine
        self.halves = Halves(relaxation, wire, step, affine, natural)
        self.chain = _chain(relaxation, wire)

    @staticmethod
    def of(relaxation: Relaxation, natural: Boxes) -> Cases | None:
        """The first such stairs of a program, if any; none where few features may change, as the squares take
        every input to its ends; none where few inputs vary: halves of these are quicker.
        """
        lo, hi = natural[0]
        if relaxation.few is not None or few_vary(lo, hi):
            return None
        for wire in sorted(needed(relaxation.steps, relaxation.logits)):
            step = relaxation.steps[wire - 1]
            if isinstance(step, Staircase) and step.source:
                affine = relaxation.steps[step.source - 1]
                if isinstance(affine, Affine) and all(term.source == 0 for term in affine.terms):
                    return Cases(relaxation, wire, natural)
        return None

    def bound(
        self, rows: Rows, boxes: Boxes, multipliers: dict[int, F64Array], target: float,
        warm: Warm | None = None, held: tuple[int, int] | None = None, gain: float | None = None,
        deadline: Deadline = NEVER,
    ) -> Bound | None:  # fmt: skip
        """The bound of one row with parabolas; None where it does not apply.  boxes: those of one part.

        target: the search ends below this bound; one of 0 or more is then a guess, unless the target is −∞.
        held: (wire, element) of a multiplier that stays. gain: what parabolas under two layers are likely to
        take from a bound; None: they are not worth trying. All in units of 1.  Raises OutOfTime.
        """
        pieces = self.relaxation.pieces(boxes, self.natural, False)
        bare, nu = self._above(rows, boxes, pieces, multipliers)
        size = float(np.abs(nu) @ np.abs(boxes[self.wire]).max(axis=0)[0])
        grain = 2.0 ** np.floor(np.log2(GRAIN / max(size, 1e-9)))
        multipliers = {w: np.rint(v * grain) / grain for w, v in bare.multipliers.items() if w > self.wire}
        bare, nu = self._above(rows, boxes, pieces, multipliers)
        varying = np.flatnonzero(
            ((boxes[self.wire][1] > boxes[self.wire][0])[0] & (bool(self.chain) | (nu != 0)))
            | self._narrowed(boxes)
        )
        if self.wire not in bare.asked or not 0 < len(varying) <= MAX_STAIRS:
            return None
        curved = self._curved(bare, nu, varying, boxes, held)
        beyond, storeys = None if warm is None else warm.beyond, None
        if beyond is not None and gain is not None:
            storeys = self._storeys(bare, varying, boxes, curved, held)
            resumed = self._lifted(
                storeys, beyond, rows, boxes, multipliers, varying, target, grain, deadline
            )
            if resumed.closed is not None:
                return resumed.closed
            beyond = resumed.beyond or beyond
        inherited = warm is not None and bool(np.isfinite(warm.xi[varying]).all())
        if warm is not None and inherited:
            start = curved.warm(warm, varying)
        else:
            start = self._start(bare, pieces[self.wire], nu, varying, boxes, curved, target)
        most = min(STEPS, FEW_STEPS + len(varying) // 2)
        if inherited:
            most = PART_STEPS
        elif len(curved.parabolas.above.layers) > 1:
            most = MANY_STEPS
        steps = most if target > -np.inf else ROW_STEPS
        steps = min(steps, max(5, int(WORK / curved.weights.size / len(varying))))
        below, check = curved.scale * target, deadline.late.check
        try:
            reached, centred = curved.parabolas.lowered(start, steps, below, inherited, check)
        except np.linalg.LinAlgError:
            return None
        kept = curved.kept(centred.point, varying, len(nu))
        inputs = curved.inputs(centred)
        taken = None
        if gain is not None and below <= reached.bound < curved.scale * gain:
            storeys = storeys or self._storeys(bare, varying, boxes, curved, held)
            lifted = self._lifted(
                storeys, reached, rows, boxes, multipliers, varying, target, grain, deadline
            )
            if lifted.closed is not None:
                return replace(lifted.closed, inputs=inputs)
            taken, beyond = reached.bound / curved.scale - lifted.bound, lifted.beyond or beyond
        kept = replace(kept, beyond=beyond)
        for tries in range(TRIES):
            if reached.bound >= 0 > target > -np.inf:
                above = _moved(multipliers, curved, centred.point, grain)
                split = self._split(curved, centred, varying, boxes)
                return Bound(reached.bound / curved.scale, 1, None, inputs, split, kept, above, taken)
            moved = _moved(multipliers, curved, reached.point, grain)
            found = self._exact(rows, boxes, moved, varying, curved, reached.point)
            if found is None:
                return None
            total, unit, evidence = found
            if total < 0 or target == -np.inf or tries == TRIES - 1:
                break
            lost = curved.scale * total / unit - reached.bound
            below = curved.scale * target - 2 * lost
            try:
                reached, _ = curved.parabolas.lowered(reached.point, AGAIN, below, True, check)
            except np.linalg.LinAlgError:
                break
        split = self._split(curved, centred, varying, boxes) if total >= 0 > target > -np.inf else None
        return Bound(total, unit, evidence, inputs, split, kept, moved)

    def _storeys(
        self, bare: Pass, varying: I64Array, boxes: Boxes, curved: Curved, held: tuple[int, int] | None
    ) -> Storeys | None:
        """The form with parabolas under two layers; None where there is no second one, or both are large."""
        layers = self._layers(bare, varying, boxes, held, every=True)
        if not layers or len(curved.g) + 5 * len(varying) + 2 * len(layers[0].elements) > MOST_LIFTED:
            return None
        return Storeys.of(curved, layers)

    def _lifted(
        self, storeys: Storeys | None, begun: Reached | Beyond, rows: Rows, boxes: Boxes,
        multipliers: dict[int, F64Array], varying: I64Array, target: float, grain: float, deadline: Deadline,
    ) -> Lifting:  # fmt: skip
        """With parabolas under two layers (lifted.py), from what one layer has, or a larger part had."""
        best = Lifting()
        if storeys is None:
            return best
        curved, steps = storeys.curved, LIFTED_STEPS if isinstance(begun, Reached) else RESUMED_STEPS
        enough = curved.scale * target
        for again in range(TRIES):
            at, below, left, last = storeys.start(begun, varying, again), enough, steps, enough
            while at is not None:
                try:
                    reached = storeys.lifted.lowered(at, left, below, deadline.check)
                except np.linalg.LinAlgError:
                    return best
                at = None if reached.stuck else reached.point
                if reached.stuck and reached.bound >= last:
                    continue
                sizes = (boxes[wire][0].shape[-1] for wire in (self.wire, storeys.wire))
                beyond = storeys.kept(reached.point, varying, *sizes)
                best = Lifting(None, min(best.bound, reached.bound / curved.scale), beyond)
                if reached.bound >= last:
                    return best
                own = reached.point.own
                moved = _moved(multipliers, curved, own, grain)
                exact = self._exact(rows, boxes, moved, varying, curved, own, (storeys, reached.point))
                if exact is None:
                    return best
                if exact[0] < 0:
                    warm = curved.kept(own, varying, boxes[self.wire][0].shape[-1])
                    return Lifting(Bound(*exact, np.zeros((0, len(curved.g))), None, warm, moved))
                lost = curved.scale * exact[0] / exact[1] - reached.bound
                below, left, last = enough - 2 * lost, AGAIN, reached.bound
        return best

    def _above(
        self, rows: Rows, boxes: Boxes, pieces: dict[int, Pieces], multipliers: dict[int, F64Array]
    ) -> tuple[Pass, F64Array]:
        """The form without the stairs, and its coefficients on them."""
        none = np.zeros(len(self.stairs.channel))
        own = {w: v for w, v in multipliers.items() if w > self.wire} | {self.wire: none[None]}
        bare = evaluate(self.relaxation, rows, boxes, pieces, own)
        return bare, bare.asked[self.wire][0] if self.wire in bare.asked else none

    def _narrowed(self, boxes: Boxes) -> BoolArray:
        """Whose accumulators are bounded otherwise than by the input: they count even beside a flat stair."""
        (lo, hi), (least, most) = boxes[self.stairs.source], self.natural[self.stairs.source]
        cut: BoolArray = ((lo > least) | (hi < most))[0]
        return cut

    def _curved(
        self, bare: Pass, nu: F64Array, varying: I64Array, boxes: Boxes, held: tuple[int, int] | None
    ) -> Curved:
        """The form with parabolas."""
        weights, bias = accumulators(self.affine, varying)
        p = self.relaxation.stairs(self.wire, boxes, self.natural, True, every=True)
        levels = Levels(nu[varying], *(x[0, varying].astype(np.int64) for x in (p.value, p.first, p.last)))
        layers = self._layers(bare, varying, boxes, held)
        return Curved.of(levels, weights, bias, *without(bare, nu, varying, p, boxes), layers)

    def _layers(
        self, bare: Pass, varying: I64Array, boxes: Boxes, held: tuple[int, int] | None, every: bool = False
    ) -> list[Layer]:
        """The stairs above whose multipliers may move, from the lowest on; every: with all levels of that."""
        layers, below, elements = list[Layer](), self.wire, varying
        for wire in self.chain:
            if wire not in bare.asked:
                break
            stairs = self.relaxation.steps[wire - 1]
            assert isinstance(stairs, Staircase)
            affine = self.relaxation.steps[stairs.source - 1]
            assert isinstance(affine, Affine)
            (lo, hi), (a_lo, a_hi) = boxes[wire], boxes[stairs.source]
            least, most = self.natural[stairs.source]
            nu = bare.asked[wire][0]
            free = ((hi > lo) | (a_lo > least) | (a_hi < most))[0]
            if wire == self.relaxation.logits:
                free &= nu != 0
            if held is not None and held[0] == wire:
                free[held[1]] = False
            own = np.flatnonzero(free)
            if not 0 < len(own) <= MAX_STAIRS:
                break
            p = self.relaxation.stairs(wire, boxes, self.natural, False, every and not layers)
            weights, constant = accumulators(affine, own)
            rest = np.setdiff1d(np.arange(weights.shape[1]), elements)
            constant = constant + weights[:, rest] @ boxes[below][0][0, rest]
            ends = (p.value[0, own], p.first[0, own], p.last[0, own])
            mu = bare.multipliers[wire][0, own]
            layers.append(Layer(wire, own, nu[own], *ends, mu, constant, weights[:, elements]))
            below, elements = wire, own
        return layers

    def _start(
        self, bare: Pass, pieces: Pieces, nu: F64Array, varying: I64Array, boxes: Boxes, curved: Curved,
        target: float,
    ) -> Point:  # fmt: skip
        """From the cases of the stairs that bend the wrong way (squares.py)."""
        parts, element = self.halves.parts(bare, pieces, nu, varying, boxes)
        found = minimised(parts, ROUNDS, target)
        gain, _ = parts.gain(found.xi)
        return curved.start(parts, found, gain, np.searchsorted(varying, element))

    def _exact(
        self, rows: Rows, boxes: Boxes, multipliers: dict[int, F64Array], varying: I64Array, curved: Curved,
        point: Point, lifted: tuple[Storeys, Both] | None = None,
    ) -> tuple[int, int, Bounded] | None:  # fmt: skip
        """The bound for rounded numbers, in integers; its unit; the evidence."""
        for unit in curved.units(point):
            found = self._rounded(rows, boxes, multipliers, varying, curved, point, unit, lifted)
            if found is not None:
                return found
        return None

    def _rounded(
        self, rows: Rows, boxes: Boxes, multipliers: dict[int, F64Array], varying: I64Array, curved: Curved,
        point: Point, unit: int, lifted: tuple[Storeys, Both] | None,
    ) -> tuple[int, int, Bounded] | None:  # fmt: skip
        """The same in this unit; None where a number becomes too large."""
        scaled = Rows(
            {w: v * unit for w, v in rows.base.items()}, rows.claim, rows.rise, np.rint(rows.m * unit)
        )
        integers = {w: np.rint(v * unit) for w, v in multipliers.items() if w > self.wire}
        m = int(scaled.m[0]) if rows.claim.any() else 0  # else the search's alone (floor.py)
        targets = np.array([[*rows.target(self.relaxation.logits, unit), m]])
        pieces = self.relaxation.pieces(boxes, self.natural, True)
        for less in LESS:
            xi, curve, centre, slope = curved.rounded(point, unit, 1 - less)
            own = np.zeros((1, len(self.stairs.channel)))
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
            weights, bias = curved.weights[on].astype(np.int64), curved.bias[on].astype(np.int64)
            steps = slope[on]
            form = Form(
                np.concatenate([2 * g[None].astype(np.int64), 2 * steps[:, None] * weights]),
                np.concatenate([[2 * constant], 2 * steps * (bias - centre[on])]),
                x_lo, x_hi,
            )  # fmt: skip
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

    def _split(
        self, curved: Curved, reached: Reached, varying: I64Array, boxes: Boxes
    ) -> tuple[int, int, int] | None:
        """The stair that is best divided: at a clamp with something on either side, or at the edge next to
        the mean.  Where nothing tells (division.py), the one whose bound lies furthest above its value there.

        Never one of the logits: of theirs, only clamps are worth a division (branching.py).
        """
        divisions = Divisions(curved.parabolas, reached)
        best, found = (0.0, 0.0), None
        layers = curved.looseness(reached, self.wire, varying)
        for layer, (wire, elements, mean, loose) in enumerate(layers):
            step = self.relaxation.steps[wire - 1]
            if wire == self.relaxation.logits or not isinstance(step, Staircase):
                continue
            lo, hi = (end[0, elements] for end in boxes[step.source])
            edges = self.relaxation.edges[wire][step.channel[elements], 1:-1]
            inside = (edges > lo[:, None]) & (edges <= hi[:, None])
            stairs = np.flatnonzero(inside.any(axis=1))
            if not len(stairs):
                continue
            ends = zip(lo[stairs], hi[stairs], mean[stairs], strict=True)
            places = zip(stairs, ends, strict=True)
            edge = np.array(
                [edge_near(edges[k, inside[k]], edges[k, [0, -1]], *end) for k, end in places], int
            )
            worth = divisions.worth(layer, stairs, curved.level(layer, stairs, edge))
            for k, at, rank in zip(stairs, edge, zip(worth, loose[stairs], strict=True), strict=True):
                if rank > best:
                    best, found = rank, (step.source, int(elements[k]), int(at) - 1)
        return found


def _chain(relaxation: Relaxation, wire: int) -> tuple[int, ...]:
    """The stairs from above `wire` to the logits, where each reads sums of those below and nothing else."""
    found = list[int]()
    while wire < relaxation.logits:
        affine, stairs = (_reader(relaxation, k) for k in (wire, wire + 1))
        if (affine, stairs) != (wire + 1, wire + 2):
            break
        one, two = relaxation.steps[wire], relaxation.steps[wire + 1]
        if not isinstance(one, Affine) or len(one.terms) != 1 or not isinstance(two, Staircase):
            break
        wire += 2
        found.append(wire)
    return tuple(found)


def _reader(relaxation: Relaxation, wire: int) -> int:
    """The wire whose step alone reads this one; 0 where there are several, or none."""
    readers = [k for k, step in enumerate(relaxation.steps, 1) if wire in sources(step)]
    return readers[0] if len(readers) == 1 else 0


def _moved(
    multipliers: dict[int, F64Array], curved: Curved, point: Point, grain: float
) -> dict[int, F64Array]:
    """The multipliers above, with those of a point, rounded."""
    moved = {wire: values.copy() for wire, values in multipliers.items()}
    for wire, elements, values in curved.parabolas.above.multipliers(point.mu):
        moved[wire][0, elements] = np.rint(values * grain) / grain
    return moved
