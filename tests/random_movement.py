"""Random graphs of operators that move, reduce or resize: a function per operator, a case per seed.

Each function adds its operator (with inputs and constants) to a builder and returns the output tensor. Inputs
are of every type that TFLM's kernel takes; where a later operator makes an int8 output possible, it is added.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from model_builder import Builder
from random_numbers import Rng, zero_point


def _scale(rng: Rng, low=-4.0, high=0.0) -> float:
    return float(np.float32(10.0 ** rng.uniform(low, high)))


def _spread(rng: Rng, low: float, high: float) -> float:
    """A factor of a typical output scale; now and then one that leaves few or no bits of the multiplier."""
    return 10.0 ** (rng.uniform(2, 11) if rng.random() < 0.07 else rng.uniform(low, high))


def _shape(rng: Rng, low: int, high: int, most=6) -> tuple[int, ...]:
    """A random shape of low to high dimensions, the first one mostly 1."""
    shape = [int(n) for n in rng.integers(1, most, int(rng.integers(low, high + 1)))]
    if shape and rng.random() < 0.7:
        shape[0] = 1
    return tuple(shape)


def _input(rng: Rng, b: Builder, shape, types="int8") -> int:
    """An input, of another type than int8 now and then."""
    names = types.split()
    dtype = "int8" if len(names) == 1 or rng.random() < 0.7 else names[int(rng.integers(0, len(names)))]
    return b.input(shape, _scale(rng), zero_point(rng) if dtype == "int8" else 0, dtype)


def _constant_like(rng: Rng, b: Builder, x: int, shape) -> int:
    spec = b.tensors[x]
    return b.tensor(shape, spec.dtype, spec.scales, spec.zero_points, data=values(rng, shape, spec.dtype))


def values(rng: Rng, shape, dtype: str) -> np.ndarray:
    """Random values over the type's whole range."""
    if dtype == "bool":
        return rng.integers(0, 2, shape).astype(bool)
    if dtype == "float32":
        return rng.normal(size=shape).astype(np.float32)
    info = np.iinfo(dtype)
    return rng.integers(info.min, info.max, shape, np.int64, endpoint=True).astype(dtype)


def _axis(rng: Rng, rank: int) -> int:
    return int(rng.integers(-rank, rank))


def pad(rng: Rng, b: Builder, name="PAD") -> int:
    x = _input(rng, b, _shape(rng, 1, 5), "int8 int16 int32 float32")
    shape = b.tensors[x].shape
    paddings = rng.integers(0, 4, (len(shape), 2))
    y = b.like(x, np.array(shape) + paddings.sum(axis=1))
    operands = [x, b.integers(paddings)]
    if name == "PADV2":
        operands.append(_constant_like(rng, b, x, (1,) if rng.random() < 0.5 else ()))
    return b.op(name, operands, y)


def padv2(rng: Rng, b: Builder) -> int:
    return pad(rng, b, "PADV2")


def mirror_pad(rng: Rng, b: Builder) -> int:
    x = _input(rng, b, _shape(rng, 1, 5), "int8 float32")
    shape, mode = b.tensors[x].shape, int(rng.integers(0, 2))
    paddings = np.array([rng.integers(0, n + mode, 2) for n in shape]).reshape(-1, 2)
    y = b.like(x, np.array(shape) + paddings.sum(axis=1))
    table = b.integers(paddings, "int64" if rng.random() < 0.3 else "int32")
    return b.op("MIRROR_PAD", [x, table], y, 77, Mode=mode)


def _slice_of(rng: Rng, b: Builder, x: int, axis: int) -> int:
    """A computed part of x along one axis."""
    shape = list(b.tensors[x].shape)
    begin = [0] * len(shape)
    begin[axis] = int(rng.integers(0, shape[axis]))
    shape[axis] = int(rng.integers(1, shape[axis] - begin[axis] + 1))
    return b.op("SLICE", [x, b.integers(begin), b.integers(shape)], b.like(x, shape))


def concatenation(rng: Rng, b: Builder) -> int:
    x = _input(rng, b, _shape(rng, 1, 5), "int8 int32 bool float32")
    shape = b.tensors[x].shape
    axis = _axis(rng, len(shape))
    parts = [x]
    for _ in range(int(rng.integers(0, 4))):
        kind = int(rng.integers(0, 3))
        if kind == 0:
            other = list(shape)
            other[axis] = int(rng.integers(1, 5))
            parts.append(_constant_like(rng, b, x, other))
        else:
            parts.append(x if kind == 1 else _slice_of(rng, b, x, axis))
    rng.shuffle(parts)
    joined = list(shape)
    joined[axis] = sum(b.tensors[p].shape[axis] for p in parts)
    return b.op("CONCATENATION", parts, b.like(x, joined), 10, Axis=axis)


def split(rng: Rng, b: Builder) -> int:
    shape, n = list(_shape(rng, 1, 5)), int(rng.integers(1, 4))
    axis = _axis(rng, len(shape))
    whole = shape.copy()
    whole[axis] *= n
    x = _input(rng, b, whole, "int8 int16 int32 float32")
    outputs = [b.like(x, shape) for _ in range(n)]
    return b.op("SPLIT", [b.integers(axis), x], outputs, 35, NumSplits=n)


def split_v(rng: Rng, b: Builder) -> int:
    shape = list(_shape(rng, 1, 5))
    axis, sizes = _axis(rng, len(shape)), rng.integers(1, 5, int(rng.integers(1, 4)))
    outputs, whole = [], shape.copy()
    whole[axis] = int(sizes.sum())
    x = _input(rng, b, whole, "int8 int16 int32 float32")
    for size in sizes:
        shape[axis] = int(size)
        outputs.append(b.like(x, shape))
    operands = [x, b.integers(sizes), b.integers(axis)]
    return b.op("SPLIT_V", operands, outputs, 79, NumSplits=len(outputs))


def pack(rng: Rng, b: Builder) -> int:
    x = _input(rng, b, _shape(rng, 1, 4), "int8 int16 int32 float32")
    shape, n = b.tensors[x].shape, int(rng.integers(1, 4))
    axis = _axis(rng, len(shape) + 1)
    parts = [x, *(x if rng.random() < 0.5 else _constant_like(rng, b, x, shape) for _ in range(n - 1))]
    rng.shuffle(parts)
    stacked = list(shape)
    stacked.insert(axis % (len(shape) + 1), n)
    return b.op("PACK", parts, b.like(x, stacked), 59, ValuesCount=n, Axis=axis)


def unpack(rng: Rng, b: Builder) -> int:
    x = _input(rng, b, _shape(rng, 1, 5), "int8 int16 int32 float32")
    shape = list(b.tensors[x].shape)
    axis = _axis(rng, len(shape))
    n = shape.pop(axis)
    return b.op("UNPACK", [x], [b.like(x, shape) for _ in range(n)], 64, Num=n, Axis=axis)


def transpose(rng: Rng, b: Builder) -> int:
    x = _input(rng, b, _shape(rng, 1, 5), "int8 int16 float32")
    shape = b.tensors[x].shape
    order = rng.permutation(len(shape))
    return b.op("TRANSPOSE", [x, b.integers(order)], b.like(x, [shape[i] for i in order]))


def slice_(rng: Rng, b: Builder) -> int:
    x = _input(rng, b, _shape(rng, 1, 5), "int8 int16 int32 bool float32")
    shape = np.array(b.tensors[x].shape)
    begin = rng.integers(0, shape)
    size = rng.integers(1, shape - begin + 1)
    rest = (begin + size == shape) & (rng.random(len(shape)) < 0.5)
    dtype = "int64" if rng.random() < 0.3 else "int32"
    operands = [x, b.integers(begin, dtype), b.integers(np.where(rest, -1, size), dtype)]
    return b.op("SLICE", operands, b.like(x, size))


def strided_slice(rng: Rng, b: Builder) -> int:
    """Begins, ends and masks of any kind; the expected shape is numpy's for the equivalent slices."""
    while True:
        shape = _shape(rng, 1, 4)
        n = len(shape)
        begin, end = rng.integers(-7, 8, n), rng.integers(-7, 8, n)
        strides = rng.choice([1, 1, 2, 3, -1, -2], n)
        masks = [int(rng.integers(0, 1 << n)) if rng.random() < 0.6 else 0 for _ in range(3)]
        index: list[slice | int] = []
        for i in range(n):
            first = None if masks[0] >> i & 1 else int(begin[i])
            last = None if masks[1] >> i & 1 else int(end[i])
            if masks[2] >> i & 1:
                strides[i] = 1
                first = first if first is not None else 0
                if not -shape[i] <= first < shape[i]:
                    break
                index.append(first)
            else:
                index.append(slice(first, last, int(strides[i])))
        else:
            taken = np.zeros(shape)[tuple(index)]
            if taken.size:
                break
    x = _input(rng, b, shape, "int8 int16 int32 bool float32")
    operands = [x, b.integers(begin), b.integers(end), b.integers(strides)]
    return b.op(
        "STRIDED_SLICE", operands, b.like(x, taken.shape), 32, BeginMask=masks[0], EndMask=masks[1],
        ShrinkAxisMask=masks[2],
    )  # fmt: skip


def squeeze(rng: Rng, b: Builder) -> int:
    shape = [1 if rng.random() < 0.5 else n for n in _shape(rng, 1, 6, 5)]
    x = _input(rng, b, shape, "int8 int16 int32 float32")
    ones = [i for i, n in enumerate(shape) if n == 1]
    chosen = [i for i in ones if rng.random() < 0.5]
    gone = chosen or ones
    dims = [i - len(shape) if rng.random() < 0.5 else i for i in chosen]
    y = b.like(x, [n for i, n in enumerate(shape) if i not in gone])
    return b.op("SQUEEZE", [x], y, 30, SqueezeDims=dims)


def expand_dims(rng: Rng, b: Builder) -> int:
    x = _input(rng, b, _shape(rng, 1, 4), "int8 int16 float32")
    shape = list(b.tensors[x].shape)
    axis = _axis(rng, len(shape) + 1)
    shape.insert(axis % (len(shape) + 1), 1)
    return b.op("EXPAND_DIMS", [x, b.integers(axis)], b.like(x, shape))


def gather(rng: Rng, b: Builder) -> int:
    x = _input(rng, b, _shape(rng, 1, 4), "int8 float32")
    shape = b.tensors[x].shape
    axis = int(rng.integers(0, len(shape)))
    batch = int(rng.integers(0, axis + 1))
    coords = shape[:batch] + _shape(rng, 0, 2, 4)
    at = rng.integers(0, shape[axis], coords)
    y = b.like(x, shape[:axis] + coords[batch:] + shape[axis + 1 :])
    options = {"Axis": axis - len(shape) if rng.random() < 0.3 else axis, "BatchDims": batch}
    return b.op("GATHER", [x, b.integers(at)], y, 23, **options)


def gather_nd(rng: Rng, b: Builder) -> int:
    x = _input(rng, b, _shape(rng, 1, 4), "int8 float32")
    shape = b.tensors[x].shape
    depth = int(rng.integers(1, len(shape) + 1))
    outer = _shape(rng, 0, 2, 4)
    at = np.stack([rng.integers(0, shape[i], outer) for i in range(depth)], axis=-1)
    return b.op("GATHER_ND", [x, b.integers(at)], b.like(x, outer + shape[depth:]))


def space_to_batch(rng: Rng, b: Builder) -> int:
    n, depth = int(rng.integers(1, 3)), int(rng.integers(1, 4))
    spatial = int(rng.integers(1, 3))
    block, small = rng.integers(1, 4, spatial), rng.integers(1, 4, spatial)
    x = _input(rng, b, (n, *(block * small), depth), "int8 float32")
    operands = [x, b.integers(block), b.integers(np.zeros((spatial, 2)))]
    return b.op("SPACE_TO_BATCH_ND", operands, b.like(x, (n * block.prod(), *small, depth)))


def batch_to_space(rng: Rng, b: Builder) -> int:
    n, depth = int(rng.integers(1, 3)), int(rng.integers(1, 4))
    spatial = int(rng.integers(1, 3))
    block, small = rng.integers(1, 4, spatial), rng.integers(1, 4, spatial)
    crops = np.stack(
        [rng.integers(0, (block * small + 1) // 2), rng.integers(0, (block * small + 1) // 2)], 1
    )
    x = _input(rng, b, (n * block.prod(), *small, depth), "int8 float32")
    y = b.like(x, (n, *(block * small - crops.sum(axis=1)), depth))
    return b.op("BATCH_TO_SPACE_ND", [x, b.integers(block), b.integers(crops)], y)


def space_to_depth(rng: Rng, b: Builder) -> int:
    n, h, w, d, block = (int(v) for v in rng.integers(1, 4, 5))
    x = _input(rng, b, (n, h * block, w * block, d), "int8 float32")
    return b.op("SPACE_TO_DEPTH", [x], b.like(x, (n, h, w, d * block * block)), 19, BlockSize=block)


def depth_to_space(rng: Rng, b: Builder) -> int:
    n, h, w, d, block = (int(v) for v in rng.integers(1, 4, 5))
    x = _input(rng, b, (n, h, w, d * block * block), "int8 float32")
    return b.op("DEPTH_TO_SPACE", [x], b.like(x, (n, h * block, w * block, d)), 94, BlockSize=block)


def nearest(rng: Rng, b: Builder) -> int:
    n, h, w, d, out_h, out_w = (int(v) for v in rng.integers(1, [3, 12, 12, 4, 30, 30]))
    x = _input(rng, b, (n, h, w, d), "int8 int16")
    y = b.like(x, (n, out_h, out_w, d))
    align, half = (bool(v) for v in rng.integers(0, 2, 2))
    operands = [x, b.integers([out_h, out_w])]
    return b.op("RESIZE_NEAREST_NEIGHBOR", operands, y, 74, AlignCorners=align, HalfPixelCenters=half)


def broadcast_to(rng: Rng, b: Builder) -> int:
    shape = _shape(rng, 1, 5, 4)
    inner = shape[int(rng.integers(0, len(shape))) :]
    x = _input(rng, b, [1 if rng.random() < 0.5 else n for n in inner], "int8 int16 int32 bool float32")
    dtype = "int64" if rng.random() < 0.3 else "int32"
    return b.op("BROADCAST_TO", [x, b.integers(shape, dtype)], b.like(x, shape))


def reverse(rng: Rng, b: Builder) -> int:
    x = _input(rng, b, _shape(rng, 1, 5), "int8 int16 int32 bool float32")
    shape = b.tensors[x].shape
    first = int(rng.integers(0, len(shape)))
    axes = list(range(first, int(rng.integers(first + 1, len(shape) + 1))))
    rng.shuffle(axes)
    axes = [a - len(shape) if rng.random() < 0.3 else a for a in axes]
    return b.op("REVERSE_V2", [x, b.integers(axes)], b.like(x, shape))


def fill(rng: Rng, b: Builder) -> int:
    """A scalar that is computed (or the input itself), filled into a shape."""
    x = _input(rng, b, (1,), "int8 int32 float32")
    value = b.op("SQUEEZE", [x], b.like(x, ()), 30)
    shape = _shape(rng, 1, 5)
    return b.op(
        "FILL", [b.integers(shape, "int64" if rng.random() < 0.3 else "int32"), value], b.like(x, shape)
    )


def shape(rng: Rng, b: Builder) -> int:
    """What a converter writes for `reshape(x, (shape(x)[0], -1))`: SHAPE, STRIDED_SLICE, PACK, RESHAPE.

    Or the elements and then the dimensions.
    """
    x = _input(rng, b, _shape(rng, 2, 4))
    dims = b.tensors[x].shape
    rest = int(np.prod(dims[1:]))
    whole = b.op("SHAPE", [x], b.tensor((len(dims),), "int32"), 55, OutType=2)
    if rng.random() < 0.3:
        n = int(np.prod(dims))
        wide = b.op("CAST", [x], b.tensor(dims, "int32"))
        flat = b.op("RESHAPE", [wide, b.integers([n])], b.tensor((n,), "int32"), 17)
        both = b.op("CONCATENATION", [flat, whole], b.tensor((n + len(dims),), "int32"), 10, Axis=0)
        return b.op("CAST", [both], b.tensor((n + len(dims),)))
    ends = [b.integers([v]) for v in (0, 1, 1)]
    first = b.op("STRIDED_SLICE", [whole, *ends], b.tensor((), "int32"), 32, ShrinkAxisMask=1)
    packed = b.op("PACK", [first, b.integers(rest)], b.tensor((2,), "int32"), 59, ValuesCount=2, Axis=0)
    return b.op("RESHAPE", [x, packed], b.like(x, (dims[0], rest)), 17)


def zeros_like(rng: Rng, b: Builder) -> int:
    x = _input(rng, b, _shape(rng, 1, 4), "int8 int32 float32")
    return b.op("ZEROS_LIKE", [x], b.like(x, b.tensors[x].shape))


def cast(rng: Rng, b: Builder) -> int:
    """To another type and back to int8."""
    x = _input(rng, b, _shape(rng, 1, 4), "int8 int16 int32 bool")
    dims, types = b.tensors[x].shape, ["int8", "int16", "int32"]
    middle = b.tensor(dims, types[int(rng.integers(0, 3))])
    if rng.random() < 0.2:
        y = b.op("CAST", [x], b.tensor(dims, "float32"), 37)
        step = {"int16": 2.0**8, "int32": 2.0**24}.get(b.tensors[x].dtype, 1.0)
        return y if rng.random() < 0.3 else b.op("QUANTIZE", [y], b.activation(dims, step, zero_point(rng)))
    b.op("CAST", [x], middle, 37)
    return b.op("CAST", [middle], b.activation(dims, 0.5, 3), 37)


def _reduced(rng: Rng, b: Builder, types="int8") -> tuple[int, list[int], tuple[int, ...], bool]:
    """An input, axes (some negative, some twice), the output's shape, and whether dimensions are kept."""
    x = _input(rng, b, _shape(rng, 1, 5), types)
    dims = b.tensors[x].shape
    axes = [int(a) for a in rng.choice(len(dims), int(rng.integers(1, len(dims) + 1)), replace=False)]
    keep = rng.random() < 0.5
    out = tuple(1 if i in axes else n for i, n in enumerate(dims) if keep or i not in axes)
    axes = [a - len(dims) if rng.random() < 0.3 else a for a in axes]
    return x, axes + axes[: int(rng.random() < 0.1)], out, keep


def mean(rng: Rng, b: Builder, name="MEAN") -> int:
    x, axes, out, keep = _reduced(rng, b, "int8 int16")
    spec = b.tensors[x]
    spread = int(np.prod(spec.shape) / np.prod(out, dtype=int)) ** 0.5 if name == "SUM" else 1.0
    scale = float(np.float32(spec.scales[0] * spread * _spread(rng, -0.7, 0.5)))
    y = b.activation(out, scale, zero_point(rng) if spec.dtype == "int8" else 0, spec.dtype)
    return b.op(name, [x, b.integers(axes)], y, 27, KeepDims=keep)


def sum_(rng: Rng, b: Builder) -> int:
    return mean(rng, b, "SUM")


def reduce_max(rng: Rng, b: Builder, name="REDUCE_MAX") -> int:
    x, axes, out, keep = _reduced(rng, b)
    return b.op(name, [x, b.integers(axes)], b.like(x, out), 27, KeepDims=keep)


def reduce_min(rng: Rng, b: Builder) -> int:
    return reduce_max(rng, b, "REDUCE_MIN")


def arg_max(rng: Rng, b: Builder, name="ARG_MAX", union=40) -> int:
    """Cast to int8 behind, so that it can be lowered."""
    x = _input(rng, b, _shape(rng, 1, 4))
    dims = b.tensors[x].shape
    axis = _axis(rng, len(dims))
    out = [n for i, n in enumerate(dims) if i != axis % len(dims)]
    at = b.op(name, [x, b.integers(axis)], b.tensor(out, "int32"), union, OutputType=2)
    return b.op("CAST", [at], b.activation(out, 1.0, 0), 37)


def arg_min(rng: Rng, b: Builder) -> int:
    return arg_max(rng, b, "ARG_MIN", 57)


def bilinear(rng: Rng, b: Builder) -> int:
    n, h, w, d, out_h, out_w = (int(v) for v in rng.integers(1, [3, 12, 12, 4, 30, 30]))
    x = _input(rng, b, (n, h, w, d))
    align, half = ((False, False), (True, False), (False, True))[int(rng.integers(0, 3))]
    operands, y = [x, b.integers([out_h, out_w])], b.like(x, (n, out_h, out_w, d))
    return b.op("RESIZE_BILINEAR", operands, y, 15, AlignCorners=align, HalfPixelCenters=half)


def transpose_conv(rng: Rng, b: Builder) -> int:
    """SAME or VALID, any stride, per tensor or per channel, with and without bias."""
    n, height, width, depth, n_out = (int(v) for v in rng.integers(1, [3, 10, 10, 5, 6]))
    padding = int(rng.integers(0, 2))
    stride, kernel = rng.integers(1, 4, 2), rng.integers(1, 5, 2)
    if padding:
        kernel = np.minimum(kernel, (height, width))
        small = (np.array((height, width)) - kernel) // stride + 1
    else:
        small = -(-np.array((height, width)) // stride)
    x = _input(rng, b, (n, *small, depth))
    w_scale = (10.0 ** rng.uniform(-3, -1, n_out if rng.random() < 0.7 else 1)).astype(np.float32)
    w = rng.integers(-127, 128, (n_out, *kernel, depth))
    bias = rng.integers(-9000, 9000, n_out) if rng.random() < 0.7 else None
    operands = b.layer_inputs(x, w, bias, w_scale, 0)
    typical = b.tensors[x].scales[0] * float(np.median(w_scale)) * 70 * np.sqrt(w[0].size)
    out_scale = float(np.float32(typical * _spread(rng, -0.7, 0.7)))
    y = b.activation((n, height, width, n_out), out_scale, zero_point(rng))
    sizes = b.integers(b.tensors[y].shape)
    return b.op(
        "TRANSPOSE_CONV", [sizes, operands[1], x, *operands[2:]], y, 49, Padding=padding,
        StrideH=stride[0], StrideW=stride[1], FusedActivationFunction=int(rng.choice([0, 0, 1, 2, 3])),
    )  # fmt: skip


def batch_matmul(rng: Rng, b: Builder) -> int:
    """A computed and a constant factor in either order, or a computed one with itself, turned as fits."""
    rows, depth, columns = (int(v) for v in rng.integers(1, 7, 3))
    batch = _shape(rng, 0, 2, 4)
    adjoint = [bool(v) for v in rng.integers(0, 2, 2)]
    if rng.random() < 0.4:  # x · xᵀ or xᵀ · x
        x = _input(rng, b, (*batch, rows, depth))
        adjoint[1] = not adjoint[0]
        a = c = x
        n = depth if adjoint[0] else rows
        out = (*batch, n, n)
    else:
        parts = [tuple(1 if rng.random() < 0.3 else v for v in batch) for _ in (0, 1)]
        shapes = [
            (*part, *(pair[::-1] if flip else pair))
            for part, pair, flip in zip(parts, ((rows, depth), (depth, columns)), adjoint, strict=True)
        ]
        order = int(rng.integers(0, 2))
        x = _input(rng, b, shapes[order])
        constant = b.constant(rng.integers(-128, 128, shapes[1 - order]), _scale(rng), zero_point(rng))
        a, c = (x, constant) if order == 0 else (constant, x)
        out = (*np.broadcast_shapes(*parts), rows, columns)
    typical = b.tensors[a].scales[0] * b.tensors[c].scales[0] * 80 * np.sqrt(depth)
    y = b.activation(out, float(np.float32(typical * _spread(rng, -0.5, 1))), zero_point(rng))
    return b.op("BATCH_MATMUL", [a, c], y, 101, AdjX=adjoint[0], AdjY=adjoint[1])


def add_n(rng: Rng, b: Builder) -> int:
    x = _input(rng, b, _shape(rng, 1, 4))
    dims, n = b.tensors[x].shape, int(rng.integers(2, 6))
    others = (x if rng.random() < 0.5 else _constant_like(rng, b, x, dims) for _ in range(n - 1))
    scale = float(np.float32(b.tensors[x].scales[0] * n * 10.0 ** rng.uniform(-0.7, 0.3)))
    return b.op("ADD_N", [x, *others], b.activation(dims, scale, zero_point(rng)))


def cumsum(rng: Rng, b: Builder) -> int:
    """Along at most 8 elements, where the sum of Q19 terms cannot overflow."""
    x = _input(rng, b, _shape(rng, 1, 4, 9))
    dims = b.tensors[x].shape
    scale = float(np.float32(b.tensors[x].scales[0] * _spread(rng, -0.5, 1)))
    y = b.activation(dims, scale, zero_point(rng))
    exclusive, reverse = (bool(v) for v in rng.integers(0, 2, 2))
    operands = [x, b.integers(_axis(rng, len(dims)))]
    return b.op("CUMSUM", operands, y, 102, Exclusive=exclusive, Reverse=reverse)


def update_slice(rng: Rng, b: Builder) -> int:
    x = _input(rng, b, _shape(rng, 1, 4), "int8 int16 int32 float32")
    dims = b.tensors[x].shape
    part = tuple(int(rng.integers(1, n + 1)) for n in dims)
    pair = [x, _constant_like(rng, b, x, part)]
    if rng.random() < 0.3:
        pair = [_constant_like(rng, b, x, tuple(n + int(rng.integers(0, 3)) for n in dims)), x]
    start = b.integers(rng.integers(-2, 7, len(dims)), "int64" if rng.random() < 0.5 else "int32")
    return b.op("DYNAMIC_UPDATE_SLICE", [*pair, start], b.like(x, b.tensors[pair[0]].shape))


ONE_OP: dict[str, Callable[[Rng, Builder], int]] = {
    "ADD_N": add_n,
    "ARG_MAX": arg_max,
    "ARG_MIN": arg_min,
    "BATCH_MATMUL": batch_matmul,
    "BATCH_TO_SPACE_ND": batch_to_space,
    "BROADCAST_TO": broadcast_to,
    "CAST": cast,
    "CONCATENATION": concatenation,
    "CUMSUM": cumsum,
    "DEPTH_TO_SPACE": depth_to_space,
    "DYNAMIC_UPDATE_SLICE": update_slice,
    "EXPAND_DIMS": expand_dims,
    "FILL": fill,
    "GATHER": gather,
    "GATHER_ND": gather_nd,
    "MEAN": mean,
    "MIRROR_PAD": mirror_pad,
    "PACK": pack,
    "PAD": pad,
    "PADV2": padv2,
    "REDUCE_MAX": reduce_max,
    "REDUCE_MIN": reduce_min,
    "RESIZE_BILINEAR": bilinear,
    "RESIZE_NEAREST_NEIGHBOR": nearest,
    "REVERSE_V2": reverse,
    "SHAPE": shape,
    "SLICE": slice_,
    "SPACE_TO_BATCH_ND": space_to_batch,
    "SPACE_TO_DEPTH": space_to_depth,
    "SPLIT": split,
    "SPLIT_V": split_v,
    "SQUEEZE": squeeze,
    "STRIDED_SLICE": strided_slice,
    "SUM": sum_,
    "TRANSPOSE": transpose,
    "TRANSPOSE_CONV": transpose_conv,
    "UNPACK": unpack,
    "ZEROS_LIKE": zeros_like,
}


def one_op(name: str, seed: int) -> bytes:
    """A model around one operator, as a pure function of its name and seed."""
    rng = np.random.default_rng([seed, *name.encode()])
    b = Builder()
    return b.finish(ONE_OP[name](rng, b))
