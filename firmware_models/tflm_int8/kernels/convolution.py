"""CONV_2D (grouped too) and DEPTHWISE_CONV_2D of int8 or int16 with int8 filters, per tensor or channel.

Taps outside the image are skipped. The filter's zero point is not used by TFLM's kernels; a filter that has
one is refused, and so are strides, dilations and depth multipliers beyond int16, in which TFLM keeps them.
Source: TFLM micro/kernels/conv_common.cc, depthwise_conv_common.cc, reference/integer_ops/conv.h,
depthwise_conv.h; kernels/internal/types.h; PopulateConvolutionQuantizationParams in kernel_util.cc.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tflm_int8.fixedpoint import I64Array
from tflm_int8.geometry import Window2D
from tflm_int8.kernels.lookup import alike
from tflm_int8.kernels.requantize import (
    Stage,
    accumulator_limit,
    accumulator_type,
    by_channel,
    exact_gemm_dtype,
    proved_stage,
    requantized,
    sum_reach,
)
from tflm_int8.kernels.staircase import FloatStage
from tflm_int8.kernels.window_sums import FloatArray, WindowSums
from tflm_int8.kernels.window_ways import window_sums
from tflm_int8.model import Quantization, Tensor
from tflm_int8.node import INT16_MAX, Node
from tflm_int8.variant import Form

_CONV_OPTIONS = 1
_DEPTHWISE_OPTIONS = 2
_COLUMNS_BYTES = 2 << 20


@dataclass(frozen=True)
class Convolution2D:
    """y = requantize(filters * (x − input_zero_point) + bias).

    filters: int64 [out_channels, kernel_h, kernel_w, in_channels / groups]; bias: int64 [out_channels].
    """

    node: Node
    window: Window2D
    filters: I64Array
    groups: int
    bias: I64Array
    input_zero_point: int
    requantize: Stage
    reach: int

    def run(self, inputs: list[NDArray[Any]]) -> list[NDArray[Any]]:
        """int8 or int16 [N, batch, height, width, channels] → the same type [N, output shape]."""
        x = inputs[0]
        images = x.reshape(-1, *x.shape[2:])
        out = np.empty((len(images), self.window.n_positions, len(self.filters)), x.dtype)
        for some, sums in self._sums.of_many(images, _COLUMNS_BYTES):
            self._finish(sums, out[some])
        return [out.reshape(len(x), *self.node.output.shape)]

    def _finish(self, sums: FloatArray, out: NDArray[Any]) -> None:
        """Sums [n, positions, out_channels] → out, same shape."""
        if self._stage is None:
            acc: I64Array = sums.astype(np.int64) + self._offset
            out[...] = requantized(self.node, acc, self.requantize)
        else:
            self._stage.write(sums, out)

    @cached_property
    def _offset(self) -> I64Array:
        """What turns Σ w·x into the accumulator Σ w·(x − z) + bias; taps outside the image read z."""
        total: I64Array = self.filters.reshape(len(self.filters), -1).sum(axis=1)
        return self.bias - self.input_zero_point * total

    @cached_property
    def _reach(self) -> int:
        """Σ|w|·max|x|: how far the sums of w·x reach, and every partial sum of theirs."""
        return sum_reach(self.filters, self.node.input(0).dtype)

    @cached_property
    def _sums(self) -> WindowSums:
        dtype = exact_gemm_dtype(self._reach)
        return window_sums(self.window, self.filters, self.groups, self.input_zero_point, dtype)

    @cached_property
    def _stage(self) -> FloatStage | None:
        return proved_stage(self.node, self.requantize, self._offset, self._reach)


def prepare_conv(node: Node) -> Convolution2D:
    """Check a CONV_2D and compute its integers."""
    node.check_types(_CONV_OPTIONS, 6)
    filters, image = _image_and_filters(node)
    depth = filters.shape[3]
    if image[2] % depth:
        node.refuse(f"{image[2]} input channels are not a multiple of the filter's {depth}")
    groups = image[2] // depth
    if filters.shape[0] % groups:
        node.refuse(f"{filters.shape[0]} output channels in {groups} groups")
    form = node.variant.form
    if form is Form.BIASED or (form is Form.BIASED_GROUPS and groups > 1):
        node.input(2)
    return _prepare(node, _CONV_OPTIONS, filters, groups, image, dilation_slots=(5, 4))


def prepare_depthwise(node: Node) -> Convolution2D:
    """Check a DEPTHWISE_CONV_2D and compute its integers: a convolution of one group per input channel.

    A bias written as −1 is refused: TFLM follows a null pointer (a missing third input it takes as none).
    """
    filters, image = _image_and_filters(node)
    if len(node.op.inputs) == 3:
        node.input(2)
    per_input = node.option(_DEPTHWISE_OPTIONS, 3, "<i")
    if per_input > INT16_MAX:
        node.refuse(f"the depth multiplier {per_input}; TFLM keeps it in int16")
    if filters.shape[0] != 1 or filters.shape[3] != image[2] * per_input:
        node.refuse(f"filter {list(filters.shape)}, {image[2]} input channels, depth multiplier {per_input}")
    by_output = np.ascontiguousarray(filters.transpose(3, 1, 2, 0))
    return _prepare(node, _DEPTHWISE_OPTIONS, by_output, image[2], image, dilation_slots=(6, 5))


def _image_and_filters(node: Node) -> tuple[I64Array, tuple[int, int, int]]:
    """The filter as int64 [4 axes] and the image's height, width and channels."""
    node.arity(range(2, 4))
    x = node.input(0)
    filters = node.constant(node.input(1), *(("int8", "int4") if x.dtype == "int8" else ("int8",)))
    if len(x.shape) != 4 or filters.ndim != 4 or filters.size == 0 or x.size == 0:
        node.refuse(f"shapes {list(x.shape)} and {list(filters.shape)}: four axes each are needed")
    return filters, (x.shape[1], x.shape[2], x.shape[3])


def _prepare(
    node: Node,
    union: int,
    filters: I64Array,
    groups: int,
    image: tuple[int, int, int],
    dilation_slots: tuple[int, int],
) -> Convolution2D:
    x, out = node.input(0), node.output
    x_quantization, out_quantization = alike(node)
    n_out = filters.shape[0]
    stride = (node.option(union, 2, "<i"), node.option(union, 1, "<i"))
    dilation = (
        node.option(union, dilation_slots[0], "<i", 1),
        node.option(union, dilation_slots[1], "<i", 1),
    )
    if max(*stride, *dilation) > INT16_MAX:
        node.refuse(f"stride {stride} and dilation {dilation}; TFLM keeps them in int16")
    window = node.window(
        image[:2],
        (filters.shape[1], filters.shape[2]),
        stride,
        dilation,
        node.padding(node.option(union, 0, "<b")),
    )
    if out.shape[0] != x.shape[0] or out.shape[3] != n_out:
        node.refuse(f"the output is declared {list(out.shape)} for {n_out} channels")
    if window.n_positions * filters[0].size * groups > 1 << 26:
        node.refuse("the convolution needs too much memory")
    accumulator = _accumulator(node, union)
    bias = node.bias(2, n_out, accumulator)
    by_output, limit = filters.reshape(n_out, -1), accumulator_limit(accumulator)
    reach = node.check_accumulator(by_output, x_quantization.zero_point, bias, x.dtype, limit)
    scales = effective_scales(node, x_quantization, node.input(1), out_quantization, n_out)
    activation = node.option(union, 4 if union == _DEPTHWISE_OPTIONS else 3, "<b")
    requantize = by_channel(node, scales, activation, n_out, accumulator)
    return Convolution2D(node, window, filters, groups, bias, x_quantization.zero_point, requantize, reach)


def _accumulator(node: Node, union: int) -> str:
    """The accumulator's type; DEPTHWISE_CONV_2D of int16 always has int64."""
    if union == _CONV_OPTIONS:
        return accumulator_type(node, node.option(union, 6, "<b"))
    return "int64" if node.input(0).dtype == "int16" else "int32"


def effective_scales(
    node: Node, x: Quantization, filters: Tensor, out: Quantization, n_out: int
) -> list[float]:
    """Input scale · filter scale / output scale in double, 1 or n_out of them; refuses a zero point.

    Several must lie on an axis of as many elements (TFLM reads past the shape for an axis that there is not).
    Source: PopulateConvolutionQuantizationParams, kernel_util.cc.
    """
    quantization = filters.quantization
    if quantization is None or len(quantization.scales) not in (1, n_out):
        node.refuse(f"the weights need 1 or {n_out} scales")
    axis, several = quantization.axis, len(quantization.scales) > 1
    if several and not (0 <= axis < len(filters.shape) and filters.shape[axis] == n_out):
        node.refuse(f"the weights' scales lie on axis {axis}, which has not {n_out} channels")
    if np.any(quantization.zero_points):
        node.refuse("weights with a zero point are not supported (TFLM ignores it)")
    return list(float(x.scale) * quantization.scales.astype(np.float64) / float(out.scale))
