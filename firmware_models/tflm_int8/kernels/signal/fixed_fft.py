"""The discrete Fourier transform in 16-bit fixed point, bit for bit as KISS FFT computes it.

Every stage divides by its radix before it multiplies, rounds each product to 15 fractional bits, and stores
16 bits: a sum that leaves them wraps around, as in the C++ that TFLM is. Lengths are those of radices 2, 4
and 5: for others KISS FFT needs memory that TFLM does not give it; and of a radix of 3 the twiddle factors of
60 degrees lie on a boundary of rounding (32767 / 2), where the C library's last bit decides them.
Source: KISS FFT v130 (kiss_fft.c, kiss_fftr.c, _kiss_fft_guts.h with FIXED_POINT of 16).

A complex number is the last axis of two: the real and the imaginary part, int64 that fits 16 bits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tflm_int8.fixedpoint import I64Array, wrapped_int16

MAX_LENGTH: Final = 1 << 15
_ONE: Final = 32767
_BITS: Final = 15
_MARGIN: Final = 1e-6
"""How far from a boundary of rounding a twiddle factor must be, in its units; a double's error is 1e-11."""
_CONJUGATE: Final = np.array([1, -1])


def _rounded(x: I64Array) -> I64Array:
    return wrapped_int16((x + (1 << (_BITS - 1))) >> _BITS)


def _divided(a: I64Array, by: int) -> I64Array:
    return _rounded(a * (_ONE // by))


def _product(a: I64Array, b: I64Array) -> I64Array:
    re = a[..., 0] * b[..., 0] - a[..., 1] * b[..., 1]
    im = a[..., 0] * b[..., 1] + a[..., 1] * b[..., 0]
    return _rounded(np.stack([re, im], axis=-1))


def _over_i(a: I64Array) -> I64Array:
    """a / i, before it is stored."""
    turned: I64Array = a[..., ::-1] * _CONJUGATE
    return turned


def factors(n: int) -> list[int]:
    """The radices of n points in KISS FFT's order; [] when n < 2 or one is not 2, 4 or 5."""
    found: list[int] = []
    for radix in (4, 2, 5):
        while n % radix == 0:
            found.append(radix)
            n //= radix
    return found if n == 1 else []


def twiddles(phases: list[float]) -> tuple[I64Array, float]:
    """floor(0.5 + 32767 · (cos, sin)) of each phase, and the least distance to where it would be another."""
    unit = [(math.cos(phase), math.sin(phase)) for phase in phases]
    reals = 0.5 + _ONE * np.array(unit, np.float64).reshape(-1, 2)
    distance: NDArray[np.float64] = np.abs(reals - np.rint(reals))
    return np.floor(reals).astype(np.int64), float(distance.min(initial=1.0))


@dataclass(frozen=True)
class RealTransform:
    """Of `length` real numbers to length/2 + 1 complex ones, or (inverse) back.

    By one of `radices` on half as many complex points, with the twiddle factors `inner`, and a step between
    it and the real ones with `outer`; int64 [factors, 2].
    """

    length: int
    inverse: bool
    radices: list[int]
    inner: I64Array
    outer: I64Array

    @staticmethod
    def of(length: int, inverse: bool = False) -> RealTransform | None:
        """The transform; None for a length that is not supported."""
        half = length // 2
        radices = factors(half) if length % 2 == 0 and length <= MAX_LENGTH else []
        if not radices:
            return None
        sign = 1.0 if inverse else -1.0
        inner, near = twiddles([sign * 2 * math.pi * i / half for i in range(half)])
        outer, far = twiddles([sign * math.pi * ((i + 1) / half + 0.5) for i in range(half // 2)])
        return RealTransform(length, inverse, radices, inner, outer) if min(near, far) > _MARGIN else None

    def forward(self, x: I64Array) -> I64Array:
        """int64 [N, length] → [N, length/2 + 1, 2].  Source: kiss_fftr."""
        half = self.length // 2
        z = self._work(x.reshape(len(x), half, 2), 0, 1)
        first = _divided(z[:, 0], 2)
        near, far = self._mirrored()
        a, b = _divided(z[:, near], 2), _divided(wrapped_int16(z[:, far] * _CONJUGATE), 2)
        even, turned = wrapped_int16(a + b), _product(wrapped_int16(a - b), self.outer)
        out: I64Array = np.zeros((len(x), half + 1, 2), np.int64)
        out[:, 0, 0] = wrapped_int16(first[:, 0] + first[:, 1])
        out[:, half, 0] = wrapped_int16(first[:, 0] - first[:, 1])
        out[:, near] = wrapped_int16((even + turned) >> 1)
        out[:, far] = wrapped_int16(((even - turned) * _CONJUGATE) >> 1)
        return out

    def backward(self, f: I64Array) -> I64Array:
        """[N, length/2 + 1, 2] → int64 [N, length]; of the first and the last only the real parts are read.

        Source: kiss_fftri.
        """
        half = self.length // 2
        near, far = self._mirrored()
        a, b = _divided(f[:, near], 2), _divided(wrapped_int16(f[:, far] * _CONJUGATE), 2)
        even, odd = wrapped_int16(a + b), _product(wrapped_int16(a - b), self.outer)
        z: I64Array = np.zeros((len(f), half, 2), np.int64)
        z[:, 0, 0] = _divided(wrapped_int16(f[:, 0, 0] + f[:, half, 0]), 2)
        z[:, 0, 1] = _divided(wrapped_int16(f[:, 0, 0] - f[:, half, 0]), 2)
        z[:, near] = wrapped_int16(even + odd)
        z[:, far] = wrapped_int16(wrapped_int16(even - odd) * _CONJUGATE)
        return self._work(z, 0, 1).reshape(len(f), self.length)

    def _mirrored(self) -> tuple[I64Array, I64Array]:
        """The points that are worked on in pairs; in the middle both are one, and the second is kept."""
        near = np.arange(1, self.length // 4 + 1)
        return near, self.length // 2 - near

    def _work(self, z: I64Array, stage: int, stride: int) -> I64Array:
        """The transform of [..., points, 2]: one of each remainder of the radix, then the butterflies."""
        p = self.radices[stage]
        m = z.shape[-2] // p
        parts = z.reshape(*z.shape[:-2], m, p, 2).swapaxes(-2, -3)
        if m > 1:
            parts = self._work(parts, stage + 1, stride * p)
        x = [_divided(parts[..., q, :, :], p) for q in range(p)]
        for q in range(1, p):
            x[q] = _product(x[q], self.inner[np.arange(m) * stride * q])
        match p:
            case 2:
                joined = [wrapped_int16(x[0] + x[1]), wrapped_int16(x[0] - x[1])]
            case 4:
                joined = self._of_four(x)
            case _:
                joined = self._of_five(x, self.inner[stride * m], self.inner[2 * stride * m])
        return np.stack(joined, axis=-3).reshape(z.shape)

    def _of_four(self, x: list[I64Array]) -> list[I64Array]:
        """Source: kf_bfly4."""
        first, away = wrapped_int16(x[0] + x[2]), wrapped_int16(x[0] - x[2])
        odd, turned = wrapped_int16(x[1] + x[3]), _over_i(wrapped_int16(x[1] - x[3]))
        turned = -turned if self.inverse else turned
        return [wrapped_int16(v) for v in (first + odd, away + turned, first - odd, away - turned)]

    @staticmethod
    def _of_five(x: list[I64Array], a: I64Array, b: I64Array) -> list[I64Array]:
        """Source: kf_bfly5."""
        outer, inner = wrapped_int16(x[1] + x[4]), wrapped_int16(x[2] + x[3])
        outer_gap, inner_gap = wrapped_int16(x[1] - x[4]), wrapped_int16(x[2] - x[3])
        near = wrapped_int16(x[0] + _rounded(outer * a[0]) + _rounded(inner * b[0]))
        far = wrapped_int16(x[0] + _rounded(outer * b[0]) + _rounded(inner * a[0]))
        across = wrapped_int16(_over_i(_rounded(outer_gap * a[1]) + _rounded(inner_gap * b[1])))
        beyond = wrapped_int16(_over_i(_rounded(inner_gap * a[1]) - _rounded(outer_gap * b[1])))
        return [
            wrapped_int16(v)
            for v in (x[0] + outer + inner, near - across, far + beyond, far - beyond, near + across)
        ]
