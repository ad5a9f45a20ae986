"""What do the two networks compute on the same inputs? Their classes, and the outputs of chosen layers.

Both see the same numbers: the int8 network its input codes, the float network the real values that the codes
stand for, scale · (code − zero point). The float network runs in a child process, in whichever interpreter
is installed; the int8 one is the exact reference.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from coverify.conformance.oracles import Oracle, OracleError, OracleName, available, package
from coverify.repair.errors import PairMismatch
from coverify.repair.pair import Pair
from tflm_int8.fixedpoint import I64Array

F32Array = NDArray[np.float32]
_INTERPRETERS: Final[tuple[OracleName, ...]] = ("tflite", "litert", "tflm")
_BATCH: Final = 32


@dataclass(frozen=True, eq=False)
class Observation:
    """Of N inputs: the float network's class (int64 [N]) and its outputs by the int8 operator's index.

    outputs: op index → float32 [N, positions, neurons].
    """

    classes: I64Array
    outputs: dict[int, F32Array] = field(default_factory=dict)
    interpreter: str = ""

    def joined(self, other: Observation) -> Observation:
        """The same layers on the inputs of both, one after another."""
        outputs = {op: np.concatenate([values, other.outputs[op]]) for op, values in self.outputs.items()}
        return Observation(np.concatenate([self.classes, other.classes]), outputs, self.interpreter)

    def of(self, chosen: I64Array) -> Observation:
        """The chosen inputs alone."""
        outputs = {op: values[chosen] for op, values in self.outputs.items()}
        return Observation(self.classes[chosen], outputs, self.interpreter)


def real_inputs(pair: Pair, x: NDArray[np.int8]) -> F32Array:
    """The real values that input codes stand for, float32 [N, …]."""
    quantization = pair.reference.input.quantization
    assert quantization is not None  # Pair.of has looked
    real: F32Array = (x.astype(np.float32) - np.float32(quantization.zero_point)) * quantization.scale
    return real


def observe(
    pair: Pair,
    x: NDArray[np.int8],
    op_indices: Sequence[int],
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Observation:
    """Run the float network on input codes, int8 [N, …].  Raises OracleError, PairMismatch."""
    name = _interpreter()
    real, classes = real_inputs(pair, x), []
    parts: dict[int, list[F32Array]] = {op: [] for op in op_indices}
    with Oracle(name, pair.original) as interpreter:
        for start in range(0, len(real), _BATCH):
            batch = real[start : start + _BATCH]
            trace = interpreter.trace(batch)
            classes.append(_classes(trace[pair.original.outputs[0]]))
            for op, values in parts.items():
                paired = pair.layer(op)
                values.append(paired.layer.by_neuron(trace[paired.float_output]))
            progress(start + len(batch), len(real))
    outputs = {op: np.concatenate(values) for op, values in parts.items()}
    return Observation(np.concatenate(classes), outputs, package(name))


def _interpreter() -> OracleName:
    for name in _INTERPRETERS:
        if available(name):
            return name
    raise OracleError("no interpreter for the float network is installed: pip install 'coverify[litert]'")


def _classes(outputs: NDArray[Any]) -> I64Array:
    """The index of the first maximum; a NaN has no class."""
    flat = outputs.reshape(len(outputs), -1)
    if not np.all(np.isfinite(flat)):
        raise PairMismatch("the float network's output", "it is not finite on these inputs")
    best: I64Array = flat.argmax(axis=1).astype(np.int64)
    return best
