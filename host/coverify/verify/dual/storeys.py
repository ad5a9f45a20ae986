"""The form of one row with parabolas under two layers of stairs (lifted.py): from accumulators and outputs to
the method's units, and to the integers of a proof (docs/certificates.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from coverify.verify.dual.above import Above, Layer
from coverify.verify.dual.curved import Curved, least_d, whole
from coverify.verify.dual.levels import SHIFT, Levels
from coverify.verify.dual.lifted import Both, Lifted
from coverify.verify.dual.parabolas import Point, Reached
from coverify.verify.dual.relaxation import Pass
from coverify.verify.dual.squares import SCALE, Form
from coverify.verify.dual.tree import Beyond, Squares
from coverify.verify.query import I64Array

MOST_KEEP, MOST_SHARE, MOST = 2.0**50, 2.0**20, 2.0**44
"""Any are valid; these keep products in int64."""
_ROOM = 2.0**61


@dataclass(frozen=True, eq=False)
class Upper:
    """What a proof says beside the lower stairs' parabolas. outputs: int64 [5, m], of their y: middles,
    shares, tilts, mixed terms, squares; parabolas: int64 [3, k], of the upper ones: centres, curves, slopes.
    """

    outputs: I64Array
    parabolas: I64Array


@dataclass(frozen=True, eq=False)
class Storeys:
    """upper: the levels of the lowest layer above, elements [k] of wire, whose accumulators are weights
    [k, m] of the first outputs and constant [k]; middle [m]: what outputs are counted from.
    """

    curved: Curved
    wire: int
    elements: I64Array
    upper: Levels
    weights: I64Array
    constant: I64Array
    middle: I64Array
    lifted: Lifted

    @staticmethod
    def of(curved: Curved, layers: Sequence[Layer]) -> Storeys:
        """layers: those above, the lowest one with all of its levels."""
        above = Above.of(layers, len(curved.centre), curved.scale)
        low = layers[0]
        levels = Levels(low.nu, *(x.astype(np.int64) for x in (low.value, low.first, low.last)))
        weights, constant = low.weights.astype(np.int64), low.constant.astype(np.int64)
        middle = (curved.levels.value[:, 0] + curved.levels.value[:, -1]) // 2
        lifted = Lifted(curved.parabolas, above, middle.astype(np.float64))
        return Storeys(curved, low.wire, low.elements, levels, weights, constant, middle, lifted)

    def start(self, begun: Reached | Beyond, varying: I64Array, again: int) -> Both | None:
        """From parabolas of one layer, higher each time; or once from what a larger part had."""
        if isinstance(begun, Reached):
            return self.lifted.started(begun.point, begun.bound, again)
        return None if again else self._resumed(begun, varying)

    def kept(self, at: Both, varying: I64Array, n: int, n_above: int) -> Beyond:
        """For smaller parts: of the stairs `varying` of n, and of those above, of n_above."""
        curved, lifted, scale = self.curved, self.lifted, self.curved.scale
        own, size, above = scale * curved.reach, scale * lifted.size, lifted.above
        outputs, upper = np.full((4, n), np.nan), np.full((2, n_above), np.nan)
        keep, mix = at.keep / size / lifted.size, at.mix / own / lifted.size
        outputs[:, varying] = at.eta / size, keep, mix, self.middle
        k = len(self.elements)
        upper[:, self.elements] = at.upper / scale / above.reach[:k] ** 2, above.centre[:k]
        lower = curved.kept(at.own, varying, n)
        return Beyond(lower, outputs, upper, above.multipliers(at.own.mu), at.own.height)

    def _resumed(self, known: Beyond, varying: I64Array) -> Both | None:
        """From what a larger part had; None where that does not say all that is needed.

        What is counted from elsewhere moves products with it into the terms beside them.
        """
        curved, lifted, scale, k = self.curved, self.lifted, self.curved.scale, len(self.elements)
        own, size, above = scale * curved.reach, scale * lifted.size, lifted.above
        lower, (eta, keep, mix, middle) = known.lower, known.outputs[:, varying]
        upper, centre = known.above[:, self.elements]
        if not (np.isfinite(eta).all() and np.isfinite(upper).all()):
            return None
        moved, mu = self.middle - middle, above.resumed(known.mu)
        mu[:k] += 2 * upper * (above.centre[:k] - centre) * above.reach[:k] * scale
        units = curved.in_units(lower.xi[varying] + mix * moved, lower.curve[varying], lower.e)
        eta, keep, mix = (eta - 2 * keep * moved) * size, keep * size * lifted.size, mix * own * lifted.size
        upper = upper * above.reach[:k] ** 2 * scale
        return Both(Point(*units, mu, known.height), eta, keep, mix, upper)

    def proof(
        self, at: Both, done: Pass, wire: int, varying: I64Array, first: tuple[I64Array, ...], nu: I64Array,
        bare: int, box: tuple[I64Array, I64Array], p: I64Array, unit: int, share: float,
    ) -> tuple[int, Squares] | None:  # fmt: skip
        """The bound in integers and its evidence, of the stairs `varying` of a wire and those above; None
        where a number is too large.

        done: the bound for these multipliers without parabolas; first: xi, curve, centre, slope [m]; nu [m]:
        of the lower stairs; bare: the form without these; box, p: the input's and their weights.
        """
        own = (x[self.wire][0, self.elements] for x in (done.asked, done.multipliers))
        asked, mu = (x.astype(np.int64) for x in own)
        found = self.rounded(at, first, nu, mu, unit, share)
        xi, curve, centre, slope = first
        middle, bend, _ = found.parabolas
        lower = self.greatest(nu, xi, curve, centre, found.outputs)
        eased, plain = (self.upper.greatest(asked, mu, c, middle) for c in (bend, np.zeros_like(bend)))
        if lower is None or eased is None or plain is None:
            return None
        constant = bare + int(lower.sum()) + int((eased - plain).sum())
        left = self.form(done.asked[0][0].astype(np.int64), constant, first, found, *box)
        result = None if left is None else left[0].bound(p, left[1])
        if result is None:
            return None
        bound, d0 = result
        above = (self.wire, found.outputs, self.elements, found.parabolas)
        return bound, Squares(wire, varying, np.stack([centre, curve, slope]), d0, p, *above)

    def rounded(
        self, at: Both, first: tuple[I64Array, ...], nu: I64Array, mu: I64Array, unit: int, share: float
    ) -> Upper:
        """first: xi, curve, centre, slope of the first stairs; nu [m], mu [k]: what the proof has there."""
        curved, lifted, above = self.curved, self.lifted, self.lifted.above
        _, _, centre, _ = first
        own = curved.scale * lifted.size / unit
        even = curved.even(at.own, unit)
        keep = np.ceil(np.minimum(at.keep / own / lifted.size / share * 2.0**SHIFT, MOST_KEEP))
        part = np.clip(np.rint(np.sqrt(even * 2.0**SHIFT / keep)), 1, MOST_SHARE)
        mix = at.mix / own / curved.reach
        tilt = nu + at.eta / own + mix * (centre - curved.centre)
        k = len(self.weights)
        exact = above.multipliers(at.own.mu)[0][2] * unit
        reach = curved.scale * above.reach[:k]
        curve = at.upper / reach / above.reach[:k] * unit * share
        parabolas = np.stack(whole(curve, mu - exact, above.centre[:k], even))
        outputs = np.stack(
            [self.middle, part, *(np.clip(np.rint(part * x), -MOST, MOST) for x in (tilt, mix)), keep]
        )
        return Upper(outputs.astype(np.int64), parabolas)

    def greatest(
        self, nu: I64Array, xi: I64Array, curve: I64Array, centre: I64Array, outputs: I64Array
    ) -> I64Array | None:
        """At least max over a of nu · y(a) − xi · a less what the proof takes from it, int64 [m]; None where
        a product may leave int64.
        """
        levels = self.curved.levels
        middle, part, tilt, mix, keep = (x[:, None] for x in outputs)
        xi, curve, centre = xi[:, None], curve[:, None], centre[:, None]
        y, f = levels.value - middle, np.float64
        reach = np.maximum(np.abs(levels.first - centre), np.abs(levels.last - centre)).max(axis=1)[:, None]
        sizes = (
            (np.abs(xi.astype(f)) * part + np.abs(mix.astype(f) * y)) * 2.0**SHIFT,
            curve.astype(f) * reach.astype(f) ** 2, curve.astype(f) * part,
            (np.abs(tilt.astype(f)) + np.abs(mix.astype(f)) * reach) * np.abs(y),
            keep.astype(f) * y.astype(f) ** 2,
        )  # fmt: skip
        if max(float(size.max()) for size in sizes) >= _ROOM:
            return None
        turn = xi * part + mix * y
        vertex = centre + (-turn << (SHIFT - 1)) // np.maximum(curve * part, 1)
        base = nu[:, None] * levels.value - (-(keep * y * y) >> SHIFT)
        best = np.full(len(nu), -(2**62))
        for at in (levels.first, levels.last, vertex, vertex + 1):
            a = np.clip(at, levels.first, levels.last)
            less = ((curve * (a - centre) ** 2) >> SHIFT) + (tilt * y + mix * (a - centre) * y) // part
            best = np.maximum(best, (base - xi * a - less).max(axis=1))
        return best + 1

    def form(
        self, g: I64Array, constant: int, first: tuple[I64Array, ...], found: Upper,
        lo: I64Array, hi: I64Array,
    ) -> tuple[Form, I64Array] | None:  # fmt: skip
        """What is left for the matrix, and the squares' d; None where a number is too large."""
        curved = self.curved
        _, curve, centre, slope = first
        y, part, tilt, mix, keep = found.outputs
        middle, bend, steep = found.parabolas
        on, up = np.flatnonzero(curve), np.flatnonzero(bend)
        weights, bias = curved.weights.astype(np.int64), curved.bias.astype(np.int64) - centre
        b = self.constant + self.weights @ y - middle
        joined = steep[up, None] * np.abs(self.weights[up]).astype(np.float64) * part
        turned = np.abs(tilt) + np.abs(mix * bias.astype(np.float64))
        if max(float(turned.max()), float(joined.max(initial=0.0))) >= _ROOM / 2:
            return None
        none = np.zeros((len(up), len(g)), np.int64)
        forms = [g[None], slope[on, None] * weights[on], mix[:, None] * weights, none]
        constants = [[constant], slope[on] * bias[on], tilt + mix * bias, steep[up] * b[up]]
        n = 1 + len(on) + len(part)
        products = np.zeros((n + len(up), n + len(up)), np.int64)
        products[n:, 1 + len(on) : n] = steep[up, None] * self.weights[up] * part
        d = [least_d(s, c) for s, c in zip(slope[on].tolist(), curve[on].tolist(), strict=True)]
        d += [f * q * q << (SCALE + 4 - SHIFT) for f, q in zip(keep.tolist(), part.tolist(), strict=True)]
        d += [least_d(s, c) for s, c in zip(steep[up].tolist(), bend[up].tolist(), strict=True)]
        if max(d) >= 2**60:
            return None
        form = Form(2 * np.concatenate(forms), 2 * np.concatenate(constants), lo, hi, products)
        return form, np.array(d, np.int64)
