"""When does the first maximum of the network's output change, said in terms of its last logits?

Where the output is a softmax of one row, outputs tie where logits do not (its exponentials round and
saturate), so the argmax of the logits is not the argmax of the outputs. With d_j = max(x) - x_j and S the
row's sum of exponentials, element j ties with the maximum iff d_j < D(S), where D(S) is the least d whose
output is below that of d = 0. The label is the first index that ties:

    label y stays  iff  d_y < D(S)  and  d_j >= D(S) for every j < y.

Any other output is the case D = 1. D is evaluated on every sum that the box can reach (at most 2**26 of
them), with the softmax's own arithmetic. A function whose ties are not a prefix of d = 0, 1, 2, ... is
refused. Source: TFLM reference/softmax.h.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from coverify.verify.bounds import Box
from coverify.verify.deadline import Deadline
from coverify.verify.errors import CannotDecide
from coverify.verify.query import I64Array
from tflm_int8.program.primitives import Program, RowFunction, Softmax

MAX_SUMS = 1 << 26
"""How many different sums of a row are examined at most."""

MAX_PIECES = 1 << 12
"""How many intervals of sums with one D are kept for an exact encoding; more are summed up by their range."""

CHUNK = 1 << 13
"""How many sums are examined between two looks at the time: at most 0.2 s."""


@dataclass(frozen=True, eq=False)
class Pieces:
    """D as a step function of the sum: gap[i] from start[i] on (start[0] is the least sum); int64 [p].

    exponentials: int64 [256], what an element d below the maximum adds to the sum.
    """

    start: I64Array
    gap: I64Array
    exponentials: I64Array


@dataclass(frozen=True, eq=False)
class Decision:
    """The logits' wire, the least and greatest D on the box, and D itself where it varies and is small
    enough.
    """

    wire: int
    least_gap: int
    greatest_gap: int
    pieces: Pieces | None = None

    @property
    def constant(self) -> bool:
        """Is D the same for every sum, so that the decision is a comparison of logits?"""
        return self.least_gap == self.greatest_gap


def logits_wire(program: Program) -> int:
    """The wire whose elements decide: the source of a last softmax of one row, else the output itself."""
    step = program.steps[program.output - 1] if program.output else None
    if isinstance(step, Softmax) and step.depth == program.sizes()[step.source]:
        return step.source
    return program.output


def decision(program: Program, boxes: list[Box], deadline: Deadline) -> Decision:
    """The decision on the box whose wire bounds are `boxes`.  Raises CannotDecide, OutOfTime."""
    wire = logits_wire(program)
    if wire == program.output:
        return Decision(wire, 1, 1)
    step = program.steps[program.output - 1]
    assert isinstance(step, Softmax)
    table = exponentials_of(step.function)
    lo, hi = sum_bounds(table, boxes[wire])
    starts, gaps = gap_pieces(step.function, table, lo, hi, deadline)
    pieces = Pieces(starts, gaps, table) if 1 < len(gaps) <= MAX_PIECES else None
    return Decision(wire, int(gaps.min()), int(gaps.max()), pieces)


def exponentials_of(function: RowFunction) -> I64Array:
    """What an element d below the maximum adds to the row's sum: int64 [256].  Raises CannotDecide unless it
    falls.
    """
    table = function.exponentials()
    if table.shape != (256,) or np.any(np.diff(table) > 0) or table[255] < 0:
        raise CannotDecide("the softmax's exponentials are not monotone")
    return table


def sum_bounds(table: I64Array, logits: Box) -> tuple[int, int]:
    """Bounds of the row's sum of exponentials of max(x) - x_j for x in the box (int8 values)."""
    nearest = np.maximum(logits.lo.max() - logits.hi, 0)
    furthest = np.maximum(logits.hi.max() - logits.lo, 0)
    smallest = table[furthest]
    at_the_maximum = table[0] - smallest  # one element of the row is its maximum
    return int(smallest.sum() + at_the_maximum.min()), int(table[nearest].sum())


def gap_pieces(
    function: RowFunction, table: I64Array, lo: int, hi: int, deadline: Deadline
) -> tuple[I64Array, I64Array]:
    """D(S) for S = lo..hi as a step function: where each piece starts, and its D; int64 [p] each."""
    if hi - lo >= MAX_SUMS or hi >= 2**31:
        raise CannotDecide(f"the softmax's sum may take {hi - lo + 1} values on this box, or overflow")
    if not isinstance(function, Hashable):
        raise CannotDecide("the softmax's function cannot be cached")
    starts, gaps, key = [], [], table.tobytes()
    for number in range(lo // CHUNK, hi // CHUNK + 1):
        deadline.check()
        start, gap = _chunk_of(function, key, number)
        starts.append(start)
        gaps.append(gap)
    start, gap = np.concatenate(starts), np.concatenate(gaps)
    first = int(np.searchsorted(start, lo, side="right")) - 1
    start, gap = np.maximum(start[first:], lo), gap[first:]
    start, gap = start[start <= hi], gap[start <= hi]
    kept = np.concatenate([np.ones(1, bool), gap[1:] != gap[:-1]])
    return start[kept], gap[kept]


@lru_cache(maxsize=MAX_SUMS // CHUNK)
def _chunk_of(function: RowFunction, table: bytes, number: int) -> tuple[I64Array, I64Array]:
    """The pieces of D on the sums number * CHUNK, ...: queries on one network share them."""
    exponentials = np.frombuffer(table, np.int64)
    sums = np.arange(max(number * CHUNK, 1), (number + 1) * CHUNK, dtype=np.int64)
    gap = gaps_of(function, exponentials, sums)
    at = np.concatenate([np.zeros(1, np.int64), np.flatnonzero(np.diff(gap)) + 1])
    return sums[at], gap[at]


def gaps_of(function: RowFunction, table: I64Array, sums: I64Array) -> I64Array:
    """D for every sum: int64 like `sums`.

    The outputs are compared for d = 1, 2, ... until no sum ties any more and the exponential has fallen below
    that of the last d that was needed: the output is a monotone function of the exponential (a product with a
    positive factor, rounded and clamped), of which `table` holds the leading bits.
    """
    top = function.output(sums, 0)
    ties, gap = np.ones(len(sums), bool), np.full(len(sums), 256, np.int64)
    last = 256
    for d in range(1, 256):
        if table[d] < table[min(last, 255)] and last < 256:
            break
        output = function.output(sums, d)
        if np.any(output > top) or np.any((output == top) & ~ties):
            raise CannotDecide("the softmax's outputs are not monotone in the distance from the maximum")
        ended = ties & (output < top)
        gap[ended] = d
        ties &= ~ended
        if last == 256 and not ties.any():
            last = d
    return gap
