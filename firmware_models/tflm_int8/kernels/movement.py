"""Operators that only move elements: every output element is a copy of an input's element, or a constant.

A `Movement` says where each element comes from; the operators (join, pad, slice, permute, …) only work out
the indices, by doing to an array of element numbers what the operator does to the elements.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from tflm_int8.fixedpoint import I64Array
from tflm_int8.model import Tensor
from tflm_int8.node import OPEN_BATCH, Node
from tflm_int8.variant import Form

Array = NDArray[Any]

MAX_ELEMENTS: Final = 1 << 22
"""Elements of one output that are moved at most: their indices are kept."""


@dataclass(frozen=True)
class Box:
    """A copy between regular grids: output[window] = the input's elements start + Σ strides · coordinates."""

    window: tuple[slice, ...]
    start: int
    strides: tuple[int, ...]

    def view(self, rows: Array) -> Array:
        """The copied elements of rows [N, elements] as a view [N, window]."""
        flat, size = rows[:, self.start :], rows.itemsize
        shape = (len(rows), *(w.stop - w.start for w in self.window))
        return as_strided(flat, shape, (rows.strides[0], *(s * size for s in self.strides)), writeable=False)


@dataclass(frozen=True)
class Copy:
    """output[to] = input number `source` [origin]; elements in C order, int64 [k]; to: None for all.

    box: the same as a copy between grids, where it is one (much faster); run: how many elements are copied at
    a time where to is None: `origin` is runs of so many, which begin at multiples of it.
    """

    source: int
    origin: I64Array
    to: I64Array | None
    box: Box | None
    run: int = 1


@dataclass(frozen=True)
class Movement:
    """Per output: the copies that make it up, together all of its elements but those that hold `fill`."""

    node: Node
    copies: tuple[tuple[Copy, ...], ...]
    fill: int = 0

    def run(self, inputs: list[Array]) -> list[Array]:
        """[N, shape] per input → [N, output shape] per output, of the same type."""
        tensors = (self.node.model.tensors[o] for o in self.node.op.outputs)
        return [self._moved(inputs, parts, out) for parts, out in zip(self.copies, tensors, strict=True)]

    def _moved(self, inputs: list[Array], parts: tuple[Copy, ...], out: Tensor) -> Array:
        n = len(inputs[0])
        moved: Array = np.full((n, *out.shape), self.fill, out.dtype)
        flat = moved.reshape(n, -1)
        for part in parts:
            rows = self._rows(inputs, part.source)
            if part.box is not None:
                place = (slice(None), *part.box.window)
                moved[place] = part.box.view(rows)
            elif part.to is None:
                runs = np.dtype((np.void, part.run * rows.itemsize))
                flat.view(runs)[...] = rows.view(runs).take(part.origin[:: part.run] // part.run, axis=1)
            else:
                flat[:, part.to] = rows[:, part.origin]
        return moved

    def _rows(self, inputs: list[Array], source: int) -> Array:
        """The input's elements, [N, elements]; [1, elements] of a constant."""
        constant = self.node.input(source).data
        rows = inputs[source] if constant is None else constant[None]
        return np.ascontiguousarray(rows.reshape(len(rows), -1))


def numbered(tensor: Tensor, first: int = 0) -> I64Array:
    """The numbers first, first + 1, … of the tensor's elements, in its shape."""
    return np.arange(first, first + tensor.size, dtype=np.int64).reshape(tensor.shape)


def movement(node: Node, sources: Sequence[int], numbers: Sequence[I64Array], fill: int = 0) -> Movement:
    """The movement whose outputs hold the elements of these numbers.

    sources: the inputs that are read, numbered one after another; numbers: one array per output, of the
    output's shape, −1 where it holds `fill`. Refuses another shape.
    """
    ends = np.cumsum([node.input(s).size for s in sources])
    copies = []
    for index, number in zip(node.op.outputs, numbers, strict=True):
        out = node.model.tensors[index]
        if number.shape != out.shape:
            batch = out.shape[:1] == (1,) and out.shape[1:] == number.shape[1:] and number.ndim > 1
            hint = OPEN_BATCH if batch else ""
            node.refuse(f"the output is declared {list(out.shape)}, computed {list(number.shape)}{hint}")
        copies.append(tuple(_copies(number, sources, ends)))
    return Movement(node, tuple(copies), fill)


def _copies(number: I64Array, sources: Sequence[int], ends: I64Array) -> Iterator[Copy]:
    first, flat = 0, np.ascontiguousarray(number).reshape(-1)
    for source, end in zip(sources, ends.tolist(), strict=True):
        to = np.flatnonzero((flat >= first) & (flat < end))
        if len(to):
            box = _box(number - first, to)
            whole, origin = len(to) == len(flat), flat[to] - first
            run = _run(origin, (number.shape or (1,))[-1], end - first) if whole else 1
            yield Copy(source, origin, None if whole else to, box, run)
        first = end


def _run(origin: I64Array, length: int, size: int) -> int:
    """`length` where the origins, out of `size` elements, are aligned runs of so many, else 1."""
    firsts = origin[::length]
    aligned = size % length == 0 and not np.any(firsts % length)
    return (
        length
        if aligned and np.array_equal(origin, np.repeat(firsts, length) + np.arange(len(origin)) % length)
        else 1
    )


def _box(number: I64Array, to: I64Array) -> Box | None:
    """The box of the elements `to` (flat) of `number`, or None when they are no box or not regular in it."""
    corners = [np.unravel_index(to[i], number.shape) for i in (0, -1)]
    window = tuple(slice(int(a), int(b) + 1) for a, b in zip(*corners, strict=True))
    inside = number[window]
    if inside.size != len(to) or not np.array_equal(inside.reshape(-1), number.reshape(-1)[to]):
        return None
    start = int(inside.reshape(-1)[0])
    strides, regular = [], np.full(inside.shape, start, np.int64)
    for axis, n in enumerate(inside.shape):
        stride = int(np.take(inside, 1, axis).reshape(-1)[0]) - start if n > 1 else 0
        regular += stride * np.arange(n).reshape([-1] + [1] * (inside.ndim - 1 - axis))
        strides.append(stride)
    return Box(window, start, tuple(strides)) if np.array_equal(inside, regular) else None


def check_moved(node: Node, tensors: Sequence[Tensor], types: str) -> None:
    """Refuse tensors of different types, of a type not among the names in `types`, empty ones or huge ones.

    The outputs are checked along with `tensors`.
    """
    for tensor in (*tensors, *(node.model.tensors[o] for o in node.op.outputs)):
        if tensor.dtype not in types.split() or tensor.dtype != tensors[0].dtype:
            node.refuse(f"tensor {tensor.index} is {tensor.dtype}; one of {types} is needed for all")
        if not 0 < tensor.size <= MAX_ELEMENTS:
            node.refuse(f"tensor {tensor.index} has {tensor.size} elements; 1 to {MAX_ELEMENTS} are moved")


def check_rank(node: Node, tensor: Tensor, ranks: range) -> None:
    """Refuse a tensor whose number of dimensions is outside `ranks`, or above what the variant allows."""
    few = node.variant.form not in (Form.FOUR_DIMENSIONS, Form.FOUR_MOVED) or len(tensor.shape) <= 4
    if len(tensor.shape) not in ranks or not few:
        node.refuse(f"tensor {tensor.index} has {len(tensor.shape)} dimensions")


def positive_axis(node: Node, axis: int, rank: int) -> int:
    """The axis counted from the front; refuses one out of range."""
    if not -rank <= axis < rank:
        node.refuse(f"axis {axis} of {rank} dimensions")
    return axis % rank


def integers(node: Node, tensor: Tensor, types: str = "int32") -> I64Array:
    """A constant of small integers (axes, sizes, indices), flat; refuses a computed or a long one."""
    if tensor.dtype not in types.split():
        node.refuse(f"tensor {tensor.index} is {tensor.dtype}, {types} is needed")
    values = node.constant(tensor, tensor.dtype).reshape(-1)
    if len(values) > MAX_ELEMENTS or (len(values) and np.abs(values.astype(np.float64)).max() >= 2**31):
        node.refuse(f"tensor {tensor.index} holds too many or too large integers")
    return values
