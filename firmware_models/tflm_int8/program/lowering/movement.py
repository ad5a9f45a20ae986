"""Operators that only move elements, whatever they stand for, and those whose output is known beforehand."""

from __future__ import annotations

import numpy as np

from tflm_int8.kernels.movement import Copy, Movement
from tflm_int8.kernels.reshape import Reshape
from tflm_int8.kernels.shape import Constant
from tflm_int8.program import primitives as p
from tflm_int8.program.lowering.builder import Builder, integers
from tflm_int8.program.sparse import Sparse


def reshape(b: Builder, k: Reshape) -> None:
    """Another name for the same wire."""
    b.wires[k.node.output.index] = b.source(k, 0)


def movement(b: Builder, k: Movement) -> None:
    """A selection from one source; an affine sum of moved elements and constants where there are several."""
    for index, parts in zip(k.node.op.outputs, k.copies, strict=True):
        if len(parts) == 1 and parts[0].to is None:
            b.wires[index] = b.emit(p.Select(b.source(k, parts[0].source), parts[0].origin))
        else:
            b.wires[index] = b.emit(_joined(b, k, parts, k.node.model.tensors[index].size))


def _joined(b: Builder, k: Movement, parts: tuple[Copy, ...], n: int) -> p.Affine:
    fill = integers(np.full((1, 1), k.fill, k.node.output.dtype))[0]
    bias, terms = np.full(n, fill, np.int64), []
    for part in parts:
        tensor, to = k.node.input(part.source), np.arange(n) if part.to is None else part.to
        if tensor.data is not None:
            bias[to] = integers(tensor.data[None])[0][part.origin]
            continue
        bias[to] = 0
        origin = np.full(n, tensor.size, np.int64)
        origin[to] = part.origin
        terms.append(p.Term(b.source(k, part.source), Sparse.moving(tensor.size, origin), 0))
    return p.Affine(tuple(terms), bias)


def constant(b: Builder, k: Constant) -> None:
    """An affine step without terms."""
    out = k.node.output
    b.check(out)
    b.wires[out.index] = b.emit(p.Affine((), integers(k.values.astype(out.dtype)[None])[0]))
