"""Random graphs of operators on other operands than plain int8: int4 weights, int16, int32, bool; and of DIV.

A case is a pure function of its seed. Inputs and output may have any type; int8 → int8 is lowered too.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

import random_graphs
from model_builder import Builder
from random_elementwise import near, scale, zero_point

Rng = np.random.Generator
Graph = Callable[[Rng, Builder], int]


def _shape(rng: Rng, low: int, high: int, most: int = 6) -> tuple[int, ...]:
    return tuple(int(n) for n in rng.integers(1, most, int(rng.integers(low, high + 1))))


def _wide(rng: Rng, b: Builder, shape) -> int:
    return b.input(shape, float(np.float32(scale(rng, -4, -1))), 0, "int16")


def _int4(name: str) -> Graph:
    """A layer of random_graphs, its weights cut to int4; per channel only where TFLM has that."""

    def graph(rng: Rng, b: Builder) -> int:
        shape = (int(rng.integers(1, 4)), int(rng.integers(1, 30)))
        if name != "FULLY_CONNECTED":
            shape = (1, *(int(n) for n in rng.integers(1, (8, 8, 6))))
        x = b.input(shape, scale(rng), zero_point(rng))
        y = random_graphs.ONE_OP[name](rng, b, x)
        w = b.tensors[b.ops[-1].inputs[1]]
        w.dtype, w.data = "int4", np.clip(w.data // 16, -8, 7).astype(np.int8)
        if name == "FULLY_CONNECTED" and len(w.scales) > 1:
            w.scales, w.zero_points = w.scales[:1], [0]
            if len(b.ops[-1].inputs) == 3:
                bias = b.tensors[b.ops[-1].inputs[2]]
                product = np.float32(b.tensors[x].scales[0]) * np.float32(w.scales[0])
                bias.scales, bias.zero_points = [float(product)], [0]
        b.tensors[y].scales[0] = float(np.float32(b.tensors[y].scales[0] / 16))
        return y

    return graph


def transpose_conv(rng: Rng, b: Builder) -> int:
    """An image of any size beside the output's; int16 with a bias of int16 or int64, or int8."""
    dtype = str(rng.choice(["int8", "int16"]))
    n, height, width, depth, n_out, h, w = (int(v) for v in rng.integers(1, [3, 9, 9, 4, 5, 6, 6]))
    shape = (n, h, w, depth)
    x = _wide(rng, b, shape) if dtype == "int16" else b.input(shape, scale(rng), zero_point(rng))
    stride, kernel = rng.integers(1, 4, 2), rng.integers(1, 5, 2)
    w_scale = (10.0 ** rng.uniform(-3, -1, n_out if rng.random() < 0.7 else 1)).astype(np.float32)
    data = rng.integers(-127, 128, (n_out, *kernel, depth))
    operands = b.layer_inputs(x, data, None, w_scale, 0)
    if rng.random() < 0.7:
        kind = "int32" if dtype == "int8" else str(rng.choice(["int16", "int64"]))
        values = rng.integers(-9000, 9000, n_out).astype(kind)
        operands.append(b.tensor((n_out,), kind, data=values))
    typical = b.tensors[x].scales[0] * float(np.median(w_scale)) * 70 * np.sqrt(data[0].size)
    y = b.activation((n, height, width, n_out), float(np.float32(typical)), 0, dtype)
    sizes = b.integers(b.tensors[y].shape)
    return b.op(
        "TRANSPOSE_CONV", [sizes, operands[1], x, *operands[2:]], y, 49, Padding=int(rng.integers(0, 2)),
        StrideH=stride[0], StrideW=stride[1], FusedActivationFunction=int(rng.choice([0, 0, 1, 3])),
    )  # fmt: skip


def batch_matmul(rng: Rng, b: Builder) -> int:
    """A computed and a constant int16 matrix."""
    rows, depth, columns = (int(v) for v in rng.integers(1, 7, 3))
    batch = _shape(rng, 0, 2, 4)
    flip = [bool(v) for v in rng.integers(0, 2, 2)]
    shapes = [
        (*batch, *(s[::-1] if f else s)) for s, f in zip(((rows, depth), (depth, columns)), flip, strict=True)
    ]
    x = _wide(rng, b, shapes[0])
    data = rng.integers(-32768, 32768, shapes[1]).astype(np.int16)
    c = b.tensor(shapes[1], "int16", [scale(rng)], [0], data=data)
    typical = b.tensors[x].scales[0] * b.tensors[c].scales[0] * 1e4 * np.sqrt(depth)
    y = b.activation((*batch, rows, columns), near(rng, float(np.float32(typical)), 0.5), 0, "int16")
    return b.op("BATCH_MATMUL", [x, c], y, 101, AdjX=flip[0], AdjY=flip[1])


def prelu(rng: Rng, b: Builder) -> int:
    x = _wide(rng, b, _shape(rng, 1, 4))
    dims = b.tensors[x].shape
    part = tuple(n if rng.random() < 0.6 else 1 for n in dims)
    alpha = b.constant(rng.integers(-128, 128, part), scale(rng, -3, -1), zero_point(rng))
    return b.op("PRELU", [x, alpha], b.activation(dims, near(rng, b.tensors[x].scales[0]), 0, "int16"))


def softmax(rng: Rng, b: Builder) -> int:
    """int8 → int16, of long rows too; the scale a little off now and then."""
    x = b.input((*_shape(rng, 0, 2), int(rng.choice([3, 20, 700]))), scale(rng, -2.5, 0), zero_point(rng))
    out = float(np.float32(2**-16 * (1.0005 if rng.random() < 0.2 else 1.0)))
    y = b.activation(b.tensors[x].shape, out, -32768, "int16")
    return b.op("SOFTMAX", [x], y, 9, Beta=float(np.float32(rng.choice([1.0, 0.5]))))


def div(rng: Rng, b: Builder) -> int:
    """All numerators, by one denominator per row; scales at which no quotient is shifted out."""
    zero = zero_point(rng)
    x = b.input((256, 1), scale(rng), zero_point(rng))
    codes = np.delete(np.arange(-128, 128), zero + 128)
    divisors = b.constant(rng.choice(codes, (1, 40)), scale(rng), zero)
    ratio = b.tensors[x].scales[0] / b.tensors[divisors].scales[0]
    y = b.activation((256, 40), float(np.float32(ratio / 2.0 ** rng.uniform(7.5, 13))), zero_point(rng))
    return b.op("DIV", [x, divisors], y, 29, FusedActivationFunction=int(rng.integers(0, 4)))


def integers(rng: Rng, b: Builder) -> int:
    """int32 arithmetic on small integers."""
    name, union = [("ADD", 11), ("SUB", 28), ("MUL", 21), ("DIV", 29), ("SQUARED_DIFFERENCE", 0)][
        int(rng.integers(0, 5))
    ]
    dims = _shape(rng, 1, 4)
    x = b.tensor(dims, "int32")
    b.inputs.append(x)
    part = tuple(n if rng.random() < 0.6 else 1 for n in dims)
    values = rng.integers(1, 300, part) * rng.choice([-1, 1], part)
    pair = [x, b.integers(values)]
    options = {"FusedActivationFunction": int(rng.integers(0, 4))} if union else {}
    return b.op(name, pair, b.tensor(dims, "int32"), union, **options)


def reduce_all(rng: Rng, b: Builder) -> int:
    dims = _shape(rng, 1, 4)
    x = b.tensor(dims, "bool")
    b.inputs.append(x)
    axes = [i for i in range(len(dims)) if rng.random() < 0.5] or [0]
    keep = bool(rng.integers(0, 2))
    out = tuple(1 if i in axes else n for i, n in enumerate(dims) if keep or i not in axes)
    return b.op("REDUCE_ALL", [x, b.integers(axes)], b.tensor(out, "bool"), 27, KeepDims=keep)


def broadcast_args(rng: Rng, b: Builder) -> int:
    dtype = str(rng.choice(["int32", "int64"]))
    n, m = (int(v) for v in rng.integers(1, 6, 2))
    x = b.tensor((n,), dtype)
    b.inputs.append(x)
    pair = [x, b.integers(np.ones(m), dtype)]
    return b.op("BROADCAST_ARGS", pair if rng.random() < 0.5 else pair[::-1], b.tensor((max(n, m),), dtype))


def _positions(rng: Rng, b: Builder, shape, n_rows: int) -> int:
    """Computed positions: the remainder of an int8 input is not to be had, so a comparison's 0 or 1."""
    x = b.input(shape, 0.5, 0)
    below = b.op("LESS", [x, b.constant(np.zeros((1,) * len(shape)), 0.5, 0)], b.tensor(shape, "bool"))
    at = b.op("CAST", [below], b.tensor(shape, "int32"), 37, InDataType=6, OutDataType=2)
    if n_rows < 3:
        return at
    factor = b.integers(np.full((1,) * len(shape), n_rows - 1))
    return b.op("MUL", [at, factor], b.tensor(shape, "int32"), 21)


def embedding(rng: Rng, b: Builder) -> int:
    rows = (int(rng.integers(2, 9)), *_shape(rng, 1, 2))
    at = _positions(rng, b, (int(rng.integers(1, 9)),), rows[0])
    dtype = str(rng.choice(["int8", "int8", "float32"]))
    if dtype == "float32":
        values = rng.normal(size=rows).astype(np.float32)
        table = b.tensor(rows, dtype, data=values)
    else:
        table = b.constant(rng.integers(-128, 128, rows), scale(rng), 0)
        dtype = "float32" if rng.random() < 0.5 else "int8"
    out = b.tensors[at].shape + rows[1:]
    y = b.like(table, out) if dtype == "int8" else b.tensor(out, dtype)
    return b.op("EMBEDDING_LOOKUP", [at, table], y)


def gather(rng: Rng, b: Builder) -> int:
    rows = tuple(n + 1 for n in _shape(rng, 1, 4))
    axis = int(rng.integers(0, len(rows)))
    at = _positions(rng, b, _shape(rng, 1, 2), rows[axis])
    table = b.constant(rng.integers(-128, 128, rows), scale(rng), zero_point(rng))
    y = b.like(table, rows[:axis] + b.tensors[at].shape + rows[axis + 1 :])
    return b.op("GATHER", [table, at], y, 23, Axis=axis)


def computed_weights(rng: Rng, b: Builder) -> int:
    """FULLY_CONNECTED of one part of the input by another, per tensor or per channel."""
    n, n_in, n_out = (int(v) for v in rng.integers(1, 8, 3))
    x = b.input((n + n_out, n_in), scale(rng), zero_point(rng))
    spec = b.tensors[x]
    parts = []
    for begin, rows in zip((0, n), (n, n_out), strict=True):
        part = b.like(x, (rows, n_in))
        parts.append(part)
        b.op("SLICE", [x, b.integers([begin, 0]), b.integers([rows, n_in])], part)
    values = rng.integers(-999, 999, n_out, np.int32)
    bias = [b.tensor((n_out,), "int32", [spec.scales[0] ** 2], [0], data=values)]
    typical = float(np.float32(spec.scales[0] ** 2 * 6e3 * np.sqrt(n_in) / 60))
    y = b.activation((n, n_out), near(rng, typical, 0.5), zero_point(rng))
    operands = parts + (bias if rng.random() < 0.6 else [])
    return b.op("FULLY_CONNECTED", operands, y, 8, FusedActivationFunction=int(rng.integers(0, 4)))


def unsigned(rng: Rng, b: Builder) -> int:
    """uint8 → int8 → uint8 → float32, as converters put around a network."""
    dims = _shape(rng, 1, 4)
    x = b.activation(dims, scale(rng), int(rng.choice([0, 128, 255, int(rng.integers(0, 256))])), "uint8")
    b.inputs.append(x)
    s = b.tensors[x].scales[0]
    same = rng.random() < 0.4
    y = b.activation(dims, s if same else near(rng, s), b.tensors[x].zero_points[0] - 128)
    b.op("QUANTIZE", [x], y)
    z = b.activation(dims, near(rng, s), int(rng.integers(0, 256)), "uint8")
    b.op("QUANTIZE", [y], z)
    return b.op("DEQUANTIZE", [z], b.tensor(dims, "float32"))


def cast_float(rng: Rng, b: Builder) -> int:
    """int8 → float32 → an integer type."""
    x = b.input(_shape(rng, 1, 4), float(rng.choice([0.5, 0.3, 7.7])), 0)
    dims = b.tensors[x].shape
    f = b.op("DEQUANTIZE", [x], b.tensor(dims, "float32"))
    out = b.tensor(dims, str(rng.choice(["int16", "int32"])))
    return b.op("CAST", [f], out, 37, InDataType=0, OutDataType=2)


def broadcast(rng: Rng, b: Builder) -> int:
    """A binary operator over five or six axes."""
    name, union = [("ADD", 11), ("SUB", 28), ("MUL", 21), ("MAXIMUM", 0), ("LESS", 0)][
        int(rng.integers(0, 5))
    ]
    dims = tuple(int(n) for n in rng.integers(1, 4, int(rng.integers(5, 7))))
    x = b.input(dims, scale(rng), zero_point(rng))
    part = tuple(n if rng.random() < 0.5 else 1 for n in dims)[int(rng.integers(0, 3)) :]
    spec = b.tensors[x]
    c = b.constant(rng.integers(-128, 128, part), spec.scales[0], spec.zero_points[0])
    y = b.activation(dims, spec.scales[0] * 1.9, zero_point(rng))
    if name == "MUL":
        b.tensors[y].scales[0] = float(np.float32(spec.scales[0] ** 2 * 90))
    if name == "LESS":
        b.tensors[y] = type(spec)(dims, "bool", [], [])
    return b.op(name, [x, c], y, union, **({"FusedActivationFunction": 0} if union else {}))


ONE_OP: dict[str, Graph] = {
    "BATCH_MATMUL int16": batch_matmul,
    "BROADCAST_ARGS": broadcast_args,
    "CAST of floats": cast_float,
    "CONV_2D int4": _int4("CONV_2D"),
    "DEPTHWISE_CONV_2D int4": _int4("DEPTHWISE_CONV_2D"),
    "DIV": div,
    "EMBEDDING_LOOKUP": embedding,
    "FULLY_CONNECTED computed": computed_weights,
    "FULLY_CONNECTED int4": _int4("FULLY_CONNECTED"),
    "GATHER computed": gather,
    "PRELU int16": prelu,
    "REDUCE_ALL": reduce_all,
    "SOFTMAX int16": softmax,
    "TRANSPOSE_CONV any": transpose_conv,
    "broadcast": broadcast,
    "integers": integers,
    "uint8": unsigned,
}


def one_op(name: str, seed: int) -> bytes:
    """A model around one operator, as a pure function of its name and seed."""
    rng = np.random.default_rng([seed, *name.encode()])
    b = Builder()
    return b.finish(ONE_OP[name](rng, b))


def samples(seed: int, reference, n: int) -> np.ndarray:
    """n inputs of the model's type: int64 (shapes) small, int32 within 10 bits, int8 in order at first."""
    rng = np.random.default_rng([seed, 5])
    shape, dtype = reference.input.shape, reference.input.dtype
    if dtype in ("int8", "uint8", "int16"):
        limits = np.iinfo(dtype)
        x = rng.integers(limits.min, limits.max + 1, (n, *shape)).astype(dtype)
        if dtype == "int8" and x[0].size == 256:
            x[0] = np.arange(-128, 128).reshape(shape)
        return x
    low, high = {"bool": (0, 2), "int32": (-1000, 1000), "int64": (1, 9)}[dtype]
    return rng.integers(low, high, (n, *shape)).astype(dtype)
