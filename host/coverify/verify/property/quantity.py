"""Which integer codes does a real number mean? Exactly, by fractions; never by a float that rounds.

real = scale · (code − zero point), the scale being the model's float32, which is a fraction. A range of
real values holds the codes whose real value lies in it (`inward`), one more on each side where its ends are
between two codes (`outward`), or those that TFLM's QUANTIZE makes of its real values (`nearest`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import numpy as np

Side = Literal["nearest", "inward", "outward"]


@dataclass(frozen=True)
class Scale:
    """real = scale · (code − zero_point); scale > 0."""

    scale: Fraction
    zero_point: int

    def real(self, code: int) -> Fraction:
        """What a code is worth."""
        return self.scale * (code - self.zero_point)

    def place(self, real: Fraction) -> Fraction:
        """Where a real number lies among the codes, between two of them perhaps."""
        return real / self.scale + self.zero_point

    def nearest(self, real: Fraction) -> int:
        """The code that TFLM's QUANTIZE gives, before it is clamped: float32 division, halves away from 0.

        Source: reference_ops::AffineQuantize.
        """
        with np.errstate(all="ignore"):
            ratio = float(np.float32(float(real)) / np.float32(float(self.scale)))
        if not abs(ratio) < 2.0**40:
            return (1 << 40) if ratio > 0 else -(1 << 40)
        return math.trunc(ratio + math.copysign(0.5, ratio)) + self.zero_point

    def codes(self, lo: Fraction, hi: Fraction, side: Side) -> tuple[int, int]:
        """The codes that a range of real numbers means, perhaps none (then the first is above the second)."""
        if side == "nearest":
            return self.nearest(lo), self.nearest(hi)
        first, last = self.place(lo), self.place(hi)
        if side == "inward":
            return math.ceil(first), math.floor(last)
        return math.floor(first), math.ceil(last)

    def radius(self, real: Fraction) -> int:
        """How many codes apart values are that differ by at most so much."""
        return math.floor(real / self.scale)
