"""Requantization in double, for speed: only where it is proved equal to the integer rule, stair by stair.

The integer rule takes a dozen passes over int64; this takes four over float64 and two over int16. Both are
non-decreasing functions of the accumulator, so they are equal everywhere once they are equal on both sides of
every stair and at the ends of the range. `prove` looks there; a rule that it cannot prove has no float form.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tflm_int8.fixedpoint import INT32_MAX, I64Array, Rounding
from tflm_int8.program.primitives import Requantize

F64Array = NDArray[np.float64]
FloatArray = NDArray[np.floating[Any]]

_BLOCK = 1 << 15
"""Elements per pass: the doubles of one block stay in the second-level cache."""


@dataclass(frozen=True)
class FloatStage:
    """y = clamp(trunc((acc + bias) · factor ± half) + zero_point), the sign being that of the sum.

    bias (with 2^−30 more), factor, half: [n] for n channels, perhaps repeated; factor, half > 0. `upward`: no
    output lies below the zero point, so the sign is always taken as + (a negative sum is clamped to lo ≥
    zero_point either way) and `bias` holds half / factor as well.
    Each step (a rounded sum, a rounded product by a positive number, ± half, trunc, clamp) is non-decreasing.
    """

    bias: F64Array
    factor: F64Array
    half: F64Array
    upward: bool
    codes: np.dtype[np.signedinteger[Any]]
    zero_point: int
    lo: int
    hi: int

    def repeated(self, times: int) -> FloatStage:
        """The stage for rows of `times` · n elements, channels innermost."""
        bias, factor, half = (np.tile(v, times) for v in (self.bias, self.factor, self.half))
        return FloatStage(bias, factor, half, self.upward, self.codes, self.zero_point, self.lo, self.hi)

    def write(self, acc: FloatArray, out: NDArray[np.int8]) -> None:
        """acc: float32 or float64 [rows, n], integers → out: int8 [rows, n], both contiguous."""
        step = max(1, _BLOCK // acc.shape[1])
        scratch = np.empty((min(step, len(acc)), acc.shape[1]))
        for i in range(0, len(acc), step):
            some = acc[i : i + step]
            self._block(some, scratch[: len(some)], out[i : i + step])

    def _block(self, acc: FloatArray, t: F64Array, out: NDArray[np.int8]) -> None:
        np.add(acc, self.bias, out=t)
        np.multiply(t, self.factor, out=t)
        if not self.upward:
            np.add(t, np.copysign(self.half, t), out=t)
        codes = t.astype(self.codes)  # towards zero; |t| is below the type's end, see `prove`
        np.clip(codes, self.codes.type(self.lo - self.zero_point), self.codes.type(self.hi - self.zero_point),
                out=codes)  # fmt: skip
        out[...] = codes  # modulo 256, as is the next sum, which lies in int8
        np.add(out, np.int8(self.zero_point), out=out)


def prove(rule: Requantize, bias: I64Array, reach: int) -> FloatStage | None:
    """The float form of rule(acc + bias) for integers |acc| ≤ reach; None where equality is not proved.

    bias: int64 [channels].
    """
    if int(rule.shift.max()) > 0 or int(rule.multiplier.min()) == 0 or rule.rounding is not Rounding.DOUBLE:
        return None
    if reach + int(np.abs(bias).max()) > INT32_MAX or rule.lo < -128 or rule.hi > 127:
        return None
    stage = _candidate(rule, bias, reach)
    if stage is None:
        return None
    points = _points(rule, bias, reach)
    expected = rule.apply(points.T, np.arange(rule.n_channels)).T
    got = np.empty(points.T.shape, np.int8)
    stage.write(np.ascontiguousarray(points.T - bias, np.float64), got)
    if not np.array_equal(got.T, expected):
        return None
    steps = (np.diff(expected, axis=1) != 0) & (np.diff(points, axis=1) > 1)
    return None if np.any(steps) else stage


def _candidate(rule: Requantize, bias: I64Array, reach: int) -> FloatStage | None:
    """Double rounding in double: SRDHM rounds at 2^(shift − 1), so |acc·m| counts from ½ − 2^(shift − 1) on.

    SRDHM's own ties go up, whatever the sign: hence 2^−30 of an accumulator more. (Doubles hold it below
    2^22; beyond, a rule with such ties is not proved.)
    """
    factor = rule.multiplier * 2.0 ** (rule.shift - 31)
    half = np.where(rule.shift < 0, 0.5 + 2.0 ** (rule.shift - 1.0), 0.5)
    worst = float(((reach + np.abs(bias)) * factor + half).max()) + 2.0
    if worst >= 2.0**31:
        return None
    codes: np.dtype[np.signedinteger[Any]] = np.dtype(np.int16 if worst < 2.0**15 else np.int32)
    upward = rule.lo >= rule.zero_point
    offset = bias + (half / factor if upward else 0.0) + 2.0**-30
    return FloatStage(offset, factor, half, upward, codes, rule.zero_point, rule.lo, rule.hi)


def _points(rule: Requantize, bias: I64Array, reach: int) -> I64Array:
    """Both sides of every stair and both ends, ascending: int64 [channels, points] of acc + bias.

    A stair that is not found here costs only the proof: `prove` sees the gap.
    """
    values = np.arange(rule.lo + 1, rule.hi + 1) - rule.zero_point
    factor = (rule.multiplier * 2.0 ** (rule.shift - 31))[:, None]
    slack = np.where(rule.shift < 0, 2.0 ** (rule.shift - 1.0), 0.0)[:, None]
    positive = np.ceil((values - 0.5 - slack) / factor)
    negative = np.floor((values - 0.5 + slack) / factor) + 1
    edges = np.where(values > 0, positive, negative)
    around = (edges[:, :, None] + np.arange(-2, 2)).reshape(len(factor), -1)
    first, last = (bias - reach)[:, None], (bias + reach)[:, None]
    inside = np.clip(around, first, last).astype(np.int64)
    return np.sort(np.concatenate([first, inside, last], axis=1), axis=1)
