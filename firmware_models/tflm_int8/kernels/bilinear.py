"""RESIZE_BILINEAR on int8: weights of ten bits, a rounding division by 2**20.

Source: TFLM micro/kernels/resize_bilinear.cc, reference/resize_bilinear.h (ResizeBilinearInteger).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tflm_int8.fixedpoint import I64Array, Rounding
from tflm_int8.kernels.movement import check_moved, check_rank, integers
from tflm_int8.kernels.requantize import Int8Array
from tflm_int8.node import Node
from tflm_int8.program.primitives import DivideRounding, Requantize, Rule

_OPTIONS = 15


@dataclass(frozen=True)
class Interpolation:
    """One axis: positions [out, 2] and their weights [out, 2], which add up to 1024; int64."""

    positions: I64Array
    weights: I64Array

    def along(self, x: I64Array, axis: int) -> I64Array:
        """The weighted positions of one axis of x."""
        shape = [1] * x.ndim
        shape[axis] = -1
        weighted: list[I64Array] = [
            np.take(x, self.positions[:, i], axis) * self.weights[:, i].reshape(shape) for i in (0, 1)
        ]
        return weighted[0] + weighted[1]


@dataclass(frozen=True)
class ResizeBilinear:
    """y = rule(Σ over two rows and two columns of weight · weight · x)."""

    node: Node
    rows: Interpolation
    columns: Interpolation
    rule: Rule

    def run(self, inputs: list[NDArray[Any]]) -> list[Int8Array]:
        """int8 [N, batch, height, width, channels], size → int8 [N, output shape]."""
        tall = self.rows.along(inputs[0].astype(np.int64), axis=2)
        acc = self.columns.along(tall, axis=3)
        return [self.rule.apply(acc, np.zeros(acc.shape[-1], np.int64)).astype(np.int8)]


def prepare(node: Node) -> ResizeBilinear:
    """Check the operator and compute its weights."""
    node.arity(range(2, 3))
    x, out = node.input(0), node.output
    check_moved(node, [x], "int8")
    check_rank(node, x, range(4, 5))
    check_rank(node, out, range(4, 5))
    size = integers(node, node.input(1)).tolist()
    if max(x.shape[1:3]) > 1 << 16:
        node.refuse(f"an image of {x.shape[1]} x {x.shape[2]} pixels")
    if len(node.input(1).shape) != 1 or size != list(out.shape[1:3]) or x.shape[::3] != out.shape[::3]:
        node.refuse(f"size {size[:4]} of {list(x.shape)}, the output is declared {list(out.shape)}")
    align, half = (bool(node.option(_OPTIONS, slot, "<B")) for slot in (2, 3))
    if align and half:
        node.refuse("align_corners and half_pixel_centers exclude each other")
    axes = [interpolation(x.shape[i], out.shape[i], align, half) for i in (1, 2)]
    if any(a.positions.max() >= x.shape[i] for i, a in enumerate(axes, 1)):
        node.refuse("its rounded scale leads outside the image")
    rule: Rule = DivideRounding(np.array([1 << 20], np.int64), -128, 127)
    if node.variant.rounding is Rounding.SINGLE:
        value, shift = (np.array([v], np.int64) for v in (1 << 30, -19))
        rule = Requantize(value, shift, node.variant.rounding, 0, -128, 127)
    return ResizeBilinear(node, axes[0], axes[1], rule)


def interpolation(size: int, out: int, align_corners: bool, half_pixel_centers: bool) -> Interpolation:
    """Which two of `size` positions each of `out` reads, with which weights (C's truncating division).

    Source: ComputeInterpolationValuesInteger.
    """
    scale = (1024 * size + out // 2) // out
    if align_corners and out > 1:
        scale = (1024 * (size - 1) + (out - 1) // 2) // (out - 1)
    at = np.arange(out, dtype=np.int64) * scale
    if half_pixel_centers:
        at = at + scale // 2 - 512
    low = np.maximum(_truncated(at), 0)
    high = np.minimum(_truncated(at + 1023), size - 1)
    part = np.where(low == high, 0, at - 1024 * low)  # both weights of one pixel add up to 1024
    return Interpolation(np.stack([low, high], 1), np.stack([1024 - part, part], 1))


def _truncated(at: I64Array) -> I64Array:
    """at / 1024 as C does it."""
    quotient: I64Array = np.sign(at) * (np.abs(at) // 1024)
    return quotient
