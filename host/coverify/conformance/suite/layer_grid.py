"""The grid of CONV_2D, DEPTHWISE_CONV_2D and FULLY_CONNECTED.

Every residue of depth, kernel and stride that a vectorized kernel may branch on, degenerate images, and in
each channel a bias that puts an accumulator where one rounding differs from another.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from numpy.typing import NDArray

from coverify.conformance.diagnosis.layer import Layer, layer_of
from coverify.conformance.diagnosis.layer_variants import float32_scales
from coverify.conformance.suite.case import Case, case, rng_of
from coverify.conformance.suite.edges import apart, edge_biases
from coverify.conformance.suite.flatbuffer import Scalar
from coverify.conformance.suite.model_file import OneOp, TensorSpec
from tflm_int8 import Model, Reference

_SMALL, _LARGE = (1, 2, 3, 4, 5, 6, 7, 8, 9), (15, 16, 17, 31, 32, 33)


@dataclass(frozen=True)
class Shape:
    """A layer's shape and settings; kernel, stride, dilation: (height, width). dense: FULLY_CONNECTED."""

    op: str
    image: tuple[int, int] = (5, 4)
    depth: int = 3
    out: int = 4
    kernel: tuple[int, int] = (1, 1)
    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    same: bool = True
    groups: int = 1
    activation: int = 0
    per_channel: bool = True
    bias: bool = True
    filter_zero: int = 0
    batches: int = 1
    log_scale: float = -6.0
    extreme: bool = False

    @property
    def name(self) -> str:
        """What is other than in the plain layer."""
        default = Shape(self.op)
        changed = [f"{k}{v}" for k, v in vars(self).items() if v != getattr(default, k) and k != "op"]
        text = "-".join(changed) or "default"
        return "".join(c if c.isalnum() or c in "-_." else "_" for c in text)


def layer_cases(op: str, seed: int) -> Iterator[Case]:
    """Every case of one of the three operators."""
    grid = {"CONV_2D": _conv, "DEPTHWISE_CONV_2D": _depthwise, "FULLY_CONNECTED": _dense}[op]
    for number, (shape_class, shape) in enumerate(grid()):
        yield _case(shape_class, shape, seed, number)


def _conv() -> Iterator[tuple[str, Shape]]:
    plain = Shape("CONV_2D")
    for depth in _SMALL:
        yield "1x1, depth 1…9", replace(plain, depth=depth, out=1 + depth % 5)
    for depth in _LARGE:
        yield "1x1, depth around 16 and 32", replace(plain, depth=depth, out=4, image=(3, 3))
    for out in _SMALL:
        yield "output channels 1…9", replace(plain, out=out, depth=4, kernel=(3, 3))
    for kernel, same in product(((3, 3), (2, 2), (5, 3), (1, 3), (3, 1), (1, 5), (4, 1)), (True, False)):
        yield (
            f"kernels, {'SAME' if same else 'VALID'}",
            replace(plain, kernel=kernel, same=same, image=(7, 6)),
        )
    for depth in (1, 2, 3, 4, 5, 8, 16):
        yield "3x3, depth 1…16", replace(plain, kernel=(3, 3), depth=depth, out=3)
    for stride, same, image in product(((2, 2), (1, 2), (2, 1), (3, 2)), (True, False), ((7, 6), (6, 7))):
        yield "strides", replace(plain, kernel=(3, 3), stride=stride, same=same, image=image)
    for dilation, same in product(((2, 2), (1, 2), (3, 1)), (True, False)):
        yield "dilation", replace(plain, kernel=(3, 2), dilation=dilation, same=same, image=(8, 7))
    for depth, groups, out in ((4, 2, 4), (6, 3, 6), (6, 2, 2), (8, 4, 8), (4, 4, 4)):
        yield "groups", replace(plain, depth=depth, groups=groups, out=out, kernel=(3, 3))
    yield "long sums", replace(plain, depth=1100, out=2, image=(1, 2), extreme=True, log_scale=-18.0)
    for image, kernel in product(((1, 9), (9, 1), (1, 1), (1, 17)), ((1, 1), (3, 3), (1, 3))):
        yield "height or width 1", replace(plain, image=image, kernel=kernel, depth=4)
    yield from _settings(replace(plain, kernel=(3, 3), depth=4, out=6))
    for stride, same in product(((2, 2), (1, 2), (2, 1)), (True, False)):
        yield "1x1, strides", replace(plain, stride=stride, same=same, image=(7, 6), depth=4)
    for kernel, batches in product(((1, 1), (3, 3)), (2, 3)):
        yield "batches", replace(plain, batches=batches, kernel=kernel)
    yield "batches", replace(plain, batches=2, kernel=(3, 3), stride=(2, 2), same=False, image=(7, 6))


def _depthwise() -> Iterator[tuple[str, Shape]]:
    plain = Shape("DEPTHWISE_CONV_2D", kernel=(3, 3), out=3)
    for depth in _SMALL:
        yield "channels 1…9", replace(plain, depth=depth, out=depth)
    for depth in _LARGE:
        yield "channels around 16 and 32", replace(plain, depth=depth, out=depth, image=(4, 3))
    for depth, times in product((1, 2, 3, 4, 8), (2, 3, 4)):
        yield "depth multiplier 2…4", replace(plain, depth=depth, out=depth * times)
    for kernel, same in product(((1, 1), (2, 2), (5, 3), (1, 3), (3, 1), (4, 4)), (True, False)):
        yield (
            f"kernels, {'SAME' if same else 'VALID'}",
            replace(plain, kernel=kernel, same=same, image=(7, 6)),
        )
    for stride, same, image in product(((2, 2), (1, 2), (2, 1)), (True, False), ((7, 6), (6, 7))):
        yield "strides", replace(plain, stride=stride, same=same, image=image, depth=4, out=4)
    for dilation, same in product(((2, 2), (1, 2), (3, 1)), (True, False)):
        yield "dilation", replace(plain, kernel=(3, 2), dilation=dilation, same=same, image=(8, 7))
    for image in ((1, 9), (9, 1), (1, 1), (1, 17)):
        yield "height or width 1", replace(plain, image=image, depth=4, out=4)
    yield from _settings(replace(plain, depth=6, out=6))
    for batches, stride in product((2, 3), ((1, 1), (2, 2))):
        yield "batches", replace(plain, batches=batches, stride=stride, same=stride == (1, 1), image=(7, 6))


def _dense() -> Iterator[tuple[str, Shape]]:
    plain = Shape("FULLY_CONNECTED", depth=8)
    for depth in _SMALL:
        yield "inputs 1…9", replace(plain, depth=depth)
    for depth in (*_LARGE, 63, 64, 65):
        yield "inputs around 16, 32 and 64", replace(plain, depth=depth)
    for out in _SMALL:
        yield "outputs 1…9", replace(plain, out=out)
    yield "long sums", replace(plain, depth=1100, extreme=True, log_scale=-18.0)
    for batches in (2, 3, 4, 5):
        yield "batches", replace(plain, batches=batches, depth=7, out=5)
    for zero in (-7, 1, 100):
        yield "filter zero point", replace(plain, per_channel=False, filter_zero=zero, depth=9)
    yield from _settings(replace(plain, depth=12, out=6))


def _settings(plain: Shape) -> Iterator[tuple[str, Shape]]:
    for activation in (1, 2, 3):
        yield "activations", replace(plain, activation=activation)
    yield "per tensor", replace(plain, per_channel=False)
    yield "no bias", replace(plain, bias=False)
    for log_scale in (0.7, -0.5, -1.5, -3.0, -9.0, -12.0):
        yield "scales", replace(plain, log_scale=log_scale)
    for log_scale in (-17.0, -19.0):
        yield "large accumulators", replace(plain, log_scale=log_scale, out=3 * plain.out)
    yield "extreme weights", replace(plain, extreme=True)


def _case(shape_class: str, shape: Shape, seed: int, number: int) -> Case:
    rng = rng_of(seed, shape.op, shape.name)
    x_shape = (shape.batches, *(() if _is_dense(shape) else shape.image), shape.depth)
    directed = rng.integers(-128, 128, x_shape).astype(np.int8)
    weights = _weights(shape, rng)
    numbers = _Numbers.of(shape, weights, rng)
    if shape.bias:
        biases = _edges(_one_op(shape, x_shape, weights, numbers), directed, number)
        numbers = replace(numbers, bias=np.where(biases == 0, numbers.bias, biases))
    one = _one_op(shape, x_shape, weights, numbers)
    return case(one, shape_class, f"{number}-{shape.name}", seed, directed[None])


def _is_dense(shape: Shape) -> bool:
    return shape.op == "FULLY_CONNECTED"


def _weights(shape: Shape, rng: np.random.Generator) -> NDArray[np.int8]:
    size = {
        "CONV_2D": (shape.out, *shape.kernel, shape.depth // shape.groups),
        "DEPTHWISE_CONV_2D": (1, *shape.kernel, shape.out),
        "FULLY_CONNECTED": (shape.out, shape.depth),
    }[shape.op]
    if shape.extreme and shape.depth > 500:
        return np.full(size, 127, np.int8)
    if shape.extreme:
        return rng.choice(np.array([-128, -127, 127], np.int8), size)
    return rng.integers(-127, 128, size).astype(np.int8)


@dataclass(frozen=True, eq=False)
class _Numbers:
    """Scales, zero points and biases; s_w: 1 or `out` of them."""

    s_in: float
    s_out: float
    s_w: tuple[float, ...]
    z_in: int
    z_out: int
    bias: NDArray[np.int64]

    @staticmethod
    def of(shape: Shape, weights: NDArray[np.int8], rng: np.random.Generator) -> _Numbers:
        """Random ones whose effective scales lie around 2 ** log_scale."""
        n = shape.out if shape.per_channel and shape.out > 1 else 1
        s_in, s_out = (float(np.float32(v)) for v in rng.uniform(0.02, 0.2, 2))
        wanted = 2.0**shape.log_scale * s_out / s_in * rng.uniform(0.55, 1.8, n)
        taps = weights.size // shape.out
        spread = int(120 * 2.0**-shape.log_scale) + 50 * taps
        return _Numbers(
            s_in,
            s_out,
            tuple(float(np.float32(v)) for v in wanted),
            int(rng.integers(-100, 100)),
            int(rng.integers(-90, 60)),
            rng.integers(-spread, spread + 1, shape.out),
        )


def _edges(one: OneOp, x: NDArray[np.int8], start: int) -> NDArray[np.int64]:
    """A bias per channel that puts the middle position's accumulator on an edge; 0 where there is none."""
    layer = layer_of(Reference(Model.from_bytes(one.content())).kernels[0])
    if layer is None:
        raise AssertionError("a layer of the grid is one of the three operators, of int8")
    acc = layer.accumulators(x[None]) - layer.bias
    rows = acc.reshape(-1, acc.shape[-1])
    sums = rows[len(rows) // 2]
    bounds = layer.lo - layer.z_out, layer.hi - layer.z_out
    biases = edge_biases(sums, layer.multiplier.tolist(), layer.shift.tolist(), *bounds, start)
    return _float32_edges(layer, sums, biases, bounds)


def _float32_edges(
    layer: Layer, sums: NDArray[np.int64], biases: NDArray[np.int64], bounds: tuple[int, int]
) -> NDArray[np.int64]:
    """Every third channel on an edge between scales taken in double and in float32, where there is one."""
    single = float32_scales(layer)
    if single is None:
        return biases
    pairs = [
        list(zip(part.multiplier.tolist(), part.shift.tolist(), strict=True)) for part in (layer, single)
    ]
    found = biases.copy()
    for channel in range(0, len(sums), 3):
        differs = apart(pairs[0][channel], pairs[1][channel], *bounds)
        if len(differs):
            found[channel] = int(differs[len(differs) // 3]) - int(sums[channel])
    return found


def _one_op(shape: Shape, x_shape: tuple[int, ...], weights: NDArray[np.int8], n: _Numbers) -> OneOp:
    axis = 3 if shape.op == "DEPTHWISE_CONV_2D" else 0
    filters = TensorSpec(weights.shape, "int8", n.s_w, shape.filter_zero, axis, weights)
    inputs = [TensorSpec(x_shape, "int8", (n.s_in,), n.z_in), filters]
    if shape.bias:
        scales = tuple(float(np.float32(n.s_in) * np.float32(s)) for s in n.s_w)
        inputs.append(TensorSpec((shape.out,), "int32", scales, 0, 0, n.bias))
    if _is_dense(shape):
        y = TensorSpec((shape.batches, shape.out), "int8", (n.s_out,), n.z_out)
        return OneOp(shape.op, inputs, y, 8, {0: ("b", shape.activation)})
    y = TensorSpec((shape.batches, *_out(shape), shape.out), "int8", (n.s_out,), n.z_out)
    return OneOp(shape.op, inputs, y, 1 if shape.op == "CONV_2D" else 2, _options(shape))


def _out(shape: Shape) -> tuple[int, ...]:
    if shape.same:
        return tuple(-(-n // s) for n, s in zip(shape.image, shape.stride, strict=True))
    parts = zip(shape.image, shape.kernel, shape.stride, shape.dilation, strict=True)
    return tuple((n - (k - 1) * d - 1) // s + 1 for n, k, s, d in parts)


def _options(shape: Shape) -> dict[int, Scalar]:
    head: dict[int, Scalar] = {
        0: ("b", 0 if shape.same else 1),
        1: ("i", shape.stride[1]),
        2: ("i", shape.stride[0]),
    }
    tail = [("b", shape.activation), ("i", shape.dilation[1]), ("i", shape.dilation[0])]
    if shape.op == "DEPTHWISE_CONV_2D":
        tail.insert(0, ("i", shape.out // shape.depth))
    return head | {3 + i: value for i, value in enumerate(tail)}
