"""Which values has a softmax's output, a logit's distance from the greatest one and the row's sum given?

The distance is d = M − x_i, M being the greatest logit. An output rises neither with d nor with the sum: that
is tried on all sums that a region reaches, with the softmax's own arithmetic, and refused where it is not so.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from coverify.verify.bounds import Box
from coverify.verify.deadline import Deadline
from coverify.verify.decision import Pieces, exponentials_of, sum_bounds
from coverify.verify.errors import CannotDecide
from coverify.verify.query import I64Array
from tflm_int8.program.primitives import RowFunction

MAX_SUMS = 1 << 26
"""How many sums of the row are examined at most."""
CHUNK = 1 << 16
"""How many between two looks at the time."""
AT_ONCE = 1 << 12
"""Of how many all distances are looked at together."""
BLOCKS = 256
"""Into how many parts the sums are taken for `longest_run`."""

Gap = int | Pieces
"""A distance, or one that varies with the sum."""


@dataclass(eq=False)
class Distances:
    """The outputs of a softmax of one row whose logits lie in a box; every method raises CannotDecide and
    OutOfTime.
    """

    function: RowFunction
    logits: Box
    deadline: Deadline

    def below(self, values: Sequence[int]) -> list[Gap]:
        """For each value the least distance at which an output is below it, on each sum; where none is, one
        more than any that is reached.
        """
        at = np.unique(self.sums)
        gaps = self._gaps(at, values)
        while True:
            apart = np.any(np.diff(gaps) != 0, axis=0) & (np.diff(at) > 1)
            if not apart.any():
                break
            middle = (at[:-1] + at[1:])[apart] // 2
            places = np.flatnonzero(apart) + 1
            at, gaps = np.insert(at, places, middle), np.insert(gaps, places, self._gaps(middle, values), 1)
        return [self._gap(at, gap) for gap in gaps]

    def range(self, i: int) -> tuple[int, int]:
        """The least and the greatest value of output i."""
        lo, hi = self.sums
        nearest, farthest = max(0, self.logits.lo.max() - self.logits.hi[i]), self._farthest(i)
        return int(self.function.output(hi, farthest)), int(self.function.output(lo, int(nearest)))

    @property
    def lowest(self) -> int:
        """The least value, from −127 on, below which outputs come on every sum; 127 where none does."""
        nearly = self.function.output(self.sums[0], self._farthest())
        return min(max(int(nearly) + 1, -127), 127)

    def longest_run(self, v: int) -> int:
        """What no number of distances exceeds that share one output of at least v > −128, whatever the sum;
        256 where none may be below.
        """
        return int(self._runs[v + 127 :].max())

    @cached_property
    def _runs(self) -> I64Array:
        """The same of every single output, from −127 on: int64 [255]."""
        lo, hi = self.sums
        at = np.unique(np.linspace(lo, hi, BLOCKS + 1).astype(np.int64))
        first, last = (self._gaps(sums, range(-127, 129)) for sums in (at[:-1], at[1:]))
        if len(at) == 1:
            first = last = self._gaps(at, range(-127, 129))
        most = (first[:-1] - last[1:]).max(axis=1)
        never: I64Array = first[:-1].max(axis=1) > self._farthest()
        return np.where(never, 256, most)

    def _gaps(self, sums: I64Array, values: Sequence[int]) -> I64Array:
        """`below` on each of the sums: int64 [values, sums]."""
        found, d = np.zeros((len(values), len(sums)), np.int64), np.arange(self._farthest() + 1)[:, None]
        for first in range(0, len(sums), AT_ONCE):
            self.deadline.check()
            rows = self.function.output(sums[first : first + AT_ONCE], d)
            for v, below in zip(values, found, strict=True):
                below[first : first + AT_ONCE] = (rows >= v).sum(axis=0)
        return found

    def _farthest(self, i: int | None = None) -> int:
        """How far below the greatest logit this one may be, or any."""
        return int(self.logits.hi.max() - (self.logits.lo.min() if i is None else self.logits.lo[i]))

    @cached_property
    def exponentials(self) -> I64Array:
        """What an element so far below the greatest one adds to the row's sum: int64 [256]."""
        return exponentials_of(self.function)

    @cached_property
    def sums(self) -> I64Array:
        """The least and the greatest sum that the box reaches; between these outputs fall: int64 [2]."""
        lo, hi = sum_bounds(self.exponentials, self.logits)
        lo = max(lo, 1)
        if hi - lo >= MAX_SUMS or hi >= 2**31:
            raise CannotDecide(f"the softmax's sum may take {hi - lo + 1} values")
        if not isinstance(self.function, Hashable):
            raise CannotDecide("the softmax's function cannot be cached")
        for number in range(lo // CHUNK, hi // CHUNK + 1):
            self.deadline.check()
            if not _falls(self.function, number):
                raise CannotDecide("the softmax's outputs are not monotone")
        return np.array([lo, hi], np.int64)

    def _gap(self, start: I64Array, gap: I64Array) -> Gap:
        """A distance from each start on, of which neighbours may be equal."""
        kept = np.append(True, np.diff(gap) != 0)
        return int(gap[0]) if kept.sum() == 1 else Pieces(start[kept], gap[kept], self.exponentials)


@lru_cache(maxsize=MAX_SUMS // CHUNK)
def _falls(function: RowFunction, number: int) -> bool:
    """Does no output rise from number * CHUNK to the first sum of the next chunk? Queries share them."""
    first = number * CHUNK
    return function.falls(np.arange(max(first, 1), first + CHUNK + 1))
