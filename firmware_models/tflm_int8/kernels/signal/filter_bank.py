"""SignalFilterBank, …SquareRoot, …SpectralSubtraction, …Log and SignalPCAN: from energies to features.

Unsigned 32 and 64 bits wrap around, as C++ defines; a shift by more bits than there are, which it does not
define, is refused. Source: TFLM signal/micro/kernels/filter_bank*.cc, pcan.cc; signal/src/ of the same names,
square_root_*.cc, log.cc, pcan_argc_fixed.cc.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tflm_int8.fixedpoint import I64Array
from tflm_int8.kernels.memory import Memory, Remembering
from tflm_int8.kernels.movement import MAX_ELEMENTS
from tflm_int8.kernels.signal.options import boolean, check_same_shape, check_type, integer
from tflm_int8.model import Tensor
from tflm_int8.node import Node

Array = NDArray[Any]
U64Array = NDArray[np.uint64]

_LOW: Final = np.uint64(0xFFFFFFFF)
_GAINS: Final = 125
"""Entries of the gain's table: two, and then a polynomial of three for each number of bits, four apart."""
_SNR_BITS: Final = 12
_OUTPUT_BITS: Final = 6
_INT32: Final = range(-(1 << 31), 1 << 31)


@dataclass(frozen=True)
class FilterBank:
    """Sums of energies by channel; `weights`: uint64 [numbers, channels], modulo 2^64."""

    node: Node
    weights: U64Array

    def run(self, inputs: list[Array]) -> list[Array]:
        """uint32 [N, numbers] and constants → uint64 [N, channels]."""
        return [inputs[0].astype(np.uint64) @ self.weights]


def prepare_bank(node: Node) -> FilterBank:
    """Check a SignalFilterBank.

    Channel i is the weighted sum over its own band and the unweighted one over the band before.
    """
    node.arity(range(6, 7))
    x, out = node.input(0), node.output
    check_type(node, x, "uint32", rank=1)
    check_type(node, out, "uint64", rank=1)
    n = integer(node, 0, "num_channels", range(1, MAX_ELEMENTS))
    if out.size != n or n * x.size > MAX_ELEMENTS:
        node.refuse(f"{n} channels of {x.size} numbers → {out.size}")
    weights, unweights, frequencies, places, widths = (_constant(node, i) for i in range(1, 6))
    if min(len(frequencies), len(places), len(widths)) <= n:
        node.refuse(f"its bands are fewer than the {n} channels and one more")
    rising, falling = (np.zeros((x.size, n + 1), np.int64) for _ in range(2))
    for i in range(n + 1):
        first, place, width = int(frequencies[i]), int(places[i]), max(int(widths[i]), 0)
        fits = first >= 0 and place >= 0 and first + width <= x.size
        if width and not (fits and place + width <= min(len(weights), len(unweights))):
            node.refuse(f"band {i}: {width} numbers from {first} on, weights from {place} on")
        rising[first : first + width, i] = weights[place : place + width]
        falling[first : first + width, i] = unweights[place : place + width]
    return FilterBank(node, (rising[:, 1:] + falling[:, :-1]).astype(np.uint64))


def _constant(node: Node, i: int) -> I64Array:
    check_type(node, node.input(i), "int16", rank=1)
    return node.constant(node.input(i), "int16")


@dataclass(frozen=True)
class SquareRoot:
    """The square root to the nearest, but 65535 at most of 32 bits; then shifted right."""

    node: Node

    def run(self, inputs: list[Array]) -> list[Array]:
        """uint64 [N, channels], int32 [N] → uint32 [N, channels]."""
        x, bits = inputs[0], inputs[1].astype(np.int64)
        if np.any((bits < 0) | (bits > 31)):
            self.node.overflow("a shift by another number of bits than 0..31")
        return [(_square_root(x) >> bits.astype(np.uint64)[:, None]).astype(np.uint32)]


def _square_root(x: U64Array) -> U64Array:
    root = np.minimum(np.floor(np.sqrt(x.astype(np.float64))), float(_LOW)).astype(np.uint64)
    root = np.where(root * root > x, root - 1, root)
    more = (root < _LOW) & ((root + 1) * (root + 1) <= x)
    root = np.where(more, root + 1, root)
    full = root == np.where(x >> np.uint64(32) == 0, np.uint64(0xFFFF), _LOW)
    return np.where((x - root * root > root) & ~full, root + 1, root)


def prepare_square_root(node: Node) -> SquareRoot:
    """Check a SignalFilterBankSquareRoot."""
    node.arity(range(2, 3))
    check_type(node, node.input(0), "uint64", rank=1)
    check_type(node, node.input(1), "int32", rank=0)
    check_type(node, node.output, "uint32", rank=1)
    check_same_shape(node, node.input(0), node.output)
    return SquareRoot(node)


@dataclass(frozen=True)
class SpectralSubtraction(Remembering):
    """The signal less an estimate of its noise, smoothed over time: the state, and the second output.

    smoothing, rest: uint64 [channels], how much of the estimate is the signal's and how much the old one's.
    """

    smoothing: U64Array
    rest: U64Array
    least: int
    smoothing_bits: int
    bits: int
    clamping: bool

    def variables(self) -> tuple[Tensor, ...]:
        """No tensors."""
        return ()

    def initial(self) -> Memory:
        """An estimate of zeros."""
        return {self.node.op.outputs[1]: np.zeros(self.node.output.shape, np.uint32)}

    def step(self, inputs: list[Array], memory: Memory) -> list[Array]:
        """uint32 [N, channels] → twice uint32 [N, channels]."""
        key, bits, up = self.node.op.outputs[1], np.uint64(self.bits), np.uint64(self.smoothing_bits)
        x = inputs[0].astype(np.uint64)
        signal = (x << up) & _LOW
        noise = ((signal * self.smoothing + memory[key].astype(np.uint64) * self.rest) >> bits) & _LOW
        estimate = np.minimum(noise, signal)
        floor = ((x * np.uint64(self.least)) >> bits) & _LOW
        subtracted = (signal - estimate) >> up
        memory[key] = (estimate if self.clamping else noise).astype(np.uint32)
        return [np.maximum(subtracted, floor).astype(np.uint32), memory[key]]


def prepare_subtraction(node: Node) -> SpectralSubtraction:
    """Check a SignalFilterBankSpectralSubtraction."""
    node.arity(range(1, 2), 2)
    x, noise = node.input(0), node.model.tensors[node.op.outputs[1]]
    for tensor in (x, node.output, noise):
        check_type(node, tensor, "uint32", rank=1)
    check_same_shape(node, x, node.output, noise)
    if integer(node, 4, "num_channels", _INT32) != x.size:
        node.refuse(f"num_channels is not the {x.size} of its input")
    odd = np.arange(x.size) % 2 == 1
    names = ("alternate_one_minus_smoothing", "alternate_smoothing", "one_minus_smoothing", "smoothing")
    other_rest, other, rest, smoothing = (
        _unsigned(node, i, name) for i, name in zip((0, 1, 5, 6), names, strict=True)
    )
    return SpectralSubtraction(
        node,
        np.where(odd, np.uint64(other), np.uint64(smoothing)),
        np.where(odd, np.uint64(other_rest), np.uint64(rest)),
        _unsigned(node, 3, "min_signal_remaining"),
        integer(node, 7, "smoothing_bits", range(32)),
        integer(node, 8, "spectral_subtraction_bits", range(64)),
        boolean(node, 2, "clamping"),
    )


def _unsigned(node: Node, i: int, name: str) -> int:
    return integer(node, i, name, _INT32) & int(_LOW)


@dataclass(frozen=True)
class Gain:
    """Per-channel amplitude normalization: the signal times a gain that its noise looks up, then shrunk."""

    node: Node
    shift: int

    def run(self, inputs: list[Array]) -> list[Array]:
        """uint32 [N, channels] twice, int16 [N, entries] → uint32 [N, channels]."""
        x, noise, table = (a.astype(np.int64) for a in inputs)
        gain = (_looked_up(noise, table) & int(_LOW)).astype(np.uint64)
        snr = ((x.astype(np.uint64) * gain) >> np.uint64(self.shift)) & _LOW
        square = (snr * snr) >> np.uint64(2 + 2 * _SNR_BITS - _OUTPUT_BITS)
        less = (snr >> np.uint64(_SNR_BITS - _OUTPUT_BITS)) - np.uint64(1 << _OUTPUT_BITS)
        return [np.where(snr < 2 << _SNR_BITS, square, less).astype(np.uint32)]


def _looked_up(x: I64Array, table: I64Array) -> I64Array:
    """The gain of each x ≥ 0: the table's entry of 0, 1, 2, else a polynomial of its leading bits.

    Source: WideDynamicFunction. All fits int32: the last product is at most 2 · 2^15 · 32 · 1023 < 2^31.
    """
    width = np.frexp(x.astype(np.float64))[1].astype(np.int64)
    first = np.where(x <= 2, x, 4 * width - 6)
    a, b, c = (np.take_along_axis(table, np.minimum(first + i, _GAINS - 1), axis=1) for i in range(3))
    shifted = np.where(width < 11, x << np.maximum(11 - width, 0), x >> np.maximum(width - 11, 0))
    part = shifted & 0x3FF
    value = (((((c * part) >> 5) + (b << 5)) * part + (1 << 14)) >> 15) + a
    wrapped: I64Array = value.astype(np.int16).astype(np.int64)
    return np.where(x <= 2, a, wrapped)


def prepare_gain(node: Node) -> Gain:
    """Check a SignalPCAN."""
    node.arity(range(3, 4))
    x, noise, table = (node.input(i) for i in range(3))
    for tensor in (x, noise, node.output):
        check_type(node, tensor, "uint32", rank=1)
    check_type(node, table, "int16", rank=1)
    check_same_shape(node, x, noise, node.output)
    if table.size < _GAINS:
        node.refuse(f"a table of {table.size} gains; {_GAINS} are needed")
    return Gain(node, integer(node, 0, "snr_shift", range(64)))


_LOG_SEGMENTS: Final = 128
_ONE: Final = 1 << 16
_LN_2: Final = 45426
_SEGMENT: Final = np.arange(_LOG_SEGMENTS + 1) / _LOG_SEGMENTS
_LOG_TABLE: Final = np.rint((np.log2(1 + _SEGMENT) - _SEGMENT) * _ONE).astype(np.int64)
"""How much log2(1 + x) exceeds x, at the segments' ends."""


@dataclass(frozen=True)
class Logarithm:
    """The natural logarithm of x · 2^correction, times the scale; 0 of 0 and 1, int16's greatest at most."""

    node: Node
    correction: int
    scale: int

    def run(self, inputs: list[Array]) -> list[Array]:
        """uint32 [N, channels] → int16 [N, channels]."""
        x = (inputs[0].astype(np.int64) << self.correction) & int(_LOW)
        integer = np.frexp(np.maximum(x, 1).astype(np.float64))[1].astype(np.int64) - 1
        rest = np.maximum(x, 1) - (1 << integer)
        part = np.where(
            integer < 16, rest << np.maximum(16 - integer, 0), rest >> np.maximum(integer - 16, 0)
        )
        base = part >> 9
        rise = (_LOG_TABLE[base + 1] - _LOG_TABLE[base]) * (part - (base << 9)) >> 16
        log2 = (integer << 16) + part + _LOG_TABLE[base] + rise
        natural = (_LN_2 * log2 + _ONE // 2) >> 16
        scaled = ((self.scale * natural + _ONE // 2) & int(_LOW)) >> 16
        return [np.where(x > 1, np.minimum(scaled, (1 << 15) - 1), 0).astype(np.int16)]


def prepare_log(node: Node) -> Logarithm:
    """Check a SignalFilterBankLog."""
    node.arity(range(1, 2))
    check_type(node, node.input(0), "uint32", rank=1)
    check_type(node, node.output, "int16", rank=1)
    check_same_shape(node, node.input(0), node.output)
    correction = integer(node, 0, "input_correction_bits", range(32))
    return Logarithm(node, correction, _unsigned(node, 1, "output_scale"))
