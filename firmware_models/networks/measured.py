"""What does a converted network hold, and what does TFLM's interpreter make of an image?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import tflite
from data import F32Array, I64Array
from tflite_micro.python.tflite_micro import runtime

ARENA_BYTES = 200_000

I8Array = npt.NDArray[np.int8]


def operators_of(blob: bytes) -> tuple[tuple[str, int], ...]:
    """The operators in `blob` in running order: name and number of weight scales (0: no weights)."""
    model = tflite.Model.GetRootAsModel(blob, 0)
    graph = model.Subgraphs(0)
    found = []
    for i in range(graph.OperatorsLength()):
        operator = graph.Operators(i)
        name = tflite.opcode2name(model.OperatorCodes(operator.OpcodeIndex()).BuiltinCode())
        weighted = operator.InputsLength() == 3  # input, weights, bias
        scales = graph.Tensors(operator.Inputs(1)).Quantization().ScaleLength() if weighted else 0
        found.append((name, scales))
    return tuple(found)


def quantize(x: F32Array, scale: float, zero_point: int) -> I8Array:
    """Clamp(round(x / scale) + zero_point) to -128..127, as TFLM's QUANTIZE does it.

    Division in float32; halves are rounded away from zero.
    """
    ratio = (x / np.float32(scale)).astype(np.float64)
    rounded = np.copysign(np.floor(np.abs(ratio) + 0.5), ratio)
    return np.clip(rounded + zero_point, -128, 127).astype(np.int8)


@dataclass(frozen=True)
class Quantization:
    """real = scale · (code - zero_point)."""

    scale: float
    zero_point: int


class Tflm:
    """TFLM's interpreter on one model of one int8 input and one int8 output, batch 1."""

    def __init__(self, blob: bytes) -> None:
        """Allocate the tensors of `blob`; RuntimeError if TFLM refuses it."""
        self._interpreter = runtime.Interpreter.from_bytes(blob, arena_size=ARENA_BYTES)
        self.input = self._quantization(self._interpreter.get_input_details(0))
        self.output = self._quantization(self._interpreter.get_output_details(0))

    @staticmethod
    def _quantization(details: dict[str, Any]) -> Quantization:
        parameters = details["quantization_parameters"]
        return Quantization(float(parameters["scales"][0]), int(parameters["zero_points"][0]))

    def classes(self, x: I8Array) -> I64Array:
        """The index of the first maximum of the output for each x[i] (N x input shape): N x int64."""
        found = []
        for sample in x:
            self._interpreter.set_input(sample[np.newaxis], 0)
            self._interpreter.invoke()
            found.append(int(np.argmax(self._interpreter.get_output(0))))
        return np.array(found, dtype=np.int64)
