"""Operators that only move elements, none or those that are written already; and how any operator is known.

What TFLM refuses or leaves undefined is refused, and so is what is not known here.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import numpy as np

from coverify.check.networks.tensors import Tensor
from coverify.check.steps import Ints, Network, need

Method = TypeVar("Method", bound=Callable[..., Any])
OPERATORS: dict[int, tuple[Any, tuple[int, ...], int, str]] = {}


def reads(
    code: int, arity: tuple[int, ...], union: int = 0, slots: str = "", **more: Any
) -> Callable[[Method], Method]:
    """Of a method that it reads a builtin operator: how many inputs; the union's number of its options, and
    their slots and kinds (a capital where an absent one is 1): activation, padding, strides, then dilations
    or the window's size; what the method is told besides.
    """

    def noted(method: Method) -> Method:
        OPERATORS[code] = partial(method, **more), arity, union, slots
        return method

    return noted


class Moves:
    """A method for each: output, inputs, options → the elements that are the output. `net` grows."""

    net: Network

    @reads(2, tuple(range(1, 11)), 10, "0i 1b")
    def joined(self, out: Tensor, *given: Any) -> Ints:
        """CONCATENATION."""
        *operands, axis, act = given
        parts = [t for t in operands if t is not None]
        need(not act and all(t.codes == out.codes for t in parts), "an activation, or other quantizations")
        return self.together(out, parts, np.concatenate, axis)

    @reads(83, tuple(range(1, 11)), 59, "0i 1i")
    def packed(self, out: Tensor, *given: Any) -> Ints:
        """PACK; of int32 all that counts is that there are as many as are declared."""
        *operands, count, axis = given
        parts = [t for t in operands if t is not None]
        need(len(parts) == count and {t.type for t in parts} in ({2}, {9}), "a PACK of other values")
        if parts[0].type == 9:
            return self.together(out, parts, np.stack, axis)
        return self.moved(out, parts[0], np.stack([np.ones(t.shape, np.int64) for t in parts], axis))

    def together(self, out: Tensor, parts: list[Tensor], how: Any, axis: int) -> Ints:
        """A step that repeats their elements."""
        at = how([0 * t.values() if len(t.raw) else t.at for t in parts], axis)
        bias = how([t.values() if len(t.raw) else 0 * t.at for t in parts], axis)
        need((out.type, at.shape) == (9, out.shape) and len(at.shape) <= 5, "the shapes")
        return at if len(parts) == 1 else self.net.repeat(at, bias)

    def paddings(self, out: Tensor, x: Tensor, given: Tensor) -> Ints:
        """[dimensions, 2]: how many elements before and after."""
        pairs = given.values().reshape(-1, 2)
        need(given.type == 2 and len(pairs) == len(x.shape) < 6 and np.all(pairs >= 0), "the paddings")
        need(out.shape == tuple(x.shape + pairs.sum(axis=1)), "paddings that lead to another shape")
        return pairs

    @reads(34, (2,))
    def pad(self, out: Tensor, x: Tensor, paddings: Tensor) -> Ints:
        """Outside an image is element 0, as convolutions read it; for others, or channels, it is settled."""
        pairs = self.paddings(out, x, paddings)
        out.at = self.moved(out, x, np.pad(x.at, pairs))
        return out.at if len(pairs) == 4 and not pairs[[0, 3]].any() else self.settled(out)

    @reads(60, (3,))
    def padded(self, out: Tensor, x: Tensor, paddings: Tensor, border: Tensor) -> Ints:
        """PADV2: a border of a constant."""
        need(border.size == 1 and border.codes == out.codes, "a border of several, or other, codes")
        out.at = self.moved(out, x, np.pad(x.at, self.paddings(out, x, paddings)))
        return self.settled(out, border.values().item())

    def settled(self, x: Tensor, border: int | None = None) -> Ints:
        """The elements of a tensor, of which those outside an image are of this code, or the zero point."""
        if np.all(x.at):
            return x.at
        border = x.codes[1] if border is None else border
        return self.net.repeat(x.at, np.where(x.at, 0, border)).reshape(x.shape)

    @reads(100, (2,), 77, "0b")
    def mirrored(self, out: Tensor, x: Tensor, paddings: Tensor, symmetric: int) -> Ints:
        """MIRROR_PAD, with the edge (symmetric) or without it."""
        pairs = self.paddings(out, x, paddings)
        room = max(0, *pairs.max(axis=1) + (not symmetric) - x.shape)
        need(len(paddings.shape) == 2 and room == 0, "paddings wider than what is mirrored")
        return self.moved(out, x, np.pad(x.at, pairs, "symmetric" if symmetric else "reflect"))

    @reads(22, (1, 2))
    def reshape(self, out: Tensor, x: Tensor, _: Tensor | None) -> Ints:
        need((x.type, x.at.size) == (out.type, out.size), "a RESHAPE")
        return x.at

    @reads(43, (1,), 30, "0[i")
    def squeezed(self, out: Tensor, x: Tensor, dims: Ints) -> Ints:
        """SQUEEZE of these dimensions, or of all that are 1."""
        need(len(dims) <= 8, "a SQUEEZE of more than 8 dimensions")
        return self.moved(out, x, np.squeeze(x.at, tuple({*dims.tolist()}) or None))

    @reads(70, (2,), 52)
    def expanded(self, out: Tensor, x: Tensor, axis: Tensor) -> Ints:
        """EXPAND_DIMS: a dimension of 1 before an axis."""
        need(axis.type == 2 and axis.shape in ((), (1,)), "an EXPAND_DIMS's axis")
        return self.moved(out, x, np.expand_dims(x.at, axis.values().item()))

    @reads(39, (2,), 26)
    def transpose(self, out: Tensor, x: Tensor, order: Tensor) -> Ints:
        fit = (order.type, order.shape) == (2, (x.at.ndim,)) and x.at.ndim < 6
        need(fit and sorted(order.values()) == [*range(x.at.ndim)], "a TRANSPOSE's order")
        return self.moved(out, x, x.at.transpose(order.values()))

    @reads(105, (2,))
    def reversed(self, out: Tensor, x: Tensor, axes: Tensor) -> Ints:
        """REVERSE_V2 along neighbouring axes."""
        path = axes.values() % max(x.at.ndim, 1)
        at = np.flip(x.at, tuple(axes.values().tolist()))  # refuses axes that are none, or twice the same
        need(axes.type == 2 and len(axes.shape) == 1 and x.at.ndim < 6, "a REVERSE_V2's axes")
        need(len(path) == path.max() - path.min() + 1, "a REVERSE_V2 along axes that are not neighbours")
        return self.moved(out, x, at)

    @reads(36, (2,), 23, "0i 1i")
    def gathered(self, out: Tensor, x: Tensor, where: Tensor, axis: int, batches: int) -> Ints:
        need(where.type == 2 and not batches, "a GATHER by batches, or at positions of another type")
        need(np.all(where.values() >= 0) and out.size * x.shape[axis] == x.size * where.size, "a GATHER")
        return self.moved(out, x, x.at.take(where.values(), axis))

    @reads(130, (2,))
    def spread(self, out: Tensor, x: Tensor, to: Tensor) -> Ints:
        """BROADCAST_TO."""
        fit = (to.type, to.shape, to.values().tolist()) == (2, (len(out.shape),), list(out.shape))
        need(fit and len(out.shape) < 6, "a BROADCAST_TO another shape")
        return self.moved(out, x, np.broadcast_to(x.at, out.shape))

    @reads(26, (1,), 19, "0i")
    @reads(5, (1,), 94, "0i", apart=True)
    def blocks(self, out: Tensor, x: Tensor, by: int, apart: bool = False) -> Ints:
        """SPACE_TO_DEPTH and DEPTH_TO_SPACE."""
        n, h, w, d = x.shape
        need(1 <= by <= 1 << 12, "a block's size")
        split = (h, w, by, by, d // by**2) if apart else (h // by, by, w // by, by, d)
        at = x.at.reshape(n, *split).transpose(0, 1, 3, 2, 4, 5)
        to = (h * by, w * by, d // by**2) if apart else (h // by, w // by, d * by**2)
        return self.moved(out, x, at.reshape(n, *to))

    def in_space(self, x: Tensor, blocks: Tensor, ends: Tensor) -> tuple[Ints, Any, Any, Ints]:
        """[batch, height, width, depth], of which the width may be left out; a block's sizes; the borders."""
        by, pairs, rank = blocks.values(), ends.values().reshape(-1, 2), len(x.shape)
        need(blocks.type == ends.type == 2 and len(blocks.shape) == 1, "a block's, or a border's, form")
        need(rank in (3, 4) and len(by) == len(pairs) == rank - 2, "a block of other dimensions")
        need(np.all((by >= 1) & (by <= 1 << 12)) and np.all(pairs >= 0), "a block's size, or a border's")
        at, more = x.at.reshape(*x.shape[:2], -1, x.shape[-1]), np.zeros((4 - rank, 2), np.int64)
        return at, at.shape, np.append(by, [1])[:2], np.concatenate([pairs, more])

    @reads(38, (3,))
    def batched(self, out: Tensor, x: Tensor, blocks: Tensor, paddings: Tensor) -> Ints:
        """SPACE_TO_BATCH_ND without paddings, which TFLM would fill from memory that it never sets."""
        at, (n, h, w, d), (a, b), pairs = self.in_space(x, blocks, paddings)
        need(not pairs.any(), "paddings of a SPACE_TO_BATCH_ND")
        at = at.reshape(n, h // a, a, w // b, b, d).transpose(2, 4, 0, 1, 3, 5)
        at = at.reshape(n * a * b, h // a, w // b, d)
        return self.moved(out, x, at if len(x.shape) == 4 else at[:, :, 0])

    @reads(37, (3,))
    def unbatched(self, out: Tensor, x: Tensor, blocks: Tensor, crops: Tensor) -> Ints:
        """BATCH_TO_SPACE_ND."""
        at, (n, h, w, d), (a, b), (rows, columns) = self.in_space(x, blocks, crops)
        at = at.reshape(a, b, n // (a * b), h, w, d).transpose(2, 3, 0, 4, 1, 5)
        at = at.reshape(n // (a * b), h * a, w * b, d)
        at = at[:, rows[0] : max(0, h * a - rows[1]), columns[0] : max(0, w * b - columns[1])]
        return self.moved(out, x, at if len(x.shape) == 4 else at[:, :, 0])

    @reads(97, (2,), 74, "0b 1b")
    def nearest(self, out: Tensor, x: Tensor, to: Tensor, align: int, half: int) -> Ints:
        """RESIZE_NEAREST_NEIGHBOR: positions in float32, as TFLM has them."""
        need(len(x.shape) == 4 and (x.shape[0], x.shape[3]) == (out.shape[0], out.shape[3]), "the shapes")
        need(to.type == 2 and to.values().tolist() == list(out.shape[1:3]), "a resize to another size")
        paths, shift = list[Ints](), np.float32(0.5 if half else 0)
        for n, m in zip(x.shape[1:3], out.shape[1:3], strict=True):
            by = (n - 1, m - 1) if align and m > 1 else (n, m)
            at = (np.arange(m, dtype=np.float32) + shift) * (np.float32(by[0]) / np.float32(by[1]))
            at = np.floor(at.astype(float) + 0.5 if align else at)
            paths.append(np.minimum(at.astype(np.int64), n - 1))
        return self.moved(out, x, x.at[:, paths[0][:, None], paths[1]])

    @reads(65, (3,))
    def sliced(self, out: Tensor, x: Tensor, begin: Tensor, size: Tensor) -> Ints:
        first, many = (t.values().reshape(-1) for t in (begin, size))
        need(begin.type == size.type == 2 and len(first) == len(many) == len(x.shape) < 6, "a SLICE's ends")
        many = np.where(many == -1, x.shape - first, many)
        need(np.all((first >= 0) & (many > 0) & (many <= x.shape - first)), "a SLICE beyond its input")
        return self.moved(out, x, x.at[tuple(map(slice, first, first + many))])

    @reads(45, (4,), 32, "0i 1i 2i 3i 4i 5b")
    def strided(self, out: Tensor, x: Tensor, *given: Any) -> Ints:
        """STRIDED_SLICE: on each axis the positions that TFLM visits (strided_slice_logic.h)."""
        *ends, begin, end, ellipsis, new, shrink, offset = given
        rows, at = [t.values().reshape(-1).tolist() for t in ends], x.at
        need(all(t.type == 2 and t.size == at.ndim < 5 for t in ends), "a STRIDED_SLICE's operands")
        need(not (ellipsis or new or offset), "a STRIDED_SLICE's masks that TFLM ignores")
        need(0 not in rows[2] and min(map(min, rows)) > -1 << 31, "a STRIDED_SLICE's step, or far ends")
        for k, (n, first, last, step) in enumerate(zip(x.shape, *rows, strict=True)):
            near, far = (0, n) if step > 0 else (n - 1, -1)
            first, last = (min(max(i + n * (i < 0), min(near, far)), max(near, far)) for i in (first, last))
            first = near if begin >> k & 1 else first
            path = range(first, first + 1 if shrink >> k & 1 else far if end >> k & 1 else last, step)
            need(path and first < n and abs(path[-1] + step) < 1 << 31, "a STRIDED_SLICE's positions")
            at = at.take(path, k)
        return self.moved(out, x, at.reshape([m for k, m in enumerate(at.shape) if not shrink >> k & 1]))

    @reads(77, (1,), 55, "0b")
    def shaped(self, out: Tensor, x: Tensor, kind: int) -> Ints:
        """SHAPE: no step, as no step reads an int32; its elements are any."""
        need((out.type, out.shape) == (2, (len(x.shape),)) and kind in (0, 2), "a SHAPE of another form")
        return np.ones(out.shape, np.int64)

    @reads(49, (2,), 35)
    def split(self, outs: list[Tensor], axes: Tensor, x: Tensor) -> list[Ints]:
        """SPLIT into equal parts."""
        axis = axes.values().item()
        need(axes.type == 2, "a SPLIT's axis")
        return [self.moved(out, x, at) for out, at in zip(outs, np.split(x.at, len(outs), axis), strict=True)]

    @reads(102, (3,))
    def cut(self, outs: list[Tensor], x: Tensor, _: Tensor, axes: Tensor) -> list[Ints]:
        """SPLIT_V: into parts as long as the outputs, whatever sizes are given."""
        axis, fit = axes.values().item(), all(len(t.shape) == len(x.shape) for t in outs)
        need(axes.type == 2 and fit, "a SPLIT_V's axis, or its outputs' shapes")
        ends = np.cumsum([t.shape[axis] for t in outs])
        need(ends[-1] == x.shape[axis], "a SPLIT_V into more, or less, than there is")
        parts = np.split(x.at, ends[:-1], axis)
        return [self.moved(out, x, at) for out, at in zip(outs, parts, strict=True)]

    @reads(88, (1,), 64, "0i 1i")
    def unpacked(self, outs: list[Tensor], x: Tensor, n: int, axis: int) -> list[Ints]:
        """UNPACK: what is at each position on an axis."""
        need(n == len(outs), "an UNPACK of another number")
        return [self.moved(out, x, at) for out, at in zip(outs, np.moveaxis(x.at, axis, 0), strict=True)]

    def moved(self, out: Tensor, x: Tensor, at: Any) -> Ints:
        need((x.type, at.shape) == (out.type, out.shape), "an output of another form")
        return at
