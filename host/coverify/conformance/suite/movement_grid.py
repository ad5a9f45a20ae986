"""The grid of operators that cut, join, relabel or convert tensors: residues of channels, thin images.

Offsets, strides and axes are drawn from the generator of the case, so it is a function of its words alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product
from typing import Final

import numpy as np

from coverify.conformance.suite.case import Case, case, rng_of
from coverify.conformance.suite.flatbuffer import Scalar
from coverify.conformance.suite.model_file import OneOp, TensorSpec, integers
from coverify.conformance.suite.slice_grid import masked_slices

_DEPTHS = (1, 2, 3, 4, 5, 7, 8, 9, 16, 17)
_HEIGHTS = (1, 2, 5)
_Maker = Callable[[str, TensorSpec, np.random.Generator], OneOp]


def movement_cases(op: str, seed: int) -> Iterator[Case]:
    """The cases of an operator of MOVEMENTS on images [1, height, 3, depth]."""
    for number, (depth, height) in enumerate(product(_DEPTHS, _HEIGHTS)):
        rng = rng_of(seed, op, number)
        scale, zero = float(np.float32(rng.uniform(0.01, 0.2))), int(rng.integers(-90, 90))
        x = TensorSpec((1, height, 3, depth), "int8", (scale,), zero)
        yield case(MOVEMENTS[op](op, x, rng), f"height {height}", str(number), seed)
    if op == "STRIDED_SLICE":
        yield from masked_slices(op, seed)


def _dequantize(op: str, x: TensorSpec, rng: np.random.Generator) -> OneOp:
    return OneOp(op, [x], TensorSpec(x.shape, "float32"), 38)


def _expand_dims(op: str, x: TensorSpec, rng: np.random.Generator) -> OneOp:
    axis = int(rng.integers(-5, 5))
    at = axis % 5
    return OneOp(op, [x, integers([axis])], x.reshaped((*x.shape[:at], 1, *x.shape[at:])), 52)


def _pack(op: str, x: TensorSpec, rng: np.random.Generator) -> OneOp:
    axis = int(rng.integers(-5, 5))
    at = axis % 5
    other = TensorSpec(x.shape, "int8", x.scales, x.zero_point, 0, rng.integers(-128, 128, x.shape))
    y = x.reshaped((*x.shape[:at], 2, *x.shape[at:]))
    return OneOp(op, [x, other], y, 59, {0: ("i", 2), 1: ("i", axis)})


def _pad_v2(op: str, x: TensorSpec, rng: np.random.Generator) -> OneOp:
    pads = [[0, 0], *rng.integers(0, 3, (3, 2)).tolist()]
    value = TensorSpec((1,), "int8", x.scales, x.zero_point, 0, rng.integers(-128, 128, (1,)))
    shape = tuple(n + before + after for n, (before, after) in zip(x.shape, pads, strict=True))
    return OneOp(op, [x, integers(pads), value], x.reshaped(shape), 43)


def _shape(op: str, x: TensorSpec, rng: np.random.Generator) -> OneOp:
    return OneOp(op, [x], TensorSpec((len(x.shape),), "int32"), 55, {0: ("b", 2)})


def _slice(op: str, x: TensorSpec, rng: np.random.Generator) -> OneOp:
    begin = [int(rng.integers(0, n)) for n in x.shape]
    size = [int(rng.integers(1, n - b + 1)) for n, b in zip(x.shape, begin, strict=True)]
    said = [
        -1 if b + s == n and rng.random() < 0.5 else s for n, b, s in zip(x.shape, begin, size, strict=True)
    ]
    return OneOp(op, [x, integers(begin), integers(said)], x.reshaped(tuple(size)), 48)


def _squeeze(op: str, x: TensorSpec, rng: np.random.Generator) -> OneOp:
    """Every dimension of 1 goes: the options name none."""
    return OneOp(op, [x], x.reshaped(tuple(n for n in x.shape if n != 1)), 30)


def _strided_slice(op: str, x: TensorSpec, rng: np.random.Generator) -> OneOp:
    """Forwards or backwards; a mask says where the begin is not what counts."""
    strides = [1, *(int(s) for s in rng.choice([-2, -1, 1, 2, 3], 3))]
    mask = int(rng.integers(0, 16)) | 1
    begin, end = [0], [1]
    for n, stride in zip(x.shape[1:], strides[1:], strict=True):
        begin.append(int(rng.integers(0, n)))
        end.append(-n - 1 if stride < 0 else n)
    spans = [
        slice(None if mask >> i & 1 else b, None if s < 0 else e, s)
        for i, (b, e, s) in enumerate(zip(begin, end, strides, strict=True))
    ]
    shape = np.empty(x.shape, np.int8)[tuple(spans)].shape
    constants = [integers(begin), integers(end), integers(strides)]
    return OneOp(op, [x, *constants], x.reshaped(shape), 32, {0: ("i", mask)})


def _sum(op: str, x: TensorSpec, rng: np.random.Generator) -> OneOp:
    axes = [[1, 2], [3], [1], [2, 3]][int(rng.integers(4))]
    shape = tuple(1 if i in axes else n for i, n in enumerate(x.shape))
    y = TensorSpec(shape, "int8", (x.scales[0] * float(rng.uniform(1, 6)),), -7)
    return OneOp(op, [x, integers(axes)], y, 27, {0: ("b", 1)})


def _split(op: str, x: TensorSpec, rng: np.random.Generator) -> OneOp:
    """Along the width or the channels: equal parts, or sizes of their own; the axis counted either way."""
    axis = int(rng.choice([2, 3]))
    n = x.shape[axis]
    sizes = [n // 3] * 3 if n % 3 == 0 else [1] * n if n < 6 else [n]
    if op == "SPLIT_V" and n > 1:
        cut = int(rng.integers(1, n))
        sizes = [cut, n - cut]
    said = axis if rng.random() < 0.5 else axis - 4
    parts = [x.reshaped(tuple(size if i == axis else m for i, m in enumerate(x.shape))) for size in sizes]
    if op == "SPLIT":
        inputs, computed, union = [integers(said), x], 1, 35
    else:
        inputs, computed, union = [x, integers(sizes), integers(said)], 0, 79
    options: dict[int, Scalar] = {0: ("i", len(parts))}
    return OneOp(op, inputs, parts[0], union, options, computed=computed, more_outputs=parts[1:])


def _unpack(op: str, x: TensorSpec, rng: np.random.Generator) -> OneOp:
    axis = int(rng.integers(1, 3))
    parts = [x.reshaped((*x.shape[:axis], *x.shape[axis + 1 :])) for _ in range(x.shape[axis])]
    options: dict[int, Scalar] = {0: ("i", len(parts)), 1: ("i", axis - int(rng.choice([0, 4])))}
    return OneOp(op, [x], parts[0], 64, options, more_outputs=parts[1:])


def _mirror_pad(op: str, x: TensorSpec, rng: np.random.Generator) -> OneOp:
    mode = int(rng.integers(0, 2))  # REFLECT leaves the edge out, SYMMETRIC does not
    pads = [[int(p) for p in rng.integers(0, min(n + mode, 3), 2)] for n in x.shape]
    shape = tuple(n + before + after for n, (before, after) in zip(x.shape, pads, strict=True))
    return OneOp(op, [x, integers(pads)], x.reshaped(shape), 77, {0: ("b", mode)})


def _gather(op: str, x: TensorSpec, rng: np.random.Generator) -> OneOp:
    axis = int(rng.integers(1, 4))
    taken = rng.integers(0, x.shape[axis], int(rng.integers(1, 6)))
    shape = (*x.shape[:axis], len(taken), *x.shape[axis + 1 :])
    return OneOp(op, [x, integers(taken)], x.reshaped(shape), 23, {0: ("i", axis)})


def _reverse(op: str, x: TensorSpec, rng: np.random.Generator) -> OneOp:
    axes = [[3], [1], [2], [1, 2]][int(rng.integers(4))]
    return OneOp(op, [x, integers(axes)], x.reshaped(x.shape), 81)


def _broadcast_to(op: str, x: TensorSpec, rng: np.random.Generator) -> OneOp:
    shape = tuple(int(rng.integers(1, 4)) if n == 1 else n for n in x.shape)
    return OneOp(op, [x, integers(shape)], x.reshaped(shape), 104)


MOVEMENTS: Final[dict[str, _Maker]] = {
    "BROADCAST_TO": _broadcast_to,
    "DEQUANTIZE": _dequantize,
    "EXPAND_DIMS": _expand_dims,
    "GATHER": _gather,
    "MIRROR_PAD": _mirror_pad,
    "PACK": _pack,
    "PADV2": _pad_v2,
    "REVERSE_V2": _reverse,
    "SHAPE": _shape,
    "SLICE": _slice,
    "SPLIT": _split,
    "SPLIT_V": _split,
    "SQUEEZE": _squeeze,
    "STRIDED_SLICE": _strided_slice,
    "SUM": _sum,
    "UNPACK": _unpack,
}
"""Operator → its model around an input; the fourth argument of OneOp numbers its options in the schema."""
