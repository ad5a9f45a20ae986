"""Requantization in floating point, for speed: only where it is proved equal to the integer rule.

The integer rule takes a dozen passes over int64; this takes two over float32 (or float64), three over int16.
Both are non-decreasing functions of the accumulator, so they are equal everywhere once they are equal on both
sides of every stair and at the ends of the range. `prove` looks there, with the very operations that `write`
uses; a rule that it cannot prove has no float form. How the numbers are found is in stair_search.py: nothing
rests on that search but the speed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tflm_int8.fixedpoint import I64Array
from tflm_int8.kernels.stair_search import Edges, FloatArray, FloatType, edges_of, search
from tflm_int8.program.primitives import Requantize

_ROW = 1 << 11
"""Channels are repeated to rows of about so many elements: numpy's inner loops are slow on short ones."""
_SHORT = 1 << 13
"""So few elements are taken as one row, for numpy's overhead is half on one axis."""
_AT_ONCE = 256
"""Channels that are proved at once: some 255 stairs each."""
_BLOCK_BYTES = 1 << 18
"""Floats per pass: what one pass writes and the next reads stays in the second-level cache."""


@dataclass(frozen=True)
class FloatStage:
    """y = zero_point + clamp(trunc(t), max(lower, 0), upper) + clamp(trunc(t − drop), lower, 0).

    t = (acc + offset) · factor + rise, lower = lo − zero_point, upper = hi − zero_point. offset, factor,
    rise, drop: one float type, [channels]; factor > 0. `rise` is None where it is 0 for all channels; `drop`
    is None where lower ≥ 0: the last term is 0 then. Each step (a rounded sum, a rounded product with a
    positive number, trunc, clamp) is non-decreasing in acc.
    """

    offset: FloatArray
    factor: FloatArray
    rise: FloatArray | None
    drop: FloatArray | None
    codes: np.dtype[np.signedinteger[Any]]
    zero_point: int
    lo: int
    hi: int

    @property
    def dtype(self) -> FloatType:
        """The type in which the stage computes."""
        return self.offset.dtype

    def of(self, channels: I64Array) -> FloatStage:
        """The stage of these channels, in this order; they may repeat."""
        rise = None if self.rise is None else self.rise[channels]
        drop = None if self.drop is None else self.drop[channels]
        return replace(self, offset=self.offset[channels], factor=self.factor[channels], rise=rise, drop=drop)

    def write(self, acc: FloatArray, out: NDArray[np.int8]) -> None:
        """acc: integers in float32 or float64, [rows, channels] → out: int8, as many; both contiguous.

        `acc` is not wider than the stage's type; it is overwritten.
        """
        sums, codes = acc.reshape(-1), out.reshape(-1)
        if len(sums) <= len(self._offsets):
            self._block(sums, codes)
            return
        row = len(self.offset) * max(1, _ROW // len(self.offset))
        whole = len(sums) // row * row
        step = max(1, _BLOCK_BYTES // (row * self.dtype.itemsize)) * row
        for i in range(0, whole, step):
            j = min(i + step, whole)
            self._block(sums[i:j].reshape(-1, row), codes[i:j].reshape(-1, row))
        if whole < len(sums):
            self._block(sums[whole:], codes[whole:])

    @cached_property
    def _offsets(self) -> FloatArray:
        return _row(self.offset)

    @cached_property
    def _factors(self) -> FloatArray:
        return _row(self.factor)

    @cached_property
    def _rises(self) -> FloatArray | None:
        return None if self.rise is None else _row(self.rise)

    @cached_property
    def _drops(self) -> FloatArray | None:
        return None if self.drop is None else _row(self.drop)

    def _block(self, acc: FloatArray, out: NDArray[np.int8]) -> None:
        """Some whole rows [rows, n], or the beginning of one [n]."""
        n = acc.shape[-1]
        t = acc if acc.dtype == self.dtype else acc.astype(self.dtype)
        np.add(t, self._offsets[:n], out=t)
        np.multiply(t, self._factors[:n], out=t)
        if self._rises is not None:
            np.add(t, self._rises[:n], out=t)
        codes = self._clamped(t, max(self.lo - self.zero_point, 0), max(self.hi - self.zero_point, 0))
        if self._drops is not None:
            np.subtract(t, self._drops[:n], out=t)
            codes += self._clamped(t, min(self.lo - self.zero_point, 0), min(self.hi - self.zero_point, 0))
        np.add(codes, self.codes.type(self.zero_point), out=codes)
        np.copyto(out, codes, casting="unsafe")  # lo ≤ codes ≤ hi

    def _clamped(self, t: FloatArray, lo: int, hi: int) -> NDArray[np.signedinteger[Any]]:
        """clamp(trunc(t), lo, hi); |t| is below the type's end, see `prove`."""
        codes = t.astype(self.codes)
        return codes.clip(self.codes.type(lo), self.codes.type(hi), out=codes)


def _row(channels: FloatArray) -> FloatArray:
    """The channels repeated to a few rows."""
    return np.tile(channels, max(1, _SHORT // len(channels)))


def prove(rule: Requantize, bias: I64Array, reach: int) -> FloatStage | None:
    """The quickest float form of rule(acc + bias) for integers |acc| ≤ reach; None where none is proved.

    bias: int64 [channels]. The stage takes sums in `exact_gemm_dtype(reach)`.
    """
    narrow = exact_gemm_dtype(reach) == np.float32
    stage = _in_parts(rule, bias, reach, np.dtype(np.float32)) if narrow else None
    return _in_parts(rule, bias, reach, np.dtype(np.float64)) if stage is None else stage


def _in_parts(rule: Requantize, bias: I64Array, reach: int, dtype: FloatType) -> FloatStage | None:
    """The stage of all channels, proved some at a time."""
    parts: list[FloatStage] = []
    for first in range(0, rule.n_channels, _AT_ONCE):
        some = slice(first, first + _AT_ONCE)
        few = replace(rule, multiplier=rule.multiplier[some], shift=rule.shift[some])
        part = _proved(few, bias[some], reach, dtype)
        if part is None:
            return None
        parts.append(part)
    return _joined(parts)


def _proved(rule: Requantize, bias: I64Array, reach: int, dtype: FloatType) -> FloatStage | None:
    """The stage of so few channels that their stairs fit into memory."""
    edges = edges_of(rule, bias, reach)
    stage = None if edges is None else _stage(rule, edges, dtype)
    return stage if edges is not None and stage is not None and _is_proved(stage, rule, bias, edges) else None


def _joined(parts: list[FloatStage]) -> FloatStage:
    """Stages side by side: each channel is computed as before, with a rise of 0 where it had none."""
    rises = np.concatenate([np.zeros_like(p.offset) if p.rise is None else p.rise for p in parts])
    drops = [p.drop for p in parts if p.drop is not None]  # all or none: the rule is one
    return replace(
        parts[0],
        offset=np.concatenate([p.offset for p in parts]),
        factor=np.concatenate([p.factor for p in parts]),
        rise=rises if np.any(rises) else None,
        drop=np.concatenate(drops) if drops else None,
        codes=max((p.codes for p in parts), key=lambda codes: codes.itemsize),
    )


def exact_gemm_dtype(reach: int) -> FloatType:
    """The narrowest float in which a sum of integers of total magnitude `reach` is exact in any order."""
    return np.dtype(np.float32 if reach < 1 << 24 else np.float64)


def _stage(rule: Requantize, edges: Edges, dtype: FloatType) -> FloatStage | None:
    """The stage that the search finds in the type; None where it finds none, or t might not fit into int32.

    Rounding adds less than 2^-20 of t to `worst`: below 2^15 and 2^30, t is far from the ends of the codes.
    """
    lines = search(edges, dtype)
    reach = float(edges.reach) + np.abs(lines.offset.astype(np.float64))
    worst = float((reach * lines.factor + np.abs(lines.rise) + np.abs(lines.drop)).max()) + 2.0
    if not np.all(lines.holds) or not worst < 2.0**30:
        return None
    codes: np.dtype[np.signedinteger[Any]] = np.dtype(np.int16 if worst < 2.0**15 - 1.0 else np.int32)
    rise = lines.rise if np.any(lines.rise) else None
    drop = lines.drop if edges.two_sided else None
    return FloatStage(lines.offset, lines.factor, rise, drop, codes, rule.zero_point, rule.lo, rule.hi)


def _is_proved(stage: FloatStage, rule: Requantize, bias: I64Array, edges: Edges) -> bool:
    """Equal at all points, between which the rule does not change: then equal everywhere."""
    points = edges.points()
    expected = rule.apply((points + bias[:, None]).T, np.arange(rule.n_channels)).T
    got = np.empty(points.T.shape, np.int8)
    stage.write(np.ascontiguousarray(points.T, exact_gemm_dtype(edges.reach)), got)
    steps = (np.diff(expected, axis=1) != 0) & (np.diff(points, axis=1) > 1)
    return np.array_equal(got.T, expected) and not np.any(steps)
