"""The grid of operators that resize images: TRANSPOSE_CONV, both RESIZE, blocks to and from channels."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from typing import Final

import numpy as np

from coverify.conformance.suite.case import Case, case, rng_of
from coverify.conformance.suite.flatbuffer import Scalar
from coverify.conformance.suite.model_file import OneOp, TensorSpec, integers

_DEPTHS = (1, 2, 3, 4, 5, 7, 8, 9, 16, 17)


@dataclass(frozen=True)
class Stamps:
    """A TRANSPOSE_CONV; sizes are (height, width), `image` is the output's."""

    shape_class: str
    image: tuple[int, int] = (7, 6)
    depth: int = 3
    out: int = 3
    kernel: tuple[int, int] = (3, 3)
    stride: tuple[int, int] = (2, 2)
    same: bool = True
    activation: int = 0
    bias: bool = True
    per_channel: bool = True


def transposed_cases(op: str, seed: int) -> Iterator[Case]:
    """TRANSPOSE_CONV."""
    for number, stamps in enumerate(_stamps()):
        rng = rng_of(seed, op, number)
        yield case(_transposed(op, stamps, rng), stamps.shape_class, str(number), seed)


def _stamps() -> Iterator[Stamps]:
    for n in _DEPTHS:
        yield Stamps("input channels 1…17", depth=n)
        yield Stamps("output channels 1…17", out=n)
    for kernel, same in product(((1, 1), (2, 2), (3, 3), (4, 4), (5, 3), (1, 3), (3, 1)), (True, False)):
        yield Stamps(f"kernels, {'SAME' if same else 'VALID'}", kernel=kernel, same=same)
    for stride, same, image in product(((1, 1), (2, 1), (1, 2), (3, 2)), (True, False), ((7, 6), (6, 7))):
        yield Stamps("strides", stride=stride, same=same, image=image)
    for image in ((1, 9), (9, 1), (1, 1)):
        yield Stamps("height or width 1", image=image)
    for activation in (1, 2, 3):
        yield Stamps("activations", activation=activation)
    yield Stamps("no bias", bias=False)
    yield Stamps("per tensor", per_channel=False)


def _transposed(op: str, s: Stamps, rng: np.random.Generator) -> OneOp:
    sizes = zip(s.image, s.kernel, s.stride, strict=True)
    small = [-(-n // step) if s.same else max(1, (n - k) // step + 1) for n, k, step in sizes]
    s_in, scales = 0.05, tuple(rng.uniform(0.004, 0.02, s.out if s.per_channel else 1).tolist())
    weights = rng.integers(-127, 128, (s.out, *s.kernel, s.depth)).astype(np.int8)
    s_out = float(np.float32(s_in * np.median(scales) * 60 * np.sqrt(weights[0].size)))
    y = TensorSpec((1, *s.image, s.out), "int8", (s_out,), int(rng.integers(-90, 90)))
    x = TensorSpec((1, *small, s.depth), "int8", (s_in,), int(rng.integers(-90, 90)))
    inputs = [
        TensorSpec((4,), "int32", data=np.array(y.shape, np.int32)),
        TensorSpec(weights.shape, "int8", scales, 0, 0, weights),
        x,
    ]
    if s.bias:
        products = tuple(float(np.float32(s_in) * np.float32(scale)) for scale in scales)
        values = rng.integers(-3000, 3000, s.out).astype(np.int32)
        inputs.append(TensorSpec((s.out,), "int32", products, 0, 0, values))
    options: dict[int, Scalar] = {
        0: ("b", 0 if s.same else 1),
        1: ("i", s.stride[1]),
        2: ("i", s.stride[0]),
        3: ("b", s.activation),
    }
    return OneOp(op, inputs, y, 49, options, computed=2)


def resized_cases(op: str, seed: int) -> Iterator[Case]:
    """RESIZE_BILINEAR and RESIZE_NEAREST_NEIGHBOR: smaller, larger, with both alignments."""
    sizes = ((1, 1), (2, 3), (3, 2), (5, 7), (8, 8), (13, 4))
    every = product(sizes, sizes, ((0, 0), (1, 0), (0, 1)))
    for number, (image, out, (align, half)) in enumerate(every):
        depth = _DEPTHS[number % len(_DEPTHS)]
        rng = rng_of(seed, op, number)
        x = TensorSpec((1, *image, depth), "int8", (0.05,), int(rng.integers(-90, 90)))
        y = TensorSpec((1, *out, depth), "int8", x.scales, x.zero_point)
        size = TensorSpec((2,), "int32", data=np.array(out, np.int32))
        first, union = (2, 15) if op == "RESIZE_BILINEAR" else (0, 74)
        one = OneOp(op, [x, size], y, union, {first: ("B", align), first + 1: ("B", half)})
        kind = "half pixel centers" if half else "corners aligned" if align else "plain"
        yield case(one, kind, str(number), seed)


def block_cases(op: str, seed: int) -> Iterator[Case]:
    """The operators of BLOCKS with blocks of 1 to 3 pixels."""
    for number, (depth, block) in enumerate(product((1, 2, 3, 4, 5, 8), (1, 2, 3))):
        rng = rng_of(seed, op, number)
        one = BLOCKS[op](op, depth, block, int(rng.integers(-90, 90)))
        yield case(one, f"blocks of {block}", str(number), seed)


def _images(shapes: tuple[tuple[int, ...], tuple[int, ...]], zero: int) -> tuple[TensorSpec, TensorSpec]:
    first, second = (TensorSpec(shape, "int8", (0.05,), zero) for shape in shapes)
    return first, second


def _space_to_depth(op: str, depth: int, block: int, zero: int) -> OneOp:
    x, y = _images(((1, 2 * block, 3 * block, depth), (1, 2, 3, depth * block * block)), zero)
    return OneOp(op, [x], y, 19, {0: ("i", block)})


def _depth_to_space(op: str, depth: int, block: int, zero: int) -> OneOp:
    x, y = _images(((1, 2, 3, depth * block * block), (1, 2 * block, 3 * block, depth)), zero)
    return OneOp(op, [x], y, 94, {0: ("i", block)})


def _space_to_batch(op: str, depth: int, block: int, zero: int) -> OneOp:
    x, y = _images(((1, 2 * block, 3 * block, depth), (block * block, 2, 3, depth)), zero)
    return OneOp(op, [x, integers([block, block]), integers([[0, 0], [0, 0]])], y, 25)


def _batch_to_space(op: str, depth: int, block: int, zero: int) -> OneOp:
    x, y = _images(((block * block, 2, 3, depth), (1, 2 * block, 3 * block, depth)), zero)
    return OneOp(op, [x, integers([block, block]), integers([[0, 0], [0, 0]])], y, 24)


BLOCKS: Final[dict[str, Callable[[str, int, int, int], OneOp]]] = {
    "BATCH_TO_SPACE_ND": _batch_to_space,
    "DEPTH_TO_SPACE": _depth_to_space,
    "SPACE_TO_BATCH_ND": _space_to_batch,
    "SPACE_TO_DEPTH": _space_to_depth,
}
"""Operator → its model; the last argument is the zero point."""
