"""What may be wrong in TRANSPOSE_CONV: padding, strides, the filter's order, numbers of channels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from coverify.conformance.diagnosis.candidate import Candidate, first_output
from coverify.conformance.diagnosis.windows import wrong_windows
from tflm_int8.geometry import Window2D
from tflm_int8.kernels.transpose_convolution import TransposeConvolution
from tflm_int8.program.primitives import Requantize


def transpose_variants(kernel: TransposeConvolution) -> Iterator[Candidate]:
    """Every variant of an int8 TRANSPOSE_CONV."""
    if not isinstance(kernel.requantize, Requantize):
        return
    for name, says, wrong in (*_windows(kernel), *_filters(kernel), *_numbers(kernel, kernel.requantize)):
        # a wrong one may reach further than the right one's proved bound
        other = replace(wrong, reach=max(kernel.reach, 1 << 30))
        yield Candidate(name, says, first_output(other))


def _windows(kernel: TransposeConvolution) -> Iterator[tuple[str, str, TransposeConvolution]]:
    for name, says, window in wrong_windows(Window2D(kernel.rows, kernel.columns)):
        yield name, says, replace(kernel, rows=window.rows, columns=window.columns)


def _filters(kernel: TransposeConvolution) -> Iterator[tuple[str, str, TransposeConvolution]]:
    filters = kernel.filters
    if filters.shape[1] * filters.shape[2] > 1:
        yield (
            "filter-flipped",
            "the filter is turned by 180°",
            replace(kernel, filters=filters[:, ::-1, ::-1]),
        )
    if filters.shape[1] == filters.shape[2] > 1:
        turned = filters.transpose(0, 2, 1, 3)
        yield (
            "filter-transposed",
            "height and width of the filter are exchanged",
            replace(kernel, filters=turned),
        )
    if len(filters) > 1:
        next_one = np.roll(filters, -1, axis=0)
        yield (
            "weights-of-next-channel",
            "each channel has its neighbour's filter",
            replace(kernel, filters=next_one),
        )


def _numbers(
    kernel: TransposeConvolution, stage: Requantize
) -> Iterator[tuple[str, str, TransposeConvolution]]:
    if kernel.bias.any():
        yield "bias-missing", "the bias is not added", replace(kernel, bias=np.zeros_like(kernel.bias))
    if kernel.input_zero_point:
        yield "input-zero-point-missing", "x instead of x − zero point", replace(kernel, input_zero_point=0)
    if stage.zero_point:
        without = replace(stage, zero_point=0)
        yield (
            "output-zero-point-missing",
            "the output's zero point is not added",
            replace(kernel, requantize=without),
        )
    if (stage.lo, stage.hi) != (-128, 127):
        open_stage = replace(stage, lo=-128, hi=127)
        yield (
            "activation-missing",
            "the fused activation is not applied",
            replace(kernel, requantize=open_stage),
        )
    if len(stage.multiplier) > 1:
        first = replace(
            stage,
            multiplier=np.full_like(stage.multiplier, stage.multiplier[0]),
            shift=np.full_like(stage.shift, stage.shift[0]),
        )
        yield "per-tensor-scale-first", "the first channel's scale for all", replace(kernel, requantize=first)
        rolled = replace(stage, multiplier=np.roll(stage.multiplier, -1), shift=np.roll(stage.shift, -1))
        yield (
            "scale-of-next-channel",
            "each channel has its neighbour's scale",
            replace(kernel, requantize=rolled),
        )
