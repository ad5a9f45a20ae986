"""What may be wrong in QUANTIZE, RELU and LEAKY_RELU of int8: their multipliers, thresholds and bounds.

Each is a fixed-point multiplier for each side of the input's zero; a table of 256 outputs shows all of it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from coverify.conformance.diagnosis.candidate import I64Array
from coverify.conformance.diagnosis.rounding import RULES, Scaling, scaling
from tflm_int8.fixedpoint import Multiplier
from tflm_int8.kernels.scales import ratio
from tflm_int8.node import Node

CODES = np.arange(-128, 128, dtype=np.int64)
LEAKY_OPTIONS = 75
_IDENTITY = Multiplier(1 << 30, 1)


@dataclass(frozen=True)
class Rescaling:
    """y = max(scale(x − z_in, above) or sign · scale(x − z_in, below) + z_out, lo), clamped to int8.

    threshold: the least code that counts as above.
    """

    z_in: int
    z_out: int
    above: Multiplier
    below: Multiplier
    scale: Scaling
    threshold: int
    sign: int = 1
    lo: int = -128

    def table(self) -> I64Array:
        """int64 [256]: the outputs of all codes."""
        centred = CODES - self.z_in
        high, low = (
            self.scale(centred, np.array([m.value]), np.array([m.shift])) for m in (self.above, self.below)
        )
        sides: I64Array = np.where(self.threshold <= CODES, high, self.sign * low)
        return np.clip(sides + self.z_out, self.lo, 127)


def _rescaling(node: Node) -> Rescaling | None:
    """The operator in the open; None for another than these three."""
    if node.op.name not in ("LEAKY_RELU", "QUANTIZE", "RELU"):
        return None
    x, out = node.int8(node.input(0)), node.int8(node.output)
    above, alpha = node.multiplier(ratio(node, (x.scale,), out.scale)), 1.0
    plain = Rescaling(
        x.zero_point, out.zero_point, above, above, scaling(node.variant.rounding), x.zero_point
    )
    if node.op.name == "RELU":
        return replace(plain, lo=out.zero_point)
    if node.op.name == "LEAKY_RELU":
        alpha = node.options(LEAKY_OPTIONS).float32(0)
        slope = ratio(node, (x.scale, alpha), out.scale)
        return replace(
            plain, below=node.multiplier(abs(slope)), sign=-1 if math.copysign(1, slope) < 0 else 1
        )
    return plain


def rescaling_tables(node: Node) -> Iterator[tuple[str, str, I64Array]]:
    """(name, meaning, table) of every variant of the three; nothing of another operator."""
    plain = _rescaling(node)
    if plain is None:
        return
    for rule in RULES:
        yield rule.name, rule.says, replace(plain, scale=rule.scale).table()
    for name, says, wrong in _wrong(plain, node.op.name):
        if wrong != plain:
            yield name, says, wrong.table()


def _wrong(plain: Rescaling, op: str) -> Iterator[tuple[str, str, Rescaling]]:
    yield "input-zero-point-sign", "x plus its zero point, not minus", replace(plain, z_in=-plain.z_in)
    yield (
        "output-zero-point-sign",
        "the output's zero point is subtracted",
        replace(plain, z_out=-plain.z_out),
    )
    yield "output-zero-point-twice", "it is added twice", replace(plain, z_out=2 * plain.z_out)
    below = plain.below if op == "LEAKY_RELU" else _IDENTITY
    yield (
        "not-rescaled",
        "a multiplier of 1 instead of the ratio of the scales",
        replace(plain, above=_IDENTITY, below=below),
    )
    if op == "RELU":
        yield "activation-missing", "nothing is cut off", replace(plain, lo=-128)
        yield "activation-at-code-zero", "cut off below the code 0, not the zero point", replace(plain, lo=0)
        yield (
            "activation-at-input-zero-point",
            "cut off below the input's zero point",
            replace(plain, lo=plain.z_in),
        )
    if op == "LEAKY_RELU":
        yield "slope-ignored", "the same on both sides of zero", replace(plain, below=plain.above, sign=1)
        yield "slope-everywhere", "the slope is applied above zero, too", replace(plain, above=plain.below)
        yield (
            "sides-exchanged",
            "the slope is applied above zero instead of below",
            replace(plain, above=plain.below, below=plain.above),
        )
        yield (
            "threshold-at-code-zero",
            "the slope is applied below the code 0, not the zero point",
            replace(plain, threshold=0),
        )
        yield "slope-sign", "minus the slope", replace(plain, sign=-plain.sign)
