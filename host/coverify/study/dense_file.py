"""How is a chain of int8 dense layers written as a .tflite file (schema version 3)?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coverify.conformance.suite.flatbuffer import Part, Parts, Table, flatbuffer
from coverify.conformance.suite.model_file import TensorSpec, int32_vector, tensor_table

FULLY_CONNECTED, OPTIONS = 9, 8
"""The operator's code, and its options' number in the schema's union."""
RELU_N1_TO_1, RELU6 = 2, 3


@dataclass(frozen=True, eq=False)
class DenseInt8:
    """weights: int8 [n_out, n_in] of one scale, zero point 0; bias: int32 [n_out]; activation: the fused one;
    out_scale, out_zero_point: of its output.
    """

    weights: NDArray[np.int8]
    bias: NDArray[np.int32]
    scale: float
    activation: int
    out_scale: float
    out_zero_point: int


def dense_file(layers: Sequence[DenseInt8], in_scale: float, in_zero_point: int) -> bytes:
    """The bytes of the file; scales are float32, as the format holds them."""
    source = np.float32(in_scale)
    tensors = [TensorSpec((1, layers[0].weights.shape[1]), "int8", (float(source),), in_zero_point)]
    operators: list[Part] = []
    for layer in layers:
        first, scale = len(tensors), np.float32(layer.scale)
        product = float(source * scale)
        tensors += [
            TensorSpec(layer.weights.shape, "int8", (float(scale),), data=layer.weights),
            TensorSpec(layer.bias.shape, "int32", (product,), data=layer.bias),
            TensorSpec((1, len(layer.bias)), "int8", (layer.out_scale,), layer.out_zero_point),
        ]
        inputs = [first - 1, first, first + 1]
        fields: dict[int, Part | tuple[str, int | float]] = {
            0: ("I", 0),
            1: int32_vector(inputs),
            2: int32_vector([first + 2]),
            3: ("B", OPTIONS),
            4: Table({0: ("b", layer.activation)}),
        }
        operators.append(Table(fields))
        source = np.float32(layer.out_scale)
    buffers: list[Part] = [Table({})]
    tables = [tensor_table(spec, f"t{i}", buffers) for i, spec in enumerate(tensors)]
    ends = int32_vector([0]), int32_vector([len(tensors) - 1])
    graph = Table({0: Parts(tables), 1: ends[0], 2: ends[1], 3: Parts(operators)})
    code = Table({0: ("b", FULLY_CONNECTED), 2: ("i", 4), 3: ("i", FULLY_CONNECTED)})
    root = Table({0: ("I", 3), 1: Parts([code]), 2: Parts([graph]), 4: Parts(buffers)})
    return flatbuffer(root, b"TFL3")
