"""TRANSPOSE, REVERSE_V2 and the operators that trade space for depth or batch.

Source: TFLM micro/kernels/transpose_common.cc, reverse.cc, space_to_batch_nd.cc, batch_to_space_nd.cc,
space_to_depth.cc, depth_to_space.cc and their reference headers.
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
from tflm_int8.node import OPEN_BATCH, Node
from tflm_int8.variant import Form

_SPACE_TO_DEPTH_OPTIONS = 19
_DEPTH_TO_SPACE_OPTIONS = 94


def prepare_transpose(node: Node) -> Movement:
    """Check a TRANSPOSE of 1 to 5 dimensions."""
    node.arity(range(2, 3))
    x = node.input(0)
    check_moved(node, [x], "int8 int16 float32")
    check_rank(node, x, range(1, 6))
    order = integers(node, node.input(1)).tolist()
    if sorted(order) != list(range(len(x.shape))) or len(node.input(1).shape) != 1:
        node.refuse(f"{order[:8]} is not an order of {len(x.shape)} dimensions")
    if node.variant.form is Form.FOUR_MOVED and order == sorted(order) and len(order) in (2, 4):
        node.refuse(f"the order {order} moves nothing, and CMSIS-NN exchanges the last two dimensions then")
    return movement(node, [0], [numbered(x).transpose(order)])


def prepare_reverse(node: Node) -> Movement:
    """Check a REVERSE_V2 on neighbouring axes (TFLM refuses others)."""
    node.arity(range(2, 3))
    x = node.input(0)
    check_moved(node, [x], "int8 uint8 int16 int32 int64 bool float32")
    check_rank(node, x, range(1, 6))
    axes = sorted(positive_axis(node, a, len(x.shape)) for a in integers(node, node.input(1)).tolist())
    if not axes or len(node.input(1).shape) != 1 or axes != list(range(axes[0], axes[0] + len(axes))):
        node.refuse(f"the axes {axes[:8]} are not neighbours")
    return movement(node, [0], [np.flip(numbered(x), tuple(axes))])


def prepare_space_to_batch(node: Node) -> Movement:
    """Check a SPACE_TO_BATCH_ND without paddings: TFLM fills them with a value that it never sets."""
    x, block, paddings = _batch_operands(node)
    if np.any(paddings):
        node.refuse("paddings are not supported (TFLM fills them from uninitialized memory)")
    shape = _image(x)
    if shape[1] % block[0] or shape[2] % block[1]:
        node.refuse(f"{list(x.shape)} is not a multiple of the block {list(block)}")
    blocks = numbered(x).reshape(
        shape[0], shape[1] // block[0], block[0], shape[2] // block[1], block[1], shape[3]
    )
    moved = blocks.transpose(2, 4, 0, 1, 3, 5)
    batch = (shape[0] * block[0] * block[1], shape[1] // block[0], shape[2] // block[1], shape[3])
    return movement(node, [0], [_of_rank(moved.reshape(batch), len(x.shape))])


def prepare_batch_to_space(node: Node) -> Movement:
    """Check a BATCH_TO_SPACE_ND with crops."""
    x, block, crops = _batch_operands(node)
    shape = _image(x)
    if shape[0] % (block[0] * block[1]):
        hint = OPEN_BATCH if shape[0] == 1 else ""
        node.refuse(f"a batch of {shape[0]} is not a multiple of the block {list(block)}{hint}")
    batch = shape[0] // (block[0] * block[1])
    moved = numbered(x).reshape(*block, batch, *shape[1:]).transpose(2, 3, 0, 4, 1, 5)
    full = moved.reshape(batch, shape[1] * block[0], shape[2] * block[1], shape[3])
    (top, bottom), (left, right) = crops.tolist()
    kept = full[:, top : full.shape[1] - bottom, left : full.shape[2] - right]
    return movement(node, [0], [_of_rank(kept, len(x.shape))])


def prepare_space_to_depth(node: Node) -> Movement:
    """Check a SPACE_TO_DEPTH."""
    x, b = _depth_operands(node, _SPACE_TO_DEPTH_OPTIONS)
    n, height, width, depth = x.shape
    if height % b or width % b:
        node.refuse(f"{list(x.shape)} is not a multiple of the block {b}")
    blocks = numbered(x).reshape(n, height // b, b, width // b, b, depth).transpose(0, 1, 3, 2, 4, 5)
    return movement(node, [0], [blocks.reshape(n, height // b, width // b, b * b * depth)])


def prepare_depth_to_space(node: Node) -> Movement:
    """Check a DEPTH_TO_SPACE."""
    x, b = _depth_operands(node, _DEPTH_TO_SPACE_OPTIONS)
    n, height, width, depth = x.shape
    if depth % (b * b):
        node.refuse(f"{depth} channels are not a multiple of the block {b} x {b}")
    blocks = numbered(x).reshape(n, height, width, b, b, depth // (b * b)).transpose(0, 1, 3, 2, 4, 5)
    return movement(node, [0], [blocks.reshape(n, height * b, width * b, depth // (b * b))])


def _depth_operands(node: Node, union: int) -> tuple[Tensor, int]:
    node.arity(range(1, 2))
    x, block = node.input(0), node.option(union, 0, "<i")
    check_moved(node, [x], "int8 float32")
    check_rank(node, x, range(4, 5))
    if not 1 <= block <= 1 << 12:
        node.refuse(f"block_size {block}")
    return x, block


def _batch_operands(node: Node) -> tuple[Tensor, tuple[int, int], I64Array]:
    """The tensor, the block (height, width) and int64 [2, 2]: paddings or crops of height and width."""
    node.arity(range(3, 4))
    x = node.input(0)
    check_moved(node, [x], "int8 float32")
    check_rank(node, x, range(3, 5))
    block, edges = integers(node, node.input(1)), integers(node, node.input(2))
    spatial = len(x.shape) - 2
    if len(block) != spatial or len(edges) != 2 * spatial or np.any(block < 1) or np.any(edges < 0):
        node.refuse(f"block {block[:4].tolist()} and edges {edges[:8].tolist()} of {list(x.shape)}")
    if block.max() > 1 << 12:
        node.refuse(f"block {block.tolist()}")
    sizes = (*block.tolist(), 1)
    both = np.concatenate([edges, np.zeros(2, np.int64)])[:4].reshape(2, 2)
    return x, (sizes[0], sizes[1]), both


def _image(x: Tensor) -> tuple[int, int, int, int]:
    """The shape with four dimensions, a width of 1 put into one of three."""
    n, height, *width, depth = x.shape
    return n, height, width[0] if width else 1, depth


def _of_rank(numbers: I64Array, rank: int) -> I64Array:
    return numbers if rank == 4 else numbers.reshape(numbers.shape[0], numbers.shape[1], numbers.shape[3])
