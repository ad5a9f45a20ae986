"""CONCATENATION and PACK join tensors; SPLIT, SPLIT_V and UNPACK take one apart.

Source: TFLM micro/kernels/concatenation.cc, pack.cc, split.cc, split_v.cc, unpack.cc.
"""

from __future__ import annotations

import numpy as np

from tflm_int8.fixedpoint import I64Array
from tflm_int8.kernels.movement import (
    Movement,
    check_moved,
    check_rank,
    integers,
    movement,
    numbered,
    positive_axis,
)
from tflm_int8.model import Tensor
from tflm_int8.node import Node

_CONCATENATION_OPTIONS = 10
_PACK_OPTIONS = 59
_UNPACK_OPTIONS = 64
_MAX_INPUTS = 10
_SPLIT_TYPES = "int8 int16 int32 float32"


def prepare_concatenation(node: Node) -> Movement:
    """Check a CONCATENATION; int8 inputs have the output's scale and zero point."""
    inputs = _inputs(node)
    if len(inputs) > _MAX_INPUTS:
        node.refuse(f"{len(inputs)} inputs; TFLM joins at most {_MAX_INPUTS}")
    check_moved(node, inputs, "int8 int16 int32 int64 bool float32")
    if node.option(_CONCATENATION_OPTIONS, 1, "<b"):
        node.refuse("a fused activation is not supported")
    for tensor in inputs:
        _check_quantization(node, tensor)
    rank = len(node.output.shape)
    axis = positive_axis(node, node.option(_CONCATENATION_OPTIONS, 0, "<i"), rank)
    for tensor in inputs:
        check_rank(node, tensor, range(max(rank, 1), min(rank, 5) + 1))
    if len({t.shape[:axis] + t.shape[axis + 1 :] for t in inputs}) > 1:
        node.refuse(f"shapes {[list(t.shape) for t in inputs]} joined on axis {axis}")
    numbers = np.concatenate(_numbered(inputs), axis)
    return movement(node, range(len(inputs)), [numbers])


def prepare_pack(node: Node) -> Movement:
    """Check a PACK: inputs of one shape, stacked on a new axis."""
    inputs = _inputs(node)
    check_moved(node, inputs, "int8 int16 int32 int64 float32")
    if node.option(_PACK_OPTIONS, 0, "<i") != len(inputs) or len({t.shape for t in inputs}) != 1:
        node.refuse(f"shapes {[list(t.shape) for t in inputs[:8]]} are not its values_count equal ones")
    check_rank(node, inputs[0], range(6))
    axis = positive_axis(node, node.option(_PACK_OPTIONS, 1, "<i"), len(inputs[0].shape) + 1)
    return movement(node, range(len(inputs)), [np.stack(_numbered(inputs), axis)])


def prepare_unpack(node: Node) -> Movement:
    """Check an UNPACK: one output per position on an axis."""
    n_out = len(node.op.outputs)
    node.arity(range(1, 2), n_out)
    x = node.input(0)
    check_moved(node, [x], _SPLIT_TYPES)
    check_rank(node, x, range(1, 7))
    axis = positive_axis(node, node.option(_UNPACK_OPTIONS, 1, "<i"), len(x.shape))
    if node.option(_UNPACK_OPTIONS, 0, "<i") != n_out or x.shape[axis] != n_out:
        node.refuse(f"{n_out} outputs of {list(x.shape)} on axis {axis}")
    numbers = numbered(x)
    return movement(node, [0], list(np.moveaxis(numbers, axis, 0)))


def prepare_split(node: Node) -> Movement:
    """Check a SPLIT (inputs: axis, tensor) into equal parts."""
    return _split(node, tensor=1, axis=0, n_inputs=2)


def prepare_split_v(node: Node) -> Movement:
    """Check a SPLIT_V (inputs: tensor, sizes, axis); like TFLM, the outputs' shapes are the sizes."""
    return _split(node, tensor=0, axis=2, n_inputs=3)


def _split(node: Node, tensor: int, axis: int, n_inputs: int) -> Movement:
    node.arity(range(n_inputs, n_inputs + 1), len(node.op.outputs))
    x, outputs = node.input(tensor), [node.model.tensors[o] for o in node.op.outputs]
    check_moved(node, [x], _SPLIT_TYPES)
    check_rank(node, x, range(1, 7))
    axes = integers(node, node.input(axis))
    if len(axes) != 1 or not outputs:
        node.refuse(f"{len(axes)} axes and {len(outputs)} outputs")
    at = positive_axis(node, int(axes[0]), len(x.shape))
    if any(len(o.shape) != len(x.shape) for o in outputs):
        node.refuse(f"{list(x.shape)} is split into {[list(o.shape) for o in outputs[:8]]}")
    sizes = [o.shape[at] for o in outputs]
    if sum(sizes) != x.shape[at] or (n_inputs == 2 and len(set(sizes)) > 1):
        node.refuse(f"an axis of {x.shape[at]} is split into {sizes[:8]}")
    parts = np.split(numbered(x), np.cumsum(sizes)[:-1].tolist(), at)
    return movement(node, [tensor], parts)


def _inputs(node: Node) -> list[Tensor]:
    """All inputs, at least one; one output."""
    node.arity(range(1, 1 << 10))
    return [node.input(i) for i in range(len(node.op.inputs))]


def _numbered(inputs: list[Tensor]) -> list[I64Array]:
    firsts = np.cumsum([0] + [t.size for t in inputs])
    return [numbered(t, int(first)) for t, first in zip(inputs, firsts[:-1], strict=True)]


def _check_quantization(node: Node, tensor: Tensor) -> None:
    if tensor.dtype == "int8":
        a, b = node.int8(tensor), node.int8(node.output)
        if a.scale != b.scale or a.zero_point != b.zero_point:
            node.refuse(f"tensor {tensor.index} and the output are quantized differently")
    if tensor.dtype == "int16":
        for t in (tensor, node.output):
            if t.quantization is not None and t.quantization.zero_point:
                node.refuse(f"tensor {t.index} is int16 with the zero point {t.quantization.zero_point}")
