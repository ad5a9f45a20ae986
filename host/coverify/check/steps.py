"""What does each step of a network compute, on numbers, on intervals, and in a bound with multipliers?

A *wire* is a vector of integers; wire 0 is the input, step k writes wire k + 1. A box is a pair (lo, hi) of
int64 vectors. `back` is the heart: for coefficients nu on a step's output y it gives a constant and
coefficients on its sources such that nu · y <= constant + Σ coefficients · source for every point of the
boxes. Arithmetic is int64; `hold` proves beforehand, in Python integers, that no sum leaves 62 bits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Box = tuple[Ints, Ints]
Back = tuple[Ints, list[tuple[int, Ints]]]
INT32_MAX = 2**31 - 1
CELLS = 1 << 20


class Rejected(Exception):
    """The certificate is damaged, or it does not prove what it claims, or the checker does not know
    enough.
    """


def need(condition: Any, why: str) -> None:
    """Rejected unless the condition holds."""
    if not condition:
        raise Rejected(why)


def size(values: Ints) -> int:
    """The greatest magnitude, as a Python integer; 0 for no values."""
    return max(abs(int(values.max())), abs(int(values.min()))) if values.size else 0


def hold(*products: int) -> None:
    """Rejected unless the sum of these magnitudes fits 62 bits, so that int64 sums of them are exact."""
    need(sum(products) < 2**62, "a sum leaves the range of exact 64-bit arithmetic")


def weighed(rows: Ints, values: Ints) -> int:
    """At least Σ|row · values| of every row, element by element: values [n] may be great where rows are 0."""
    if not rows.size:
        return 0
    most = np.maximum(np.abs(rows.max(axis=0)), np.abs(rows.min(axis=0)))
    return sum(a * abs(b) for a, b in zip(most.tolist(), values.tolist(), strict=True))


@dataclass(frozen=True, eq=False)
class Map:
    """y[i] = Σ_k weights[i, k] · x[columns[i, k]]; columns None: k runs over all x (dense); n_in reads 0."""

    n_in: int
    weights: Ints
    columns: Ints | None = None

    def apply(self, x: Ints, weights: Ints | None = None) -> Ints:
        """[N, n_in] → [N, n_out]."""
        w = self.weights if weights is None else weights
        hold(size(x) * self.rows)
        if self.columns is None:
            return x @ w.T
        padded = np.concatenate([x, np.zeros((len(x), 1), np.int64)], axis=1)
        return np.stack([(row[self.columns] * w).sum(axis=1) for row in padded])

    def back(self, nu: Ints, weights: Ints | None = None) -> Ints:
        """[R, n_out] → [R, n_in], the transposed map."""
        w = self.weights if weights is None else weights
        if self.columns is None:
            return nu @ w
        out = np.zeros((len(nu), self.n_in + 1), np.int64)
        for total, row in zip(out, nu, strict=True):
            np.add.at(total, self.columns, row[:, None] * w)
        return out[:, :-1]

    @cached_property
    def rows(self) -> int:
        """The greatest Σ|weights| of a row."""
        return size(np.abs(self.weights).sum(axis=1))

    @cached_property
    def sums(self) -> int:
        """The greatest Σ|weights| of a column."""
        return size(self.back(np.ones((1, len(self.weights)), np.int64), np.abs(self.weights)))

    @cached_property
    def signs(self) -> tuple[Ints, Ints]:
        """The positive and the negative part of the weights."""
        return np.maximum(self.weights, 0), np.minimum(self.weights, 0)


@dataclass(frozen=True, eq=False)
class Linear:
    """y = bias + Σ over terms of map(wire source − offset)."""

    terms: tuple[tuple[int, int, Map], ...]
    bias: Ints

    def forward(self, wires: list[Ints]) -> Ints:
        total = np.broadcast_to(self.bias, (len(wires[0]), len(self.bias)))
        for source, offset, m in self.terms:
            total = total + m.apply(wires[source] - offset)
        return total

    def interval(self, boxes: list[Box]) -> Box:
        lo, hi = self.bias, self.bias
        for source, offset, m in self.terms:
            low, high = (end[None] - offset for end in boxes[source])
            up, down = m.signs
            lo = lo + (m.apply(low, up) + m.apply(high, down))[0]
            hi = hi + (m.apply(high, up) + m.apply(low, down))[0]
        return lo, hi

    def back(self, nu: Ints, xi: Ints | None, boxes: list[Box]) -> Back:
        """An equation: nu · y = nu · bias + Σ map^T(nu) · (source − offset)."""
        hold(weighed(nu, self.bias))
        total, passed = nu @ self.bias, []
        for source, offset, m in self.terms:
            hold(size(nu) * m.sums * m.n_in * max(1, abs(offset)))
            part = m.back(nu)
            total = total - offset * part.sum(axis=1)
            passed.append((source, part))
        return total, passed


class Scalar:
    """A step whose element y is a function of one source element a, in lo..hi of its box.

    For any multiplier xi: nu · y(a) <= max over a of (nu · y(a) − xi · a) + xi · a.
    """

    source: int

    def _gains(self, nu: Ints, xi: Ints | None, value: Ints, first: Ints, last: Ints) -> Back:
        """The maximum over pieces [n, k]: y = value where a lies in first..last: at one of the two ends."""
        need(xi is not None and xi.shape == nu.shape, "multipliers of the wrong shape")
        assert xi is not None
        n = nu.shape[1]
        hold(size(nu) * size(value) * n, weighed(xi, np.maximum(np.abs(first), np.abs(last)).max(axis=1)))
        total, step = np.zeros(len(nu), np.int64), max(1, CELLS // max(1, value.size))
        for i in range(0, len(nu), step):
            up, slope = nu[i : i + step, :, None], xi[i : i + step, :, None]
            gain = np.maximum(up * value - slope * first, up * value - slope * last)
            total[i : i + step] = gain.max(axis=2).sum(axis=1)
        return total, [(self.source, xi)]


@dataclass(frozen=True, eq=False)
class Stairs(Scalar):
    """y[i] = rule(a[i], channel[i]), a non-decreasing function with values least..most.

    ends: int64 [2, channels], the accumulators for which the rule is defined.
    """

    source: int
    rule: Callable[[Ints, Ints], Ints]
    channel: Ints
    least: int
    most: int
    ends: Ints

    def forward(self, wires: list[Ints]) -> Ints:
        return self._within(wires[self.source])

    def _within(self, acc: Ints) -> Ints:
        first, last = self.ends[:, self.channel]
        need(np.all((acc >= first) & (acc <= last)), "an accumulator may leave the rule's domain (overflow)")
        return self.rule(acc, self.channel)

    def interval(self, boxes: list[Box]) -> Box:
        lo, hi = boxes[self.source]
        return self._within(lo), self._within(hi)

    @cached_property
    def edges(self) -> Ints:
        """[channels, most − least + 2]: entry v − least is the least a whose y is >= v; the last is
        none's.
        """
        channels = self.ends.shape[1]
        need(self.most - self.least < 1 << 12, "a staircase of too many stairs")
        want = np.arange(self.least, self.most + 2)
        low = np.repeat(self.ends[0][:, None], len(want), axis=1)
        high = np.repeat(self.ends[1][:, None] + 1, len(want), axis=1)
        column = np.arange(channels)
        while np.any(low < high):
            middle = (low + high) >> 1
            inside = np.minimum(middle, self.ends[1][:, None])
            reached = (want <= self.rule(inside.T, column).T) & (middle <= self.ends[1][:, None])
            low, high = np.where(reached, low, np.minimum(middle + 1, high)), np.where(reached, middle, high)
        return low

    def edge(self, i: int, value: int) -> int:
        """The least accumulator of element i whose output is >= value; beyond the domain where there is
        none.
        """
        return int(self.edges[self.channel[i], min(max(value, self.least), self.most + 1) - self.least])

    def back(self, nu: Ints, xi: Ints | None, boxes: list[Box]) -> Back:
        lo, hi = boxes[self.source]
        low, high = self.rule(lo, self.channel), self.rule(hi, self.channel)
        value = np.minimum(low[:, None] + np.arange(int((high - low).max()) + 1), high[:, None])
        at, rows = value - self.least, self.channel[:, None]
        first = np.clip(self.edges[rows, at], lo[:, None], hi[:, None])
        last = np.clip(self.edges[rows, at + 1] - 1, lo[:, None], hi[:, None])
        return self._gains(nu, xi, value, first, last)


@dataclass(frozen=True, eq=False)
class Lookup(Scalar):
    """y[i] = values[a[i] + 128]: any function of an int8."""

    source: int
    values: Ints

    def forward(self, wires: list[Ints]) -> Ints:
        out: Ints = self.values[wires[self.source] + 128]
        return out

    def _entries(self, boxes: list[Box]) -> tuple[Ints, Ints]:
        lo, hi = boxes[self.source]
        a = np.minimum(lo[:, None] + np.arange(int((hi - lo).max()) + 1), hi[:, None])
        return a, self.values[a + 128]

    def interval(self, boxes: list[Box]) -> Box:
        _, value = self._entries(boxes)
        return value.min(axis=1), value.max(axis=1)

    def back(self, nu: Ints, xi: Ints | None, boxes: list[Box]) -> Back:
        a, value = self._entries(boxes)
        return self._gains(nu, xi, value, a, a)


@dataclass(frozen=True, eq=False)
class Highest(Scalar):
    """y[i] = the greatest of source[windows[i]], clamped to least..most.

    In a bound it is a function of one element of the window, the one of the greatest lower end; of the others
    only the greatest upper end counts (nu >= 0), or the greatest lower end (nu < 0).
    """

    source: int
    windows: Ints
    least: int
    most: int

    def forward(self, wires: list[Ints]) -> Ints:
        greatest: Ints = wires[self.source][:, self.windows].max(axis=2)
        return np.clip(greatest, self.least, self.most)

    def interval(self, boxes: list[Box]) -> Box:
        lo, hi = (np.clip(end[self.windows].max(axis=1), self.least, self.most) for end in boxes[self.source])
        return lo, hi

    def back(self, nu: Ints, xi: Ints | None, boxes: list[Box]) -> Back:
        lo, hi = boxes[self.source]
        rows = np.arange(len(self.windows))
        pick = self.windows[rows, lo[self.windows].argmax(axis=1)]
        other = self.windows != pick[:, None]
        totals = []
        for end in (hi, lo):
            floor = np.maximum(np.where(other, end[self.windows], -(2**31)).max(axis=1), lo[pick])
            bends = np.stack([lo[pick], hi[pick], floor, np.full_like(floor, self.least),
                              np.full_like(floor, self.most)], axis=1)  # fmt: skip
            a = np.clip(bends, lo[pick][:, None], hi[pick][:, None])
            value = np.clip(np.maximum(a, floor[:, None]), self.least, self.most)
            part = np.maximum(nu, 0) if end is hi else np.minimum(nu, 0)
            share = None if xi is None else np.where(nu >= 0, xi, 0) if end is hi else np.where(nu < 0, xi, 0)
            totals.append(self._gains(part, share, value, a, a)[0])
        assert xi is not None
        out = np.zeros((len(lo), len(nu)), np.int64)
        np.add.at(out, pick, xi.T)
        hold(size(xi) * len(self.windows))
        return totals[0] + totals[1], [(self.source, out.T)]


@dataclass(frozen=True, eq=False)
class Softmax:
    """The last step, on one row: see integers.py.  output(sum, d) gives an element d below the maximum."""

    source: int
    exponentials: Ints
    output: Callable[[Ints, int], Ints]

    def forward(self, wires: list[Ints]) -> Ints:
        x = wires[self.source]
        d = x.max(axis=1, keepdims=True) - x
        total = self.exponentials[d].sum(axis=1)
        out: Ints = np.empty_like(d)
        for k in np.unique(d):
            np.copyto(out, self.output(total, int(k))[:, None], where=d == k)
        return out


Step = Linear | Stairs | Lookup | Highest | Softmax


@dataclass(frozen=True, eq=False)
class Network:
    """steps[k] writes wire k + 1; the last wire is the output; inputs lie in least..most."""

    n_input: int
    least: int
    most: int
    steps: tuple[Step, ...]

    def run(self, x: Ints) -> Ints:
        """[N, n_input] → the output, [N, n]."""
        wires = [x]
        for step in self.steps:
            wires.append(step.forward(wires))
        return wires[-1]
