"""The grid of UNIDIRECTIONAL_SEQUENCE_LSTM: sizes, steps, orders of time and batch, clips, scales."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from coverify.conformance.suite.case import Case, case, rng_of
from coverify.conformance.suite.model_file import OneOp, TensorSpec, float32

_SIZES = (1, 2, 3, 4, 5, 8, 17)
_OPTIONS = 71
_TANH = 4
_OPERANDS = (*range(9), -1, -1, -1, *range(9, 13), -1, -1, 13, 14, -1, -1, -1, -1)
"""Input, its weights, the hidden state's, no peepholes, biases, no projection, both states, no norms."""
_GATES = 4
_INVOCATIONS = 8


@dataclass(frozen=True)
class Shape:
    """cell: log2 of the cell's scale; gain: log2 of what a gate's sums typically are in magnitude."""

    batch: int = 1
    time: int = 3
    n_in: int = 5
    units: int = 4
    time_major: bool = False
    clip: float = 0.0
    cell: float = -12.0
    gain: float = 0.0
    weights_zero: int = 0
    extreme: bool = False


def lstm_cases(op: str, seed: int) -> Iterator[Case]:
    """Sequences of invocations on cells of every residue of sizes."""
    for number, (shape_class, shape) in enumerate(_shapes()):
        one = _lstm(op, shape, rng_of(seed, op, number))
        yield case(one, shape_class, str(number), seed, n_vectors=_INVOCATIONS)


def _shapes() -> Iterator[tuple[str, Shape]]:
    plain = Shape()
    for n in _SIZES:
        yield "inputs 1…17", replace(plain, n_in=n)
    for n in _SIZES:
        yield "units 1…17", replace(plain, units=n)
    for n in _SIZES:
        yield "steps 1…17", replace(plain, time=n, gain=-1.0)
    for batch, time in ((2, 3), (3, 1), (3, 3), (4, 2)):
        for major in (False, True):
            yield "batches", replace(plain, batch=batch, time=time, time_major=major)
    yield "time first", replace(plain, time_major=True)
    for clip in (0.02, 0.3, 1.0, 7.9):
        yield "clipped cells", replace(plain, clip=clip, gain=1.0)
    for cell in (-9.0, -11.0, -13.0, -15.0, -17.0, -22.0, -12.4, -13.6):
        yield "scales of the cell", replace(plain, cell=cell)
    for gain in (-6.0, -3.0, 2.0, 5.0):
        yield "scales of the gates", replace(plain, gain=gain)
    for zero in (-7, 100):
        yield "weights' zero point", replace(plain, weights_zero=zero)
    yield "long sums", replace(plain, n_in=600, units=65, time=1, extreme=True)


def _lstm(op: str, shape: Shape, rng: np.random.Generator) -> OneOp:
    lengths = (shape.time, shape.batch) if shape.time_major else (shape.batch, shape.time)
    x = TensorSpec((*lengths, shape.n_in), "int8", (float32(rng.uniform(0.01, 0.1)),), _zero(rng))
    hidden_scale, hidden_zero = float32(2.0**-7 * rng.uniform(0.6, 1.7)), _zero(rng)
    hidden = TensorSpec((shape.batch, shape.units), "int8", (hidden_scale,), hidden_zero, variable=True)
    cell = TensorSpec(hidden.shape, "int16", (float32(2.0**shape.cell),), variable=True)
    weights = [_weights(shape, x.scales[0], shape.n_in, rng) for _ in range(_GATES)]
    recurrent = [_weights(shape, hidden_scale, shape.units, rng) for _ in range(_GATES)]
    biases = [_bias(shape, float32(w.scales[0] * x.scales[0]), rng) for w in weights]
    y = TensorSpec((*lengths, shape.units), "int8", (hidden_scale,), hidden_zero)
    options = {0: ("b", _TANH), 1: ("f", shape.clip), 3: ("B", int(shape.time_major))}
    inputs = [x, *weights, *recurrent, *biases, hidden, cell]
    return OneOp(op, inputs, y, _OPTIONS, options, operands=_OPERANDS)


def _weights(shape: Shape, scale: float, depth: int, rng: np.random.Generator) -> TensorSpec:
    values: NDArray[np.int64] = rng.integers(-127, 128, (shape.units, depth))
    if shape.extreme:
        values = np.where(values < 0, -128, 127)
    s = float32(2.0 ** (shape.gain + rng.uniform(-1, 1)) / (scale * 70 * 74 * np.sqrt(depth)))
    return TensorSpec(values.shape, "int8", (s,), shape.weights_zero, data=values)


def _bias(shape: Shape, product: float, rng: np.random.Generator) -> TensorSpec:
    values = rng.normal(0, 0.5 * 2.0**shape.gain / product, shape.units).round().astype(np.int64)
    return TensorSpec((shape.units,), "int32", (product,), data=values)


def _zero(rng: np.random.Generator) -> int:
    return int(rng.integers(-90, 90))
