"""Bounds that rest on integers alone: intervals, and multipliers of any origin.

A Region says what is known of the sums z before each ReLU, as float64 that are exact numbers. For any
multipliers m of a layer's equations, a linear function of the sums of layer k equals itself plus
m · (W h + b − z), and is never below the sum of the least values that its parts take on their own: of every
input in its range, of every neuron (z, relu(z)) at the ends of its range or at 0. `proved` computes that in
integers, so that nothing has to be believed of where the multipliers come from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from coverify.study.reals.exact import ExactNetwork, IntArray, dyadic
from coverify.verify.query import F64Array

BOUND_BITS = 44
"""Ranges are rounded outwards to so many bits, so that integers stay small."""
_FINEST = 900
"""No bound is finer than 2**−900, so that float64 hold it."""
MULTIPLIER_BITS = 30
"""Multipliers are rounded to so many bits of the largest: any are valid."""


@dataclass(frozen=True, eq=False)
class Range:
    """lo <= values <= hi, float64 [n]; bounds that are exact numbers."""

    lo: F64Array
    hi: F64Array


@dataclass(frozen=True, eq=False)
class Region:
    """Of inputs (codes) and of the sums before the ReLU of layer 0, 1, … as far as they are known."""

    inputs: Range
    sums: tuple[Range, ...] = ()

    def activations(self, depth: int) -> Range:
        """The ranges of what layer `depth` reads."""
        if depth == 0:
            return self.inputs
        before = self.sums[depth - 1]
        return Range(np.maximum(before.lo, 0.0), np.maximum(before.hi, 0.0))


def intervals(network: ExactNetwork, region: Region) -> Range:
    """The ranges of the sums of the first layer of which the region says nothing."""
    depth = len(region.sums)
    layer, read = network.layers[depth], region.activations(depth)
    ends, k = dyadic(np.stack([read.lo, read.hi]))
    bias = layer.bias * (1 << k)
    least = layer.positive @ ends[0] + layer.negative @ ends[1] + bias
    most = layer.positive @ ends[1] + layer.negative @ ends[0] + bias
    return Range(_rounded_down(least, k + layer.shift), -_rounded_down(-most, k + layer.shift))


def rounded_down(value: Fraction) -> float:
    """A float64 of BOUND_BITS bits that is no more."""
    denominator = value.denominator  # a power of two: so are all that come from `proved`
    return float(_rounded_down(np.array([value.numerator], object), denominator.bit_length() - 1)[0])


def _rounded_down(values: IntArray, k: int) -> F64Array:
    """Float64 that are no more than values / 2**k."""
    kept = BOUND_BITS - max(int(abs(v)).bit_length() - k for v in values)
    drop = max(0, k - min(kept, _FINEST))
    scaled = [float(int(v) >> drop) for v in values]
    lower: F64Array = np.ldexp(np.array(scaled), drop - k)
    return lower


def proved(network: ExactNetwork, region: Region, aim: IntArray, multipliers: Sequence[F64Array]) -> Fraction:
    """aim · z is nowhere in the region less than this, z being the sums of layer len(multipliers).

    aim: integers [n_out of that layer]; multipliers: float64 [n_out] for every layer before it. With aim 0 a
    number above 0 says that no point of the inputs has sums within the region's ranges.
    """
    depth = len(multipliers)
    layer = network.layers[depth]
    total = Fraction(int(aim @ layer.bias), 1 << layer.shift)
    slope, k = aim @ layer.weights, layer.shift
    for i in range(depth - 1, -1, -1):
        layer = network.layers[i]
        m, k_m = dyadic(_coarse(multipliers[i]))
        total += Fraction(int(m @ layer.bias), 1 << (k_m + layer.shift))
        total += _least_of_neurons(region.sums[i], m, k_m, slope, k)
        slope, k = m @ layer.weights, k_m + layer.shift
    ends, k_ends = dyadic(np.stack([region.inputs.lo, region.inputs.hi]))
    return total + Fraction(int(np.minimum(slope * ends[0], slope * ends[1]).sum()), 1 << (k + k_ends))


def _least_of_neurons(sums: Range, m: IntArray, k_m: int, slope: IntArray, k: int) -> Fraction:
    """Σ least slope · relu(z) − m · z over the range of each z; slope is over 2**k, m over 2**k_m."""
    ends, k_ends = dyadic(np.stack([sums.lo, sums.hi]))
    common = max(k, k_m)
    m, slope = m * (1 << (common - k_m)), slope * (1 << (common - k))
    at_ends = [slope * np.maximum(z, 0) - m * z for z in ends]
    least = np.minimum(*at_ends)
    crossing = (sums.lo < 0) & (sums.hi > 0)
    least[crossing] = np.minimum(least[crossing], 0)
    return Fraction(int(least.sum()), 1 << (common + k_ends))


def _coarse(values: F64Array) -> F64Array:
    """Float64 of fewer bits, near the values."""
    most = float(np.abs(values).max(initial=0.0))
    if not np.isfinite(most) or most == 0.0:
        return np.zeros(len(values))
    power = MULTIPLIER_BITS - int(np.frexp(most)[1])
    coarse: F64Array = np.ldexp(np.rint(np.ldexp(values, power)), -power)
    return coarse
