"""What may be wrong inside LOGISTIC, TANH and HARD_SWISH of int8: the steps of their fixed point, one by one.

Written out here apart from `tflm_int8`'s kernels, so that each step can be replaced; the exponential alone is
taken from there.  Source: TFLM reference/integer_ops/logistic.h, tanh.h, reference/hard_swish.h, gemmlowp
fixedpoint.h.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from coverify.conformance.diagnosis.candidate import I64Array
from coverify.conformance.diagnosis.narrow import cut, saturated
from coverify.conformance.diagnosis.rescaling import CODES
from coverify.conformance.diagnosis.rounding import double, scaling
from tflm_int8.fixedpoint import INT32_MAX, Multiplier, quantize_multiplier, rounding_divide_by_pot, srdhm
from tflm_int8.kernels.scales import ratio
from tflm_int8.kernels.softmax import exp_on_negative_values
from tflm_int8.node import Node
from tflm_int8.variant import Form

_INTEGER_BITS, _NEWTON_STEPS = 4, 3
Shift = Callable[[I64Array, int], I64Array]
Limit = Callable[[I64Array], I64Array]
Tables = Iterator[tuple[str, str, I64Array]]


def _floored(x: I64Array, by: int) -> I64Array:
    return x >> by


def _cut_off(x: I64Array, by: int) -> I64Array:
    cut_off: I64Array = np.sign(x) * (np.abs(x) >> by)
    return cut_off


def _half_added(x: I64Array, by: int) -> I64Array:
    return _cut_off(x + (1 << by >> 1), by)


def _ties_up(x: I64Array, by: int) -> I64Array:
    return (x + (1 << by >> 1)) >> by


def curve_tables(node: Node) -> Tables:
    """(name, meaning, table of 256 outputs) of every variant of the three; nothing of another operator."""
    if node.variant.form is Form.FLOAT_TABLE:
        return
    if node.op.name in ("LOGISTIC", "TANH"):
        yield from _sigmoids(node)
    if node.op.name == "HARD_SWISH":
        yield from _swishes(node)


@dataclass(frozen=True)
class Sigmoid:
    """LOGISTIC (or TANH, with `odd`) by its steps: codes to Q4.27, to Q0.31, to the output's codes.

    radius: distance from the zero point at which the output is the least or the greatest code.
    """

    zero: int
    scale: Multiplier
    odd: bool
    radius: int
    newton_steps: int = _NEWTON_STEPS
    last: Shift = rounding_divide_by_pot
    least_at_radius: bool = True

    def table(self) -> I64Array:
        """int64 [256]: the outputs of all codes."""
        x = CODES - self.zero
        inside = np.abs(x) < self.radius
        values = np.where(x < self.least_at_radius - self.radius, -128, 127)
        values[inside] = np.clip(self._codes(x[inside]), -128, 127)
        return values

    def _codes(self, x: I64Array) -> I64Array:
        m = self.scale
        a = double(x, np.array([m.value]), np.array([m.shift]))
        exponential = exp_on_negative_values(-np.abs(a), _INTEGER_BITS + self.odd)
        q = self._two_over_one_plus(exponential)
        if self.odd:
            magnitude = saturated(32, (q - (1 << 29)) << 2)
            return self.last(np.where(a == 0, 0, np.where(a < 0, -magnitude, magnitude)), 24)
        positive = saturated(32, q << 1)
        raw = np.where(a == 0, 1 << 30, np.where(a > 0, positive, INT32_MAX - positive))
        return self.last(raw, 23) - 128

    def _two_over_one_plus(self, a: I64Array) -> I64Array:
        """2 / (1 + a), Q2.29."""
        half = (a + INT32_MAX + 1) >> 1
        x = 1515870810 + srdhm(half, -1010580540)
        for _ in range(self.newton_steps):
            x = x + saturated(32, srdhm(x, (1 << 29) - srdhm(half, x)) << 2)
        return x


def _sigmoids(node: Node) -> Tables:
    quantization = node.int8(node.input(0))
    if not 0.5 <= float(quantization.scale) * (1 << 27) < 1 << 30:  # left shifts of 0 to 30 bits
        return
    scale = quantize_multiplier(float(quantization.scale) * (1 << 27))
    plain = Sigmoid(quantization.zero_point, scale, node.op.name == "TANH", (15 << 27) >> scale.shift)
    for name, steps in (("one-newton-step-less", 2), ("two-newton-steps-less", 1)):
        says = f"the reciprocal is found by {steps} Newton steps, not {_NEWTON_STEPS}"
        yield name, says, replace(plain, newton_steps=steps).table()
    for name, says, last in (
        ("last-shift-floored", "the last right shift does not round", _floored),
        ("last-shift-ties-up", "the last right shift rounds ties up instead of away from zero", _ties_up),
    ):
        if plain.odd or last is _floored:  # a LOGISTIC has no negative numbers there
            yield name, says, replace(plain, last=last).table()
    yield (
        "radius-exclusive",
        "at minus the radius the output is the greatest code, not the least",
        replace(plain, least_at_radius=False).table(),
    )


@dataclass(frozen=True)
class Swish:
    """HARD_SWISH by its steps: value · gate / 2¹⁵, value and gate in int16, two multipliers of 16 bits."""

    value: I64Array
    output: Multiplier
    gate: Multiplier
    z_out: int
    high: Shift = _ties_up
    product: Shift = _cut_off
    divide: Shift = rounding_divide_by_pot
    limits: tuple[Limit, Limit] = (partial(saturated, 16), partial(saturated, 16))
    early: bool = True

    def table(self) -> I64Array:
        """int64 [256]: the outputs of all codes."""
        opening = (cut(16, self._gate()) + (1 << 15)) >> 1
        scaled = self.high(self.value * _narrow(self.output), 15)
        return np.clip(
            cut(16, self.divide(self.product(opening * scaled, 15), -self.output.shift) + self.z_out),
            -128, 127,
        )  # fmt: skip

    def _gate(self) -> I64Array:
        shift = self.gate.shift
        if shift <= 0:
            return self.divide(self.high(self.value * _narrow(self.gate), 15), -shift)
        before, after = (shift - 1, 1) if self.early else (shift, 0)
        value = self.limits[0](self.value << before)
        return self.limits[1](self.high(value * _narrow(self.gate), 15) << after)


def _narrow(m: Multiplier) -> int:
    """The upper 16 bits of a multiplier, rounded."""
    return min((m.value + (1 << 15)) >> 16, (1 << 15) - 1)


def _swishes(node: Node) -> Tables:
    x, out = node.int8(node.input(0)), node.int8(node.output)
    step = float(x.scale) / 128
    output = node.multiplier(ratio(node, (step,), out.scale))
    gate = node.multiplier(ratio(node, (step,), 3 / 32768))
    if not (-15 <= output.shift <= 0 and -15 <= gate.shift <= 16) or scaling(node.variant.rounding) != double:
        return  # shifts beyond int16, where TFLM's mask wraps
    wide, cuts = partial(saturated, 16), partial(cut, 16)
    plain = Swish((CODES - x.zero_point) * 128, output, gate, out.zero_point)
    for name, says, wrong in (
        (
            "gate-wraps",
            "the gate wraps at 16 bits instead of saturating",
            replace(plain, limits=(wide, cuts)),
        ),
        ("gate-wraps-throughout", "so does what comes before it", replace(plain, limits=(cuts, cuts))),
        ("gate-shifted-early", "all of the gate's left shift comes first", replace(plain, early=False)),
        ("high-products-floored", "the products of 16 bits do not round", replace(plain, high=_floored)),
        ("product-rounded", "value times gate is rounded, not cut", replace(plain, product=_ties_up)),
        ("product-half-added", "half is added to value times gate", replace(plain, product=_half_added)),
        ("product-floored", "value times gate is rounded down, not cut", replace(plain, product=_floored)),
        ("shifts-ties-up", "right shifts round ties up, not away from zero", replace(plain, divide=_ties_up)),
        ("shifts-floored", "right shifts do not round", replace(plain, divide=_floored)),
    ):
        yield name, says, wrong.table()
