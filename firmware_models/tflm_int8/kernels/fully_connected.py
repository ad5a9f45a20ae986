"""FULLY_CONNECTED, int8 × int8 → int8 and int16 × int8 → int16, per tensor and per channel.

Source: TFLM micro/kernels/fully_connected_common.cc, reference/integer_ops/fully_connected.h.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tflm_int8.fixedpoint import I64Array
from tflm_int8.kernels import computed_weights
from tflm_int8.kernels.computed_weights import ComputedWeights
from tflm_int8.kernels.lookup import alike
from tflm_int8.kernels.requantize import (
    Stage,
    accumulator_limit,
    accumulator_type,
    by_channel,
    exact_gemm_dtype,
    per_channel,
    proved_stage,
    requantized,
    sum_reach,
)
from tflm_int8.kernels.scales import product
from tflm_int8.kernels.staircase import FloatStage
from tflm_int8.model import Quantization, Tensor
from tflm_int8.node import Node
from tflm_int8.variant import Form

_OPTIONS = 8


@dataclass(frozen=True)
class FullyConnected:
    """y = requantize(weights · (x − input_zero_point) + bias) for each of `batches` rows.

    weights: int64 [out, in] with the filter's zero point taken off; bias: int64 [out].
    """

    node: Node
    weights: I64Array
    bias: I64Array
    input_zero_point: int
    batches: int
    requantize: Stage
    reach: int

    def run(self, inputs: list[NDArray[Any]]) -> list[NDArray[Any]]:
        """int8 or int16 [N, …] → the same type [N, output shape]."""
        x = inputs[0]
        rows = x.reshape(-1, self.weights.shape[1]).astype(self._matrix.dtype)
        sums = rows @ self._matrix
        if self._stage is None:
            out = requantized(self.node, sums.astype(np.int64) + self._offset, self.requantize)
        else:
            out = np.empty(sums.shape, np.int8)
            self._stage.write(sums, out)
        return [out.reshape(len(x), *self.node.output.shape)]

    @cached_property
    def _matrix(self) -> NDArray[np.floating[Any]]:
        return np.ascontiguousarray(self.weights.T.astype(exact_gemm_dtype(self._reach)))

    @cached_property
    def _reach(self) -> int:
        """Σ|w|·max|x|: how far the sums of w·x reach, and every partial sum of theirs."""
        return sum_reach(self.weights, self.node.input(0).dtype)

    @cached_property
    def _offset(self) -> I64Array:
        """What turns Σ w·x into the accumulator Σ w·(x − z) + bias."""
        total: I64Array = self.weights.sum(axis=1)
        return self.bias - self.input_zero_point * total

    @cached_property
    def _stage(self) -> FloatStage | None:
        return proved_stage(self.node, self.requantize, self._offset, self._reach)


def prepare(node: Node) -> FullyConnected | ComputedWeights:
    """Check the operator and compute its integers."""
    node.arity(range(2, 4))
    node.check_types(_OPTIONS, 4)
    x, filters, out = node.input(0), node.input(1), node.output
    x_quantization, out_quantization = alike(node)
    if filters.data is None:
        if node.variant.form is Form.FLOAT_STAGE:
            node.refuse("computed weights with a float output stage are not modelled")
        return _computed(node, x_quantization, out_quantization)
    raw = node.constant(filters, *(("int8", "int4") if x.dtype == "int8" else ("int8",)))
    if raw.ndim != 2 or raw.size == 0:
        node.refuse(f"the weights have the shape {list(filters.shape)}")
    if node.option(_OPTIONS, 1, "<b"):
        node.refuse("shuffled weights are not supported")
    n_out, n_in = raw.shape
    if not out.shape or out.shape[-1] != n_out or x.size * n_out != out.size * n_in:
        node.refuse(f"shapes {list(x.shape)} · {list(filters.shape)} → {list(out.shape)}")
    scales, zero_point = _effective_scales(node, x_quantization, filters, out_quantization, n_out)
    accumulator = accumulator_type(node, node.option(_OPTIONS, 4, "<b"))
    bias = node.bias(2, n_out, accumulator)
    weights = raw - zero_point
    limit = accumulator_limit(accumulator)
    reach = node.check_accumulator(weights, x_quantization.zero_point, bias, x.dtype, limit)
    requantize = by_channel(node, scales, node.option(_OPTIONS, 0, "<b"), n_out, accumulator)
    batches = x.size // n_in
    return FullyConnected(node, weights, bias, x_quantization.zero_point, batches, requantize, reach)


def _computed(node: Node, x: Quantization, out: Quantization) -> ComputedWeights:
    """Of int8 alone, per tensor or per channel."""
    filters = node.input(1)
    if len(filters.shape) != 2 or node.output.dtype != "int8" or node.option(_OPTIONS, 1, "<b"):
        node.refuse(f"computed weights {list(filters.shape)} → {node.output.dtype} are not supported")
    scales, zero_point = _effective_scales(node, x, filters, out, filters.shape[0])
    stage = per_channel(node, scales, node.option(_OPTIONS, 0, "<b"), filters.shape[0])
    return computed_weights.prepare(node, zero_point, stage)


def _effective_scales(
    node: Node, x: Quantization, filters: Tensor, out: Quantization, n_out: int
) -> tuple[list[float], int]:
    """The effective scales (TFLite takes the product per tensor in float32) and the filter's zero point."""
    quantization = filters.quantization
    if quantization is None:
        node.refuse("the weights are not quantized")
    if len(quantization.scales) > 1:
        axis = quantization.axis
        if len(quantization.scales) != n_out or axis not in (0, 1) or filters.shape[axis] != n_out:
            node.refuse(f"{len(quantization.scales)} scales for {n_out} channels")
        if np.any(quantization.zero_points) or filters.dtype == "int4":
            node.refuse("per-channel weights of int4 or with a zero point are not supported")
        products: NDArray[np.float64] = float(x.scale) * quantization.scales.astype(np.float64)
        return list(products / float(out.scale)), 0
    if not -128 <= quantization.zero_point <= 127:
        node.refuse(f"the weights have the zero point {quantization.zero_point}")
    _check_bias_scale(node, x, quantization, out)
    return [product(node, x.scale, quantization.scale) / float(out.scale)], quantization.zero_point


def _check_bias_scale(node: Node, x: Quantization, filters: Quantization, out: Quantization) -> None:
    """TFLM refuses a bias whose scale is not that of the product (GetQuantizedConvolutionMultipler)."""
    bias = node.optional_input(2)
    if bias is None:
        return
    bias_scale = 0.0 if bias.quantization is None else float(bias.quantization.scale)
    if abs(float(x.scale) * float(filters.scale) - bias_scale) / float(out.scale) > 0.02:
        node.refuse(f"the bias has the scale {bias_scale}, not that of input times weights")
