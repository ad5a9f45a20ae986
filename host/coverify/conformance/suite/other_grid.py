"""The grid of pools, softmax, functions of one element, reductions and operators that move elements."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import product

import numpy as np

from coverify.conformance.suite.case import Case, case, rng_of
from coverify.conformance.suite.mean_grid import axes_cases, rounded_mean_cases
from coverify.conformance.suite.model_file import OneOp, TensorSpec, integers

_SIZES = (1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 16, 17, 33)
FUNCTIONS = {
    "ABS": 78,
    "ELU": 0,
    "HARD_SWISH": 91,
    "LEAKY_RELU": 75,
    "LOGISTIC": 0,
    "QUANTIZE": 89,
    "RELU": 0,
    "RELU6": 0,
    "TANH": 0,
}
"""Operator → number of its options in the schema's union (0: none)."""


def pool_cases(op: str, seed: int) -> Iterator[Case]:
    """MAX_POOL_2D and AVERAGE_POOL_2D."""
    shapes = [("channels 1…33", (4, 3), n, (2, 2), (1, 1), True, 0) for n in _SIZES]
    for kernel, same in product(((2, 2), (3, 3), (1, 3), (3, 1), (5, 4)), (True, False)):
        shapes.append((f"windows, {'SAME' if same else 'VALID'}", (7, 6), 3, kernel, (1, 1), same, 0))
    for stride, same, image in product(((2, 2), (1, 2), (3, 1)), (True, False), ((7, 6), (6, 7))):
        shapes.append(("strides", image, 4, (3, 2), stride, same, 0))
    for image in ((1, 9), (9, 1), (1, 1)):
        shapes.append(("height or width 1", image, 4, (1, 1) if image == (1, 1) else (2, 2), (1, 1), True, 0))
    shapes += [("activations", (5, 5), 3, (2, 2), (2, 2), True, a) for a in (1, 2, 3)]
    shapes += [("long sums", (17, 16), 2, (17, 16), (1, 1), False, 0)]  # 272 x 128 > 2^15
    shapes += [("batches", (5, 4), 3, (2, 2), stride, False, 0) for stride in ((1, 1), (2, 2))]
    for number, (shape_class, image, depth, kernel, stride, same, activation) in enumerate(shapes):
        batches = 2 if shape_class == "batches" else 1
        out = tuple(
            -(-n // s) if same else (n - k) // s + 1 for n, k, s in zip(image, kernel, stride, strict=True)
        )
        rng = rng_of(seed, op, number)
        scale, zero = float(np.float32(rng.uniform(0.02, 0.1))), int(rng.integers(-60, 60))
        x = TensorSpec((batches, *image, depth), "int8", (scale,), zero)
        y = TensorSpec((batches, *out, depth), "int8", (scale,), zero)
        options = {
            0: ("b", 0 if same else 1), 1: ("i", stride[1]), 2: ("i", stride[0]), 3: ("i", kernel[1]),
            4: ("i", kernel[0]), 5: ("b", activation),
        }  # fmt: skip
        yield case(OneOp(op, [x], y, 5, options), shape_class, str(number), seed)


def softmax_cases(op: str, seed: int) -> Iterator[Case]:
    """SOFTMAX."""
    shapes: list[tuple[str, tuple[int, ...], float, float]] = [
        ("depth 1…33", (1, n), 0.1, 1.0) for n in _SIZES
    ]
    shapes += [("depth to 511", (1, n), 0.05, 1.0) for n in (64, 255, 256, 511)]
    shapes += [("rows", (1, 3, n), 0.2, 1.0) for n in (2, 5, 10)]
    shapes += [
        ("scales", (1, 12), s, b) for s, b in ((0.001, 1.0), (1.0, 1.0), (4.0, 1.0), (0.1, 0.5), (0.1, 3.0))
    ]
    for number, (shape_class, shape, scale, beta) in enumerate(shapes):
        x = TensorSpec(shape, "int8", (float(np.float32(scale)),), 3)
        y = TensorSpec(shape, "int8", (1 / 256,), -128)
        yield case(OneOp(op, [x], y, 9, {0: ("f", beta)}), shape_class, str(number), seed)


ROWS = {"L2_NORMALIZATION": 12, "LOG_SOFTMAX": 36}
"""Likewise, of operators on rows, whose output has a fixed quantization."""


def row_cases(op: str, seed: int) -> Iterator[Case]:
    """The operators of ROWS: depths, rows, scales."""
    shapes: list[tuple[str, tuple[int, ...], float]] = [("depth 1…33", (1, n), 0.1) for n in _SIZES]
    shapes += [("depth 64 and more", (1, n), 0.05) for n in (64, 255, 300)]
    shapes += [("rows", (1, 3, n), 0.2) for n in (2, 5, 10)]
    shapes += [("scales", (1, 12), s) for s in (0.002, 0.01, 0.5, 2.0)]
    for number, (shape_class, shape, scale) in enumerate(shapes):
        rng = rng_of(seed, op, number)
        zero = int(rng.integers(-90, 90))
        x = TensorSpec(shape, "int8", (float(np.float32(scale)),), zero)
        quantization = (1 / 16, 127) if op == "LOG_SOFTMAX" else (1 / 128, 0)
        y = TensorSpec(shape, "int8", quantization[:1], quantization[1])
        yield case(OneOp(op, [x], y, ROWS[op], {}), shape_class, str(number), seed)


def function_cases(op: str, seed: int) -> Iterator[Case]:
    """Functions of one element: every code, at many scales, and every residue of the size."""
    every = np.arange(-128, 128, dtype=np.int8)[None, None]
    shapes = [("sizes 1…33", n, 0.03, 1.0) for n in _SIZES]
    shapes += [("every code", 256, s, 1.0) for s in (0.003, 0.01, 0.0235, 0.05, 0.1, 0.3)]
    if op not in ("LOGISTIC", "TANH"):  # whose output has one scale
        shapes += [("ratios of scales", 256, 0.03, ratio) for ratio in (0.2, 3.0, 20.0)]
    shapes += [("next to half steps", 256, s, 1.0) for s in _half_step_scales(op)]
    for number, (shape_class, n, scale, ratio) in enumerate(shapes):
        rng = rng_of(seed, op, number)
        zero = 0 if shape_class == "next to half steps" else int(rng.integers(-90, 90))
        x = TensorSpec((1, n), "int8", (float(np.float32(scale)),), zero)
        quantization = (float(np.float32(scale * ratio * rng.uniform(0.7, 1.6))), int(rng.integers(-90, 90)))
        if op in ("LOGISTIC", "TANH"):
            quantization = (1 / 256, -128) if op == "LOGISTIC" else (1 / 128, 0)
        y = TensorSpec((1, n), "int8", quantization[:1], quantization[1])
        options = {0: ("f", 0.3)} if op == "LEAKY_RELU" else {}
        one = OneOp(op, [x], y, FUNCTIONS[op], options)
        yield case(one, shape_class, str(number), seed, every if n == 256 else None)


def _half_step_scales(op: str) -> Iterator[float]:
    """Of LOGISTIC's and TANH's input: such that some code's value comes to lie on a half step of the output.

    There the last bits of an approximation show, as those of a reciprocal that is one Newton step short.
    """
    if op not in ("LOGISTIC", "TANH"):
        return
    steps = 256 if op == "LOGISTIC" else 128
    for part, code in product((0.55, 0.62, 0.7, 0.8, 0.9, 0.97), (3, 20, 77, 127)):
        y = (math.floor(part * steps) + 0.5) / steps
        yield (math.log(y / (1 - y)) if op == "LOGISTIC" else math.atanh(y)) / code


def moving_cases(op: str, seed: int) -> Iterator[Case]:
    """RESHAPE, PAD, CONCATENATION, TRANSPOSE and MEAN on small images of every residue of channels.

    PAD and TRANSPOSE also on 1 to 5 dimensions.
    """
    for number, (depth, height) in enumerate(product((1, 2, 3, 4, 5, 8, 17), (1, 2, 5))):
        rng = rng_of(seed, op, number)
        shape, scale, zero = (1, height, 3, depth), 0.05, int(rng.integers(-90, 90))
        x = TensorSpec(shape, "int8", (scale,), zero)
        yield case(_moving(op, x, rng), f"height {height}", str(number), seed)
    if op in ("PAD", "TRANSPOSE"):
        for rank, turned in product((1, 2, 3, 4, 5), (False, True)):
            one = _of_rank(op, (2, 3, 4, 2, 3)[:rank], turned)
            yield case(one, f"dimensions {rank}", f"rank-{rank}-{int(turned)}", seed)
    if op == "MEAN":
        yield from axes_cases(op, seed)
        yield from rounded_mean_cases(op, seed)


def _of_rank(op: str, shape: tuple[int, ...], turned: bool) -> OneOp:
    """A PAD of one side of every dimension (turned: after it); a TRANSPOSE that moves none (turned: all)."""
    n = len(shape)
    values = [[0, 2] if turned else [2, 0]] * n if op == "PAD" else list(range(n))[:: -1 if turned else 1]
    out = tuple(s + 2 for s in shape) if op == "PAD" else tuple(shape[i] for i in np.ravel(values))
    tensors = [TensorSpec(s, "int8", (0.05,), -3) for s in (shape, out)]
    numbers = np.array(values, np.int32)
    return OneOp(
        op,
        [tensors[0], TensorSpec(numbers.shape, "int32", data=numbers)],
        tensors[1],
        22 if op == "PAD" else 26,
    )


def _moving(op: str, x: TensorSpec, rng: np.random.Generator) -> OneOp:
    n, height, width, depth = x.shape
    match op:
        case "RESHAPE":
            flat = (n, height * width * depth)
            return OneOp(op, [x, integers(flat)], x.reshaped(flat), 17)
        case "PAD":
            p = [[0, 0], *rng.integers(0, 3, (3, 2)).tolist()]
            shape = tuple(s + a + b for s, (a, b) in zip(x.shape, p, strict=True))
            return OneOp(op, [x, integers(p)], x.reshaped(shape), 22)
        case "CONCATENATION":
            other = TensorSpec((n, height, width, 3), "int8", x.scales, x.zero_point, 0,
                               rng.integers(-128, 128, (n, height, width, 3)))  # fmt: skip
            return OneOp(op, [x, other], x.reshaped((n, height, width, depth + 3)), 10, {0: ("i", 3)})
        case "TRANSPOSE":
            order = [0, *(1 + rng.permutation(3)).tolist()]
            return OneOp(op, [x, integers(order)], x.reshaped(tuple(x.shape[i] for i in order)), 26)
        case _:
            y = TensorSpec((n, depth), "int8", (x.scales[0] * float(rng.uniform(0.3, 1.5)),), -7)
            return OneOp(op, [x, integers([1, 2])], y, 27, {0: ("b", 0)})
