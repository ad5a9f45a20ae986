"""The grid of operators that choose or compare: MAXIMUM, MINIMUM, PRELU, largest and smallest along axes."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Final

import numpy as np
from numpy.typing import NDArray

from coverify.conformance.suite.case import Case, case, rng_of
from coverify.conformance.suite.model_file import OneOp, TensorSpec

PAIRED: Final = {"MAXIMUM": 39, "MINIMUM": 39, "PRELU": 0, "SQUARED_DIFFERENCE": 76}
"""Operator of two tensors → number of its options in the schema's union (0: none)."""
REDUCED: Final = {"ARG_MAX": 40, "ARG_MIN": 57, "REDUCE_MAX": 27, "REDUCE_MIN": 27}
"""Likewise, along axes."""
_SIZES = (1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 16, 17, 33)


def paired_cases(op: str, seed: int) -> Iterator[Case]:
    """A computed tensor and a constant: sizes, broadcasts, ratios of scales, and every pair of codes."""
    shapes: list[tuple[str, tuple[int, ...], tuple[int, ...], float]] = [
        ("sizes 1…33", (n,), (n,), 0.7) for n in _SIZES
    ]
    shapes += [("broadcast", (2, 3, 4), other, 0.7) for other in ((4,), (3, 1), (1, 3, 1), (2, 1, 4), (1,))]
    shapes += [("ratios of scales", (8, 64), (8, 64), ratio) for ratio in (0.01, 0.2, 1.0, 3.0, 50.0)]
    shapes += [("all pairs", (256, 256), (256, 256), 0.7)]
    for number, (shape_class, first, second, ratio) in enumerate(shapes):
        rng = rng_of(seed, op, number)
        values, x = rng.integers(-128, 128, second), None
        if shape_class == "all pairs":
            values, x = np.meshgrid(np.arange(-128, 128), np.arange(-128, 128))
        yield case(_paired(op, first, values, ratio, rng), shape_class, str(number), seed, _directed(x))


def _directed(x: NDArray[np.int64] | None) -> NDArray[np.int8] | None:
    return None if x is None else x.astype(np.int8)[None]


def _paired(
    op: str, first: tuple[int, ...], values: NDArray[np.int64], ratio: float, rng: np.random.Generator
) -> OneOp:
    s_a = float(np.float32(rng.uniform(0.02, 0.1)))
    s_b, z = float(np.float32(s_a * ratio)), rng.integers(-100, 100, 3).tolist()
    s_y = {"PRELU": max(s_a, 40 * s_a * s_b), "SQUARED_DIFFERENCE": 120 * max(s_a, s_b) ** 2}.get(op, s_a)
    if op in ("MAXIMUM", "MINIMUM"):
        s_b, z = s_a, [z[0]] * 3
    a = TensorSpec((1, *first), "int8", (s_a,), z[0])
    b = TensorSpec((1, *values.shape), "int8", (s_b,), z[1], 0, values[None])
    y = TensorSpec((1, *np.broadcast_shapes(first, values.shape)), "int8", (float(np.float32(s_y)),), z[2])
    return OneOp(op, [a, b], y, PAIRED[op])


def reduced_cases(op: str, seed: int) -> Iterator[Case]:
    """Along the channels, the height or (not for positions) both sides of an image."""
    for number, (depth, height, axis) in enumerate(product(_SIZES, (1, 2, 5), (3, 1, 12))):
        rng = rng_of(seed, op, number)
        zero = int(rng.integers(-90, 90))
        x = TensorSpec((1, height, 3, depth), "int8", (0.05,), zero)
        axes = [1, 2] if axis == 12 else [axis]
        positions = op.startswith("ARG_")
        if positions and len(axes) > 1:
            continue
        given = np.array(axes[0] if positions else axes, np.int32)
        kept = tuple(n for i, n in enumerate(x.shape) if i not in axes)
        y = TensorSpec(kept, "int32") if positions else TensorSpec(kept, "int8", x.scales, zero)
        options = {0: ("b", 2)} if positions else {0: ("b", 0)}
        one = OneOp(op, [x, TensorSpec(given.shape, "int32", data=given)], y, REDUCED[op], options)
        yield case(one, f"axis {','.join(map(str, axes))}", str(number), seed)
