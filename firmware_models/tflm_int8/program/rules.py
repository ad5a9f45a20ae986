"""More monotone rules of `Staircase`: a rule where it is defined, tables of int16, the quotient of a wrap,
listed edges.

`Requantize` and `DivideRounding`, which most operators end in, are in primitives.py.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tflm_int8.fixedpoint import INT32_MAX, INT32_MIN, I64Array
from tflm_int8.program.primitives import IndexArray, Rule

INT16_MIN = -(1 << 15)


@dataclass(frozen=True)
class Within:
    """`rule` on first..last only: outside TFLM fails or is undefined.  first, last: int64 [channels]."""

    rule: Rule
    first: I64Array
    last: I64Array

    @property
    def n_channels(self) -> int:
        return self.rule.n_channels

    @property
    def lo(self) -> int:
        return self.rule.lo

    @property
    def hi(self) -> int:
        return self.rule.hi

    def apply(self, acc: I64Array, channel: IndexArray) -> I64Array:
        return self.rule.apply(acc, channel)

    def domain(self) -> tuple[I64Array, I64Array]:
        return self.first, self.last


@dataclass(frozen=True)
class Entries:
    """values[acc + 2**15] for first ≤ acc < 2**15: a non-decreasing function of an int16.

    values: int64 [65536]; those below `first` are not used.
    """

    values: I64Array
    first: int

    @property
    def n_channels(self) -> int:
        return 1

    @property
    def lo(self) -> int:
        return int(self.values[self.first - INT16_MIN])

    @property
    def hi(self) -> int:
        return int(self.values[-1])

    def apply(self, acc: I64Array, channel: IndexArray) -> I64Array:
        entries: I64Array = self.values[acc - INT16_MIN]
        return entries

    def domain(self) -> tuple[I64Array, I64Array]:
        return np.array([self.first], np.int64), np.array([-INT16_MIN - 1], np.int64)


@dataclass(frozen=True)
class Overflows:
    """(acc + 2**(bits − 1)) >> bits: how often an integer of first..last wraps around `bits` bits."""

    bits: int
    first: int
    last: int

    @property
    def n_channels(self) -> int:
        return 1

    @property
    def lo(self) -> int:
        return self._of(self.first)

    @property
    def hi(self) -> int:
        return self._of(self.last)

    def _of(self, acc: int) -> int:
        return (acc + (1 << (self.bits - 1))) >> self.bits

    def apply(self, acc: I64Array, channel: IndexArray) -> I64Array:
        times: I64Array = (acc + (1 << (self.bits - 1))) >> self.bits
        return times

    def domain(self) -> tuple[I64Array, I64Array]:
        return np.array([self.first], np.int64), np.array([self.last], np.int64)


@dataclass(frozen=True)
class Steps:
    """How many edges of the channel are <= acc.  edges: int64 [channels, n], ascending, within int32."""

    edges: I64Array

    @property
    def n_channels(self) -> int:
        return len(self.edges)

    @property
    def lo(self) -> int:
        return 0

    @property
    def hi(self) -> int:
        return int(self.edges.shape[1])

    def apply(self, acc: I64Array, channel: IndexArray) -> I64Array:
        reached = np.empty(np.broadcast_shapes(acc.shape, channel.shape), np.int64)
        for c in np.unique(channel):
            at = np.broadcast_to(channel == c, reached.shape)
            values = np.broadcast_to(acc, reached.shape)[at]
            reached[at] = np.searchsorted(self.edges[c], values, side="right")
        return reached

    def domain(self) -> tuple[I64Array, I64Array]:
        whole = np.ones(len(self.edges), np.int64)
        return whole * INT32_MIN, whole * INT32_MAX
