"""What class does the network give when one layer's outputs are these? The operators behind it, run exactly.

Made of a trace: the tensors that later operators read from before the layer stay as they were there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tflm_int8 import Reference
from tflm_int8.fixedpoint import I64Array

_ROWS: Final = 2048


class Tail:
    """The operators behind one, on N samples."""

    def __init__(self, reference: Reference, output: int, trace: Mapping[int, NDArray[Any]]) -> None:
        """output: the tensor that is replaced; trace: what was computed (and given), [N, tensor shape]."""
        self._reference, self._output = reference, output
        changed = {output}
        self._kernels = []
        for kernel in reference.kernels:
            op = kernel.node.op
            if changed.intersection(op.inputs):
                self._kernels.append(kernel)
                changed.update(op.outputs)
        read = {i for kernel in self._kernels for i in kernel.node.op.inputs if i >= 0} - changed
        tensors = reference.model.tensors
        self._kept = {i: trace[i] for i in read if tensors[i].initial is None}
        self._constants = {i: tensors[i].initial for i in read if tensors[i].initial is not None}
        self._scores = _scores_of(reference, output)

    def classes(self, outputs: NDArray[np.signedinteger[Any]], samples: I64Array) -> I64Array:
        """outputs: [M, elements], int8 codes, of the samples numbered int64 [M] → int64 [M]."""
        last = self._batches(outputs, samples, self._reference.model.outputs[0])
        best: I64Array = last.argmax(axis=1).astype(np.int64)
        return best

    def scores(self, outputs: NDArray[np.signedinteger[Any]], samples: I64Array) -> I64Array:
        """As `classes`, but what the class is the maximum of, int64 [M, classes]; of a softmax, its input."""
        return self._batches(outputs, samples, self._scores)

    def _batches(self, outputs: NDArray[np.signedinteger[Any]], samples: I64Array, tensor: int) -> I64Array:
        parts = [
            self._run(outputs[start : start + _ROWS], samples[start : start + _ROWS], tensor)
            for start in range(0, max(1, len(outputs)), _ROWS)
        ]
        return np.concatenate(parts)

    def _run(self, outputs: NDArray[np.signedinteger[Any]], samples: I64Array, tensor: int) -> I64Array:
        tensors, n = self._reference.model.tensors, len(outputs)
        values: dict[int, NDArray[Any]] = {i: kept[samples] for i, kept in self._kept.items()}
        for i, constant in self._constants.items():
            assert constant is not None
            values[i] = np.broadcast_to(constant, (n, *tensors[i].shape))
        values[self._output] = outputs.astype(np.int8).reshape(n, *tensors[self._output].shape)
        for kernel in self._kernels:
            read = [values[i] for i in kernel.node.op.inputs if i >= 0]
            values.update(zip(kernel.node.op.outputs, kernel.run(read), strict=True))
        elements = tensors[tensor].size
        return values[tensor].reshape(n, elements).astype(np.int64)


def _scores_of(reference: Reference, output: int) -> int:
    """The tensor that the last softmax reads, where it comes from `output` or from behind it."""
    last = reference.kernels[-1].node.op
    if last.name == "SOFTMAX" and reference.model.outputs[0] in last.outputs and last.outputs[0] != output:
        return last.inputs[0]
    return reference.model.outputs[0]
