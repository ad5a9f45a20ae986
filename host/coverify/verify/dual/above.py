"""The multipliers of the stairs above the first layer, as variables of the search for parabolas.

A bound is the sum of what every layer of stairs adds, max over b of (nu · y(b) − mu · b). A layer's nu are
linear in the multipliers of the next one, b being linear in y: so the sum is convex in all of them together,
and which multiplier is best is not seen before the layers below it have their own.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from coverify.verify.dual.levels import repeated, softened
from coverify.verify.query import BoolArray, F64Array, I64Array

REACH = 14.0
"""How far accumulators reach, in the units of the search."""

FLAT = 1e-3
"""A little more for second derivatives, of what they can be: where one level is all that counts there are
none, and a step would have no end.
"""


@dataclass(frozen=True, eq=False)
class Layer:
    """Stairs of one wire whose multipliers are free: elements [k], nu [k], value, first, last [k, levels].

    mu [k]: the multipliers; constant [k]: what of their accumulators does not depend on the stairs below;
    weights [k, j]: on those of the layer below (the first layer's, if it is the lowest) that have variables.
    """

    wire: int
    elements: I64Array
    nu: F64Array
    value: F64Array
    first: F64Array
    last: F64Array
    mu: F64Array
    constant: F64Array
    weights: F64Array

    @cached_property
    def repeated(self) -> BoolArray:
        """Which levels [k, levels] are a stair's last one once more: it counts once."""
        return repeated(self.first)


def at(first: F64Array, value: F64Array, a: F64Array) -> F64Array:
    """The stairs' values [k] at these accumulators [k]; first, value: [k, levels]."""
    level = np.clip((first <= a[:, None]).sum(axis=1) - 1, 0, None)
    y: F64Array = value[np.arange(len(level)), level]
    return y


@dataclass(frozen=True, eq=False)
class Above:
    """Layers from the lowest to the highest, in the units of the search.

    mu [q]: where it starts; per [q, m]: by how much a multiplier changes nu of the first layer's m stairs;
    tilt [q]: the derivative of the constant; centre, reach [q]: of their accumulators, which are
    (b − centre) / reach; scale: what the form is multiplied by.
    """

    layers: tuple[Layer, ...]
    mu: F64Array
    per: F64Array
    tilt: F64Array
    centre: F64Array
    reach: F64Array
    scale: float

    @staticmethod
    def of(layers: Sequence[Layer], m: int, scale: float) -> Above:
        """The layers as they are, over m stairs of the first one."""
        own, none = list[Layer](), np.zeros(0)
        centres, reaches = [none], [none]
        for layer in layers:
            low, high = layer.first[:, 0], layer.last[:, -1]
            centre, reach = (low + high) / 2, np.maximum(high - low, 1.0) / (2 * REACH)
            first, last = ((end - centre[:, None]) / reach[:, None] for end in (layer.first, layer.last))
            own.append(
                replace(
                    layer, nu=scale * layer.nu, first=first, last=last, mu=scale * layer.mu * reach,
                    constant=(layer.constant - centre) / reach, weights=layer.weights / reach[:, None],
                )
            )  # fmt: skip
            centres.append(centre)
            reaches.append(reach)
        mu = np.concatenate([none, *(layer.mu for layer in own)])
        tilt = np.concatenate([none, *(layer.constant for layer in own)])
        per = np.zeros((len(mu), m))
        if own:
            per[: len(own[0].mu)] = own[0].weights
        return Above(tuple(own), mu, per, tilt, np.concatenate(centres), np.concatenate(reaches), scale)

    def multipliers(self, mu: F64Array) -> list[tuple[int, I64Array, F64Array]]:
        """(wire, elements, multipliers) of every layer, of accumulators and the form as they are."""
        parts = self._parts(mu / (self.scale * self.reach))
        return [(layer.wire, layer.elements, own) for layer, own in zip(self.layers, parts, strict=True)]

    def resumed(self, known: Sequence[tuple[int, I64Array, F64Array]]) -> F64Array:
        """These multipliers, as `multipliers` gives them, in the units of the search; where they say nothing
        of an element, what it starts with.
        """
        mu, unit = self.mu.copy(), self.scale * self.reach
        wire = np.concatenate([np.full(len(layer.mu), layer.wire) for layer in self.layers])
        element = np.concatenate([layer.elements for layer in self.layers])
        for own, elements, values in known:
            at = np.flatnonzero(wire == own)
            _, here, there = np.intersect1d(element[at], elements, return_indices=True)
            mu[at[here]] = values[there] * unit[at[here]]
        return mu

    def greatest(self, mu: F64Array, curve: F64Array | None = None) -> float:
        """What the layers add."""
        return sum(float(gain.max(axis=1).sum()) for gain, *_ in self._gains(mu, curve))

    def softest(self, mu: F64Array, heat: float, curve: F64Array | None = None) -> float:
        """The same as `smoothed` has it."""
        return sum(float(softened(gain, heat)[0].sum()) for gain, *_ in self._gains(mu, curve))

    def smoothed(self, mu: F64Array, heat: float, curve: F64Array | None = None) -> tuple[F64Array, F64Array]:
        """The derivatives, [q], and second ones, of what the layers add with heat · log Σ exp(gain / heat)
        for maxima.

        curve [k]: what is taken of the lowest layer's b² (lifted.py); then its derivatives follow, [q + k].
        """
        q = len(mu)
        size = q if curve is None else q + len(curve)
        slope, bend = np.zeros(size), np.zeros((size, size))
        start = 0
        for n, (gain, y, b, moves) in enumerate(self._gains(mu, curve)):
            _, weight = softened(gain, heat)
            end = start + len(gain)
            own, upper = np.arange(start, end), np.arange(end, q)
            off_y = y - (mean_y := (weight * y).sum(axis=1))[:, None]
            powers = [(own, b, np.ones_like(b))]
            if curve is not None and n == 0:
                powers.append((np.arange(q, size), b * b, 2 * b))
                weight_moved = weight * moves / (2 * curve)[:, None]
            offs = [(at, x - (weight * x).sum(axis=1)[:, None], pull) for at, x, pull in powers]
            for at, x, _ in powers:
                slope[at] -= (weight * x).sum(axis=1)
            for (at, off, pull), (other, more, too) in itertools.product(offs, offs):
                bend[at, other] += (weight * off * more).sum(axis=1) / heat
                if curve is not None and n == 0:
                    bend[at, other] += (weight_moved * pull * too).sum(axis=1)
            bend[own, own] += FLAT * REACH**2 / heat
            if len(upper):
                up = self.layers[n + 1].weights
                upper = upper[: len(up)]
                slope[upper] += up @ mean_y
                bend[np.ix_(upper, upper)] += (up * (weight * off_y * off_y).sum(axis=1)) @ up.T / heat
                for at, off, _ in offs:
                    both = up * (weight * off_y * off).sum(axis=1) / heat
                    bend[np.ix_(upper, at)] -= both
                    bend[np.ix_(at, upper)] -= both.T
            start = end
        return slope, bend

    def begins(self, number: int) -> tuple[F64Array, F64Array, F64Array]:
        """Where the levels of a layer's stairs begin, in the units of the search, [k, levels]; and what an
        accumulator is there: centre, reach [k].
        """
        centre, reach = (self._parts(x)[number] for x in (self.centre, self.reach))
        return self.layers[number].first, centre, reach

    def sides(
        self, number: int, mu: F64Array, stairs: I64Array, level: I64Array, heat: float
    ) -> list[tuple[F64Array, F64Array, F64Array]]:
        """What some stairs [c] of a layer add, smoothed; its slopes in (mu, nu) of each, [c, 2], and second
        derivatives, [c, 2, 2]: as they are, with the levels below `level` [c] alone, and with the others.
        """
        gain, y, b = (x[stairs] for x in self._gains(mu)[number][:3])
        below = np.tile(np.arange(gain.shape[1] // 2), 2) < level[:, None]
        both, found = np.stack([-b, y], axis=1), []
        for kept in (below | ~below, below, ~below):
            value, weight = softened(np.where(kept, gain, -np.inf), heat)
            mean = (both * weight[:, None]).sum(axis=2)
            off = both - mean[:, :, None]
            found.append((value, mean, np.einsum("cil,cjl,cl->cij", off, off, weight) / heat))
        return found

    def looseness(self, mu: F64Array, y: F64Array) -> list[tuple[int, I64Array, F64Array, F64Array]]:
        """Of every layer (wire, elements, accumulators b, how far the bounds lie above the stairs' values
        there); y [m]: the first layer's.
        """
        found, parts = [], self._parts(mu)
        units = zip(self._parts(self.tilt), self._parts(self.centre), self._parts(self.reach), strict=True)
        gains = (gain.max(axis=1) for gain, *_ in self._gains(mu))
        rows = zip(self.layers, parts, gains, units, strict=True)
        for k, (layer, own, most, (tilt, centre, reach)) in enumerate(rows):
            b = tilt + layer.weights @ y
            y = at(layer.first, layer.value, b)
            loose = most + own * b - self._nu(k, parts) * y
            found.append((layer.wire, layer.elements, centre + reach * b, loose))
        return found

    def _parts(self, mu: F64Array) -> list[F64Array]:
        return np.split(mu, np.cumsum([len(layer.mu) for layer in self.layers])[:-1]) if self.layers else []

    def _nu(self, k: int, parts: list[F64Array]) -> F64Array:
        """The coefficients on the stairs of layer k."""
        if k + 1 == len(parts):
            return self.layers[k].nu
        upper = self.layers[k + 1]
        nu: F64Array = self.layers[k].nu + (parts[k + 1] - upper.mu) @ upper.weights
        return nu

    def _gains(
        self, mu: F64Array, curve: F64Array | None = None
    ) -> list[tuple[F64Array, F64Array, F64Array, BoolArray]]:
        """Per layer nu · y − mu · b at both ends of every level, y and b there: [k, 2 levels] each; does b
        move with mu?  With a curve of the lowest layer also beside the vertex: [k, 3 levels].
        """
        found, parts = [], self._parts(mu)
        for k, (layer, own) in enumerate(zip(self.layers, parts, strict=True)):
            nu, ends, bent = self._nu(k, parts), [layer.first, layer.last], curve is not None and k == 0
            if curve is not None and bent:
                ends.append(np.clip((-own / (2 * curve))[:, None], *ends))
            b, y = np.concatenate(ends, axis=1), np.tile(layer.value, len(ends))
            gain, moves = nu[:, None] * y - own[:, None] * b, np.zeros(b.shape, bool)
            if curve is not None and bent:
                gain -= curve[:, None] * b * b
                moves[:, 2 * layer.first.shape[1] :] = (layer.first < ends[2]) & (ends[2] < layer.last)
            gain[np.tile(layer.repeated, len(ends))] = -np.inf
            found.append((gain, y, b, moves))
        return found
