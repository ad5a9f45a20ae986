"""The steps of a network on exact integers: wire 0 is the input, step k writes wire k + 1.

A box is an array [2, n], least and greatest values; N points are N boxes, [2, N, n]. `interval` bounds a
step's output, and is exact on points. `back` is the heart of a proof: for coefficients nu [R, n] on the
output y, constants c [R] and coefficients on the sources such that nu · y <= c + Σ coefficients · source
everywhere in the boxes; of these it is given what the step's `corners` says of them.
Arithmetic is int64. What is kept is below 2^61 (`small`), so that two such values add up; a sum of products
is bounded before it is taken (`exact`).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
INT32_MAX = 2**31 - 1
CELLS = 1 << 22  # elements of the largest array that a step makes
SMALL = 2**61


class Rejected(Exception):
    """The file is damaged, does not prove its claim, or asks for more than the checker knows or may spend."""


def need(condition: Any, why: str) -> None:
    """Rejected unless the condition holds."""
    if not condition:
        raise Rejected(why)


def size(values: Ints) -> int:
    """The greatest magnitude, as a Python integer; 0 for no values."""
    return max(abs(int(values.max())), abs(int(values.min()))) if values.size else 0


def small(values: Ints) -> Ints:
    """These values; Rejected where one is 2^61 or more."""
    need(size(values) < SMALL, "a number leaves the range of exact 64-bit arithmetic")
    return values


def wide(values: Ints) -> Ints:
    """As int64."""
    need(values.size <= 4 * CELLS, "an array that is too long")
    return values.astype(np.int64)


def exact(*products: tuple[NDArray[Any], NDArray[Any]]) -> None:
    """Rejected unless the sum of all |a| @ |b| is below 2^61: in floats, whose rounding cannot reach 2^62."""
    most = sum(np.abs(a.astype(float)) @ np.abs(b.astype(float)) for a, b in products)
    need(np.max(most, initial=0) < SMALL, "a sum leaves the range of exact 64-bit arithmetic")


def dot(a: Ints, b: Ints) -> Ints:
    """a @ b."""
    exact((a, b))
    return a @ b


def sums(x: Ints, weights: Ints, columns: Ints) -> Ints:
    """Of a linear step without its bias: [..., n_in] → [..., n]."""
    padded = np.concatenate([x, np.zeros_like(x[..., :1])], axis=-1)
    y = padded[..., columns] @ weights.swapaxes(1, 2)
    return y.swapaxes(-2, -3).reshape(*x.shape[:-1], -1)


@dataclass(frozen=True, eq=False)
class Linear:
    """y[p, g, c] = bias[p, g, c] + Σ_t weights[g, c, t] · x[columns[g, p, t]]: position, group, channel, tap.

    x: the source wires one after the other, and at last a 0, which column −1 reads. A dense layer has one
    position and one group, a convolution many positions, a depthwise one a group for each channel it reads.
    """

    sources: tuple[int, ...]
    weights: Ints
    columns: Ints
    bias: Ints
    cost = property(lambda self: self.weights.size * self.columns.shape[1] + self.bias.size)

    @cached_property
    def reach(self) -> Ints:
        """Σ|weights| of every row that do not meet the 0."""
        exact((np.abs(self.weights), np.ones(self.weights.shape[2], np.int64)))
        return sums(np.ones(max(self.columns.max(), 0) + 1, np.int64), np.abs(self.weights), self.columns)

    def interval(self, boxes: list[Ints]) -> Ints:
        """By twice the centre and twice the radius; their sum and difference are even."""
        lo, hi = np.concatenate([boxes[s] for s in self.sources], axis=-1)
        exact((np.array([[max(size(lo + hi), size(hi - lo))]]), self.reach[None]))
        centre = sums(lo + hi, self.weights, self.columns)
        radius = sums(hi - lo, np.abs(self.weights), self.columns)
        return np.stack([centre - radius, centre + radius]) // 2 + self.bias

    def corners(self, boxes: list[Ints]) -> list[int]:
        """How many elements each source has."""
        return [boxes[s].shape[1] for s in self.sources]

    def back(self, nu: Ints, xi: Any, corners: list[int]) -> tuple[Ints, list[Ints]]:
        """An equation: nu · y = nu · bias + (weightsᵀ nu) · x."""
        exact((nu, self.reach))
        rows = nu.reshape(len(nu), self.columns.shape[1], *self.weights.shape[:2]).swapaxes(1, 2)
        out = np.zeros((sum(corners) + 1, len(nu)), np.int64)
        np.add.at(out, self.columns, np.moveaxis(rows @ self.weights, 0, 3))
        return dot(nu, self.bias), np.split(out[:-1].T, np.cumsum(corners)[:-1], axis=1)


class Scalar:
    """A step whose every y[i] is bounded by functions of one element a = source[pick[i]].

    For any multipliers xi: nu · y <= Σ max over a of (nu · y(a) − xi · a) + Σ xi · a. `corners`: how many
    elements the source has, pick [n], the a [n, k] among which the maximum is, bounds of y there, up and
    down, what else is taken from it, and how many copies follow one another: the maximum is of their sum.
    """

    def back(self, nu: Ints, xi: Ints, corners: tuple[Any, ...]) -> tuple[Ints, list[Ints]]:
        n_source, pick, a, up, down, less, copies = corners
        need(xi.shape == nu.shape, "multipliers of the wrong shape")
        exact((nu, np.maximum(up, -down).max(axis=1)), (xi, np.abs(a).max(axis=1) + 1))
        gain = np.maximum(nu[..., None] * up, nu[..., None] * down) - xi[..., None] * a - less
        out = np.zeros((n_source, len(nu)), np.int64)
        np.add.at(out, pick, xi.T)
        return gain.reshape(len(nu), copies, -1, a.shape[1]).sum(axis=1).max(axis=2).sum(axis=1), [out.T]


@dataclass(frozen=True, eq=False)
class Pieces(Scalar):
    """y[i] = values[piece(a[i], channel[i])]: stairs, or a table; neither piece nor value falls as a grows.

    offset: of two copies, whose a less this are equal.
    """

    sources: tuple[int]
    piece: Callable[[Ints, Ints], Ints]
    values: Ints
    channel: Ints
    offset: Ints | None = None
    cost = property(lambda self: (2 if self.offset is None else 8) * self.channel.size * self.values.size)

    @cached_property
    def starts(self) -> Ints:
        """[channels, pieces + 1]: the least a that is in this piece or a later one, by bisection."""
        want, channel = np.arange(len(self.values) + 1), np.arange(self.channel.max() + 1)
        need(len(want) * len(channel) <= CELLS, "too many stairs")
        starts = np.full((len(channel), len(want)), -(2**31))
        for step in 1 << np.arange(32, -1, -1):  # every a below starts is in an earlier piece
            starts += step * (want > self.piece((starts + step - 1).T, channel).T)
        return starts

    def reached(self, box: Ints) -> Ints:
        """[2, ..., n]: the first and the last piece that a box meets; it meets those in between, too."""
        low, high = pieces = self.piece(box, self.channel)
        need(low.size * (int((high - low).max()) + 1) <= CELLS, "too many stairs")
        return pieces

    def interval(self, boxes: list[Ints]) -> Ints:
        return self.values[self.reached(boxes[self.sources[0]])]

    def corners(self, boxes: list[Ints], *parabolas: Ints) -> tuple[Any, ...]:
        """The ends of the pieces that it meets; of two copies those of either, moved to where both boxes are.

        parabolas: xi, centre and curve; then of one copy, for these xi, and curve · (a − centre)² / 2^24 is
        taken. On a piece the maximum lies at an end or as near to the vertex as can be, each rounded upwards.
        """
        box, channel, copies = boxes[self.sources[0]], self.channel[:, None], 1
        (low, high), less = self.reached(box)[..., None], 0 * channel
        p = np.minimum(low + np.arange((high - low).max() + 1), high)
        p = np.where(self.starts[channel, p] < self.starts[channel, p + 1], p, low)  # no a is in an empty one
        ends = np.clip([self.starts[channel, p], self.starts[channel, p + 1] - 1], *box[:, :, None])
        a, y = np.hstack(ends), self.values[np.hstack([p, p])]
        if parabolas:
            xi, z, k = (small(values)[:, None] for values in parabolas)
            need(size(xi) < 2**37, "a multiplier beside a parabola is too large")
            vertex = np.clip(z + ((-xi << 24) + k) // np.maximum(2 * k, 1), *ends)
            a, y = np.hstack([a, vertex]), np.hstack([y, self.values[p]])
            bend = np.where(k > 0, a - z, 0)
            exact((k[:, None], bend[:, None].astype(float) ** 2))
            less = k * bend**2 >> 24
        elif self.offset is not None:
            t, low, high = (np.split(v - self.offset, 2) for v in (a, *box[:, :, None]))
            a = np.tile(np.clip(np.hstack(t), np.maximum(*low), np.minimum(*high)), (2, 1)) + self.offset
            y, copies = self.values[self.piece(a.T, self.channel).T], 2
        return len(a), np.arange(len(a)), a, y, y, less, copies


def paired(step: Any, source: Any, box: Ints) -> Any:
    """These stairs as two copies, if their dense sums differ by constants as some of the input is fixed.

    Then so do the least sums, from which each is counted.
    """
    dense = isinstance(source, Linear) and source.sources == (0,) and source.columns.shape[:2] == (1, 1)
    if not (dense and isinstance(step, Pieces)) or len(source.bias) % 2 or np.all(box[0] < box[1]):
        return step
    free = np.append(box[0] < box[1], False)[source.columns[0, 0]]
    same = not np.any(np.subtract(*np.split(source.weights[0][:, free], 2)))
    return replace(step, offset=source.interval([box])[0][:, None]) if same else step


def stairs(source: int, rule: Callable[[Ints, Ints], Ints], lo: int, hi: int, channel: Ints) -> Pieces:
    """y[i] = rule(a[i], channel[i]), which does not fall as a grows, within lo..hi."""
    return Pieces((source,), lambda a, c: np.clip(rule(a, c), lo, hi) - lo, np.arange(lo, hi + 1), channel)


@dataclass(frozen=True, eq=False)
class Highest(Scalar):
    """y[i] = the greatest of source[windows[i]], clamped."""

    sources: tuple[int]
    windows: Ints
    clamp: tuple[int, int]
    cost = property(lambda self: 5 * len(self.windows) + self.windows.size)

    def interval(self, boxes: list[Ints]) -> Ints:
        return np.clip(boxes[self.sources[0]][..., self.windows].max(axis=-1), *self.clamp)

    def corners(self, boxes: list[Ints]) -> tuple[Any, ...]:
        """a: the element of greatest lower end; y is no less, nor more than it or the others' upper ends.

        A maximum lies at an end of a or at the clamp: where a exceeds the others, slopes only rise.
        """
        lo, hi = boxes[self.sources[0]]
        pick = np.take_along_axis(self.windows, lo[self.windows].argmax(axis=1)[:, None], axis=1)
        others = np.where(self.windows != pick, hi[self.windows], -(2**31)).max(axis=1)[:, None]
        a = np.clip([-(2**31), *self.clamp, 2**31], lo[pick], hi[pick])
        up, down = (np.clip(y, *self.clamp) for y in (np.maximum(a, others), a))
        return len(lo), pick[:, 0], a, up, down, 0, 1


@dataclass(frozen=True, eq=False)
class Network:
    """domain: what the inputs may be, a box; the steps; and a last softmax of one row, or None.

    cost: multiply-adds, or as much other work, to run one point, take intervals, or go back with one row.
    """

    domain: Ints
    steps: tuple[Linear | Pieces | Highest, ...]
    softmax: Any = None
    cost = property(lambda self: sum(step.cost for step in self.steps))

    def boxes(self, box: Ints) -> list[Ints]:
        """Every wire's box, by intervals."""
        boxes = [box]
        for step in self.steps:
            boxes.append(step.interval(boxes))
        return boxes

    def run(self, x: Ints) -> Ints:
        """[N, n] → outputs [N, n_out]."""
        y = self.boxes(np.stack([x, x]))[-1][0]
        return y if self.softmax is None else self.softmax.outputs(y)
