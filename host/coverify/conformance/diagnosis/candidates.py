"""Which variants are tried for an operator? Those of its family, then those that any operator may have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from coverify.conformance.diagnosis.any_variants import any_variants
from coverify.conformance.diagnosis.arithmetic_variants import arithmetic_variants
from coverify.conformance.diagnosis.candidate import Array, Candidate
from coverify.conformance.diagnosis.function_variants import lookup_variants
from coverify.conformance.diagnosis.layer import layer_of
from coverify.conformance.diagnosis.layer_variants import layer_variants
from coverify.conformance.diagnosis.movement_variants import movement_variants
from coverify.conformance.diagnosis.operand_variants import (
    Broadcasting,
    broadcast_variants,
    extreme_variants,
    prelu_variants,
)
from coverify.conformance.diagnosis.pool_variants import pool_variants
from coverify.conformance.diagnosis.recalled import Recalled, recalled_variants
from coverify.conformance.diagnosis.resize_variants import bilinear_variants
from coverify.conformance.diagnosis.softmax_variants import softmax_variants
from coverify.conformance.diagnosis.state_variants import state_variants
from coverify.conformance.diagnosis.successive import Successive
from coverify.conformance.diagnosis.wide_variants import wide_layer_of, wide_variants
from tflm_int8.kernels.add import Add
from tflm_int8.kernels.bilinear import ResizeBilinear
from tflm_int8.kernels.choice import Extreme
from tflm_int8.kernels.lookup import Lookup
from tflm_int8.kernels.movement import Movement
from tflm_int8.kernels.multiply import Multiply
from tflm_int8.kernels.pooling import AveragePool, MaxPool
from tflm_int8.kernels.prelu import Prelu
from tflm_int8.kernels.reducing import SumReduction
from tflm_int8.kernels.softmax import Softmax
from tflm_int8.operators import Kernel


def candidates(
    kernel: Kernel, output: int = 0, tensors: Mapping[int, Array] | None = None
) -> Iterator[Candidate]:
    """All variants of a kernel, lazily; their outputs are those of its output number `output`.

    A kernel that keeps state comes as a Successive; tensors: what the device had in each tensor, [N, shape].
    """
    layer = layer_of(kernel)
    if layer is not None:
        yield from layer_variants(layer, kernel.node.model)
    wide = wide_layer_of(kernel)
    if wide is not None:
        yield from wide_variants(wide)
    match kernel:
        case AveragePool() | MaxPool():
            yield from pool_variants(kernel)
        case Add() | Multiply() | SumReduction():
            yield from arithmetic_variants(kernel)
        case Lookup():
            yield from lookup_variants(kernel)
        case Softmax():
            yield from softmax_variants(kernel)
        case Movement():
            yield from movement_variants(kernel, output)
        case Extreme():
            yield from extreme_variants(kernel)
        case Prelu():
            yield from prelu_variants(kernel)
        case ResizeBilinear():
            yield from bilinear_variants(kernel)
        case Recalled():
            yield from recalled_variants(kernel)
        case Successive():
            yield from state_variants(kernel, tensors or {}, output)
    if isinstance(kernel, Broadcasting):
        yield from broadcast_variants(kernel)
    yield from any_variants(kernel, output)
