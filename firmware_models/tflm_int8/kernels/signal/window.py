"""SignalWindow: every frame of samples times the same weights, shifted right.

Source: TFLM signal/micro/kernels/window.cc, signal/src/window.cc.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tflm_int8.kernels.signal.options import check_same_shape, check_type, integer
from tflm_int8.node import Node


@dataclass(frozen=True)
class Windowing:
    """x · weight >> shift, clamped to int16."""

    node: Node
    shift: int

    def run(self, inputs: list[NDArray[Any]]) -> list[NDArray[Any]]:
        """int16 [N, shape], int16 [N, weights] → int16 [N, shape]."""
        x, weights = (a.astype(np.int64) for a in inputs)
        frames = x.reshape(len(x), -1, weights.shape[1])
        products = (frames * weights[:, None]) >> self.shift
        return [np.clip(products, -(1 << 15), (1 << 15) - 1).astype(np.int16).reshape(x.shape)]


def prepare(node: Node) -> Windowing:
    """Check a SignalWindow: the weights' number divides that of the samples."""
    node.arity(range(2, 3))
    x, weights = node.input(0), node.input(1)
    check_type(node, x, "int16")
    check_type(node, weights, "int16", rank=1)
    check_type(node, node.output, "int16")
    check_same_shape(node, x, node.output)
    if not x.shape or x.size % weights.size:
        node.refuse(f"{weights.size} weights for {list(x.shape)} samples")
    return Windowing(node, integer(node, 0, "shift", range(32)))
