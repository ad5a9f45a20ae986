"""Which integer codes does a real number mean? Exactly, by fractions; never by a float that rounds.

real = scale · (code − zero point), the scale being the model's float32, which is a fraction. A range of
real values holds the codes whose real value lies in it (`inward`), one more on each side where its ends are
between two codes (`outward`), or those that TFLM's QUANTIZE makes of its real values (`nearest`).

Where a network is given floats (`FloatsIn`), a range is one of floats, and its codes are those that they
become; floats beyond those that TFLM defines a code for are refused. Where it gives out floats (`FloatsOut`),
a code is worth what DEQUANTIZE makes of it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import numpy as np

from coverify.verify.errors import BadQuery

Side = Literal["nearest", "inward", "outward"]
Limit = tuple[Fraction, bool]
"""A value that is not passed; True: nor reached."""
ONE = 1 + Fraction(1, 1 << 14)
"""A code, and more than float32's divisions round, of quotients within 512: values of one code are no farther
apart.
"""
_CODES = range(-128, 128)
_BEYOND = 1 << 41
"""More than any code: that of no float."""
_DEFINED = (1 << 31) - (1 << 17)
"""A quotient below this is within int32, as TFLM needs it."""


@dataclass(frozen=True)
class Scale:
    """real = scale · (code − zero_point); scale > 0."""

    scale: Fraction
    zero_point: int

    def real(self, code: int) -> Fraction:
        """What a code is worth."""
        return self.scale * (code - self.zero_point)

    def same(self, other: Scale) -> bool:
        """Have codes the same worth, but for rounding?"""
        return (self.scale, self.zero_point) == (other.scale, other.zero_point)

    def place(self, real: Fraction) -> Fraction:
        """Where a real number lies among the codes, between two of them perhaps."""
        return real / self.scale + self.zero_point

    def nearest(self, real: Fraction) -> int:
        """The code that TFLM's QUANTIZE gives, before it is clamped: float32 division, halves away from 0.

        Source: reference_ops::AffineQuantize.
        """
        with np.errstate(all="ignore"):
            ratio = float(_nearest_float(real) / np.float32(float(self.scale)))
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

    def last(self, real: Fraction, strict: bool = False) -> int:
        """The greatest code that is worth at most, or less than, so much."""
        place = self.place(real)
        return math.ceil(place) - 1 if strict else math.floor(place)

    def first(self, real: Fraction, strict: bool = False) -> int:
        """The least code that is worth at least, or more than, so much."""
        place = self.place(real)
        return math.floor(place) + 1 if strict else math.ceil(place)

    def within(self, least: Limit | None, most: Limit | None) -> tuple[int | None, int | None]:
        """The least and greatest code between two limits, of which either may be missing."""
        return None if least is None else self.first(*least), None if most is None else self.last(*most)

    def radius(self, real: Fraction, outward: bool = False) -> int:
        """How many codes apart codes are whose worths differ by at most so much; outward: codes of values
        that do, of which one may be rounded down and the other one up (of equal ones, none is).
        """
        codes = real / self.scale
        return math.floor(codes + ONE) if outward and real else math.floor(codes)

    @property
    def linear(self) -> bool:
        """Is the worth of a code exactly scale · (code − zero_point)?"""
        return True


@dataclass(frozen=True)
class FloatsIn(Scale):
    """Of an input that is float32 and becomes codes by QUANTIZE."""

    def last(self, real: Fraction, strict: bool = False) -> int:
        """The code of the greatest float that is at most, or less than, so much."""
        below = _float_below(real, strict)
        return -_BEYOND if below is None else self._become(below)

    def first(self, real: Fraction, strict: bool = False) -> int:
        """The code of the least float that is at least, or more than, so much."""
        below = _float_below(-real, strict)
        return _BEYOND if below is None else self._become(-below)

    def within(self, least: Limit | None, most: Limit | None) -> tuple[int | None, int | None]:
        """Of real numbers between two floats, next to each other: the codes of both."""
        first, last = super().within(least, most)
        if first is None or last is None or first == _BEYOND or last == -_BEYOND:
            return first, last
        return min(first, last), max(first, last)

    def around(self, real: Fraction, outward: bool = False) -> list[tuple[int, int]]:
        """How far down and up the codes reach of floats that differ by at most so much from the worth of a
        code (outward: from any float that becomes it); of each code, from the least on.

        Raises BadQuery where such a float has no code.
        """
        least = most = [self.real(code) for code in _CODES]
        if outward:
            ends = [self._between(code) for code in _CODES[:-1]]
            least, most = [least[0], *(end[1] for end in ends)], [*(end[0] for end in ends), most[-1]]
        reached = [(self.first(lo - real), self.last(hi + real)) for lo, hi in zip(least, most, strict=True)]
        return [
            (max(code - lo, 0), max(hi - code, 0)) for code, (lo, hi) in zip(_CODES, reached, strict=True)
        ]

    def nearest(self, real: Fraction) -> int:
        """The code before it is clamped.  Raises BadQuery where QUANTIZE's quotient may leave int32."""
        code = super().nearest(real)
        if abs(code) >= _DEFINED:
            most = float(self.scale * _DEFINED)
            raise BadQuery(f"TFLM defines no code for floats beyond about -{most:.3g}..{most:.3g}")
        return code

    def _between(self, code: int) -> tuple[Fraction, Fraction]:
        """The greatest float that becomes at most this code, and the least one that becomes more."""
        most = _nearest_float(self.scale * (code - self.zero_point + Fraction(1, 2)))
        while self._become(most) > code:
            most = np.nextafter(most, np.float32(-np.inf))
        while self._become(above := np.nextafter(most, np.float32(np.inf))) <= code:
            most = above
        return Fraction(float(most)), Fraction(float(above))

    def _become(self, value: np.float32) -> int:
        """The code of a float, clamped as on the device."""
        return min(max(self.nearest(Fraction(float(value))), _CODES[0]), _CODES[-1])


@dataclass(frozen=True)
class FloatsOut(Scale):
    """Of an output that DEQUANTIZE makes float32: a double product, rounded."""

    def real(self, code: int) -> Fraction:
        """What a code is worth.  Source: dequantize.h."""
        return Fraction(float(np.float32(float(self.scale) * (code - self.zero_point))))

    def last(self, real: Fraction, strict: bool = False) -> int:
        """The greatest code that is worth at most, or less than, so much; one below all: none."""
        within = (c for c in _CODES if (self.real(c) < real if strict else self.real(c) <= real))
        return max(within, default=_CODES[0] - 1)

    def first(self, real: Fraction, strict: bool = False) -> int:
        """The least code that is worth at least, or more than, so much; one above all: none."""
        within = (c for c in _CODES if (self.real(c) > real if strict else self.real(c) >= real))
        return min(within, default=_CODES[-1] + 1)

    @property
    def linear(self) -> bool:
        """Is no code's worth rounded?"""
        return all(self.real(c) == super(FloatsOut, self).real(c) for c in _CODES)


def _nearest_float(real: Fraction) -> np.float32:
    """The finite float32 that is nearest to a number, the even one of two."""
    most = Fraction(float(np.finfo(np.float32).max))
    real = min(max(real, -most), most)
    found = np.float32(float(real))
    with np.errstate(over="ignore"):
        around = (np.nextafter(found, np.float32(-np.inf)), found, np.nextafter(found, np.float32(np.inf)))
    finite = [f for f in around if np.isfinite(f)]
    return min(finite, key=lambda f: (abs(Fraction(float(f)) - real), int(f.view(np.uint32)) & 1))


def _float_below(real: Fraction, strict: bool) -> np.float32 | None:
    """The greatest finite float32 that is at most, or less than, so much, if there is one."""
    found = _nearest_float(real)
    while Fraction(float(found)) > real or (strict and Fraction(float(found)) == real):
        if found == -np.finfo(np.float32).max:
            return None
        found = np.nextafter(found, np.float32(-np.inf))
    return found
