"""How far can one logit rise above another on a box? Sharper than the difference of their bounds.

Where both logits are stairs of accumulators of one affine step, the difference of the accumulators is itself
one linear form of the step before, whose inputs cancel; its bound is carried through the stairs exactly.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from coverify.verify.bounds import Box
from coverify.verify.query import I64Array
from tflm_int8.program.primitives import Affine, Program, Staircase


@dataclass(frozen=True, eq=False)
class Differences:
    """Upper bounds of x_a - x_b for two elements of a wire, by intervals and one back-substitution."""

    program: Program
    boxes: list[Box]
    wire: int

    def upper(self, a: int, b: int) -> int:
        """At least the greatest x_a - x_b on the box; 0 for a = b."""
        if a == b:
            return 0
        box = self.boxes[self.wire]
        plain = int(box.hi[a] - box.lo[b])
        step = self.program.steps[self.wire - 1] if self.wire else None
        if not isinstance(step, Staircase) or step.source == 0:
            return plain
        affine = self.program.steps[step.source - 1]
        if not isinstance(affine, Affine):
            return plain
        return min(plain, self._through_stairs(step, self._accumulators(affine, a, b), a, b))

    def _accumulators(self, affine: Affine, a: int, b: int) -> int:
        """Upper bound of acc_a - acc_b, from the boxes of the affine step's sources."""
        total = int(affine.bias[a] - affine.bias[b])
        for term in affine.terms:
            source = self.boxes[term.source]
            weights = np.zeros(term.map.n_in, np.int64)
            for i, sign in ((a, 1), (b, -1)):
                columns, values = term.map.row(i)
                np.add.at(weights, columns, sign * values)
            ends = np.where(weights > 0, source.hi, source.lo) - term.offset
            total += int(weights @ ends)
        return total

    def _through_stairs(self, step: Staircase, rise: int, a: int, b: int) -> int:
        """Greatest R_a(acc_a) - R_b(acc_b) where acc_a <= acc_b + rise and both stay in their boxes."""
        acc = self.boxes[step.source]
        lo_b, hi_b, hi_a = int(acc.lo[b]), int(acc.hi[b]), int(acc.hi[a])
        ends = _last_of_stairs(step, b, lo_b, hi_b)
        reach = np.maximum(np.minimum(ends + rise, hi_a), int(acc.lo[a]))
        high = step.rule.apply(reach, np.full(len(reach), step.channel[a]))
        low = step.rule.apply(ends, np.full(len(ends), step.channel[b]))
        return int((high - low).max())


def _last_of_stairs(step: Staircase, i: int, lo: int, hi: int) -> I64Array:
    """The greatest accumulator in lo..hi of every stair of element i that lo..hi meets, ascending."""
    channel = np.full(1, step.channel[i])
    first = int(step.rule.apply(np.array([lo]), channel)[0])
    last = int(step.rule.apply(np.array([hi]), channel)[0])
    values = np.arange(first, last + 1)
    low, high = np.full(len(values), lo), np.full(len(values), hi)
    channels = np.full(len(values), step.channel[i])
    while np.any(low < high):  # the greatest accumulator whose stair is <= value
        middle = (low + high + 1) >> 1
        below = step.rule.apply(middle, channels) <= values
        low, high = np.where(below, middle, low), np.where(below, high, middle - 1)
    ends: I64Array = np.unique(low)
    return ends
