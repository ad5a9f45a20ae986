"""PAD, PADV2 and MIRROR_PAD.

Source: TFLM micro/kernels/pad.cc, pad_common.cc, mirror_pad.cc, reference/pad.h.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from tflm_int8.fixedpoint import I64Array
from tflm_int8.kernels.movement import Movement, check_moved, check_rank, integers, movement, numbered
from tflm_int8.model import Tensor
from tflm_int8.node import Node

_MIRROR_OPTIONS = 77


def prepare_pad(node: Node) -> Movement:
    """Check a PAD or PADV2; the border holds the third input, or the zero point (0 when not int8)."""
    node.arity(range(2, 4))
    x, value, out = node.input(0), node.optional_input(2), node.output
    check_moved(node, [x] if value is None else [x, value], "int8 int16 int32 float32")
    check_rank(node, x, range(1, 6))
    before_after = _paddings(node, x, "int32")
    border, sources, fill = -1, [0], 0
    if value is not None:
        _check_value(node, value, out)
        border, sources = x.size, [0, 2]
    elif out.dtype == "int8":
        fill = node.int8(out).zero_point
    numbers = np.pad(numbered(x), before_after, constant_values=border)
    return movement(node, sources, [numbers], fill)


def prepare_mirror(node: Node) -> Movement:
    """Check a MIRROR_PAD: reflect (without the edge) or symmetric (with it)."""
    node.arity(range(2, 3))
    x = node.input(0)
    if node.input(1).shape != (len(x.shape), 2):
        node.refuse(f"paddings {list(node.input(1).shape)} of {len(x.shape)} dimensions")
    check_moved(node, [x], "int8 float32")
    check_rank(node, x, range(1, 6))
    mode: Literal["reflect", "symmetric"]
    mode = "symmetric" if node.option(_MIRROR_OPTIONS, 0, "<b") else "reflect"
    before_after = _paddings(node, x, "int32 int64")
    room = np.array(x.shape, np.int64) - (1 if mode == "reflect" else 0)
    if np.any(before_after > room[:, None]):
        node.refuse(f"{mode} paddings {before_after.tolist()} are wider than {list(x.shape)} allows")
    return movement(node, [0], [np.pad(numbered(x), before_after, mode)])


def _paddings(node: Node, x: Tensor, types: str) -> I64Array:
    """int64 [rank, 2]; refuses negative ones and those that do not lead to the output's shape."""
    paddings = integers(node, node.input(1), types)
    if len(paddings) != 2 * len(x.shape) or np.any(paddings < 0):
        node.refuse(f"paddings {paddings[:12].tolist()} of {len(x.shape)} dimensions")
    pairs = paddings.reshape(-1, 2)
    padded = tuple((np.array(x.shape) + pairs.sum(axis=1)).tolist())
    if padded != node.output.shape:
        node.refuse(f"the output is declared {list(node.output.shape)}, computed {list(padded)}")
    return pairs


def _check_value(node: Node, value: Tensor, out: Tensor) -> None:
    if value.size != 1:
        node.refuse(f"the padding value has {value.size} elements")
    if out.dtype != "int8":
        return
    a, b = node.int8(value), node.int8(out)
    if a.scale != b.scale or a.zero_point != b.zero_point:
        node.refuse("the padding value and the output are quantized differently")
