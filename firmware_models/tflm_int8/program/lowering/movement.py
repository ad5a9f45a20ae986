"""Operators that only move elements, whatever they stand for."""

from __future__ import annotations

import numpy as np

from tflm_int8.kernels.movement import Copy, Movement
from tflm_int8.kernels.reshape import Reshape
from tflm_int8.program import primitives as p
from tflm_int8.program.lowering.builder import Border, Builder, integers
from tflm_int8.program.sparse import Sparse


def reshape(b: Builder, k: Reshape) -> None:
    """Another name for the same wire."""
    b.wires[k.node.output.index] = b.source(k, 0)


def movement(b: Builder, k: Movement) -> None:
    """A selection from one source; an affine sum of moved elements and constants where there are several."""
    for index, parts in zip(k.node.op.outputs, k.copies, strict=True):
        if len(parts) == 1 and parts[0].to is None:
            b.wires[index] = b.emit(p.Select(b.source(k, parts[0].source), parts[0].origin))
            continue
        step = _joined(b, k, parts, k.node.model.tensors[index].size)
        border = _border(b, k, parts, step)
        if border is None:
            b.wires[index] = b.emit(step)
        else:
            b.borders[index] = border


def _border(b: Builder, k: Movement, parts: tuple[Copy, ...], step: p.Affine) -> Border | None:
    """What a PAD of height and width puts around an image; None of any other movement."""
    image, padded = k.node.input(0).shape, k.node.output.shape
    if k.node.op.name != "PAD" or len(image) != 4 or len(parts) != 1 or parts[0].box is None:
        return None
    _, rows, columns, _ = parts[0].box.window
    if (image[0], image[3]) != (padded[0], padded[3]) or not step.terms:
        return None
    return Border(step, b.operator, b.source(k, 0), k.fill, rows.start, columns.start, image[1], image[2])


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
