"""The grid of int16: layers with sums of 64 bits, ADD and SUB, LEAKY_RELU; and QUANTIZE between all types."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Final

import numpy as np

from coverify.conformance.suite.case import Case, case, rng_of
from coverify.conformance.suite.flatbuffer import Scalar
from coverify.conformance.suite.model_file import OneOp, TensorSpec, float32

_SIZES: Final = (1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17)
_PAIRS: Final = (
    ("int8", "int16"), ("int8", "int32"), ("uint8", "int8"), ("int16", "int8"), ("int16", "int16"),
    ("int16", "int32"), ("int32", "int8"), ("int32", "int16"), ("float32", "int8"), ("float32", "int16"),
)  # fmt: skip
_BITS: Final = {"uint8": 8, "int8": 8, "int16": 16, "int32": 24, "float32": 16}
_UNIONS: Final = {"ADD": 11, "SUB": 28, "CONV_2D": 1, "DEPTHWISE_CONV_2D": 2}


@dataclass(frozen=True)
class Window:
    """A CONV_2D or DEPTHWISE_CONV_2D of int16; sizes are (height, width)."""

    shape_class: str
    image: tuple[int, int] = (5, 6)
    depth: int = 3
    out: int = 3
    kernel: tuple[int, int] = (3, 3)
    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    same: bool = True
    activation: int = 0
    bias: bool = True
    per_channel: bool = True


def wide_window_cases(op: str, seed: int) -> Iterator[Case]:
    """CONV_2D or DEPTHWISE_CONV_2D."""
    for number, window in enumerate(_windows(op)):
        rng = rng_of(seed, op, "int16", number)
        yield case(_window(op, window, rng), window.shape_class, f"int16-{number}", seed)


def wide_arithmetic_cases(op: str, seed: int) -> Iterator[Case]:
    """ADD or SUB of a computed operand and a constant one."""
    shapes: list[tuple[str, tuple[int, ...], tuple[int, ...], int]]
    shapes = [("int16, sizes 1…17", (n,), (n,), 0) for n in _SIZES]
    shapes += [("int16, broadcast", (2, 3, 4), other, 0) for other in ((4,), (3, 1), (1,), (2, 1, 4))]
    shapes += [("int16, activations", (4, 16), (4, 16), activation) for activation in (1, 2, 3)]
    for number, (shape_class, first, second, activation) in enumerate(shapes):
        rng = rng_of(seed, op, "int16", number)
        s_a, s_b = (float32(s) for s in rng.uniform(1e-4, 1e-3, 2))
        a = TensorSpec((1, *first), "int16", (s_a,))
        values = rng.integers(-(1 << 15), 1 << 15, (1, *second))
        b = TensorSpec((1, *second), "int16", (s_b,), 0, 0, values)
        y = TensorSpec(np.broadcast_shapes(a.shape, b.shape), "int16", (float32(1.3 * max(s_a, s_b)),))
        one = OneOp(op, [a, b], y, _UNIONS[op], {0: ("b", activation)})
        yield case(one, shape_class, f"int16-{number}", seed)


def wide_function_cases(op: str, seed: int) -> Iterator[Case]:
    """LEAKY_RELU of int16."""
    for number, alpha in enumerate((0.1, 0.5, 1.0, 1.7, 0.0, -0.3)):
        rng = rng_of(seed, op, "int16", number)
        s = float32(rng.uniform(1e-4, 1e-3))
        x = TensorSpec((1, 513), "int16", (s,))
        y = TensorSpec((1, 513), "int16", (float32(s * rng.uniform(0.7, 1.5)),))
        yield case(OneOp(op, [x], y, 75, {0: ("f", alpha)}), "int16", f"int16-{number}", seed)


def quantize_cases(op: str, seed: int) -> Iterator[Case]:
    """QUANTIZE between types, but from int8 to one byte."""
    for (before, after), number in product(_PAIRS, range(3)):
        rng = rng_of(seed, op, before, after, number)
        s = float32(10.0 ** rng.uniform(-3, 0))
        x = TensorSpec((1, 65), before, () if before == "float32" else (s,), _zero(rng, before))
        if before != "float32":
            s = float32(s * 2.0 ** (_BITS[before] - _BITS[after]) * rng.uniform(0.4, 1.7))
        y = TensorSpec((1, 65), after, (s,), _zero(rng, after))
        yield case(OneOp(op, [x], y, 89), f"{before} to {after}", f"{before}-{after}-{number}", seed)


def _zero(rng: np.random.Generator, dtype: str) -> int:
    """Of any value where the type has at most 16 bits, else 0."""
    if dtype in ("int32", "float32"):
        return 0
    limits = np.iinfo(dtype)
    return int(rng.integers(limits.min, limits.max + 1))


def _windows(op: str) -> Iterator[Window]:
    def of(shape_class: str, depth: int, out: int) -> Window:
        return Window(f"int16, {shape_class}", depth=depth, out=depth if op != "CONV_2D" else out)

    for n in _SIZES:
        yield of("input channels 1…17", n, 3)
        if op == "CONV_2D":
            yield of("output channels 1…17", 3, n)
    for kernel, same in product(((1, 1), (2, 3), (3, 1)), (True, False)):
        yield Window("int16, kernels", kernel=kernel, same=same)
    for stride, dilation in (((2, 1), (1, 1)), ((1, 2), (1, 1)), ((1, 1), (2, 1)), ((1, 1), (1, 2))):
        yield Window("int16, strides and dilations", stride=stride, dilation=dilation)
    for activation in (1, 2, 3):
        yield Window("int16, activations", activation=activation)
    yield Window("int16, no bias", bias=False)
    yield Window("int16, per tensor", per_channel=False)


def _window(op: str, w: Window, rng: np.random.Generator) -> OneOp:
    depthwise = op == "DEPTHWISE_CONV_2D"
    shape = (1, *w.kernel, w.out) if depthwise else (w.out, *w.kernel, w.depth)
    taps = w.kernel[0] * w.kernel[1] * (1 if depthwise else w.depth)
    s_in, weights = float32(rng.uniform(1e-4, 1e-3)), rng.integers(-127, 128, shape)
    s_w = tuple(float32(s) for s in rng.uniform(0.005, 0.02, w.out if w.per_channel else 1))
    s_out = float32(s_in * 0.01 * 60 * np.sqrt(taps))
    inputs = [
        TensorSpec((1, *w.image, w.depth), "int16", (s_in,)),
        TensorSpec(shape, "int8", s_w, 0, 3 if depthwise else 0, weights.astype(np.int8)),
    ]
    if w.bias:
        bias = rng.integers(-(1 << 21), 1 << 21, w.out)
        bias[0] = 1 << 33 if w.out > 3 else bias[0]  # beyond 32 bits: its channel is at the limit
        scales = tuple(float32(float(np.float32(s_in) * np.float32(s))) for s in s_w)
        inputs.append(TensorSpec((w.out,), "int64", scales, 0, 0, bias))
    y = TensorSpec((1, *_out(w), w.out), "int16", (s_out,))
    options: dict[int, Scalar] = {0: ("b", 0 if w.same else 1), 1: ("i", w.stride[1]), 2: ("i", w.stride[0])}
    tail: list[Scalar] = [("b", w.activation), ("i", w.dilation[1]), ("i", w.dilation[0])]
    if depthwise:
        tail.insert(0, ("i", 1))
    return OneOp(op, inputs, y, _UNIONS[op], options | {3 + i: value for i, value in enumerate(tail)})


def _out(w: Window) -> tuple[int, ...]:
    if w.same:
        return tuple(-(-n // s) for n, s in zip(w.image, w.stride, strict=True))
    parts = zip(w.image, w.kernel, w.stride, w.dilation, strict=True)
    return tuple((n - (k - 1) * d - 1) // s + 1 for n, k, s, d in parts)
