"""Operators on two or more tensors: which broadcasts TFLM computes, and the operands side by side.

Source: TFLM reference/binary_function.h, broadcast loops of up to six axes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tflm_int8.model import Tensor
from tflm_int8.node import Node
from tflm_int8.variant import Form

MAX_AXES = 6


def check_shapes(node: Node, inputs: list[Tensor]) -> None:
    """Refuse inputs that do not broadcast to the output's shape, or do so over more than MAX_AXES axes."""
    shapes = [t.shape for t in inputs]
    out = node.output.shape
    try:
        broadcast = np.broadcast_shapes(*shapes)
    except ValueError:
        broadcast = ()
    same = all(shape == out for shape in shapes)
    if broadcast != out or 0 in out or (not same and len(out) > MAX_AXES):
        node.refuse(f"shapes {', '.join(str(list(s)) for s in shapes)} → {list(out)}")
    if node.variant.form is Form.SAME_SHAPE and not same:
        node.refuse("broadcast operands are not modelled under this profile")


def aligned(node: Node, inputs: list[NDArray[Any]]) -> list[NDArray[Any]]:
    """[N, shape] each → [N, 1, …, shape] each, of the output's rank, so that numpy broadcasts them."""
    rank = len(node.output.shape)
    return [x.reshape(len(x), *[1] * (rank + 1 - x.ndim), *x.shape[1:]) for x in inputs]
