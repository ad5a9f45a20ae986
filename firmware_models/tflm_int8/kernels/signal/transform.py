"""SignalFftAutoScale, SignalRfft, SignalIrfft, SignalEnergy: a frame of samples and its spectrum, in int16.

Source: TFLM signal/micro/kernels/fft_auto_scale_kernel.cc, rfft.cc, irfft.cc, energy.cc; signal/src/ of the
same names, max_abs.cc.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tflm_int8.fixedpoint import I64Array, wrapped_int16
from tflm_int8.kernels.signal.fixed_fft import MAX_LENGTH, RealTransform
from tflm_int8.kernels.signal.options import check_int16_option, check_same_shape, check_type, integer
from tflm_int8.model import Tensor
from tflm_int8.node import Node

Array = NDArray[Any]


@dataclass(frozen=True)
class AutoScale:
    """The samples shifted left as far as the greatest magnitude allows, and by how many bits."""

    node: Node

    def run(self, inputs: list[Array]) -> list[Array]:
        """int16 [N, samples] → int16 [N, samples], int32 [N]."""
        x = inputs[0].astype(np.int64)
        greatest = _greatest_magnitude(x)
        width = np.frexp(np.maximum(greatest, 0).astype(np.float64))[1]
        bits = np.where(greatest > 0, 15 - width, 0)
        return [wrapped_int16(x << bits[:, None]).astype(np.int16), bits.astype(np.int32)]


def _greatest_magnitude(x: I64Array) -> I64Array:
    """The greatest |x| of each row as TFLM finds it in 16 bits, where −32768 becomes a maximum of −32768."""
    greatest: I64Array = np.abs(x).max(axis=1)
    odd = greatest == 1 << 15
    if np.any(odd):
        rows, found = x[odd], np.zeros(int(odd.sum()), np.int64)
        for value in rows.T:
            found = np.where(value > found, value, np.where(-value > found, wrapped_int16(-value), found))
        greatest[odd] = found
    return greatest


def prepare_auto_scale(node: Node) -> AutoScale:
    """Check a SignalFftAutoScale."""
    node.arity(range(1, 2), 2)
    bits = node.model.tensors[node.op.outputs[1]]
    check_type(node, node.input(0), "int16", rank=1)
    check_type(node, node.output, "int16", rank=1)
    check_type(node, bits, "int32", rank=0)
    check_same_shape(node, node.input(0), node.output)
    return AutoScale(node)


@dataclass(frozen=True)
class Spectrum:
    """The transform of every frame, filled up with zeros: real and imaginary parts in turn."""

    node: Node
    transform: RealTransform

    def run(self, inputs: list[Array]) -> list[Array]:
        """int16 [N, …, samples] → int16 [N, …, length + 2]."""
        x = inputs[0].astype(np.int64)
        frames = np.zeros((x.size // x.shape[-1], self.transform.length), np.int64)
        frames[:, : x.shape[-1]] = x.reshape(-1, x.shape[-1])
        spectrum = self.transform.forward(frames).astype(np.int16)
        return [spectrum.reshape(len(x), *self.node.output.shape)]


@dataclass(frozen=True)
class Samples:
    """The inverse transform of every spectrum."""

    node: Node
    transform: RealTransform

    def run(self, inputs: list[Array]) -> list[Array]:
        """int16 [N, …, length + 2] → int16 [N, …, length]."""
        spectra = inputs[0].astype(np.int64).reshape(-1, self.transform.length // 2 + 1, 2)
        samples = self.transform.backward(spectra).astype(np.int16)
        return [samples.reshape(len(inputs[0]), *self.node.output.shape)]


def prepare_rfft(node: Node) -> Spectrum:
    """Check a SignalRfft of int16."""
    x, out, transform = _transform(node, inverse=False)
    if x.shape[-1] > transform.length or out.shape != (*x.shape[:-1], transform.length + 2):
        node.refuse(f"{transform.length} points of {list(x.shape)} → {list(out.shape)}")
    return Spectrum(node, transform)


def prepare_irfft(node: Node) -> Samples:
    """Check a SignalIrfft of int16."""
    x, out, transform = _transform(node, inverse=True)
    if x.shape[-1] != transform.length + 2 or out.shape != (*x.shape[:-1], transform.length):
        node.refuse(f"{transform.length} points of {list(x.shape)} → {list(out.shape)}")
    return Samples(node, transform)


def _transform(node: Node, inverse: bool) -> tuple[Tensor, Tensor, RealTransform]:
    node.arity(range(1, 2))
    x, out = node.input(0), node.output
    check_int16_option(node, "fft_length")
    length = integer(node, 1, "fft_length", range(4, MAX_LENGTH + 1))
    check_type(node, x, "int16")
    check_type(node, out, "int16")
    transform = RealTransform.of(length, inverse)
    if transform is None or not x.shape:
        node.refuse(f"a transform of {length} points; even products of 2, 4 and 5 are supported")
    return x, out, transform


@dataclass(frozen=True)
class Energy:
    """re² + im² from `start` to before `end`; TFLM writes nothing to the other elements, which are 0 here."""

    node: Node
    start: int
    end: int

    def run(self, inputs: list[Array]) -> list[Array]:
        """int16 [N, 2 · numbers] → uint32 [N, numbers]."""
        parts = inputs[0].astype(np.int64).reshape(len(inputs[0]), -1, 2)[:, self.start : self.end]
        energy = (parts * parts).sum(axis=2)
        if np.any(energy >= 1 << 31):
            self.node.overflow("an energy leaves int32")
        out = np.zeros((len(inputs[0]), *self.node.output.shape), np.uint32)
        out[:, self.start : self.end] = energy
        return [out]

    def unwritten(self) -> NDArray[np.bool_]:
        """Which elements of the output it does not write."""
        place = np.arange(self.node.output.size)
        return (place < self.start) | (place >= self.end)


def prepare_energy(node: Node) -> Energy:
    """Check a SignalEnergy."""
    node.arity(range(1, 2))
    x, out = node.input(0), node.output
    check_type(node, x, "int16", rank=1)
    check_type(node, out, "uint32", rank=1)
    last = min(x.size // 2, out.size)
    end = integer(node, 0, "end_index", range(last + 1))
    return Energy(node, integer(node, 1, "start_index", range(end + 1)), end)
