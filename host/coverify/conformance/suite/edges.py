"""Which accumulators tell one rounding from another? Found by looking where two neighbouring outputs meet.

A random input meets such an accumulator rarely (ties: once in thousands); a bias puts one there for sure.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from coverify.conformance.diagnosis.rounding import RULES, Rule, double

I64Array = NDArray[np.int64]
_AROUND = 48


def separating(multiplier: int, shift: int, rule: Rule, lo: int, hi: int) -> I64Array:
    """Accumulators at which `rule` gives another value than two roundings; lo..hi: outputs before zero point.

    Looked for around k + ½ for every output step k between, and around every k; int64 [found], perhaps empty.
    """
    effective = multiplier * 2.0 ** (shift - 31)
    halves = np.arange(2 * lo, 2 * hi + 1) / 2
    centres = np.rint(halves / effective)
    around = np.arange(-_AROUND, _AROUND + 1)
    acc = np.unique((centres[:, None] + around[None, :]).ravel())
    acc = acc[np.abs(acc) < 2**30].astype(np.int64)
    m, s = np.full(1, multiplier, np.int64), np.full(1, shift, np.int64)
    differs: I64Array = acc[rule.scale(acc, m, s) != double(acc, m, s)]
    return differs


def apart(ours: tuple[int, int], theirs: tuple[int, int], lo: int, hi: int) -> I64Array:
    """Accumulators that two multipliers (value, shift) scale to different values; int64 [found].

    The nearer the multipliers, the larger the accumulators: looked for around the half steps.
    """
    effective = ours[0] * 2.0 ** (ours[1] - 31)
    centres = np.rint(np.arange(2 * lo + 1, 2 * hi, 2) / 2 / effective)
    acc = (centres[:, None] + np.arange(-_AROUND, _AROUND + 1)[None, :]).ravel()
    acc = acc[np.abs(acc) < 2**30].astype(np.int64)
    first, second = (
        double(acc, np.full(1, value, np.int64), np.full(1, shift, np.int64))
        for value, shift in (ours, theirs)
    )
    differs: I64Array = acc[first != second]
    return differs


def edge_biases(
    sums: I64Array, multipliers: Sequence[int], shifts: Sequence[int], lo: int, hi: int, start: int
) -> I64Array:
    """A bias per channel that puts its accumulator (sum + bias) where one of the rules shows.

    sums: int64 [channels], Σ w·(x − z) at one position; the rules take turns over the channels, from number
    `start` on.  Channels in which no such accumulator exists within reach keep the bias 0.
    """
    biases = np.zeros(len(sums), np.int64)
    for channel, total in enumerate(sums.tolist()):
        for turn in range(len(RULES)):
            rule = RULES[(start + channel + turn) % len(RULES)]
            found = separating(multipliers[channel], shifts[channel], rule, lo, hi)
            if len(found):
                biases[channel] = int(found[(7 * channel + start) % len(found)]) - total
                break
    return biases
