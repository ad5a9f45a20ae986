"""What may be wrong in a layer of int16 with sums of 64 bits: the multiplier, rounding, bias, widths, window.

The layer in the open is that of layer.py; its multipliers are 16 bits here, with 16 zero bits behind them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import numpy as np

from coverify.conformance.diagnosis.candidate import Candidate, I64Array
from coverify.conformance.diagnosis.channel_variants import wrong_places
from coverify.conformance.diagnosis.layer import Layer, in_the_open
from coverify.conformance.diagnosis.narrow import cut, saturated
from coverify.conformance.diagnosis.remainder_variants import remainders
from coverify.conformance.diagnosis.rounding import Scaling
from tflm_int8.fixedpoint import quantize_multiplier
from tflm_int8.kernels.requantize import RequantizeWide


def wide_layer_of(kernel: object) -> Layer | None:
    """The layer of 64-bit sums that a kernel is; None for one that is none."""
    layer = in_the_open(kernel, RequantizeWide)
    if layer is None:
        return None
    return replace(layer, multiplier=layer.multiplier << 16, scale=upper_half)


def wide_variants(layer: Layer) -> Iterator[Candidate]:
    """Every variant of such a layer."""
    for name, says, wrong in _changed(layer):
        yield Candidate(name, says, wrong.run)


def upper_half(acc: I64Array, multiplier: I64Array, shift: I64Array) -> I64Array:
    """TFLM's: the upper 16 bits of the multiplier, one rounding, ties up."""
    half = np.int64(1) << (14 - shift)
    scaled: I64Array = (acc * (multiplier >> 16) + half) >> (15 - shift)
    return scaled


def _whole(acc: I64Array, multiplier: I64Array, shift: I64Array) -> I64Array:
    """All 31 bits of the multiplier, one rounding: in two parts, as the product has up to 78 bits."""
    low = acc * (multiplier & 0xFFFF) + (np.int64(1) << (30 - shift))
    whole: I64Array = (acc * (multiplier >> 16) + (low >> 16)) >> (15 - shift)
    return whole


def _floored(acc: I64Array, multiplier: I64Array, shift: I64Array) -> I64Array:
    floored: I64Array = (acc * (multiplier >> 16)) >> (15 - shift)
    return floored


def _toward_zero(acc: I64Array, multiplier: I64Array, shift: I64Array) -> I64Array:
    product = acc * (multiplier >> 16)
    towards: I64Array = np.sign(product) * (np.abs(product) >> (15 - shift))
    return towards


def _shifted(by: int) -> Scaling:
    return lambda acc, multiplier, shift: upper_half(acc, multiplier, shift + by)


def _changed(layer: Layer) -> Iterator[tuple[str, str, Layer]]:
    full = np.array([quantize_multiplier(real).value for real in _effective(layer)], np.int64)
    whole, cut_off = np.resize(full, len(layer.bias)), np.resize(full >> 16 << 16, len(layer.bias))
    in_full = replace(layer, multiplier=whole, scale=_whole)
    yield "multiplier-in-31-bits", "all bits of the multiplier count", in_full
    if not np.array_equal(cut_off, layer.multiplier):
        yield (
            "multiplier-cut-to-16-bits",
            "the multiplier's lower 16 bits are left out, not rounded",
            replace(layer, multiplier=cut_off),
        )
    yield "floor", "the product is shifted right without rounding", replace(layer, scale=_floored)
    yield "truncation", "the product is cut towards zero", replace(layer, scale=_toward_zero)
    for by in (1, -1):
        yield (
            f"shift-off-by-{'plus' if by > 0 else 'minus'}-1",
            f"every shift is off by {by}",
            replace(layer, scale=_shifted(by)),
        )
    if len(set(layer.multiplier.tolist())) > 1 or len(set(layer.shift.tolist())) > 1:
        m, s = layer.multiplier, layer.shift
        first = replace(layer, multiplier=np.full_like(m, m[0]), shift=np.full_like(s, s[0]))
        yield "per-tensor-scale-first", "the first channel's scale serves all", first
    if np.any(layer.bias):
        yield "bias-missing", "the bias is not added", replace(layer, bias=0 * layer.bias)
        yield "bias-cut-to-32-bits", "the bias has 32 bits", replace(layer, bias=cut(32, layer.bias))
    yield "accumulator-wraps-int32", "the sum has 32 bits", replace(layer, accumulate=partial(cut, 32))
    yield (
        "accumulator-saturates-int32",
        "the sum is clamped to int32",
        replace(layer, accumulate=partial(saturated, 32)),
    )
    yield "input-low-byte", "the low byte of every input", replace(layer, read=partial(cut, 8))
    yield from wrong_places(layer)
    yield from remainders(layer)


def _effective(layer: Layer) -> list[float]:
    """Input scale · filter scale / output scale in double, 1 or one per channel."""
    node = layer.kernel.node
    before, after = (node.quantized(t, "int16") for t in (node.input(layer.x), node.output))
    scales = node.input(1).quantization
    assert scales is not None, "the kernel has been prepared"
    return [float(before.scale) * float(s) / float(after.scale) for s in scales.scales]
