"""Random models of one operator that keeps state between invocations: a case per seed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from flatbuffers import flexbuffers

from model_builder import Builder
from random_elementwise import scale, zero_point

Rng = np.random.Generator


def _scale(value: float) -> float:
    return float(np.float32(value))


def _bias(b: Builder, values: np.ndarray, s: float, dtype: str) -> int:
    return b.tensor(values.shape, dtype, [s], [0], data=values.astype(dtype))


def svdf(rng: Rng, b: Builder) -> int:
    """State and time weights of int16, or of int8 with any zero point."""
    batch, n_in, units, rank, memory = (int(v) for v in rng.integers(1, (3, 12, 6, 4, 9)))
    dtype = str(rng.choice(["int16", "int16", "int8"]))
    x = b.input((batch, n_in), scale(rng), zero_point(rng))
    n = units * rank
    w_scale = scale(rng, -3, -1)
    features = b.tensor((n, n_in), "int8", [w_scale], [0], data=rng.integers(-127, 128, (n, n_in), np.int8))
    limit, spread = (1 << 15, 2e4) if dtype == "int16" else (128, 80)
    state_scale = _scale(b.tensors[x].scales[0] * w_scale * 6e3 * np.sqrt(n_in) / spread)
    state_scale = _scale(state_scale * 10.0 ** rng.uniform(-0.4, 0.6))
    point = 0 if dtype == "int16" or rng.random() < 0.5 else int(rng.integers(-128, 128))
    times = rng.integers(-limit + 1, limit, (n, memory)) // int(rng.choice([1, 8, 64]))
    t_scale = scale(rng, -5, -3)
    weights = b.tensor((n, memory), dtype, [t_scale], [0], data=times.astype(dtype))
    bias = _bias(b, rng.integers(-(limit**2) // 4, limit**2 // 4, units), state_scale * t_scale, "int32")
    state = b.variable((batch, memory * n), state_scale, point, dtype)
    typical = max(np.abs(times).mean(), 1) * spread * np.sqrt(rank * memory) * state_scale * t_scale / 60
    y = b.activation((batch, units), _scale(typical * 10.0 ** rng.uniform(-0.5, 0.5)), zero_point(rng))
    activation = int(rng.integers(0, 4))
    return b.op(
        "SVDF", [x, features, weights, bias, state], y, 6, Rank=rank, FusedActivationFunction=activation
    )


def lstm(rng: Rng, b: Builder) -> int:
    """int8 or int16 activations, batch or time first, perhaps clipped."""
    batch, time, n_in, units = (int(v) for v in rng.integers(1, (4, 6, 9, 8)))
    major, dtype = bool(rng.integers(0, 2)), str(rng.choice(["int8", "int8", "int16"]))
    wide = dtype == "int16"
    shape = (time, batch) if major else (batch, time)
    x_scale = _scale(2.0**-15 * 10.0 ** rng.uniform(-0.2, 1)) if wide else scale(rng, -2.5, -1)
    x = b.input((*shape, n_in), x_scale, 0 if wide else zero_point(rng), dtype)
    h_scale = _scale((2.0**-15 if wide else 2.0**-7) * 10.0 ** rng.uniform(-0.4, 0.4))
    h_zero = 0 if wide else zero_point(rng)
    inputs = [x] + [-1] * 23
    for first, source, depth in ((1, x_scale, n_in), (5, h_scale, units)):
        for i in range(4):
            s = _scale(2.0 ** rng.uniform(-4, 1) / (source * (2e4 if wide else 90) * 70 * np.sqrt(depth)))
            data = rng.integers(-127, 128, (units, depth), np.int8)
            w = b.tensor(data.shape, "int8", [s], [0], data=data)
            inputs[first + i] = w
            if first == 1:
                values = rng.integers(-1 << 12, 1 << 12, units)
                inputs[12 + i] = _bias(b, values, source * s, "int64" if wide else "int32")
    inputs[18] = b.variable((batch, units), h_scale, h_zero, dtype)
    power = int(rng.integers(-15, -9))
    c_scale = 2.0**power if rng.random() < 0.7 else _scale(2.0 ** rng.uniform(-15, -9))
    inputs[19] = b.variable((batch, units), c_scale, 0, "int16")
    y = b.activation((*shape, units), h_scale, h_zero, dtype)
    clip = float(rng.choice([0, 0, 0.7, 10]))
    return b.op(
        "UNIDIRECTIONAL_SEQUENCE_LSTM", inputs, y, 71, FusedActivationFunction=4, CellClip=clip,
        TimeMajor=major,
    )  # fmt: skip


def circular_buffer(rng: Rng, b: Builder) -> int:
    """A period of 1, from the options or from the number of slots; the buffer requantized."""
    width, depth = (int(v) for v in rng.integers(1, 5, 2))
    x = b.input((1, 1, width, depth), scale(rng), zero_point(rng))
    said = bool(rng.integers(0, 2))
    slots = int(rng.integers(1, 9)) if said else int(rng.choice([5, 13, 25]))
    spec = b.tensors[x]
    y = b.variable((1, slots, width, depth), spec.scales[0], spec.zero_points[0])
    options = flexbuffers.Dumps({"cycles_max": 1})
    b.op("CUSTOM:CIRCULAR_BUFFER", [x], y, custom=bytes(options) if said else None)
    z = b.activation((1, slots, width, depth), spec.scales[0] * 1.3, zero_point(rng))
    return b.op("QUANTIZE", [y], z)


def _handle(b: Builder, name: str) -> int:
    return b.op("VAR_HANDLE", [], b.tensor((), "resource"), 111, SharedName=name)


def variables(rng: Rng, b: Builder) -> int:
    """A window over time, as streaming layers keep it: old rows read, new ones behind them, the last kept.

    Two of them in a row, or twice the same variable; a CALL_ONCE with the value of the start, or none.
    """
    rows, depth, new = (int(v) for v in rng.integers(1, (5, 6, 3)))
    x = b.input((1, new, depth), scale(rng), zero_point(rng))
    once = bool(rng.random() < 0.6)
    if once:
        b.op("CALL_ONCE", [], [], 103, InitSubgraphIndex=1)
        b.subgraphs.append(Builder())
    names = ["a", "b"] if rng.random() < 0.5 else ["a", "a"]
    spec, last = b.tensors[x], x
    for name in names:
        kept = b.op("READ_VARIABLE", [_handle(b, name)], b.like(x, (1, rows, depth)), 112)
        n = b.tensors[last].shape[1]
        joined = b.op("CONCATENATION", [kept, last], b.like(x, (1, rows + n, depth)), 10, Axis=1)
        operands = [b.integers([0, n, 0]), b.integers([1, rows, depth])]
        tail = b.op("SLICE", [joined, *operands], b.like(x, (1, rows, depth)))
        b.op("ASSIGN_VARIABLE", [_handle(b, name), tail], [], 113)
        last = joined
        if once and name not in [op.options[0][1] for op in b.subgraphs[0].ops if op.options]:
            init = b.subgraphs[0]
            value = np.full((1, rows, depth), spec.zero_points[0])
            init.op(
                "ASSIGN_VARIABLE",
                [_handle(init, name), init.constant(value, 1.0, spec.zero_points[0])],
                [],
                113,
            )
    shape = b.tensors[last].shape
    return b.op("QUANTIZE", [last], b.activation(shape, spec.scales[0] * 1.3, zero_point(rng)))


ONE_OP: dict[str, Callable[[Rng, Builder], int]] = {
    "CIRCULAR_BUFFER": circular_buffer,
    "SVDF": svdf,
    "UNIDIRECTIONAL_SEQUENCE_LSTM": lstm,
    "variables": variables,
}


def one_op(name: str, seed: int) -> bytes:
    """A model around one operator, as a pure function of its name and seed."""
    rng = np.random.default_rng([seed, *name.encode()])
    b = Builder()
    return b.finish(ONE_OP[name](rng, b))


def samples(seed: int, reference, n: int) -> np.ndarray:
    """n inputs, some at the ends of their type."""
    rng = np.random.default_rng([seed, 3])
    limits = np.iinfo(reference.input.dtype)
    x = rng.integers(limits.min, limits.max + 1, (n, *reference.input.shape))
    x[rng.random(n) < 0.2] = limits.max
    return x.astype(reference.input.dtype)
