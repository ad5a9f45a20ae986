"""QUANTIZE and DEQUANTIZE: between float32, int8, uint8, int16 and int32.

Source: TFLM micro/kernels/quantize_common.cc, dequantize_common.cc, reference/requantize.h, quantize.h
(float32 division, halves away from zero), dequantize.h (double product, rounded once to float32).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tflm_int8.fixedpoint import INT32_MAX, Multiplier
from tflm_int8.kernels.lookup import CODES, Lookup, clamped, lookup, rescaled, same_size
from tflm_int8.kernels.scales import ratio
from tflm_int8.model import Quantization
from tflm_int8.node import Node

_PAIRS: Final[dict[str, tuple[str, ...]]] = {
    "float32": ("int8", "int16"),
    "int16": ("int8", "int16", "int32"),
    "int32": ("int8", "int16"),
    "int8": ("int8", "uint8", "int16", "int32"),
    "uint8": ("int8",),
}


@dataclass(frozen=True)
class QuantizeFloat:
    """round(x / scale) + zero_point, clamped; a quotient beyond int32 is refused (undefined in TFLM)."""

    node: Node
    scale: np.float32
    zero_point: int

    def run(self, inputs: list[NDArray[Any]]) -> list[NDArray[Any]]:
        """float32 [N, shape] → int8 or int16 [N, shape]."""
        with np.errstate(over="ignore", invalid="ignore"):
            quotient = (inputs[0] / self.scale).astype(np.float64)
        if not np.all(np.abs(quotient) < INT32_MAX - (1 << 16)):
            self.node.overflow("an element divided by the scale is not a number within int32")
        rounded = np.floor(np.abs(quotient) + 0.5) * np.sign(quotient)
        values = rounded.astype(np.int64) + self.zero_point
        return [clamped(self.node, values).astype(self.node.output.dtype)]


@dataclass(frozen=True)
class Requantization:
    """uint8, int16 or int32 to another type: a fixed-point multiplier between zero points."""

    node: Node
    multiplier: Multiplier
    before: int
    after: int

    def run(self, inputs: list[NDArray[Any]]) -> list[NDArray[Any]]:
        """uint8, int16 or int32 [N, shape] → int8, int16 or int32 [N, shape]."""
        centred = inputs[0].astype(np.int64) - self.before
        flat = rescaled(self.node, centred.reshape(-1), self.multiplier) + self.after
        return [clamped(self.node, flat).reshape(centred.shape).astype(self.node.output.dtype)]


@dataclass(frozen=True)
class Dequantize:
    """scale * (x − zero_point) in double, rounded to float32."""

    node: Node
    quantization: Quantization

    def run(self, inputs: list[NDArray[Any]]) -> list[NDArray[Any]]:
        """int8, uint8 or int16 [N, shape] → float32 [N, shape]."""
        centred = inputs[0].astype(np.float64) - self.quantization.zero_point
        with np.errstate(over="ignore", under="ignore"):
            return [(float(self.quantization.scale) * centred).astype(np.float32)]


def prepare_quantize(node: Node) -> Lookup | QuantizeFloat | Requantization:
    """Check a QUANTIZE: of floats, of int8 by a table, of wider integers."""
    same_size(node)
    x, out = node.input(0), node.output
    if out.dtype not in _PAIRS.get(x.dtype, ()):
        node.refuse(f"{x.dtype} → {out.dtype} is not supported")
    after = node.quantized(out, out.dtype)
    if x.dtype == "float32":
        return QuantizeFloat(node, after.scale, after.zero_point)
    before = node.quantized(x, x.dtype)
    m = node.multiplier(ratio(node, (before.scale,), after.scale))
    if x.dtype == "int8":
        values = rescaled(node, CODES - before.zero_point, m) + after.zero_point
        return lookup(node, clamped(node, values))
    return Requantization(node, m, before.zero_point, after.zero_point)


def prepare_dequantize(node: Node) -> Dequantize:
    """Check a DEQUANTIZE."""
    same_size(node)
    if node.output.dtype != "float32":
        node.refuse(f"the output is {node.output.dtype}, float32 is needed")
    return Dequantize(node, node.quantized(node.input(0), "int8", "uint8", "int16"))
