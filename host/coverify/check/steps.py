"""The steps of a network on exact integers.

All values of a network are one vector x: element 0 is the constant 0, then come the inputs, then what each
step writes, which it computes from elements before. A box is an array [2, elements], least and greatest
values; N points are [1, N, elements]. `interval` bounds what a step writes, and is exact on points.
`back` is the heart of a proof. It is given the coefficients nu [elements, R] of R forms, adds to those of
what the step reads, and returns constants c [R], such that, y being what the step writes, nu · y <= c +
(what was added) · x everywhere in a box; of the box it is given what the step's `corners` says of it.
Arithmetic is int64. What is kept is below 2^61 (`small`), so that two such values add up; a sum of products
is bounded before it is taken (`exact`). Below 2^52 it is taken in floats, which hold every integer up to 2^53
and so lose nothing, in whatever order they add (`product`).
"""

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Rule = Callable[[Ints, Ints], Ints]  # of elements and their channels
INT8, INT16, INT32 = (np.array([[-(1 << n)], [(1 << n) - 1]]) for n in (7, 15, 31))
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


def exact(*products: tuple[NDArray[Any], NDArray[Any]]) -> bool:
    """Is the sum of all |a| @ |b| below 2^52? In floats, whose rounding is far from doubling it.

    Rejected unless it is below 2^61.
    """
    most = np.max(sum(np.abs(a.astype(float)) @ np.abs(b.astype(float)) for a, b in products), initial=0)
    need(most < SMALL, "a sum leaves the range of exact 64-bit arithmetic")
    return bool(most < 2**52)


def product(a: NDArray[Any], b: NDArray[Any], low: bool) -> Ints:
    """a @ b of matrices, whose sums of products are below 2^52 where they are `low`, and 2^61 else."""
    return (a.astype(float) @ b.astype(float)).astype(np.int64) if low else a @ b


def within(products: int, budget: int) -> None:
    """Rejected when it would take too long."""
    need(products <= budget, f"it takes up to {products:.1e} multiply-adds; the budget is {budget:.1e}")


def dot(a: Ints, b: Ints) -> Ints:
    """a @ b."""
    return product(a, b, exact((a, b)))


def sums(taps: NDArray[Any], weights: NDArray[Any], low: bool) -> Ints:
    """A linear step without its bias, of what its taps read: [..., groups, positions, taps] → [..., n]."""
    found = product(taps, weights.swapaxes(1, 2), low)
    return found.swapaxes(-2, -3).reshape(*taps.shape[:-3], -1)


@dataclass(eq=False)
class Step:
    """out: the elements that it writes, one after the other; reads: the name of those that it reads; width:
    how many multipliers it has.
    """

    out: Ints
    reads: ClassVar[str] = "pick"
    width: ClassVar[Any] = 0

    def corners(self, boxes: Ints) -> Any:
        """What `back` must know of a box."""


@dataclass(eq=False)
class Linear(Step):
    """y[p, g, c] = bias[p, g, c] + Σ_t weights[g, c, t] · x[columns[g, p, t]]: position, group, channel, tap.

    x: the vector; a tap outside an image reads element 0. A dense layer has one position and one group, a
    convolution many positions, a depthwise one a group for each channel it reads.

    few: what the first elements are, from which so many may differ, if not any number.
    """

    weights: Ints
    columns: Ints
    bias: Ints
    few: tuple[Ints, int] | None = None
    reads = "columns"
    products = property(lambda self: self.weights.size * self.columns.shape[1])
    cost = property(lambda self: self.products + 8 * self.columns.size + 16 * self.bias.size)

    @cached_property
    def reach(self) -> NDArray[Any]:
        """Σ|weights| of every row, in floats."""
        return sums(np.ones(self.columns.shape), np.abs(self.weights.astype(float)), False)

    def interval(self, boxes: Ints) -> Ints:
        """By twice the centre and twice the radius; their sum and difference are even."""
        lo, hi = boxes[0][..., self.columns], boxes[-1][..., self.columns] if len(boxes) > 1 else 0
        low = exact((np.array([[max(size(lo + hi), size(hi - lo), 1)]]), self.reach[None]))
        centre = sums(lo + hi, self.weights, low)
        if len(boxes) == 1:
            return centre[None] + self.bias
        radius = sums(hi - lo, np.abs(self.weights), low)
        found = np.stack([centre - radius, centre + radius]) // 2 + self.bias
        return found if self.few is None else self.near(boxes, found, *self.few)

    def near(self, boxes: Ints, found: Ints, base: Ints, changes: int) -> Ints:
        """Of what is found, that which is reached from the base by the greatest gains of so many changes."""
        away = (base < boxes[0, : len(base)]) | (boxes[1, : len(base)] < base)
        ends = (boxes[:, : len(base)] - base)[:, self.columns][..., None, :] * self.weights[:, None]
        gains = np.stack([-ends.min(axis=0), ends.max(axis=0)])
        forced = away[self.columns][..., None, :]
        k, n = max(0, changes - np.count_nonzero(away)), gains.shape[-1]
        most = -np.partition(np.where(forced, 0, -gains), min(k, n - 1))[..., :k]
        gain = (most.sum(axis=-1) + (gains * forced).sum(axis=-1)).swapaxes(1, 2).reshape(2, -1)
        centre = sums(base[self.columns], self.weights, False) + self.bias
        return np.stack([np.maximum(found[0], centre - gain[0]), np.minimum(found[1], centre + gain[1])])

    def count(self, base: Ints, changes: int) -> None:
        """See that few of the elements change, where only these are read, none of them twice for one sum."""
        at = np.sort(self.columns)
        once = np.all((at[..., 1:] > at[..., :-1]) | (at[..., 1:] == 0))
        exact((np.array([[4 * size(base) + 1024]]), self.reach[None]))
        if once and self.columns.max() < len(base) and self.products <= CELLS // 2:
            self.few = base, changes

    def back(self, nu: Ints, xi: Any, corners: Any) -> Ints:
        """An equation: nu · y = nu · bias + (weightsᵀ nu) · x."""
        own, (groups, positions, taps), channels = nu[self.out], self.columns.shape, self.weights.shape[1]
        low, n = exact((own.T, self.reach)), own.shape[1]
        rows = own.reshape(positions, groups, channels, n).transpose(1, 2, 0, 3)
        more = product(self.weights.swapaxes(1, 2), rows.reshape(groups, channels, positions * n), low)
        np.add.at(nu, self.columns, more.reshape(groups, taps, positions, n).swapaxes(1, 2))
        small(nu[self.columns])
        return dot(own.T, self.bias)


@dataclass(eq=False)
class Pieces(Step):
    """y[i] = values[piece(a[i], channel[i])]: stairs, or a table; the piece does not fall as a grows.

    For any multiplier xi of a = x[pick[i]], nu · y <= max over a of (nu · y − xi · a) + xi · a.
    domain: [2, channels], the least and the greatest a for which they are defined. sums: the step before, if
    the a are its sums. offset: of two copies, whose a less this are equal.
    """

    pick: Ints
    piece: Rule
    values: Ints
    channel: Ints
    domain: Ints
    sums: Linear | None = None
    offset: Ints | None = None
    width = property(lambda self: len(self.out))
    edges = property(lambda self: int(self.channel.max() + 1) * (len(self.values) + 1))
    cost = property(lambda self: (2 if self.offset is None else 8) * self.channel.size * self.values.size)

    @cached_property
    def starts(self) -> Ints:
        """[channels, pieces + 1]: the least a that is in this piece or a later one, by bisection."""
        want, channel = np.arange(len(self.values) + 1), np.arange(self.channel.max() + 1)
        need(self.edges <= CELLS, "too many stairs")
        starts = np.full((len(channel), len(want)), -(2**31))
        for step in 1 << np.arange(32, -1, -1):  # every a below starts is in an earlier piece
            a = np.clip((starts + step - 1).T, *self.domain[:, channel])
            starts += step * (want > self.piece(a, channel).T)
        return starts

    def interval(self, boxes: Ints) -> Ints:
        """The values at both ends of a box, which must lie in the domain; of falling ones, all in between."""
        box, (first, last) = boxes[..., self.pick], self.domain[:, self.channel]
        need(np.all((first <= box) & (box <= last)), "an accumulator may overflow, of some input in the box")
        ends, each = self.piece(box, self.channel), np.arange(len(self.values))
        if len(boxes) == 1 or np.all(np.diff(self.values) >= 0):
            return self.values[ends]
        after = each[:, None] <= each  # [first piece, last piece]
        few = np.minimum.accumulate(np.where(after, self.values, SMALL), axis=1)
        many = np.maximum.accumulate(np.where(after, self.values, -SMALL), axis=1)
        return np.stack([few[tuple(ends)], many[tuple(ends)]])

    def corners(self, boxes: Ints, *parabolas: Ints) -> tuple[Any, ...]:
        """a and y at the ends of the pieces that a box meets: of those at its ends, and all in between. Of
        two copies those of either, moved to where both boxes are; then the maximum is of their sum.

        parabolas: xi, z, k, s, y0, beta, t, g and f; then of one copy, for these xi, and less is taken, that
        is k u² / 2^24 + (t + g u) v / beta − f v² / 2^24, u = a − z and v = y − y0. A piece has one v: its
        maximum lies at an end or as near to the vertex as can be, each rounded upwards.
        """
        box, channel, copies = boxes[:, self.pick], self.channel[:, None], 1
        (low, high), less = self.piece(box, self.channel)[..., None], 0 * channel
        need(low.size * (int((high - low).max()) + 1) <= CELLS, "too many stairs to bound in this box")
        p = np.minimum(low + np.arange((high - low).max() + 1), high)
        p = np.where(self.starts[channel, p] < self.starts[channel, p + 1], p, low)  # no a is in an empty one
        ends = np.clip([self.starts[channel, p], self.starts[channel, p + 1] - 1], *box[:, :, None])
        a, y = np.hstack(ends), self.values[np.hstack([p, p])]
        if parabolas:
            xi, z, k, _, y0, beta, t, g, f = (small(values)[:, None] for values in parabolas)
            beta, v = np.maximum(beta, 1), self.values[p] - y0
            slope = xi * beta + g * v  # at z, beta times
            vertex = np.clip(z + ((-slope << 24) + k * beta) // np.maximum(2 * k * beta, 1), *ends)
            a, v = np.hstack([a, vertex]), np.tile(v, 3)
            y, u = v + y0, a - z
            less = (k * u**2 - f * v**2 >> 24) + (t + g * u) * v // beta
            x, t, g, u, v, b = (np.multiply(abs(n).max(1)[:, None], 1.0) for n in (xi, t, g, u, v, beta))
            most = x * b + g * v, k * b / 2**24, (k * u**2 + f * v**2) / 2**24, (t + g * u) * v / b, b * 2**13
            need(np.max(most) < 2**37, "a number beside a parabola is too large")
        elif self.offset is not None:
            both, low, high = (np.split(v - self.offset, 2) for v in (a, *box[:, :, None]))
            a = np.tile(np.clip(np.hstack(both), np.maximum(*low), np.minimum(*high)), (2, 1)) + self.offset
            y, copies = self.values[self.piece(a.T, self.channel).T], 2
        return a, y, less, copies

    def back(self, nu: Ints, xi: Ints, corners: tuple[Any, ...]) -> Ints:
        own, (a, y, less, copies) = nu[self.out].T, corners
        need(xi.shape == own.shape, "multipliers of the wrong shape")
        low = exact((own, np.abs(y).max(axis=1)), (xi, np.abs(a).max(axis=1) + 1))
        gain = product(np.stack([own, -xi]).T, np.stack([y, a], axis=1), low)
        gain -= less[:, None]
        np.add.at(nu, self.pick, xi.T)
        small(nu[self.pick])
        return gain.reshape(copies, -1, len(own), a.shape[1]).sum(axis=0).max(axis=2).sum(axis=0)

    def pair(self, root: Ints) -> None:
        """See two copies, where the halves of dense sums differ by constants as some of the input is fixed.

        Then so do the least sums, from which each is counted.
        """
        if self.sums and self.sums.columns.shape[:2] == (1, 1) and len(self.out) % 2 == 0:
            fixed = np.equal(*root[:, self.sums.columns[0, 0]])
            if np.any(fixed) and not np.any(np.subtract(*np.split(self.sums.weights[0][:, ~fixed], 2))):
                self.offset = root[0, self.pick][:, None]


@dataclass(eq=False)
class Highest(Step):
    """y[i] = the greatest of x[windows[i]], clamped.

    For any multipliers xi of each x of a window, nu · y <= max of (nu · y − xi · x) + xi · x. If the greatest
    is t, the x of xi < 0 are as high as t lets them be, the others at their lower ends, but for one that is
    t. From an upper end, or one of the clamp, to the next that is convex in t: at one it is greatest.
    """

    windows: Ints
    clamp: tuple[int, int] = (-SMALL, SMALL)
    reads = "windows"
    width = property(lambda self: self.windows.size)
    cost = property(lambda self: 4 * self.windows.size * (self.windows.shape[1] + 3))

    def interval(self, boxes: Ints) -> Ints:
        return np.clip(boxes[..., self.windows].max(axis=-1), *self.clamp)

    def corners(self, boxes: Ints) -> tuple[Ints, ...]:
        return tuple(boxes[:, self.windows])

    def back(self, nu: Ints, xi: Ints, corners: tuple[Ints, ...]) -> Ints:
        own, (lo, hi), far = nu[self.out].T, corners, np.abs(corners).max(axis=0)
        need(xi.shape == (len(own), self.width), "multipliers of the wrong shape")
        xi = xi.reshape(-1, *self.windows.shape)
        exact((own, far.max(axis=1) + 128), (xi.reshape(len(xi), -1), 2 * far.reshape(-1) + 1))
        least, most = lo.max(axis=1, keepdims=True), hi.max(axis=1, keepdims=True)
        ends = np.clip(np.hstack([hi, least, np.tile(self.clamp, (len(hi), 1))]), least, most)
        up, down, gain = np.maximum(xi, 0), np.minimum(xi, 0), np.full(own.shape, -SMALL)
        for t in ends.T[..., None]:
            rise = np.where(hi >= t, up * (t - lo), SMALL).min(axis=2)
            rest = (up * lo + down * np.minimum(hi, t)).sum(axis=2)
            gain = np.maximum(gain, own * np.clip(t[:, 0], *self.clamp) - rest - rise)
        np.add.at(nu, self.windows, xi.transpose(1, 2, 0))
        small(nu[self.windows])
        return gain.sum(axis=1)


@dataclass(eq=False)
class Product(Step):
    """y[i] = (a − offsets[0]) · (b − offsets[1]), where a and b are x[pick[0, i]] and x[pick[1, i]].

    For any s and t, nu · y <= max of (nu · y − s · a − t · b) + s · a + t · b; that is linear in a and in b,
    so greatest at a corner of their boxes. s and t are the slopes in the middle, rounded downwards.
    """

    pick: Ints
    offsets: Ints
    cost = property(lambda self: 8 * self.pick.size)

    def interval(self, boxes: Ints) -> Ints:
        a, b = np.moveaxis(boxes[..., self.pick] - self.offsets[:, None], -2, 0)
        need(size(a) * size(b) < SMALL, "a product leaves the range of exact 64-bit arithmetic")
        ends = [x * y for x in (a[0], a[-1]) for y in (b[0], b[-1])]
        return np.stack([np.min(ends, axis=0), np.max(ends, axis=0)])[: len(boxes)]

    def corners(self, boxes: Ints) -> tuple[Ints, ...]:
        return tuple((boxes[:, self.pick] - self.offsets[:, None]).swapaxes(0, 1))

    def back(self, nu: Ints, xi: Any, corners: tuple[Ints, ...]) -> Ints:
        own, (a, b), offsets = nu[self.out].T, corners, self.offsets
        far = np.abs(corners).max(axis=1) + np.abs(offsets)[:, None] + 1.0
        exact((own, 4 * far[0] * far[1]))
        s, t = own * b.sum(axis=0) >> 1, own * a.sum(axis=0) >> 1
        gain = np.max([own * x * y - s * x - t * y for x in a for y in b], axis=0)
        np.add.at(nu, self.pick, np.stack([s, t]).swapaxes(1, 2))
        small(nu[self.pick])
        return (gain - s * offsets[0] - t * offsets[1]).sum(axis=1)


class Network:
    """lo, hi: what each of n inputs may be; steps: those put so far; outputs: what the last one writes, or
    any elements, where that is said; end: the element that is next.

    cost: multiply-adds, or as much other work, to run one point, take intervals, or go back with one row.
    """

    cost = property(lambda self: sum(step.cost for step in self.steps))
    end = property(lambda self: 1 + (self.steps[-1].out[-1] if self.steps else self.domain.shape[1]))

    def __init__(self, n: int, lo: int, hi: int) -> None:
        self.domain, self.outputs, self.steps = np.tile([[lo], [hi]], n), np.arange(1, n + 1), list[Any]()

    def put(self, kind: Any, n: int, *parts: Any) -> Ints:
        """One more step, which writes n elements; these."""
        self.outputs = self.end + np.arange(n)
        need(self.outputs[-1] <= 2 * CELLS, "a network of too many elements")
        self.steps.append(kind(self.outputs, *parts))
        return self.outputs

    def edges(self) -> int:
        """How many ends of pieces a proof finds."""
        many = sum(step.edges for step in self.steps if isinstance(step, Pieces))
        need(many <= 4 * CELLS, "too many stairs")
        return many

    def repeat(self, at: Ints, bias: Ints | int = 0) -> Ints:
        """A step that writes these elements once more, plus a bias."""
        one, columns = np.ones((1, 1, 1), np.int64), at.reshape(1, -1, 1)
        return self.put(Linear, at.size, one, columns, (bias + 0 * at).reshape(-1))

    def stairs(self, rule: Rule, lo: int, hi: int, channel: Ints, domain: Ints, *parts: Ints) -> Ints:
        """Sums a (weights, columns and bias) or products (pick and offsets), and their stairs
        y[i] = rule(a[i], channel[i]) within lo..hi. A rule does not fall as a grows.
        """
        acc = self.put(Product if len(parts) == 2 else Linear, len(channel), *parts)
        piece, values = lambda a, c: np.clip(rule(a, c), lo, hi) - lo, np.arange(lo, hi + 1)
        sums = self.steps[-1] if len(parts) == 3 else None
        return self.put(Pieces, len(acc), acc, piece, values, channel, domain, sums)

    def twice(self, feature: int) -> "Network":
        """Two runs: of an input, and of the same with a feature raised to a value more, or left if above."""
        n = self.domain.shape[1]
        need(0 <= feature < n, "a feature that does not exist")
        net, windows, outputs = Network(n + 1, *self.domain[:, 0]), np.arange(1, n + 1)[:, None], list[Ints]()
        raised = net.put(Highest, n, np.hstack([windows, np.where(windows == feature + 1, n + 1, windows)]))
        for read in (windows[:, 0], raised):
            at = np.pad(read, (1, sum(len(step.out) for step in self.steps)))
            for step in map(copy, self.steps):
                own, step.out = step.out, net.end + np.arange(len(step.out))
                setattr(step, step.reads, at[getattr(step, step.reads)])
                if isinstance(step, Pieces) and step.sums:
                    step.sums = net.steps[-1]
                net.steps.append(step)
                at[own] = step.out
            outputs.append(at[self.outputs])
        net.repeat(np.concatenate(outputs))
        return net

    def boxes(self, box: Ints) -> Ints:
        """Of all elements, by intervals: the box of the inputs, or points, [..., n] → [..., elements]."""
        boxes = np.pad(box, [(0, 0)] * (box.ndim - 1) + [(1, sum(len(step.out) for step in self.steps))])
        for step in self.steps:
            boxes[..., step.out] = step.interval(boxes)
        return boxes
