"""The steps of a network on exact integers: wire 0 is the input, step k writes wire k + 1.

`forward` runs a step on points: wires [N, n]. `interval` bounds it: a box is an array [2, n], least and
greatest values. `back` is the heart of a proof: for coefficients nu [R, n] on the step's output y, constants
c [R] and coefficients on its sources such that nu · y <= c + Σ coefficients · source everywhere in the boxes.
Arithmetic is int64; the magnitude of every sum is bounded beforehand, in Python integers (`exact`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
INT32_MAX = 2**31 - 1
CELLS = 1 << 22  # elements of the largest array that a step makes


class Rejected(Exception):
    """The file is damaged, does not prove its claim, or asks for more than the checker knows or may spend."""


def need(condition: Any, why: str) -> None:
    """Rejected unless the condition holds."""
    if not condition:
        raise Rejected(why)


def size(values: Ints) -> int:
    """The greatest magnitude, as a Python integer; 0 for no values."""
    return max(abs(int(values.max())), abs(int(values.min()))) if values.size else 0


def exact(*magnitudes: int) -> None:
    """Rejected unless int64 holds every sum of terms whose magnitudes add up to these."""
    need(sum(magnitudes) < 2**62, "a sum leaves the range of exact 64-bit arithmetic")


def norm(rows: Ints) -> int:
    """The greatest Σ|values| of a row, as a Python integer."""
    exact(size(rows) * rows.shape[-1])
    return size(np.abs(rows).sum(axis=-1))


def weighed(rows: Ints, values: Ints) -> int:
    """At least Σ|row · values| of every row, element by element: a value may be great where rows are 0."""
    most = np.maximum(np.abs(rows.max(axis=0, initial=0)), np.abs(rows.min(axis=0, initial=0)))
    return sum(a * abs(b) for a, b in zip(most.tolist(), values.tolist(), strict=True))


@dataclass(frozen=True, eq=False)
class Linear:
    """y[i] = bias[i] + Σ_k weights[i, k] · x[columns[i, k]], x being the source wires one after the other.

    columns None: k runs over all of x.
    """

    sources: tuple[int, ...]
    weights: Ints
    columns: Ints | None
    bias: Ints

    @cached_property
    def reach(self) -> int:
        return norm(self.weights)

    @property
    def cost(self) -> int:
        return self.weights.size + self.bias.size

    def sums(self, x: Ints, weights: Ints) -> Ints:
        """Without bias, [N, n_in] → [N, n]; weights: these or their magnitudes."""
        exact(size(x) * self.reach, size(self.bias))
        sums: Ints = x @ weights.T if self.columns is None else (x[:, self.columns] * weights).sum(axis=2)
        return sums

    def forward(self, wires: list[Ints]) -> Ints:
        return self.sums(np.concatenate([wires[s] for s in self.sources], axis=1), self.weights) + self.bias

    def interval(self, boxes: list[Ints]) -> Ints:
        """By twice the centre and twice the radius; their sum and difference are even."""
        lo, hi = np.concatenate([boxes[s] for s in self.sources], axis=1)[:, None]
        centre, radius = self.sums(lo + hi, self.weights), self.sums(hi - lo, np.abs(self.weights))
        box: Ints = np.concatenate([centre - radius, centre + radius]) // 2 + self.bias
        return box

    def back(self, nu: Ints, xi: Ints | None, boxes: list[Ints]) -> tuple[Ints, list[Ints]]:
        """An equation: nu · y = nu · bias + (weightsᵀ nu) · x."""
        exact(norm(nu) * self.reach, weighed(nu, self.bias))
        ends = np.cumsum([boxes[s].shape[1] for s in self.sources])
        if self.columns is None:
            return nu @ self.bias, [nu @ self.weights]
        out = np.zeros((len(nu), ends[-1]), np.int64)
        for total, row in zip(out, nu, strict=True):
            np.add.at(total, self.columns, row[:, None] * self.weights)
        return nu @ self.bias, np.split(out, ends[:-1], axis=1)


class Scalar:
    """A step whose every y[i] is bounded by functions of one element a = source[pick[i]].

    For any multipliers xi: nu · y <= Σ max over a of (nu · y(a) − xi · a) + Σ xi · a. `corners`: pick [n],
    the a [n, k] among which the maximum is, and bounds of y there, up and down [n, k].
    """

    sources: tuple[int]
    corners: Callable[[list[Ints]], tuple[Ints, Ints, Ints, Ints]]

    def back(self, nu: Ints, xi: Ints | None, boxes: list[Ints]) -> tuple[Ints, list[Ints]]:
        need(xi is not None and xi.shape == nu.shape, "multipliers of the wrong shape")
        assert xi is not None
        pick, a, up, down = self.corners(boxes)
        exact(norm(nu) * max(size(up), size(down)), norm(xi), weighed(xi, np.abs(a).max(axis=1)))
        total, out = (
            np.zeros(len(nu), np.int64),
            np.zeros((boxes[self.sources[0]].shape[1], len(nu)), np.int64),
        )
        for row, (v, slope) in enumerate(zip(nu[:, :, None], xi[:, :, None], strict=True)):
            total[row] = (np.where(v > 0, v * up, v * down) - slope * a).max(axis=1).sum()
        np.add.at(out, pick, xi.T)
        return total, [out.T]


@dataclass(frozen=True, eq=False)
class Pieces(Scalar):
    """y[i] = values[piece(a[i], channel[i])], a piece's number not falling as a grows: stairs, or a table.

    ends: [2, channels], from which a to which it is defined (beyond, TFLM overflows).
    """

    sources: tuple[int]
    piece: Callable[[Ints, Ints], Ints]
    values: Ints
    channel: Ints
    ends: Ints

    @property
    def cost(self) -> int:
        return 2 * self.channel.size * self.values.size

    def number(self, a: Ints) -> Ints:
        need(np.all((self.ends[0, self.channel] <= a) & (a <= self.ends[1, self.channel])), "it may overflow")
        return self.piece(a, self.channel)

    def forward(self, wires: list[Ints]) -> Ints:
        return self.values[self.number(wires[self.sources[0]])]

    def interval(self, boxes: list[Ints]) -> Ints:
        y = self.corners(boxes)[2]
        return np.stack([y.min(axis=1), y.max(axis=1)])

    @cached_property
    def starts(self) -> Ints:
        """[channels, pieces + 1]: the least a that is in this piece or a later one, by bisection."""
        want, channel = np.arange(len(self.values) + 1), np.arange(self.ends.shape[1])
        need(len(want) * len(channel) <= CELLS, "too many stairs")
        low, high = (np.repeat(end[:, None], len(want), axis=1) for end in (self.ends[0], self.ends[1] + 1))
        while np.any(low < high):
            middle = (low + high) >> 1
            reached = want <= self.piece(middle.T, channel).T
            low, high = np.where(reached, low, np.minimum(middle + 1, high)), np.where(reached, middle, high)
        return low

    def corners(self, boxes: list[Ints]) -> tuple[Ints, Ints, Ints, Ints]:
        """Both ends of every piece."""
        (lo, hi), (low, high) = boxes[self.sources[0]], self.number(boxes[self.sources[0]])
        need(len(lo) * int((high - low).max() + 1) <= CELLS, "too many stairs")
        p = np.minimum(low[:, None] + np.arange(int((high - low).max()) + 1), high[:, None])
        first, last = self.starts[self.channel[:, None], p], self.starts[self.channel[:, None], p + 1] - 1
        a = np.clip(np.concatenate([first, last], axis=1), lo[:, None], hi[:, None])
        y = self.values[np.concatenate([p, p], axis=1)]
        return np.arange(len(lo)), a, y, y


@dataclass(frozen=True, eq=False)
class Highest(Scalar):
    """y[i] = the greatest of source[windows[i]], clamped."""

    sources: tuple[int]
    windows: Ints
    clamp: tuple[int, int]

    @property
    def cost(self) -> int:
        return 5 * len(self.windows) + self.windows.size

    def forward(self, wires: list[Ints]) -> Ints:
        greatest: Ints = wires[self.sources[0]][:, self.windows].max(axis=2)
        return np.clip(greatest, *self.clamp)

    interval = forward

    def corners(self, boxes: list[Ints]) -> tuple[Ints, Ints, Ints, Ints]:
        """a: the element of greatest lower end; y is no less, nor more than it or the others' upper ends."""
        lo, hi = boxes[self.sources[0]]
        pick = np.take_along_axis(self.windows, lo[self.windows].argmax(axis=1)[:, None], axis=1)
        others = np.where(self.windows != pick, hi[self.windows], -(2**31)).max(axis=1)[:, None]
        bends = np.concatenate([lo[pick], hi[pick], others, np.tile(self.clamp, (len(pick), 1))], axis=1)
        a = np.clip(bends, lo[pick], hi[pick])
        return pick[:, 0], a, np.clip(np.maximum(a, others), *self.clamp), np.clip(a, *self.clamp)


@dataclass(frozen=True, eq=False)
class Network:
    """n inputs within least..most, the steps, and a last softmax of one row, or None."""

    n: int
    least: int
    most: int
    steps: tuple[Linear | Pieces | Highest, ...]
    softmax: Any = None

    @property
    def cost(self) -> int:
        """Multiply-adds, or as much other work, to run one point, take intervals, or go back with one row."""
        return sum(step.cost for step in self.steps)

    def run(self, x: Ints) -> Ints:
        """[N, n] → outputs [N, n_out]."""
        wires = [x]
        for step in self.steps:
            wires.append(step.forward(wires))
        outputs: Ints = wires[-1] if self.softmax is None else self.softmax.forward(wires[-1])
        return outputs
