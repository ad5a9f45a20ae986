"""CAST between integer types and float32.

Source: TFLM micro/kernels/cast.cc (C++'s static_cast; integers wrap around). A float32 that the
integer type does not hold is refused when it occurs: its conversion is undefined.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tflm_int8.node import Node

_OPTIONS = 37


@dataclass(frozen=True)
class Cast:
    """The values in the output's type."""

    node: Node

    def run(self, inputs: list[NDArray[Any]]) -> list[NDArray[Any]]:
        """[N, shape] → [N, shape]."""
        x, dtype = inputs[0], self.node.output.dtype
        if x.dtype == np.float32 and dtype != "float32":
            limits, whole = np.iinfo(dtype), np.trunc(x.astype(np.float64))
            if not np.all((whole >= limits.min) & (whole <= limits.max)):
                self.node.overflow(f"a float that {dtype} does not hold")
        return [x.astype(dtype)]


def prepare(node: Node) -> Cast:
    """Check the operator."""
    node.arity(range(1, 2))
    node.check_types(_OPTIONS, 0, 1)
    x, out = node.input(0), node.output
    if x.dtype not in ("int8", "int16", "int32", "uint32", "float32", "bool"):
        node.refuse(f"a cast from {x.dtype} is not supported")
    if out.dtype not in ("int8", "int16", "int32", "uint32", "float32"):
        node.refuse(f"a cast to {out.dtype} is not supported")
    if x.shape != out.shape or x.size == 0:
        node.refuse(f"shapes {list(x.shape)} → {list(out.shape)}")
    return Cast(node)
