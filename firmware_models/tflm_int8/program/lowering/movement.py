"""Operators that only move elements, and those whose output is known beforehand."""

from __future__ import annotations

from typing import Final

import numpy as np

from tflm_int8.kernels.cast import Cast
from tflm_int8.kernels.movement import Copy, Movement
from tflm_int8.kernels.reshape import Reshape
from tflm_int8.kernels.shape import Constant
from tflm_int8.program import primitives as p
from tflm_int8.program.lowering.builder import Builder
from tflm_int8.program.sparse import Sparse

_WIDTHS: Final = {"bool": 0, "int8": 1, "int16": 2, "int32": 3}
"""Types whose elements are added up as they are, by ascending range."""


def reshape(b: Builder, k: Reshape) -> None:
    """Another name for the same wire."""
    b.wires[k.node.output.index] = b.source(k, 0)


def movement(b: Builder, k: Movement) -> None:
    """A selection from one source; an affine sum of moved elements and constants where there are several."""
    if k.node.output.dtype not in _WIDTHS:
        b.exact(k)
        return
    for index, parts in zip(k.node.op.outputs, k.copies, strict=True):
        if len(parts) == 1 and parts[0].to is None:
            b.wires[index] = b.emit(p.Select(b.source(k, parts[0].source), parts[0].origin))
        else:
            b.wires[index] = b.emit(_joined(b, k, parts, k.node.model.tensors[index].size))


def _joined(b: Builder, k: Movement, parts: tuple[Copy, ...], n: int) -> p.Affine:
    bias, terms = np.full(n, k.fill, np.int64), []
    for part in parts:
        tensor, to = k.node.input(part.source), np.arange(n) if part.to is None else part.to
        if tensor.data is not None:
            bias[to] = tensor.data.reshape(-1)[part.origin]
            continue
        bias[to] = 0
        origin = np.full(n, tensor.size, np.int64)
        origin[to] = part.origin
        terms.append(p.Term(b.source(k, part.source), Sparse.moving(tensor.size, origin), 0))
    return p.Affine(tuple(terms), bias)


def constant(b: Builder, k: Constant) -> None:
    """An affine step without terms."""
    if k.node.output.dtype in _WIDTHS:
        b.wires[k.node.output.index] = b.emit(p.Affine((), k.values))
    else:
        b.exact(k)


def cast(b: Builder, k: Cast) -> None:
    """The same wire where the new type holds every value of the old one."""
    x, out = k.node.input(0), k.node.output
    if x.dtype in _WIDTHS and out.dtype in _WIDTHS and _WIDTHS[x.dtype] <= _WIDTHS[out.dtype]:
        b.wires[out.index] = b.source(k, 0)
    else:
        b.exact(k)
