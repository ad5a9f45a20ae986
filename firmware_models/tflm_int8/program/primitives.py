"""The integer program: what a network computes, as a straight line of few exact primitives.

A program is in single-assignment form. A *wire* is a flat vector of integers; wire 0 is the network's input,
step i writes wire i + 1. Every value is an exact integer that fits int32 (int64 in numpy; 64-bit accumulators
of int16 activations fit 48 bits), and every meaning of a program (concrete, interval, SMT, …) is one function
per primitive below. Nothing here rounds but `Staircase`, whose rule says how.

Elements of a tensor are numbered in C order of its shape without the batch dimension of 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from tflm_int8.fixedpoint import (
    INT32_MAX,
    INT32_MIN,
    I64Array,
    Rounding,
    multiply_by_quantized_multiplier,
)

IndexArray = NDArray[np.int64]

OVERFLOW: Final = "an accumulator overflows int32 in its requantization: TFLM's result is undefined"
MAX_STAIRS: Final = (1 << 12) - 1
"""Stairs of a rule whose edges are listed: outputs of up to 12 bits; wider rules are only run and bounded."""
_BISECTED_AT_ONCE: Final = 1 << 16
"""Edges, so that what is bisected stays in the processor's cache."""


class LinearMap(Protocol):
    """An integer matrix of n_out rows and n_in columns, dense or with a structure that makes it small."""

    @property
    def n_in(self) -> int: ...
    @property
    def n_out(self) -> int: ...
    def apply(self, x: I64Array) -> I64Array:
        """x: int64 [N, n_in] → int64 [N, n_out], exact while |row| · |x| < 2**53."""

    def transposed(self, v: NDArray[np.float64]) -> NDArray[np.float64]:
        """v: float64 [N, n_out] → [N, n_in], the transposed map (gradients, dual bounds)."""

    def interval(self, lo: I64Array, hi: I64Array) -> tuple[I64Array, I64Array]:
        """Least and greatest value of every row over the box lo ≤ x ≤ hi ([n_in] → two [n_out])."""

    def row(self, i: int) -> tuple[IndexArray, I64Array]:
        """The columns of row i whose coefficient is not 0, ascending, and the coefficients."""


class Rule(Protocol):
    """A monotone (non-decreasing) map of accumulators to [lo, hi], one for each channel."""

    @property
    def n_channels(self) -> int: ...
    @property
    def lo(self) -> int: ...
    @property
    def hi(self) -> int: ...
    def apply(self, acc: I64Array, channel: IndexArray) -> I64Array:
        """acc: int64 [..., n], channel: [n] → the rule's value, int64 [..., n]."""

    def domain(self) -> tuple[I64Array, I64Array]:
        """Per channel, the least and greatest accumulator for which the rule is defined (no overflow)."""


@dataclass(frozen=True)
class Requantize:
    """acc * multiplier * 2**(shift - 31), rounded as `rounding`, + zero_point, clamped to lo..hi.

    multiplier, shift: int64 [channels].  Source: MultiplyByQuantizedMultiplier and the output stage of
    TFLM's reference_integer_ops kernels.
    """

    multiplier: I64Array
    shift: I64Array
    rounding: Rounding
    zero_point: int
    lo: int
    hi: int

    @property
    def n_channels(self) -> int:
        return len(self.multiplier)

    def apply(self, acc: I64Array, channel: IndexArray) -> I64Array:
        scaled = multiply_by_quantized_multiplier(
            acc, self.multiplier[channel], self.shift[channel], self.rounding
        )
        return np.clip(scaled + self.zero_point, self.lo, self.hi)

    def domain(self) -> tuple[I64Array, I64Array]:
        """Where neither the left shift nor the product plus the zero point, an int16, leaves int32.

        The product is at most 2**30 with a right shift, else, rounded twice or once,
        (acc * multiplier + half) >> total.
        """
        left, multiplier = np.maximum(self.shift, 0), np.maximum(self.multiplier, 1)
        least, most = max(INT32_MIN, INT32_MIN - self.zero_point), min(INT32_MAX, INT32_MAX - self.zero_point)
        total = 31 - left
        half = np.int64(1) << total >> 1
        first = np.where(self.shift < 0, INT32_MIN, -((half - (np.int64(least) << total)) // multiplier))
        last = np.where(self.shift < 0, INT32_MAX, ((np.int64(most + 1) << total) - half - 1) // multiplier)
        return np.maximum(first, INT32_MIN >> left), np.minimum(last, INT32_MAX >> left)


@dataclass(frozen=True)
class RequantizeReal:
    """acc * scale in double, halves rounded away from zero, + zero_point, clamped to lo..hi.

    scale: float64 [channels], > 0 and finite.  Source: LiteRT reference/integer_ops/fully_connected.h.
    """

    scale: NDArray[np.float64]
    zero_point: int
    lo: int
    hi: int

    @property
    def n_channels(self) -> int:
        return len(self.scale)

    def apply(self, acc: I64Array, channel: IndexArray) -> I64Array:
        real = acc.astype(np.float64) * self.scale[channel]
        rounded = np.copysign(np.floor(np.abs(real) + 0.5), real)
        return (
            np.clip(rounded, -(2.0**40), 2.0**40)
            .astype(np.int64)
            .clip(self.lo - self.zero_point, self.hi - self.zero_point)
            + self.zero_point
        )

    def domain(self) -> tuple[I64Array, I64Array]:
        with np.errstate(over="ignore"):
            last = np.minimum((2.0**31 - 512) / self.scale, INT32_MAX).astype(np.int64)
        return -last, last


@dataclass(frozen=True)
class DivideRounding:
    """acc / count to the nearest integer, halves away from zero, clamped to lo..hi.

    count: int64 [channels], >= 1.  Source: TFLM reference_integer_ops/pooling.h, AveragePool.
    """

    count: I64Array
    lo: int
    hi: int

    @property
    def n_channels(self) -> int:
        return len(self.count)

    def apply(self, acc: I64Array, channel: IndexArray) -> I64Array:
        n = self.count[channel]
        half = n // 2
        quotient = np.where(acc > 0, (acc + half) // n, -((half - acc) // n))
        return np.clip(quotient, self.lo, self.hi)

    def domain(self) -> tuple[I64Array, I64Array]:
        half = self.count // 2
        return INT32_MIN + half, INT32_MAX - half


@dataclass(frozen=True)
class HalfUpShift:
    """acc / 2**shift to the nearest integer, halves up, clamped to lo..hi: fixed-point networks.

    (acc + half) >> shift with half = 2**(shift - 1), or 0 where shift is 0.  shift: int64 [channels], 0..30.
    """

    shift: I64Array
    lo: int
    hi: int

    @property
    def n_channels(self) -> int:
        return len(self.shift)

    @property
    def _half(self) -> I64Array:
        return (np.int64(1) << self.shift) >> 1

    def apply(self, acc: I64Array, channel: IndexArray) -> I64Array:
        rounded: I64Array = (acc + self._half[channel]) >> self.shift[channel]
        return np.clip(rounded, self.lo, self.hi)

    def domain(self) -> tuple[I64Array, I64Array]:
        return np.full(len(self.shift), INT32_MIN, np.int64), INT32_MAX - self._half


@dataclass(frozen=True)
class Term:
    """`map` applied to (wire `source` − offset); offset is the source's zero point."""

    source: int
    map: LinearMap
    offset: int


@dataclass(frozen=True)
class Affine:
    """acc = bias + Σ over terms of map(source − offset); bias: int64 [n]."""

    terms: tuple[Term, ...]
    bias: I64Array


@dataclass(frozen=True)
class Staircase:
    """y[i] = rule(source[i]) of channel channel[i]: every requantization.  channel: int64 [n].

    undefined: what it means that a source leaves the rule's domain.
    """

    source: int
    rule: Rule
    channel: IndexArray
    undefined: str = OVERFLOW


@dataclass(frozen=True)
class Table:
    """y[i] = values[source[i] + 128]: any function of one int8.  values: int64 [256]."""

    source: int
    values: I64Array


@dataclass(frozen=True)
class Max:
    """y[i] = the greatest of source[windows[i, :]], clamped to lo..hi.  windows: int64 [n, k] (may
    repeat)."""

    source: int
    windows: IndexArray
    lo: int
    hi: int


@dataclass(frozen=True)
class Select:
    """y[i] = source[index[i]]: data movement.  index: int64 [n]."""

    source: int
    index: IndexArray


@dataclass(frozen=True)
class Product:
    """acc[i] = (left[i] − left_offset) * (right[i] − right_offset), of two wires of the same size."""

    left: int
    right: int
    left_offset: int
    right_offset: int


class RowFunction(Protocol):
    """The arithmetic of a softmax (or its logarithm), shared by the rows of one operator (see kernels/)."""

    def apply(self, x: NDArray[np.int8]) -> NDArray[np.int8]:
        """x: int8 [..., depth] → int8 [..., depth]."""

    def exponentials(self) -> I64Array:
        """int64 [256]: what an element d below its row's maximum adds to the row's sum (Q12.19), d = 0…255.

        Non-increasing where TFLM's exponential is; 0 from the d on that TFLM skips.
        """

    def output(self, total: I64Array, d: int | I64Array) -> I64Array:
        """The int8 output (as int64) of an element d below its row's maximum, given the row's sum (Q12.19).

        They broadcast; −128 where TFLM skips the element.
        """

    def falls(self, total: I64Array) -> bool:
        """Does no output rise with the distance, nor along these ascending sums?"""


@dataclass(frozen=True)
class Softmax:
    """Rows of `depth` elements of the source, each through `function`; the concrete domain evaluates it.

    Other domains either bound it by [−128, 127] or, for a property of the argmax, reason on its input (the
    index of an output's first maximum is a function of the rows' differences and of their sum).
    """

    source: int
    depth: int
    function: RowFunction


class Function(Protocol):
    """What an `Exact` step computes, in every other domain unknown; picklable."""

    def apply(self, inputs: list[I64Array]) -> I64Array:
        """One int64 [N, elements] per source → int64 [N, n of the step]."""


@dataclass(frozen=True)
class Exact:
    """An operator that only the concrete domain knows: function(sources), n values, all in lo..hi.

    operator, name: its index in the graph and its builtin name.
    """

    sources: tuple[int, ...]
    n: int
    operator: int
    name: str
    function: Function
    lo: int = -128
    hi: int = 127


Step = Affine | Staircase | Table | Max | Select | Product | Softmax | Exact


@dataclass(frozen=True)
class Program:
    """A lowered network.

    n_input: elements of wire 0 (values in input_lo..input_hi, those of int8 for a .tflite network);
    steps[i] writes wire i + 1; output: the wire that is the network's output; tensors: wire → index of the
    tensor in the .tflite graph that the wire equals (for the wires that are tensors); operators: step → index
    of the operator it came from.
    """

    n_input: int
    steps: tuple[Step, ...]
    output: int
    tensors: Mapping[int, int] = field(default_factory=dict)
    operators: tuple[int, ...] = ()
    input_lo: int = -128
    input_hi: int = 127

    def sizes(self) -> tuple[int, ...]:
        """The number of elements of every wire."""
        sizes = [self.n_input]
        for step in self.steps:
            sizes.append(step_size(step, sizes))
        return tuple(sizes)


def step_size(step: Step, sizes: list[int]) -> int:
    """How many elements the step writes, given the sizes of the wires before it."""
    match step:
        case Affine():
            return len(step.bias)
        case Staircase():
            return len(step.channel)
        case Max():
            return len(step.windows)
        case Select():
            return len(step.index)
        case Table() | Softmax():
            return sizes[step.source]
        case Product():
            return sizes[step.left]
        case Exact():
            return step.n


def needed(steps: Sequence[Step], wire: int) -> set[int]:
    """The wires that some steps write on which `wire` depends, itself too."""
    found, left = set[int](), [wire]
    while left:
        at = left.pop()
        if at and at not in found:
            found.add(at)
            left += sources(steps[at - 1])
    return found


def sources(step: Step) -> tuple[int, ...]:
    """The wires that a step reads."""
    match step:
        case Affine():
            return tuple(term.source for term in step.terms)
        case Product():
            return step.left, step.right
        case Exact():
            return step.sources
        case _:
            return (step.source,)


def thresholds(rule: Rule) -> I64Array:
    """The stair edges of a rule, int64 [channels, hi − lo]: entry v − lo − 1 is the least acc that gives ≥ v.

    An edge that no accumulator of the rule's domain reaches is above the domain and INT32_MAX; one that all
    reach is the least accumulator of the domain. By bisection on the rule itself, so that edges and rule
    cannot disagree. Raises ValueError for a rule of more than MAX_STAIRS stairs.
    """
    if rule.hi - rule.lo > MAX_STAIRS:
        raise ValueError(f"{rule.hi - rule.lo} stairs are more than {MAX_STAIRS}")
    first, last = rule.domain()
    wanted = np.arange(rule.lo + 1, rule.hi + 1, dtype=np.int64)[:, None]
    edges = np.empty((rule.n_channels, len(wanted)), np.int64)
    at_once = max(1, _BISECTED_AT_ONCE // max(1, len(wanted)))
    for start in range(0, rule.n_channels, at_once):
        channel = np.arange(start, min(start + at_once, rule.n_channels))
        greatest = last[channel]
        low = np.repeat(first[channel][None, :], len(wanted), axis=0)
        high = np.repeat(greatest[None, :] + 1, len(wanted), axis=0)
        while np.any(low < high):
            middle = (low + high) >> 1
            reached = (middle <= greatest) & (rule.apply(np.minimum(middle, greatest), channel) >= wanted)
            high = np.where(reached, middle, high)
            low = np.where(reached, low, np.minimum(middle + 1, high))
        edges[channel] = np.where(low > greatest, np.maximum(INT32_MAX, greatest) + 1, low).T
    return edges
