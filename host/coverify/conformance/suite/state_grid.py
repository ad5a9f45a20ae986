"""The grid of operators that keep state between invocations, longer than their state reaches back."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from coverify.conformance.suite.case import Case, case, rng_of
from coverify.conformance.suite.model_file import OneOp, TensorSpec

_SIZES = (1, 2, 3, 4, 5, 8, 9, 16, 17)
_SVDF_OPTIONS = 6
_ONE_CYCLE = bytes([0x63, 0, 1, 3, 1, 1, 1, 0x01, 4, 2, 0x24, 1])
"""The FlexBuffer {"c": 1}: CIRCULAR_BUFFER takes the first value of the vector for cycles_max."""


def svdf_cases(op: str, seed: int) -> Iterator[Case]:
    """SVDF: inputs, units, ranks, lengths of memory, batches, states of both types."""
    shapes = [("inputs 1…17", 1, n, 3, 1, 4, "int16", 0) for n in _SIZES]
    shapes += [("units 1…17", 1, 5, n, 1, 3, "int16", 0) for n in _SIZES]
    shapes += [("memory 1…17", 1, 4, 2, 1, n, "int16", 0) for n in _SIZES]
    shapes += [("ranks", 1, 6, 3, n, 5, "int16", 0) for n in (2, 3, 4, 7)]
    shapes += [("batches", n, 3, 2, 2, 4, "int16", 0) for n in (2, 3)]
    shapes += [("int8 state", 1, 5, 4, r, n, "int8", z) for n in (1, 3, 8, 17) for r, z in ((1, 0), (2, -9))]
    shapes += [("activations", 1, 6, 4, 1, 4, "int16", 0) for _ in range(3)]
    for number, (shape_class, batch, n_in, units, rank, memory, dtype, zero) in enumerate(shapes):
        rng = rng_of(seed, op, number)
        activation = number % 3 + 1 if shape_class == "activations" else 0
        one = _svdf(rng, (batch, n_in, units, rank, memory), dtype, zero, activation)
        yield case(one, shape_class, str(number), seed, n_vectors=memory + 5)
    for number, dtype in enumerate(("int8", "int16", "int8")):
        one = _coarse(rng_of(seed, op, "coarse", number), dtype)
        yield case(one, "coarse scales", f"coarse-{number}", seed, n_vectors=12)


def _coarse(rng: np.random.Generator, dtype: str) -> OneOp:
    """Multipliers of a quarter to an eighth, at which two roundings often differ from one."""
    batch, n_in, units, memory, zero = 5, 3, 6, 4, -7
    x = TensorSpec((batch, n_in), "int8", (1.0,), 3)
    features = TensorSpec((units, n_in), "int8", (1.0,), data=rng.integers(-2, 3, (units, n_in)))
    times = TensorSpec((units, memory), dtype, (1.0,), data=rng.integers(-1, 2, (units, memory)))
    state_scale, y_scale = (float(np.float32(v)) for v in rng.uniform((3.5, 20), (8, 28)))
    bias = TensorSpec((units,), "int32", (state_scale,), data=rng.integers(-40, 41, units))
    state = TensorSpec((batch, units * memory), dtype, (state_scale,), zero, variable=True)
    y = TensorSpec((batch, units), "int8", (y_scale,), -4)
    options = {0: ("i", 1), 1: ("b", 0)}
    return OneOp("SVDF", [x, features, times, bias, state], y, _SVDF_OPTIONS, options)


def _svdf(
    rng: np.random.Generator, sizes: tuple[int, int, int, int, int], dtype: str, zero: int, activation: int
) -> OneOp:
    """Scales at which features fill about a third of the state's range, and outputs that of int8."""
    batch, n_in, units, rank, memory = sizes
    filters, wide = units * rank, dtype == "int16"
    x = TensorSpec((batch, n_in), "int8", (0.05,), int(rng.integers(-90, 90)))
    features = TensorSpec((filters, n_in), "int8", (0.01,), data=rng.integers(-127, 128, (filters, n_in)))
    spread, limit = (9000.0, 9000) if wide else (35.0, 100)
    typical = 74 * 80 * np.sqrt(n_in)  # of a feature's accumulator
    state_scale = float(np.float32(0.05 * 0.01 * typical / spread))
    times = rng.integers(-limit, limit + 1, (filters, memory))
    weights = TensorSpec((filters, memory), dtype, (float(np.float32(0.7 / limit)),), data=times)
    product = float(np.float32(state_scale)) * weights.scales[0]
    total = spread * limit / 2 * np.sqrt(rank * memory)
    bias = TensorSpec(
        (units,), "int32", (product,), data=(rng.normal(0, 0.4, units) * total).astype(np.int64)
    )
    state = TensorSpec((batch, filters * memory), dtype, (state_scale,), zero, variable=True)
    y_scale = float(np.float32(product * total / 45))
    y = TensorSpec((batch, units), "int8", (y_scale,), int(rng.integers(-60, 60)))
    options = {0: ("i", rank), 1: ("b", activation)}
    return OneOp("SVDF", [x, features, weights, bias, state], y, _SVDF_OPTIONS, options)


def buffer_cases(op: str, seed: int) -> Iterator[Case]:
    """CIRCULAR_BUFFER: slots, widths, depths."""
    shapes = [("slots 1…17", n, 2, 3) for n in _SIZES]
    shapes += [("depth 1…17", 4, 1, n) for n in _SIZES]
    shapes += [("width 1…17", 3, n, 2) for n in _SIZES]
    for number, (shape_class, slots, width, depth) in enumerate(shapes):
        zero = int(rng_of(seed, op, number).integers(-90, 90))
        x = TensorSpec((1, 1, width, depth), "int8", (0.05,), zero)
        y = TensorSpec((1, slots, width, depth), "int8", (0.05,), zero, variable=True)
        one = OneOp(op, [x], y, custom_options=_ONE_CYCLE)
        yield case(one, shape_class, str(number), seed, n_vectors=slots + 5)
