"""TRANSPOSE_CONV of int8 or int16 with int8 filters: every input pixel is stamped on the output.

TFLM does not read the operator's first input (the output's shape): the declared shape rules, and what falls
outside it is dropped.
Source: TFLM micro/kernels/transpose_conv.cc, reference/integer_ops/transpose_conv.h.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tflm_int8.fixedpoint import I64Array
from tflm_int8.geometry import Axis
from tflm_int8.kernels.convolution import effective_scales
from tflm_int8.kernels.movement import MAX_ELEMENTS
from tflm_int8.kernels.requantize import (
    Stage,
    accumulator_limit,
    by_channel,
    exact_gemm_dtype,
    proved_stage,
    requantized,
)
from tflm_int8.kernels.staircase import FloatStage
from tflm_int8.model import Quantization
from tflm_int8.node import Node
from tflm_int8.variant import Form

_OPTIONS = 49
_STAMPED_BYTES = 4 << 20
_REVERSED_ABOVE = 16
"""Input channels, REVERSE_TCOL_EFFICIENT_THRESHOLD of CMSIS-NN."""


@dataclass(frozen=True)
class TransposeConvolution:
    """y = requantize(stamps of filters · (x − input_zero_point) + bias).

    filters: int64 [out_channels, kernel_h, kernel_w, in_channels]; bias: int64 [out_channels]; rows, columns:
    the convolution on the output's axes whose transposed this is (the input may have another size than it).
    """

    node: Node
    rows: Axis
    columns: Axis
    filters: I64Array
    bias: I64Array
    input_zero_point: int
    requantize: Stage
    reach: int

    def run(self, inputs: list[NDArray[Any]]) -> list[NDArray[Any]]:
        """(shape), filters, int8 or int16 [N, batch, height, width, channels], (bias) → [N, output shape]."""
        x = inputs[2]
        images = x.reshape(-1, *x.shape[2:])
        step = max(1, _STAMPED_BYTES // (8 * math.prod(self._stamped(images)) * len(self.filters)))
        parts = [self._some(images[i : i + step]) for i in range(0, len(images), step)]
        return [np.concatenate(parts).reshape(len(x), *self.node.output.shape)]

    def _stamped(self, images: NDArray[Any]) -> tuple[int, int]:
        """Height and width of what all stamps cover, with the padding in front."""
        height, width = (
            max((n - 1) * axis.stride + axis.kernel, axis.before + axis.size)
            for axis, n in zip((self.rows, self.columns), images.shape[1:3], strict=True)
        )
        return height, width

    def _some(self, images: NDArray[Any]) -> NDArray[Any]:
        """[n, height, width, channels] → [n, out_h, out_w, out_channels], of the same type."""
        dtype = self._matrices.dtype
        centred = (images.astype(dtype) - dtype.type(self.input_zero_point)).reshape(-1, images.shape[3])
        rows, columns, (n, height, width) = self.rows, self.columns, images.shape[:3]
        tall, wide = (height - 1) * rows.stride + 1, (width - 1) * columns.stride + 1
        total = np.zeros((n, *self._stamped(images), len(self.filters)), dtype)
        for i in range(rows.kernel):
            for j in range(columns.kernel):
                stamp = (centred @ self._matrices[i, j]).reshape(n, height, width, -1)
                total[:, i : i + tall : rows.stride, j : j + wide : columns.stride] += stamp
        kept = total[:, rows.before : rows.before + rows.size, columns.before : columns.before + columns.size]
        if self._stage is None:
            return requantized(self.node, kept.astype(np.int64) + self.bias, self.requantize)
        out = np.empty(kept.shape, np.int8)
        self._stage.write(np.ascontiguousarray(kept), out)
        return out

    @cached_property
    def _matrices(self) -> NDArray[np.floating[Any]]:
        """[kernel_h, kernel_w, in_channels, out_channels], in a type that holds every partial sum."""
        by_tap = self.filters.transpose(1, 2, 3, 0)
        return np.ascontiguousarray(by_tap, exact_gemm_dtype(self.reach))

    @cached_property
    def _stage(self) -> FloatStage | None:
        return proved_stage(self.node, self.requantize, self.bias, self.reach)


def prepare(node: Node) -> TransposeConvolution:
    """Check the operator and compute its integers."""
    node.arity(range(3, 5))
    node.check_types(_OPTIONS, 4)
    node.input(0)  # the output's shape: it must be there, what it says is the output's own declaration
    x, out, filters = node.input(2), node.output, node.constant(node.input(1), "int8")
    before, after = _quantizations(node)
    if not len(x.shape) == len(out.shape) == filters.ndim == 4 or filters.size == 0:
        node.refuse(f"shapes {list(x.shape)}, {list(filters.shape)}, {list(out.shape)}: four axes are needed")
    n_out, kernel = filters.shape[0], (filters.shape[1], filters.shape[2])
    if x.shape[3] != filters.shape[3] or out.shape[3] != n_out or out.shape[0] != x.shape[0]:
        node.refuse(f"shapes {list(x.shape)}, {list(filters.shape)} → {list(out.shape)}")
    stride = (node.option(_OPTIONS, 2, "<i"), node.option(_OPTIONS, 1, "<i"))
    axes = _axes(node, kernel, stride)
    accumulator = "int32" if x.dtype == "int8" else "int64"
    bias = node.bias(3, n_out, _bias_type(node, accumulator))
    by_output, limit = filters.reshape(n_out, -1), accumulator_limit(accumulator)
    reach = node.check_accumulator(by_output, before.zero_point, bias, x.dtype, limit)
    scales = effective_scales(node, before, node.input(1), after, n_out)
    activation = node.option(_OPTIONS, 3, "<b")
    if node.variant.form is Form.UNACTIVATED:
        _check_cmsis_nn(node, *axes)
        activation = 0
    requantize = by_channel(node, scales, activation, n_out, accumulator)
    return TransposeConvolution(node, *axes, filters, bias, before.zero_point, requantize, reach)


def _check_cmsis_nn(node: Node, rows: Axis, columns: Axis) -> None:
    """Refuse the shapes on which CMSIS-NN's kernel writes beyond its memory, or not all of its output.

    Source: CMSIS-NN 99f736a, arm_transpose_conv_wrapper_s8.c (which of two ways is taken),
    arm_transpose_conv_s8.c (rows_to_flush, the leftover rows, buf_x_elements),
    arm_transpose_conv_get_buffer_sizes_s8.c (buf_x).
    """
    _, height, width, depth = node.input(2).shape
    if max(rows.stride, columns.stride) <= 2 and depth > _REVERSED_ABOVE:
        return  # by arm_convolve_s8 on the reversed filter
    if height * rows.stride - rows.before > rows.size:
        node.refuse("CMSIS-NN writes rows behind the end of this output")
    if height * rows.stride < rows.before:
        node.refuse("CMSIS-NN takes the wrong rows where the padding is higher than the input's stamps")
    if max(columns.kernel, columns.stride) > max(columns.kernel, rows.stride):
        node.refuse("CMSIS-NN's buffer is too small: the width's stride exceeds the height's and the kernel")
    for axis, n in ((rows, height), (columns, width)):
        if (n - 1) * axis.stride + max(axis.kernel, axis.stride) < axis.before + axis.size:
            node.refuse("CMSIS-NN leaves what lies behind the last input's stamps unwritten, or misreads it")


def _quantizations(node: Node) -> tuple[Quantization, Quantization]:
    """Of input and output, both int8 or both int16."""
    x, out = node.input(2), node.output
    return (node.int16(x), node.int16(out)) if x.dtype == "int16" else (node.int8(x), node.int8(out))


def _bias_type(node: Node, accumulator: str) -> str:
    """The bias's type: the accumulator's, or int16 beside int64."""
    bias = node.optional_input(3)
    narrow = bias is not None and bias.dtype == "int16" and accumulator == "int64"
    return "int16" if narrow else accumulator


def _axes(node: Node, kernel: tuple[int, int], stride: tuple[int, int]) -> tuple[Axis, Axis]:
    """Rows and columns."""
    x, out = node.input(2).shape, node.output.shape
    if min(stride) < 1 or max(stride) > 1 << 12 or kernel[0] * kernel[1] > 1 << 12:
        node.refuse(f"kernel {kernel}, stride {stride}")
    padding = node.padding(node.option(_OPTIONS, 0, "<b"))
    rows, columns = (Axis.of(out[i + 1], kernel[i], stride[i], 1, padding) for i in (0, 1))
    height, width = (
        max(axis.before + axis.size, n * axis.stride) + axis.kernel
        for axis, n in zip((rows, columns), x[1:3], strict=True)
    )
    if height * width * max(out[3], x[3]) > MAX_ELEMENTS:
        node.refuse("the output is too large")
    return rows, columns
