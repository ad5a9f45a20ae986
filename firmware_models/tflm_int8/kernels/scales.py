"""Products and ratios of scales, in the type that the node's variant takes them in (double or float32)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tflm_int8.node import Node
from tflm_int8.variant import Scales

Real = float | np.floating[Any]


def product(node: Node, *factors: Real) -> float:
    """The factors (each a float32) multiplied from left to right; inf where that overflows."""
    return _multiplied(node, factors)


def ratio(node: Node, factors: tuple[Real, ...], divisor: Real) -> float:
    """The factors multiplied from left to right, over the divisor; all are float32 values."""
    with np.errstate(all="ignore"):
        kind = _kind(node)
        return float(kind(_multiplied(node, factors)) / kind(divisor))


def root(node: Node, x: Real) -> float:
    """√x."""
    return float(np.sqrt(_kind(node)(x)))


def _kind(node: Node) -> type[np.floating[Any]]:
    return np.float32 if node.variant.scales is Scales.FLOAT32 else np.float64


def _multiplied(node: Node, factors: tuple[Real, ...]) -> float:
    kind = _kind(node)
    values: NDArray[np.floating[Any]] = np.array([kind(f) for f in factors])
    with np.errstate(all="ignore"):
        result = values[0]
        for value in values[1:]:
            result = result * value
    return float(result)
