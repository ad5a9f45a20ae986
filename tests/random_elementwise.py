"""Random graphs of operators that work element by element (and of row normalizations): a case per seed.

Each function adds its operator to a builder whose input is `x` and returns the output tensor; outputs of
another type than int8 are brought back to int8 where TFLM can, so that the whole graph is lowered too.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from model_builder import Builder
from random_numbers import Rng, zero_point

Graph = Callable[[Rng, Builder, int, str], int]


def scale(rng: Rng, low=-3.0, high=0.0) -> float:
    """A scale within decades, a power of two now and then."""
    if rng.random() < 0.15:
        return float(2.0 ** int(rng.integers(-9, 1)))
    return float(np.float32(10.0 ** rng.uniform(low, high)))


def near(rng: Rng, reference: float, decades=1.2) -> float:
    """A scale within decades of another one, the same one now and then."""
    if rng.random() < 0.15:
        return reference
    return float(np.float32(reference * 10.0 ** rng.uniform(-decades, decades)))


def like(rng: Rng, b: Builder, x: int, decades=1.2) -> int:
    """An int8 tensor of x's shape, with a scale near x's."""
    spec = b.tensors[x]
    return b.activation(spec.shape, near(rng, spec.scales[0], decades), zero_point(rng))


def unary(rng: Rng, b: Builder, x: int, name: str) -> int:
    options = {"LEAKY_RELU": (75, {"Alpha": float(np.float32(rng.choice([0.01, 0.3, 1.7, -0.4, 0.0])))})}
    union, values = options.get(name, (0, {}))
    decades = 3.0 if name in ("ELU", "HARD_SWISH") else 1.5
    y = like(rng, b, x, decades)
    if name == "HARD_SWISH":  # TFLM refuses an output scale below a 128th of the input's
        b.tensors[y].scales[0] = max(b.tensors[y].scales[0], float(np.float32(b.tensors[x].scales[0] / 120)))
    if name == "LOGISTIC":
        b.tensors[y].scales, b.tensors[y].zero_points = [1 / 256], [-128]
    if name == "RSQRT":
        b.tensors[y].scales[0] = scale(rng, -3, 1)
    return b.op(name, [x], y, union, **values)


def quantize(rng: Rng, b: Builder, x: int, name: str) -> int:
    """int8 → int8, int16 or int32, and back; int16 → int16 in between now and then."""
    y = x
    for dtype in rng.choice(["int8", "int16"], int(rng.integers(0, 3))):
        spec = b.tensors[y]
        span = 1 if dtype == spec.dtype else 256 if dtype == "int8" else 1 / 256
        point = zero_point(rng) if dtype == "int8" else int(rng.choice([0, 0, int(rng.integers(-999, 999))]))
        z = b.activation(spec.shape, near(rng, spec.scales[0] * span), point, dtype)
        y = b.op(name, [y], z)
    if rng.random() < 0.3:
        spec = b.tensors[y]
        z = b.activation(spec.shape, near(rng, spec.scales[0] / 100), int(rng.integers(-9999, 9999)), "int32")
        y = b.op(name, [y], z)
    if b.tensors[y].dtype == "int32":
        spec = b.tensors[y]
        return b.op(name, [y], b.activation(spec.shape, spec.scales[0] * 100, zero_point(rng)))
    return b.op(name, [y], like(rng, b, y) if b.tensors[y].dtype == "int8" else _narrow(rng, b, y))


def _narrow(rng: Rng, b: Builder, y: int) -> int:
    spec = b.tensors[y]
    return b.activation(spec.shape, near(rng, spec.scales[0] * 256), zero_point(rng))


def dequantize(rng: Rng, b: Builder, x: int, name: str) -> int:
    """int8 (or int16) → float32 → int8 (or int16 → int8)."""
    y = x
    if rng.random() < 0.4:
        y = b.op("QUANTIZE", [y], b.activation(b.tensors[y].shape, b.tensors[y].scales[0] / 200, 0, "int16"))
    f = b.op(name, [y], b.tensor(b.tensors[y].shape, "float32"))
    if rng.random() < 0.3:
        wide = b.activation(b.tensors[x].shape, near(rng, b.tensors[x].scales[0] / 256), 0, "int16")
        return b.op("QUANTIZE", [b.op("QUANTIZE", [f], wide)], _narrow(rng, b, wide))
    return b.op("QUANTIZE", [f], like(rng, b, x))


def other(rng: Rng, b: Builder, x: int, decades=1.5) -> int:
    """A second operand: x itself, x requantized, x pooled, or a constant of x's or of a broadcast shape."""
    spec = b.tensors[x]
    kind = int(rng.integers(0, 5))
    s = near(rng, spec.scales[0], decades)
    if kind == 0:
        return x
    if kind == 1:
        return b.op("QUANTIZE", [x], b.activation(spec.shape, s, zero_point(rng)))
    if kind == 2 and len(spec.shape) == 4:
        return b.pool(x, "MAX", spec.shape[1:3], padding=1)
    shape = spec.shape
    if kind > 2:
        shape = tuple(int(n) if rng.random() < 0.5 else 1 for n in shape)[int(rng.integers(0, len(shape))) :]
    return b.constant(rng.integers(-128, 128, shape), s, zero_point(rng))


def _pair(rng: Rng, b: Builder, x: int) -> list[int]:
    pair = [x, other(rng, b, x)]
    return pair if rng.random() < 0.6 else pair[::-1]


def _broadcast(b: Builder, *tensors: int) -> tuple[int, ...]:
    return np.broadcast_shapes(*(b.tensors[t].shape for t in tensors))


def binary(rng: Rng, b: Builder, x: int, name: str) -> int:
    pair = _pair(rng, b, x)
    sa, sb = (b.tensors[t].scales[0] for t in pair)
    typical = {"SUB": 2 * max(sa, sb), "MUL": 60 * sa * sb, "SQUARED_DIFFERENCE": 120 * max(sa, sb) ** 2}
    y = b.activation(_broadcast(b, *pair), near(rng, typical[name], 0.6), zero_point(rng))
    union = {"SUB": 28, "MUL": 21, "SQUARED_DIFFERENCE": 0}[name]
    options = {"FusedActivationFunction": int(rng.integers(0, 4))} if union else {}
    return b.op(name, pair, y, union, **options)


def extreme(rng: Rng, b: Builder, x: int, name: str) -> int:
    pair = _pair(rng, b, x)
    return b.op(name, pair, b.activation(_broadcast(b, *pair), scale(rng), zero_point(rng)))


def _compared(rng: Rng, b: Builder, x: int, name: str) -> int:
    pair = _pair(rng, b, x)
    return b.op(name, pair, b.tensor(_broadcast(b, *pair), "bool"))


def _chosen(rng: Rng, b: Builder, condition: int, x: int) -> int:
    """SELECT_V2 of x and another operand by a condition."""
    pair = _pair(rng, b, x)
    y = b.activation(_broadcast(b, condition, *pair), b.tensors[x].scales[0], b.tensors[x].zero_points[0])
    return b.op("SELECT_V2", [condition, *pair], y)


def comparison(rng: Rng, b: Builder, x: int, name: str) -> int:
    return _chosen(rng, b, _compared(rng, b, x, name), x)


def logical(rng: Rng, b: Builder, x: int, name: str) -> int:
    operands = [_compared(rng, b, x, "GREATER")]
    if name != "LOGICAL_NOT":
        operands.append(_compared(rng, b, x, "LESS"))
    return _chosen(rng, b, b.op(name, operands, b.tensor(_broadcast(b, *operands), "bool")), x)


def select(rng: Rng, b: Builder, x: int, name: str) -> int:
    if rng.random() < 0.5:
        return comparison(rng, b, x, "GREATER_EQUAL")
    spec = b.tensors[x]
    shape = spec.shape if rng.random() < 0.5 else (*spec.shape[:-1], 1)
    condition = b.tensor(shape, "bool", data=rng.integers(0, 2, shape).astype(bool))
    return _chosen(rng, b, condition, x)


def all_of(rng: Rng, b: Builder, x: int, name: str) -> int:
    """Do all elements along some axes exceed others? Chosen by that."""
    condition = _compared(rng, b, x, "GREATER_EQUAL")
    shape = b.tensors[condition].shape
    axes = [int(a) for a in rng.choice(len(shape), int(rng.integers(1, len(shape) + 1)), replace=False)]
    kept = b.tensor([1 if i in axes else n for i, n in enumerate(shape)], "bool")
    return _chosen(rng, b, b.op(name, [condition, b.integers(axes)], kept, 27, KeepDims=True), x)


def broadcast_args(rng: Rng, b: Builder, x: int, name: str) -> int:
    """Some elements of x as a shape, with ones: what they broadcast to."""
    n = int(np.prod(b.tensors[x].shape))
    flat = b.op("RESHAPE", [x, b.integers([n])], b.like(x, (n,)), 17)
    if n > 8:
        n = int(rng.integers(1, 9))
        flat = b.op("SLICE", [flat, b.integers([0]), b.integers([n])], b.like(x, (n,)))
    dims = b.op("CAST", [flat], b.tensor((n,), "int32"), 37)
    ones = b.integers(np.ones(int(rng.integers(1, 9)), np.int32))
    m = max(n, len(b.tensors[ones].data))
    pair = [dims, ones] if rng.random() < 0.5 else [ones, dims]
    y = b.op(name, pair, b.tensor((m,), "int32"), 0)
    return b.op("CAST", [y], b.activation((m,), 1.0, 0), 37)


def prelu(rng: Rng, b: Builder, x: int, name: str) -> int:
    alpha = other(rng, b, x)
    if b.tensors[alpha].data is not None:
        b.tensors[alpha].scales[0] = scale(rng, -3, -0.5)
    return b.op(name, [x, alpha], like(rng, b, x, 0.7))


def normalization(rng: Rng, b: Builder, x: int, name: str) -> int:
    if name == "L2_NORMALIZATION":
        return b.op(name, [x], b.activation(b.tensors[x].shape, 1 / 128, 0), 12)
    return b.op(name, [x], b.activation(b.tensors[x].shape, 1 / 16, 127), 56)


def _widened(rng: Rng, b: Builder, x: int, s: float) -> int:
    """x requantized to int16, spread over much of its range."""
    spec = b.tensors[x]
    return b.op("QUANTIZE", [x], b.activation(spec.shape, s, 0, "int16"))


def _narrowed(rng: Rng, b: Builder, y: int) -> int:
    return b.op("QUANTIZE", [y], _narrow(rng, b, y))


def wide_unary(rng: Rng, b: Builder, x: int, name: str) -> int:
    """int8 → int16 → the operator on int16 → int8."""
    name = name.removesuffix("_INT16")
    s = near(rng, b.tensors[x].scales[0] / 256, 0.3)
    if name in ("LOGISTIC", "TANH"):
        s = float(2.0 ** int(rng.integers(-16, -9))) if rng.random() < 0.4 else scale(rng, -5, -2)
    w = _widened(rng, b, x, s)
    y = b.activation(b.tensors[x].shape, near(rng, s, 0.7), 0, "int16")
    if name in ("LOGISTIC", "TANH"):
        b.tensors[y].scales = [1 / 32768]
    if name == "RSQRT":
        b.tensors[y].scales = [scale(rng, -4, 0)]
    options = {"Alpha": float(np.float32(rng.uniform(-0.5, 1.5)))} if name == "LEAKY_RELU" else {}
    return _narrowed(rng, b, b.op(name, [w], y, 75 if options else 0, **options))


def wide_binary(rng: Rng, b: Builder, x: int, name: str) -> int:
    """Two int16 tensors of x, or a constant and one, → int16 → int8."""
    name = name.removesuffix("_INT16")
    w = _widened(rng, b, x, near(rng, b.tensors[x].scales[0] / 256, 0.3))
    s = near(rng, b.tensors[w].scales[0], 1.0)
    if rng.random() < 0.4:
        v = _widened(rng, b, x, s)
    else:
        shape = tuple(n if rng.random() < 0.6 else 1 for n in b.tensors[x].shape)
        data = rng.integers(-32768, 32768, shape).astype(np.int16)
        v = b.tensor(shape, "int16", [s], [0], data=data)
    pair = [w, v] if rng.random() < 0.5 else [v, w]
    sa, sb = (b.tensors[t].scales[0] for t in pair)
    typical = {"MUL": 16000 * sa * sb, "SQUARED_DIFFERENCE": 32000 * max(sa, sb) ** 2}
    out = near(rng, typical.get(name, 2 * max(sa, sb)), 0.6)
    y = b.activation(_broadcast(b, *pair), out, 0, "int16")
    union = {"ADD": 11, "SUB": 28, "MUL": 21}.get(name, 0)
    options = {"FusedActivationFunction": int(rng.integers(0, 4))} if union else {}
    return _narrowed(rng, b, b.op(name, pair, y, union, **options))


def wide_weights(rng: Rng, b: Builder, x: int, name: str) -> int:
    """int8 → int16 → a layer of int8 weights, with an int32 or int64 bias or none → int16 → int8."""
    name = name.removesuffix("_INT16")
    shape = b.tensors[x].shape
    if name == "FULLY_CONNECTED":
        flat = (1, int(np.prod(shape)))
        x = b.reshape(x, flat)
    else:
        x = b.reshape(x, (1,) * (4 - len(shape)) + shape if len(shape) < 4 else shape)
    shape = b.tensors[x].shape
    w = _widened(rng, b, x, near(rng, b.tensors[x].scales[0] / 256, 0.3))
    n_out = shape[-1] if name == "DEPTHWISE_CONV_2D" else int(rng.integers(1, 6))
    kernel = [int(rng.integers(1, min(n, 3) + 1)) for n in shape[1:3]]
    weights = {
        "FULLY_CONNECTED": (n_out, shape[-1]),
        "CONV_2D": (n_out, *kernel, shape[-1]),
        "DEPTHWISE_CONV_2D": (1, *kernel, n_out),
    }[name]
    axis = 3 if name == "DEPTHWISE_CONV_2D" else 0
    scales = [scale(rng, -3, -1) for _ in range(n_out if n_out > 1 and rng.random() < 0.6 else 1)]
    data = rng.integers(-127, 128, weights).astype(np.int8)
    inputs = [w, b.tensor(weights, "int8", scales, [0] * len(scales), axis, data)]
    depth = int(np.prod(weights)) // n_out
    kinds = ["int64", None] if name == "DEPTHWISE_CONV_2D" else ["int32", "int64", None]
    kind = kinds[int(rng.integers(0, len(kinds)))]
    if kind:
        products = [float(np.float32(b.tensors[w].scales[0]) * np.float32(s)) for s in scales]
        bias = rng.integers(-(10**6), 10**6, n_out).astype(kind)
        inputs.append(b.tensor((n_out,), kind, products, [0] * len(scales), 0, bias))
    out_shape = (1, n_out) if name == "FULLY_CONNECTED" else (*shape[:3], n_out)
    out_scale = near(rng, b.tensors[w].scales[0] * scales[0] * 60 * float(np.sqrt(depth)), 0.5)
    y = b.activation(out_shape, out_scale, 0, "int16")
    union = {"FULLY_CONNECTED": 8, "CONV_2D": 1, "DEPTHWISE_CONV_2D": 2}[name]
    options = {"FusedActivationFunction": int(rng.integers(0, 4))}
    if union != 8:
        options |= {"Padding": 0, "StrideH": 1, "StrideW": 1, "DilationHFactor": 1, "DilationWFactor": 1}
    if union == 2:
        options["DepthMultiplier"] = 1
    elif kind is None:
        options["QuantizedBiasType"] = int(rng.choice([0, 2, 4]))
    return _narrowed(rng, b, b.op(name, inputs, y, union, **options))


def wide_pool(rng: Rng, b: Builder, x: int, name: str) -> int:
    """int8 → int16 → a pool → int8."""
    shape = b.tensors[x].shape
    x = b.reshape(x, (1,) * (4 - len(shape)) + shape)
    w = _widened(rng, b, x, near(rng, b.tensors[x].scales[0] / 256, 0.3))
    height, width = b.tensors[x].shape[1:3]
    kernel = (int(rng.integers(1, height + 1)), int(rng.integers(1, width + 1)))
    stride = (int(rng.integers(1, 3)), int(rng.integers(1, 3)))
    y = b.pool(w, name.split("_")[0], kernel, stride, int(rng.integers(0, 2)), int(rng.integers(0, 4)))
    b.tensors[y].dtype = "int16"
    return _narrowed(rng, b, y)


def wide_softmax(rng: Rng, b: Builder, x: int, name: str) -> int:
    """int8 → int16 → SOFTMAX → int8."""
    w = _widened(rng, b, x, near(rng, b.tensors[x].scales[0] / 256, 0.3))
    y = b.activation(b.tensors[x].shape, 1 / 32768, 0, "int16")
    beta = float(np.float32(rng.choice([1.0, 0.5, 7.0])))
    return _narrowed(rng, b, b.op("SOFTMAX", [w], y, 9, Beta=beta))


ONE_OP: dict[str, Graph] = {
    **dict.fromkeys(
        ("ABS", "ELU", "HARD_SWISH", "LEAKY_RELU", "LOGISTIC", "RELU", "RELU6", "RSQRT", "TANH"), unary
    ),
    "QUANTIZE": quantize,
    "DEQUANTIZE": dequantize,
    **dict.fromkeys(("SUB", "MUL", "SQUARED_DIFFERENCE"), binary),
    **dict.fromkeys(("MAXIMUM", "MINIMUM"), extreme),
    **dict.fromkeys(("EQUAL", "NOT_EQUAL", "GREATER", "GREATER_EQUAL", "LESS", "LESS_EQUAL"), comparison),
    **dict.fromkeys(("LOGICAL_AND", "LOGICAL_OR", "LOGICAL_NOT"), logical),
    "SELECT_V2": select,
    "REDUCE_ALL": all_of,
    "BROADCAST_ARGS": broadcast_args,
    "PRELU": prelu,
    "SOFTMAX_INT16": wide_softmax,
    **dict.fromkeys(("AVERAGE_POOL_2D_INT16", "MAX_POOL_2D_INT16"), wide_pool),
    **dict.fromkeys(("LOG_SOFTMAX", "L2_NORMALIZATION"), normalization),
    **dict.fromkeys(
        [f"{n}_INT16" for n in ("ABS", "LEAKY_RELU", "LOGISTIC", "RELU", "RELU6", "RSQRT", "TANH")],
        wide_unary,
    ),
    **dict.fromkeys(
        [f"{n}_INT16" for n in ("ADD", "MAXIMUM", "MINIMUM", "MUL", "SQUARED_DIFFERENCE", "SUB")], wide_binary
    ),
    **dict.fromkeys(
        [f"{n}_INT16" for n in ("FULLY_CONNECTED", "CONV_2D", "DEPTHWISE_CONV_2D")], wide_weights
    ),
}


def one_op(name: str, seed: int) -> bytes:
    """A model around one operator of random shape, scales, zero points; 256 input codes for a unary one."""
    rng = np.random.default_rng([seed, *name.encode()])
    b = Builder()
    if ONE_OP[name] in (unary, quantize, dequantize):
        shape = [(1, 256), (256,), (1, 16, 16), (1, 4, 8, 8)][int(rng.integers(0, 4))]
    else:
        shape = tuple(int(n) for n in rng.integers(1, 7, int(rng.integers(1, 5))))
        if rng.random() < 0.8:
            shape = (1, *shape[1:])
    x = b.input(shape, scale(rng), zero_point(rng))
    return b.finish(ONE_OP[name](rng, b, x, name))


def samples(seed: int, shape: tuple[int, ...], n: int, least: int = -128) -> np.ndarray:
    """int8 [n, shape]: every code in turn, few levels, extremes, random values; none below `least`."""
    rng = np.random.default_rng([seed, 17])
    x = rng.integers(-128, 128, (n, *shape))
    x[0] = np.resize(np.arange(-128, 128), shape)
    x[1] = rng.integers(0, 4, shape) + int(rng.integers(-128, 124))
    if n > 3:
        x[2], x[3] = rng.choice([-128, 127], shape), int(rng.integers(-128, 128))
    return np.maximum(x, least).astype(np.int8)
