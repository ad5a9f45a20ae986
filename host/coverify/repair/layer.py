"""Which weights can be changed, and what does a neuron compute from them? Dense, convolution, depthwise.

A *neuron* is an output channel. Its accumulator at a position of a sample is
bias + Σ weight · (input − zero point): `rows` gives the inputs of that sum, one row per position, exactly as
the reference's kernel reads them (taps outside the image are 0). A layer is refused (NotRepairable) when a
patch of its bytes could change anything else: weights of int4, computed weights, a buffer that is shared.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coverify.repair.errors import NotRepairable
from tflm_int8 import Reference
from tflm_int8.fixedpoint import I64Array
from tflm_int8.kernels.convolution import Convolution2D
from tflm_int8.kernels.fully_connected import FullyConnected
from tflm_int8.model import Tensor
from tflm_int8.program.primitives import Requantize, RequantizeReal, thresholds

Kernel = FullyConnected | Convolution2D
WEIGHT_LO, WEIGHT_HI = -127, 127
"""The codes that converters give to weights."""
_MAX_ROWS_BYTES = 2 << 30


@dataclass(frozen=True, eq=False)
class Layer:
    """One layer of an int8 network, as a reference runs it."""

    reference: Reference
    kernel: Kernel

    @property
    def op_index(self) -> int:
        return self.kernel.node.op.index

    @property
    def name(self) -> str:
        """For people: "op 11 FULLY_CONNECTED"."""
        return f"op {self.op_index} {self.kernel.node.op.name}"

    @property
    def tensor(self) -> Tensor:
        """The weights' tensor."""
        return self.kernel.node.input(1)

    @property
    def input_tensor(self) -> int:
        return self.kernel.node.op.inputs[0]

    @property
    def output_tensor(self) -> int:
        return self.kernel.node.op.outputs[0]

    @property
    def rule(self) -> Requantize | RequantizeReal:
        """Accumulator → output code, one channel per neuron."""
        rule = self.kernel.requantize
        assert isinstance(rule, Requantize | RequantizeReal)  # int8 outputs have no other
        return rule

    @cached_property
    def weights(self) -> I64Array:
        """int64 [neurons, weights]: the codes as they stand in the file."""
        data = self.tensor.data
        assert data is not None
        codes: I64Array = data.reshape(-1).astype(np.int64)[self.places]
        return codes

    @cached_property
    def places(self) -> I64Array:
        """int64 [neurons, weights]: the index of each weight in its tensor, and byte in its buffer."""
        order = np.arange(self.tensor.size).reshape(self.tensor.shape)
        if self.kernel.node.op.name == "DEPTHWISE_CONV_2D":
            order = order.transpose(3, 1, 2, 0)
        return np.ascontiguousarray(order.reshape(len(order), -1))

    @property
    def n_neurons(self) -> int:
        return len(self.places)

    @property
    def n_positions(self) -> int:
        """How many outputs a neuron has for one sample."""
        return self.kernel.node.output.size // self.n_neurons

    @property
    def bias(self) -> I64Array:
        return self.kernel.bias

    @cached_property
    def _filter_zero_point(self) -> int:
        quantization = self.tensor.quantization
        dense = isinstance(self.kernel, FullyConnected) and quantization is not None
        return quantization.zero_point if dense and quantization is not None else 0

    @cached_property
    def edges(self) -> I64Array:
        """int64 [neurons, codes − 1]: the least accumulator that gives at least each code above the least."""
        return thresholds(self.rule)

    def rows(self, x: NDArray[Any], neuron: int) -> I64Array:
        """x: int8 [N, input shape] → int64 [N, positions, weights]: the centred inputs of each sum."""
        kernel = self.kernel
        shape = len(x), self.n_positions, self.weights.shape[1]
        if math.prod(shape) * 8 > _MAX_ROWS_BYTES:
            raise NotRepairable(self.name, f"{len(x)} samples of it need too much memory; give fewer")
        centred = x.astype(np.int64) - kernel.input_zero_point
        if isinstance(kernel, FullyConnected):
            return centred.reshape(shape)
        return _windows(kernel, centred, neuron).reshape(shape)

    def accumulators(self, rows: I64Array, neuron: int, weights: I64Array | None = None) -> I64Array:
        """The neuron's sums, int64 [N, positions], with its own or other weights (int64 [weights])."""
        chosen = self.weights[neuron] if weights is None else weights
        sums: I64Array = rows @ (chosen - self._filter_zero_point)
        total: I64Array = sums + self.bias[neuron]
        return total

    def codes(self, accumulators: I64Array, neuron: int) -> I64Array:
        """The neuron's outputs, by the exact rule; int64, same shape."""
        channel = np.full(accumulators.shape[-1], neuron)
        codes: I64Array = self.rule.apply(accumulators, channel)
        return codes

    def interval(self, neuron: int, lowest: I64Array, highest: I64Array) -> tuple[I64Array, I64Array]:
        """The accumulators whose code lies in lowest…highest (both int64, same shape), ends included."""
        rule, edges = self.rule, self.edges[neuron]
        first, last = (int(end[neuron]) for end in rule.domain())
        below = np.concatenate([[first], edges])
        above = np.concatenate([edges - 1, [last]])
        return (
            below[np.clip(lowest, rule.lo, rule.hi) - rule.lo],
            above[np.clip(highest, rule.lo, rule.hi) - rule.lo],
        )

    def by_neuron(self, outputs: NDArray[Any]) -> NDArray[Any]:
        """[N, output shape] → [N, positions, neurons]."""
        return outputs.reshape(len(outputs), self.n_positions, self.n_neurons)


def _windows(kernel: Convolution2D, centred: I64Array, neuron: int) -> I64Array:
    """int64 [N, batch, height, width, channels] → [N · batch, positions, taps, channels of the group]."""
    depth = kernel.filters.shape[3]
    first = neuron // (len(kernel.filters) // kernel.groups) * depth
    channels = centred[..., first : first + depth].reshape(-1, kernel.window.n_pixels, depth)
    padded = np.concatenate([channels, np.zeros((len(channels), 1, depth), np.int64)], axis=1)
    taps: I64Array = padded[:, kernel.window.taps]
    return taps


def layers_of(reference: Reference) -> tuple[Layer, ...]:
    """Every dense, convolution and depthwise layer, in order, whether or not it can be repaired."""
    return tuple(
        Layer(reference, k) for k in reference.kernels if isinstance(k, FullyConnected | Convolution2D)
    )


def check_repairable(layer: Layer) -> None:
    """Raises NotRepairable, with the reason, where a patch of the layer's bytes is not one weight each."""
    tensor, model = layer.tensor, layer.reference.model
    if tensor.dtype != "int8" or tensor.data is None:
        raise NotRepairable(layer.name, f"its weights are {tensor.dtype}; a byte each is needed")
    if layer.kernel.node.output.dtype != "int8":
        raise NotRepairable(layer.name, f"its output is {layer.kernel.node.output.dtype}; int8 is needed")
    readers = sum(op.inputs.count(tensor.index) for op in model.operators)
    if readers != 1:
        raise NotRepairable(layer.name, f"its weights are read {readers} times")
