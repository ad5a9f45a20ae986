"""How large is a row with parabolas under the stairs of the first layer?

The search for parabolas (parabolas.py) starts from cases of the stairs that bend the wrong way (halves.py),
or from what a larger part had. Multipliers of the stairs above are free too, where these read sums of one
another up to the logits (above.py); others stay as the caller gives them. What the search finds, in floats,
is rounded to a proof in integers (curved_row.py); where that loses too much, it goes on.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from coverify.verify.deadline import NEVER, Deadline
from coverify.verify.dual.above import Layer
from coverify.verify.dual.branching import few_vary
from coverify.verify.dual.curved import Curved
from coverify.verify.dual.curved_row import CurvedRow
from coverify.verify.dual.descent import Rows, evaluate
from coverify.verify.dual.division import Divisions, edge_near
from coverify.verify.dual.halves import Halves, accumulators, without
from coverify.verify.dual.levels import Levels
from coverify.verify.dual.parabolas import Point, Reached
from coverify.verify.dual.relaxation import Boxes, Pass, Pieces, Relaxation
from coverify.verify.dual.squares import minimised
from coverify.verify.dual.storeys import Storeys
from coverify.verify.dual.tree import Beyond, Bounded, Warm
from coverify.verify.query import BoolArray, F64Array, I64Array
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
        row = self._row(rows, boxes, multipliers, target, held, deadline)
        if row is None:
            return None
        curved, varying = row.curved, row.varying
        beyond, storeys = None if warm is None else warm.beyond, None
        if beyond is not None and gain is not None:
            storeys = self._storeys(row)
            resumed = self._lifted(row, storeys, beyond)
            if resumed.closed is not None:
                return resumed.closed
            beyond = resumed.beyond or beyond
        inherited = warm is not None and bool(np.isfinite(warm.xi[varying]).all())
        start = curved.warm(warm, varying) if warm is not None and inherited else self._start(row)
        steps, check = _steps(row, inherited), deadline.late.check
        try:
            reached, centred = curved.parabolas.lowered(start, steps, row.below, inherited, check)
        except np.linalg.LinAlgError:
            return None
        kept = curved.kept(centred.point, varying, len(row.nu))
        inputs = curved.inputs(centred)
        taken = None
        if gain is not None and row.below <= reached.bound < curved.scale * gain:
            storeys = storeys or self._storeys(row)
            lifted = self._lifted(row, storeys, reached)
            if lifted.closed is not None:
                return replace(lifted.closed, inputs=inputs)
            taken, beyond = reached.bound / curved.scale - lifted.bound, lifted.beyond or beyond
        return self._settled(row, reached, centred, inputs, replace(kept, beyond=beyond), taken)

    def _row(
        self, rows: Rows, boxes: Boxes, multipliers: dict[int, F64Array], target: float,
        held: tuple[int, int] | None, deadline: Deadline,
    ) -> CurvedRow | None:  # fmt: skip
        """None where parabolas do not apply, or too many stairs vary."""
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
        return CurvedRow(
            self.relaxation, self.wire, self.natural, rows, boxes, target, held, deadline, pieces,
            multipliers, grain, bare, nu, varying, curved,
        )  # fmt: skip

    def _settled(
        self, row: CurvedRow, reached: Reached, centred: Reached, inputs: F64Array, kept: Warm,
        taken: float | None,
    ) -> Bound | None:  # fmt: skip
        """What the search has reached, in integers, or a guess where not even floats are below 0; where the
        integers lose too much, it goes on.
        """
        curved, target = row.curved, row.target
        for tries in range(TRIES):
            if reached.bound >= 0 > target > -np.inf:
                split = self._split(row, centred)
                above = row.moved(centred.point)
                return Bound(reached.bound / curved.scale, 1, None, inputs, split, kept, above, taken)
            moved = row.moved(reached.point)
            found = row.exact(moved, reached.point)
            if found is None:
                return None
            total, unit, evidence = found
            if total < 0 or target == -np.inf or tries == TRIES - 1:
                break
            lost = curved.scale * total / unit - reached.bound
            below, check = row.below - 2 * lost, row.deadline.late.check
            try:
                reached, _ = curved.parabolas.lowered(reached.point, AGAIN, below, True, check)
            except np.linalg.LinAlgError:
                break
        split = self._split(row, centred) if total >= 0 > target > -np.inf else None
        return Bound(total, unit, evidence, inputs, split, kept, moved)

    def _storeys(self, row: CurvedRow) -> Storeys | None:
        """The form with parabolas under two layers; None where there is no second one, or both are large."""
        curved, n = row.curved, len(row.varying)
        layers = self._layers(row.bare, row.varying, row.boxes, row.held, every=True)
        if not layers or len(curved.g) + 5 * n + 2 * len(layers[0].elements) > MOST_LIFTED:
            return None
        return Storeys.of(curved, layers)

    def _lifted(self, row: CurvedRow, storeys: Storeys | None, begun: Reached | Beyond) -> Lifting:
        """With parabolas under two layers (lifted.py), from what one layer has, or a larger part had."""
        best = Lifting()
        if storeys is None:
            return best
        curved, steps = row.curved, LIFTED_STEPS if isinstance(begun, Reached) else RESUMED_STEPS
        enough, boxes, varying = row.below, row.boxes, row.varying
        for again in range(TRIES):
            at, below, left, last = storeys.start(begun, varying, again), enough, steps, enough
            while at is not None:
                try:
                    reached = storeys.lifted.lowered(at, left, below, row.deadline.check)
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
                moved = row.moved(own)
                exact = row.exact(moved, own, (storeys, reached.point))
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

    def _start(self, row: CurvedRow) -> Point:
        """From the cases of the stairs that bend the wrong way (squares.py)."""
        pieces, varying = row.pieces[self.wire], row.varying
        parts, element = self.halves.parts(row.bare, pieces, row.nu, varying, row.boxes)
        found = minimised(parts, ROUNDS, row.target)
        gain, _ = parts.gain(found.xi)
        return row.curved.start(parts, found, gain, np.searchsorted(varying, element))

    def _split(self, row: CurvedRow, reached: Reached) -> tuple[int, int, int] | None:
        """The stair that is best divided: at a clamp with something on either side, or at the edge next to
        the mean.  Where nothing tells (division.py), the one whose bound lies furthest above its value there.

        Never one of the logits: of theirs, only clamps are worth a division (branching.py).
        """
        curved, boxes = row.curved, row.boxes
        divisions = Divisions(curved.parabolas, reached)
        best, found = (0.0, 0.0), None
        layers = curved.looseness(reached, self.wire, row.varying)
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


def _steps(row: CurvedRow, inherited: bool) -> int:
    """How many steps the search takes at most; inherited: from what a larger part had."""
    n = len(row.varying)
    most = min(STEPS, FEW_STEPS + n // 2)
    if inherited:
        most = PART_STEPS
    elif len(row.curved.parabolas.above.layers) > 1:
        most = MANY_STEPS
    steps = most if row.target > -np.inf else ROW_STEPS
    return min(steps, max(5, int(WORK / row.curved.weights.size / n)))
