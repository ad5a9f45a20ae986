"""BROADCAST_TO, FILL and RESIZE_NEAREST_NEIGHBOR: elements that are repeated.

Source: TFLM micro/kernels/broadcast_to.cc, fill.cc, resize_nearest_neighbor.cc and their reference headers.
"""

from __future__ import annotations

import numpy as np

from tflm_int8.fixedpoint import I64Array
from tflm_int8.kernels.movement import Movement, check_moved, check_rank, integers, movement, numbered
from tflm_int8.node import Node

_NEAREST_OPTIONS = 74


def prepare_broadcast(node: Node) -> Movement:
    """Check a BROADCAST_TO of at most 5 dimensions."""
    node.arity(range(2, 3))
    x, out = node.input(0), node.output
    check_moved(node, [x], "int8 uint8 int16 int32 int64 bool float32")
    check_rank(node, out, range(1, 6))
    shape = tuple(integers(node, node.input(1), "int32 int64").tolist())
    rank = len(x.shape)
    trailing = out.shape[len(out.shape) - rank :]
    fits = rank <= len(out.shape) and all(a in (1, b) for a, b in zip(x.shape, trailing, strict=False))
    if shape != out.shape or len(node.input(1).shape) != 1 or not fits:
        node.refuse(f"{list(x.shape)} → {list(shape[:8])}, the output is declared {list(out.shape)}")
    return movement(node, [0], [np.broadcast_to(numbered(x), shape)])


def prepare_fill(node: Node) -> Movement:
    """Check a FILL (inputs: dims, value)."""
    node.arity(range(2, 3))
    dims, value = node.input(0), node.input(1)
    check_moved(node, [value], "int8 int32 float32")
    shape = tuple(integers(node, dims, "int8 int16 int32 int64").tolist())
    if value.shape or len(dims.shape) != 1 or shape != node.output.shape:
        node.refuse(f"{list(value.shape)} → {list(shape[:8])}, declared {list(node.output.shape)}")
    return movement(node, [1], [np.zeros(shape, np.int64)])


def prepare_nearest(node: Node) -> Movement:
    """Check a RESIZE_NEAREST_NEIGHBOR; the scale is float32."""
    node.arity(range(2, 3))
    x, out = node.input(0), node.output
    check_moved(node, [x], "int8 int16 float32")
    check_rank(node, x, range(4, 5))
    check_rank(node, out, range(4, 5))
    size = integers(node, node.input(1)).tolist()
    if len(node.input(1).shape) != 1 or size != list(out.shape[1:3]):
        node.refuse(f"size {size[:4]}, the output is declared {list(out.shape)}")
    align, half = (bool(node.option(_NEAREST_OPTIONS, i, "<B")) for i in (0, 1))
    rows, columns = (nearest(x.shape[i], out.shape[i], align, half) for i in (1, 2))
    if min(rows.min(), columns.min()) < 0:
        node.refuse("a position outside the image")
    return movement(node, [0], [numbered(x)[:, rows][:, :, columns]])


def nearest(size: int, out: int, align_corners: bool, half_pixel_centers: bool) -> I64Array:
    """The position, of `size`, that each of `out` positions reads: int64 [out], float32 on the way.

    Source: GetNearestNeighbor, reference/resize_nearest_neighbor.h.
    """
    if align_corners and out > 1:
        scale = np.float32(size - 1) / np.float32(out - 1)
    else:
        scale = np.float32(size) / np.float32(out)
    offset = np.float32(0.5 if half_pixel_centers else 0.0)
    scaled = (np.arange(out).astype(np.float32) + offset) * scale
    rounded = np.floor(np.abs(scaled.astype(np.float64)) + 0.5) if align_corners else np.floor(scaled)
    position: I64Array = np.minimum(rounded.astype(np.int64), size - 1)
    return np.maximum(position, 0) if half_pixel_centers else position
