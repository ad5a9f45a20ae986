"""ADD, SUB, MUL, DIV and SQUARED_DIFFERENCE of int32 that stands for itself (sizes, positions, counts).

An int32 that overflows and a division by zero are undefined in TFLM; they are refused when they occur. ADD
ignores its fused activation.  Source: TFLM micro/kernels/add.cc, sub.cc, mul_common.cc, div.cc,
squared_difference.cc.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tflm_int8.fixedpoint import INT32_MAX, INT32_MIN, I64Array
from tflm_int8.kernels.broadcasting import aligned, check_shapes
from tflm_int8.node import Node

_RANGES: Final = {0: (INT32_MIN, INT32_MAX), 1: (0, INT32_MAX), 2: (-1, 1), 3: (0, 6)}


@dataclass(frozen=True)
class IntegerArithmetic:
    """The operator on integers, clamped to lo..hi."""

    node: Node
    lo: int
    hi: int

    def run(self, inputs: list[NDArray[Any]]) -> list[NDArray[Any]]:
        """Two int32 [N, shape] → int32 [N, output shape]."""
        a, b = aligned(self.node, [x.astype(np.int64) for x in inputs])
        values = self._exact(a, b)
        if np.any(values < INT32_MIN) or np.any(values > INT32_MAX):
            self.node.overflow("a result leaves int32")
        return [np.clip(values, self.lo, self.hi).astype(np.int32)]

    def _exact(self, a: I64Array, b: I64Array) -> I64Array:
        match self.node.op.name:
            case "ADD":
                return a + b
            case "SUB":
                return a - b
            case "MUL":
                return a * b
            case "DIV":
                if np.any(b == 0):
                    self.node.overflow("a division by zero")
                quotient: I64Array = np.sign(a) * np.sign(b) * (np.abs(a) // np.abs(b))
                return quotient
            case _:
                difference = a - b
                if np.any(np.abs(difference) >= 1 << 16):
                    self.node.overflow("a squared difference leaves int32")
                return difference * difference


def prepare(node: Node, activation: int) -> IntegerArithmetic:
    """Check the operator; activation: the code of the fused one."""
    node.arity(range(2, 3))
    inputs = [node.input(0), node.input(1)]
    check_shapes(node, inputs)
    for tensor in (*inputs, node.output):
        if tensor.dtype != "int32":
            node.refuse(f"tensor {tensor.index} is {tensor.dtype}, int32 is needed for all")
        if tensor.quantization is not None:
            node.refuse(f"tensor {tensor.index} is a quantized int32")
    if activation not in _RANGES:
        node.refuse(f"fused activation {activation} is not supported")
    lo, hi = _RANGES[0 if node.op.name == "ADD" else activation]
    return IntegerArithmetic(node, lo, hi)
