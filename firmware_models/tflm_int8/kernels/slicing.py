"""SLICE, STRIDED_SLICE, GATHER, GATHER_ND, DYNAMIC_UPDATE_SLICE: parts of a tensor by constant positions.

Source: TFLM micro/kernels/slice.cc, strided_slice_common.cc, gather.cc, gather_nd.cc,
dynamic_update_slice.cc, kernels/internal/strided_slice_logic.h.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from tflm_int8.fixedpoint import INT32_MAX
from tflm_int8.kernels import embedding
from tflm_int8.kernels.embedding import Lookups
from tflm_int8.kernels.movement import (
    MAX_ELEMENTS,
    Movement,
    check_moved,
    check_rank,
    integers,
    movement,
    numbered,
    positive_axis,
)
from tflm_int8.node import Node

_STRIDED_OPTIONS = 32
_GATHER_OPTIONS = 23


def prepare_slice(node: Node) -> Movement:
    """Check a SLICE (begin, size; size −1 = to the end)."""
    node.arity(range(3, 4))
    x = node.input(0)
    check_moved(node, [x], "int8 int16 int32 bool float32")
    check_rank(node, x, range(1, 6))
    begin, size = (integers(node, node.input(i), "int32 int64") for i in (1, 2))
    if node.input(1).dtype != node.input(2).dtype or not len(begin) == len(size) == len(x.shape):
        node.refuse(f"begin {begin[:8].tolist()} and size {size[:8].tolist()} of {list(x.shape)}")
    size = np.where(size == -1, np.array(x.shape) - begin, size)
    if np.any(begin < 0) or np.any(size < 1) or np.any(begin + size > np.array(x.shape)):
        node.refuse(f"{size.tolist()} from {begin.tolist()} on leaves {list(x.shape)}")
    window = tuple(slice(b, b + s) for b, s in zip(begin.tolist(), size.tolist(), strict=True))
    return movement(node, [0], [numbered(x)[window]])


class _Masks(NamedTuple):
    begin: int
    end: int
    ellipsis: int
    new_axis: int
    shrink: int


def prepare_strided(node: Node) -> Movement:
    """Check a STRIDED_SLICE (begin, end, strides; masks for begin, end and shrunk axes)."""
    node.arity(range(4, 5))
    x = node.input(0)
    check_moved(node, [x], "int8 int16 int32 bool float32")
    check_rank(node, x, range(1, 5))
    masks = _Masks(*(node.option(_STRIDED_OPTIONS, i, "<i") for i in range(5)))
    if masks.ellipsis or masks.new_axis or node.option(_STRIDED_OPTIONS, 5, "<B"):
        node.refuse("ellipsis_mask, new_axis_mask and offset are not supported (TFLM ignores them)")
    begin, end, strides = (integers(node, node.input(i)).tolist() for i in (1, 2, 3))
    if {len(begin), len(end), len(strides)} != {len(x.shape)} or 0 in strides:
        node.refuse(f"begin {begin[:8]}, end {end[:8]}, strides {strides[:8]} of {list(x.shape)}")
    numbers = numbered(x)
    for axis, size in enumerate(x.shape):
        bits = _Masks(*(mask >> axis & 1 for mask in masks))
        positions = _positions(size, begin[axis], end[axis], strides[axis], bits)
        if not positions or (bits.shrink and len(positions) != 1):
            node.refuse(f"axis {axis} of {list(x.shape)} keeps {len(positions)} positions")
        if abs(positions[-1] + positions.step) > INT32_MAX:
            node.refuse(f"the stride {positions.step} from {positions[-1]} on leaves int32")
        numbers = numbers.take(positions, axis)
    kept = tuple(n for axis, n in enumerate(numbers.shape) if not masks.shrink >> axis & 1)
    return movement(node, [0], [numbers.reshape(kept)])


def _positions(size: int, begin: int, end: int, stride: int, masks: _Masks) -> range:
    """The positions that TFLM visits on one axis of `size` elements; `masks` of that axis.

    Source: StridedSliceStartForAxis, StridedSliceEndForAxis.
    """
    low, high = (0, size) if stride > 0 else (-1, size - 1)
    first = begin + size if begin < 0 else begin
    first = min(max(first, low), high)
    if masks.begin:
        first = 0 if stride > 0 else size - 1
    if masks.shrink:
        last = first if first >= size else first + 1
        positions = range(first, last, stride)
        return positions if first >= 0 else range(0)
    last = end + size if end < 0 else end
    last = min(max(last, low), high)
    if masks.end:
        last = size if stride > 0 else -1
    return range(first, last, stride)


def prepare_gather(node: Node) -> Movement | Lookups:
    """Check a GATHER, at constant positions with batch dimensions too."""
    node.arity(range(2, 3))
    x, coords = node.input(0), node.input(1)
    if coords.data is None:
        return embedding.prepare_gather(node)
    check_moved(node, [x], "int8 float32")
    check_rank(node, x, range(1, 7))
    at = integers(node, coords)
    axis = positive_axis(node, node.option(_GATHER_OPTIONS, 0, "<i"), len(x.shape))
    batch = node.option(_GATHER_OPTIONS, 1, "<i")
    batch += len(coords.shape) if batch < 0 else 0
    if not 0 <= batch <= min(axis, len(coords.shape)) or x.shape[:batch] != coords.shape[:batch]:
        node.refuse(f"{batch} batch dimensions of {list(x.shape)} and {list(coords.shape)}")
    if not len(at) or at.min() < 0 or at.max() >= x.shape[axis]:
        node.refuse(f"positions outside 0..{x.shape[axis] - 1}")
    shape = x.shape[:axis] + coords.shape[batch:] + x.shape[axis + 1 :]
    if math.prod(shape) > MAX_ELEMENTS:
        node.refuse(f"{list(shape)} elements are gathered")
    n_batch, n_outer = math.prod(x.shape[:batch]), math.prod(x.shape[batch:axis])
    numbers = numbered(x).reshape(n_batch, n_outer, x.shape[axis], -1)
    numbers = np.stack([numbers[i][:, row] for i, row in enumerate(at.reshape(n_batch, -1))])
    return movement(node, [0], [numbers.reshape(shape)])


def prepare_gather_nd(node: Node) -> Movement:
    """Check a GATHER_ND with constant indices; like TFLM, only the flat position must lie in the tensor."""
    node.arity(range(2, 3))
    x, indices = node.input(0), node.input(1)
    check_moved(node, [x], "int8 float32")
    check_rank(node, indices, range(1, 7))
    values = integers(node, indices)
    depth = indices.shape[-1]
    if not 1 <= depth <= min(len(x.shape), 5) or not len(values):
        node.refuse(f"indices {list(indices.shape)} of {list(x.shape)}")
    shape = indices.shape[:-1] + x.shape[depth:]
    if math.prod(shape) > MAX_ELEMENTS:
        node.refuse(f"{list(shape)} elements are gathered")
    strides = np.array([math.prod(x.shape[i + 1 :]) for i in range(depth)], np.int64)
    first = values.reshape(-1, depth) @ strides
    length = math.prod(x.shape[depth:])
    if first.min() < 0 or first.max() + length > x.size:
        node.refuse("indices outside the tensor")
    return movement(node, [0], [(first[:, None] + np.arange(length)).reshape(shape)])


def prepare_update(node: Node) -> Movement:
    """Check a DYNAMIC_UPDATE_SLICE (operand, update, start) whose start is constant; TFLM clamps it."""
    node.arity(range(3, 4))
    x, update = node.input(0), node.input(1)
    check_moved(node, [x, update], "int8 int16 int32 float32")
    check_rank(node, x, range(1, 6))
    start = integers(node, node.input(2), "int32 int64")
    room = np.array(x.shape, np.int64) - np.array((update.shape + x.shape)[: len(x.shape)], np.int64)
    if len(update.shape) != len(x.shape) or node.input(2).shape != (len(x.shape),) or np.any(room < 0):
        node.refuse(f"{list(update.shape)} put into {list(x.shape)}")
    first = np.clip(start, 0, room).tolist()
    numbers = numbered(x).copy()
    numbers[tuple(slice(f, f + n) for f, n in zip(first, update.shape, strict=True))] = numbered(
        update, x.size
    )
    return movement(node, [0, 1], [numbers])
