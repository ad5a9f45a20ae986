"""Operators that work element by element, with broadcasting, on the primitives."""

from __future__ import annotations

import numpy as np

from tflm_int8.fixedpoint import I64Array
from tflm_int8.kernels.add import Add
from tflm_int8.model import Tensor
from tflm_int8.program import primitives as p
from tflm_int8.program.linear import Scaling
from tflm_int8.program.lowering.builder import Builder


def broadcast_index(tensor: Tensor, shape: tuple[int, ...]) -> I64Array:
    """Which element of `tensor` each element of the broadcast shape reads: int64 [elements]."""
    index = np.arange(tensor.size).reshape(tensor.shape)
    return np.broadcast_to(index, shape).reshape(-1)


def add(b: Builder, k: Add) -> None:
    """A table per input, their sum, one staircase; a constant operand goes into the bias."""
    n = k.node.output.size
    bias, terms = np.zeros(n, np.int64), []
    for i, table in enumerate(k.tables):
        tensor = k.node.input(i)
        index = broadcast_index(tensor, k.node.output.shape)
        if tensor.data is not None:
            bias += table[tensor.data.astype(np.int64).reshape(-1)[index] + 128]
            continue
        wire = b.emit(p.Table(b.source(k, i), table))
        if tensor.size != n:
            wire = b.emit(p.Select(wire, index))
        terms.append(p.Term(wire, Scaling(n), 0))
    acc = b.emit(p.Affine(tuple(terms), bias))
    b.requantized(acc, k.requantize, np.zeros(n, np.int64), k.node.output.index)
