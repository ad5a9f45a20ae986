"""What does the network answer when a layer has other weights? Everything but that layer is run once.

A bench is one layer of one network on N samples: their inputs to the layer, and the operators behind it.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from coverify.repair.layer import Layer
from coverify.repair.tail import Tail
from tflm_int8.fixedpoint import I64Array

_BATCH: Final = 64


class Bench:
    """A layer on samples."""

    def __init__(self, layer: Layer, x: NDArray[np.int8]) -> None:
        """x: int8 [N, sample shape of the network's input]."""
        reference = layer.reference
        self.layer = layer
        first = reference.model.inputs[0]
        shape = reference.model.tensors[first].shape
        trace: dict[int, NDArray[Any]] = {first: x.reshape(-1, *shape), **reference.trace(x)}
        self.inputs: NDArray[Any] = trace[layer.input_tensor]
        self.tail = Tail(reference, layer.output_tensor, trace)
        self.outputs: I64Array = layer.by_neuron(trace[layer.output_tensor]).astype(np.int64)
        last = trace[reference.model.outputs[0]]
        self.classes: I64Array = last.reshape(len(last), -1).argmax(axis=1).astype(np.int64)

    @property
    def n(self) -> int:
        return len(self.inputs)

    @cached_property
    def everyone(self) -> I64Array:
        """The numbers of all samples."""
        return np.arange(self.n)

    def rows(self, neuron: int, samples: I64Array) -> I64Array:
        """int64 [M, positions, weights]: what the neuron reads on the numbered samples."""
        return self.layer.rows(self.inputs[samples], neuron)

    def column(self, neuron: int, weights: I64Array) -> I64Array:
        """The neuron's outputs with other weights, int64 [N, positions]."""
        parts = []
        for start in range(0, self.n, _BATCH):
            rows = self.rows(neuron, self.everyone[start : start + _BATCH])
            parts.append(self.layer.codes(self.layer.accumulators(rows, neuron, weights), neuron))
        return np.concatenate(parts)

    def with_column(
        self, outputs: I64Array, classes: I64Array, neuron: int, column: I64Array
    ) -> tuple[I64Array, I64Array]:
        """The layer's outputs [N, positions, neurons] with one neuron's replaced, and the classes then.

        classes: those of `outputs`; only samples whose column differs are run.
        """
        moved = np.flatnonzero(np.any(outputs[:, :, neuron] != column, axis=1))
        after, answers = outputs.copy(), classes.copy()
        after[:, :, neuron] = column
        answers[moved] = self.tail.classes(_flat(after[moved]), moved)
        return after, answers

    def answers(self, weights: I64Array) -> I64Array:
        """The classes with other weights of the whole layer, int64 [neurons, weights] → int64 [N]."""
        outputs = self.outputs.copy()
        for neuron in np.flatnonzero(np.any(weights != self.layer.weights, axis=1)):
            outputs[:, :, neuron] = self.column(int(neuron), weights[neuron])
        moved = np.flatnonzero(np.any(outputs != self.outputs, axis=(1, 2)))
        classes = self.classes.copy()
        classes[moved] = self.tail.classes(_flat(outputs[moved]), moved)
        return classes


def _flat(outputs: I64Array) -> I64Array:
    """[M, positions, neurons] → [M, elements]."""
    return outputs.reshape(len(outputs), outputs.shape[1] * outputs.shape[2])
