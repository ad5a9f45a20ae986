"""Lower a prepared model to the integer program: one function per kernel.

A program is made for models of one int8 input and one int8 output. A kernel without a function here is
lowered to `Exact`, which runs the kernel itself. The program of a model that keeps state between invocations
is that of the first invocation after a reset. What a kernel computes and what its lowering computes are held
equal by a property test on every tensor.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from tflm_int8.errors import UnsupportedModel
from tflm_int8.kernels.accumulating import AddN, CumulativeSum
from tflm_int8.kernels.add import Add
from tflm_int8.kernels.batch_matmul import BatchMatmul
from tflm_int8.kernels.bilinear import ResizeBilinear
from tflm_int8.kernels.cast import Cast
from tflm_int8.kernels.choice import Choice, Extreme
from tflm_int8.kernels.comparison import Comparison, Logical
from tflm_int8.kernels.convolution import Convolution2D
from tflm_int8.kernels.fully_connected import FullyConnected
from tflm_int8.kernels.lookup import Lookup
from tflm_int8.kernels.movement import Movement
from tflm_int8.kernels.multiply import Multiply, SquaredDifference
from tflm_int8.kernels.pooling import AveragePool, MaxPool
from tflm_int8.kernels.prelu import Prelu
from tflm_int8.kernels.reducing import ExtremeReduction, SumReduction
from tflm_int8.kernels.reshape import Reshape
from tflm_int8.kernels.shape import Constant
from tflm_int8.kernels.softmax import Softmax
from tflm_int8.kernels.svdf import Svdf
from tflm_int8.kernels.transpose_convolution import TransposeConvolution
from tflm_int8.model import Model
from tflm_int8.program import primitives as p
from tflm_int8.program.lowering import (
    convolution,
    dense,
    elementwise,
    movement,
    pooling,
    remembering,
    softmax,
    sums,
)
from tflm_int8.program.lowering.builder import Builder
from tflm_int8.reference import Reference

__all__ = ["lower", "lower_reference"]

_LOWERINGS: Final[dict[type, Callable[[Builder, Any], None]]] = {
    Add: elementwise.add,
    AddN: sums.add_n,
    AveragePool: pooling.average_pool,
    BatchMatmul: sums.batch_matmul,
    Cast: movement.cast,
    Choice: elementwise.choice,
    Comparison: elementwise.comparison,
    Constant: movement.constant,
    Convolution2D: convolution.convolution,
    CumulativeSum: sums.cumulative_sum,
    Extreme: elementwise.extreme,
    ExtremeReduction: sums.extreme,
    FullyConnected: dense.fully_connected,
    Logical: elementwise.logical,
    Lookup: elementwise.lookup,
    MaxPool: pooling.max_pool,
    Movement: movement.movement,
    Multiply: elementwise.multiply,
    Prelu: elementwise.prelu,
    Reshape: movement.reshape,
    ResizeBilinear: sums.bilinear,
    Softmax: softmax.softmax,
    SquaredDifference: elementwise.squared_difference,
    SumReduction: sums.sum_reduction,
    Svdf: remembering.svdf,
    TransposeConvolution: sums.transpose_convolution,
}


def lower(model: Model, profile: str = "tflm") -> p.Program:
    """The integer program of a model (if stateful: of the first invocation after a reset).

    Raises UnsupportedModel, UnsupportedOp, MalformedModel.
    """
    return lower_reference(Reference(model, profile))


def lower_reference(reference: Reference) -> p.Program:
    """The integer program of a model that is prepared already."""
    model = reference.model
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise UnsupportedModel(
            model.name, f"{len(model.inputs)} inputs and {len(model.outputs)} outputs; one of each is lowered"
        )
    for tensor in (reference.input, reference.output):
        if tensor.dtype != "int8":
            raise UnsupportedModel(model.name, f"tensor {tensor.index} is {tensor.dtype}; int8 is lowered")
    builder = Builder(model)
    for kernel in reference.kernels:
        builder.operator = kernel.node.op.index
        lowering = _LOWERINGS.get(type(kernel), Builder.exact)
        lowering(builder, kernel)
    output = builder.wire(reference.output)
    tensors = {wire: tensor for tensor, wire in builder.wires.items()}
    return p.Program(
        n_input=reference.input.size,
        steps=tuple(builder.steps),
        output=output,
        tensors=tensors,
        operators=tuple(builder.operators),
    )
