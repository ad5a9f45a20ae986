"""TRANSPOSE_CONV, int8 × int8 → int8, per tensor and per channel: every input pixel is stamped on the output.

TFLM does not read the operator's first input (the output's shape): the declared shape rules.
Source: TFLM micro/kernels/transpose_conv.cc, reference/integer_ops/transpose_conv.h.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tflm_int8.fixedpoint import I64Array
from tflm_int8.geometry import Axis
from tflm_int8.kernels.convolution import effective_scales
from tflm_int8.kernels.movement import MAX_ELEMENTS
from tflm_int8.kernels.requantize import Int8Array, exact_gemm_dtype, per_channel, to_int8
from tflm_int8.node import Node
from tflm_int8.program.primitives import Requantize

_OPTIONS = 49
_STAMPED_BYTES = 32 << 20


@dataclass(frozen=True)
class TransposeConvolution:
    """y = requantize(stamps of filters · (x − input_zero_point) + bias).

    filters: int64 [out_channels, kernel_h, kernel_w, in_channels]; bias: int64 [out_channels]; rows, columns:
    the convolution from the output's axes to the input's, whose transposed this is.
    """

    node: Node
    rows: Axis
    columns: Axis
    filters: I64Array
    bias: I64Array
    input_zero_point: int
    requantize: Requantize
    reach: int

    def run(self, inputs: list[NDArray[Any]]) -> list[Int8Array]:
        """(shape), filters, int8 [N, batch, height, width, channels], (bias) → int8 [N, output shape]."""
        x: Int8Array = inputs[2]
        images = x.reshape(-1, *x.shape[2:])
        per_image = (self.rows.padded + self.rows.kernel) * (self.columns.padded + self.columns.kernel)
        step = max(1, _STAMPED_BYTES // (8 * per_image * len(self.filters)))
        parts = [self._some(images[i : i + step]) for i in range(0, len(images), step)]
        return [np.concatenate(parts).reshape(len(x), *self.node.output.shape)]

    def _some(self, images: Int8Array) -> Int8Array:
        """int8 [n, height, width, channels] → int8 [n, out_h, out_w, out_channels]."""
        dtype = exact_gemm_dtype(self.reach)
        centred = images.astype(dtype) - dtype.type(self.input_zero_point)
        rows, columns, (n, height, width) = self.rows, self.columns, images.shape[:3]
        tall, wide = (height - 1) * rows.stride + 1, (width - 1) * columns.stride + 1
        size = (max(tall + rows.kernel - 1, rows.before + rows.size),
                max(wide + columns.kernel - 1, columns.before + columns.size))  # fmt: skip
        total = np.zeros((n, *size, len(self.filters)), dtype)
        for i in range(rows.kernel):
            for j in range(columns.kernel):
                stamp = centred @ self.filters[:, i, j].T.astype(dtype)
                total[:, i : i + tall : rows.stride, j : j + wide : columns.stride] += stamp
        kept = total[:, rows.before : rows.before + rows.size, columns.before : columns.before + columns.size]
        return to_int8(self.node, kept.astype(np.int64) + self.bias, self.requantize)


def prepare(node: Node) -> TransposeConvolution:
    """Check the operator and compute its integers."""
    node.arity(range(3, 5))
    x, out, filters = node.input(2), node.output, node.constant(node.input(1), "int8")
    before, after = node.int8(x), node.int8(out)
    if not len(x.shape) == len(out.shape) == filters.ndim == 4 or filters.size == 0:
        node.refuse(f"shapes {list(x.shape)}, {list(filters.shape)}, {list(out.shape)}: four axes are needed")
    n_out, kernel = filters.shape[0], (filters.shape[1], filters.shape[2])
    if x.shape[3] != filters.shape[3] or out.shape[3] != n_out or out.shape[0] != x.shape[0]:
        node.refuse(f"shapes {list(x.shape)}, {list(filters.shape)} → {list(out.shape)}")
    stride = (node.option(_OPTIONS, 2, "<i"), node.option(_OPTIONS, 1, "<i"))
    axes = _axes(node, kernel, stride)
    bias = node.bias(3, n_out)
    reach = node.check_accumulator(filters.reshape(n_out, -1), before.zero_point, bias)
    scales = effective_scales(node, before, node.input(1), after, n_out)
    requantize = per_channel(node, scales, node.option(_OPTIONS, 3, "<b"), n_out)
    return TransposeConvolution(node, *axes, filters, bias, before.zero_point, requantize, reach)


def _axes(node: Node, kernel: tuple[int, int], stride: tuple[int, int]) -> tuple[Axis, Axis]:
    """Rows and columns; refuses an input of another size than the output's convolution would give."""
    x, out = node.input(2).shape, node.output.shape
    if min(stride) < 1 or max(stride) > 1 << 12 or kernel[0] * kernel[1] > 1 << 12:
        node.refuse(f"kernel {kernel}, stride {stride}")
    padding = node.padding(node.option(_OPTIONS, 0, "<b"))
    rows, columns = (Axis.of(out[i + 1], kernel[i], stride[i], 1, padding) for i in (0, 1))
    if (rows.out, columns.out) != x[1:3]:
        node.refuse(f"{list(x)} → {list(out)} with kernel {kernel}, stride {stride} and {padding} padding")
    if (rows.padded + kernel[0]) * (columns.padded + kernel[1]) * max(out[3], x[3]) > MAX_ELEMENTS:
        node.refuse("the output is too large")
    return rows, columns
