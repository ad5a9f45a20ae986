"""Lower a prepared model to the integer program: one function per kernel.

A program is made for models of one int8 input and one int8 output. A kernel without a function here is
lowered to `Exact`, which runs the kernel itself. The program of a model that keeps state between invocations
is that of the first invocation after a reset. What a kernel computes and what its lowering computes are held
equal by a property test on every tensor.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from tflm_int8.errors import UnsupportedModel
from tflm_int8.kernels.accumulating import AddN, CumulativeSum
from tflm_int8.kernels.add import Add
from tflm_int8.kernels.batch_matmul import BatchMatmul
from tflm_int8.kernels.bilinear import ResizeBilinear
from tflm_int8.kernels.cast import Cast
from tflm_int8.kernels.choice import Choice, Extreme
from tflm_int8.kernels.circular_buffer import CircularBuffer
from tflm_int8.kernels.comparison import Comparison, Logical
from tflm_int8.kernels.computed_weights import ComputedWeights
from tflm_int8.kernels.convolution import Convolution2D
from tflm_int8.kernels.fully_connected import FullyConnected
from tflm_int8.kernels.integer_arithmetic import IntegerArithmetic
from tflm_int8.kernels.log_softmax import LogSoftmax
from tflm_int8.kernels.lookup import Lookup, Pointwise
from tflm_int8.kernels.movement import Movement
from tflm_int8.kernels.multiply import Multiply, SquaredDifference
from tflm_int8.kernels.pooling import AveragePool, MaxPool
from tflm_int8.kernels.prelu import Prelu, WidePrelu
from tflm_int8.kernels.quantize import Dequantize, QuantizeFloat, Requantization
from tflm_int8.kernels.reducing import AllReduction, ArgReduction, ExtremeReduction, SumReduction
from tflm_int8.kernels.reshape import Reshape
from tflm_int8.kernels.resource_variables import Inert, Variable
from tflm_int8.kernels.softmax import Softmax
from tflm_int8.kernels.softmax_wide import WideSoftmax
from tflm_int8.kernels.svdf import Svdf
from tflm_int8.kernels.transpose_convolution import TransposeConvolution
from tflm_int8.kernels.wide import Wide
from tflm_int8.model import Model
from tflm_int8.program import primitives as p
from tflm_int8.program.lowering import (
    conversion,
    convolution,
    dense,
    elementwise,
    movement,
    pointwise,
    pooling,
    remembering,
    softmax,
    sums,
    wide,
)
from tflm_int8.program.lowering.builder import Builder
from tflm_int8.reference import Reference

__all__ = ["lower", "lower_joined", "lower_reference"]

_LOWERINGS: Final[dict[type, Callable[[Builder, Any], None]]] = {
    Add: elementwise.add,
    AddN: sums.add_n,
    AllReduction: sums.all_hold,
    ArgReduction: sums.arg_extreme,
    AveragePool: pooling.average_pool,
    BatchMatmul: sums.batch_matmul,
    Cast: conversion.cast,
    Choice: elementwise.choice,
    CircularBuffer: remembering.circular_buffer,
    Comparison: elementwise.comparison,
    ComputedWeights: dense.computed_weights,
    Convolution2D: convolution.convolution,
    CumulativeSum: sums.cumulative_sum,
    Dequantize: conversion.dequantize,
    Extreme: elementwise.extreme,
    ExtremeReduction: sums.extreme,
    FullyConnected: dense.fully_connected,
    Inert: remembering.inert,
    IntegerArithmetic: wide.integers,
    Logical: elementwise.logical,
    LogSoftmax: softmax.log_softmax,
    Lookup: pointwise.lookup,
    MaxPool: pooling.max_pool,
    Movement: movement.movement,
    Multiply: elementwise.multiply,
    Pointwise: pointwise.pointwise,
    Prelu: elementwise.prelu,
    QuantizeFloat: conversion.of_floats,
    Requantization: conversion.requantization,
    Reshape: movement.reshape,
    ResizeBilinear: sums.bilinear,
    Softmax: softmax.softmax,
    SquaredDifference: elementwise.squared_difference,
    SumReduction: sums.sum_reduction,
    Svdf: remembering.svdf,
    TransposeConvolution: sums.transpose_convolution,
    Variable: remembering.variable,
    Wide: wide.arithmetic,
    WidePrelu: wide.prelu,
    WideSoftmax: wide.softmax,
}


def lower(model: Model, profile: str = "tflm") -> p.Program:
    """The integer program of a model (if stateful: of the first invocation after a reset).

    Raises UnsupportedModel, UnsupportedOp, MalformedModel.
    """
    reference = Reference(model, profile)
    try:
        return lower_reference(reference)
    except UnsupportedModel as error:
        ends = {model.tensors[i].dtype for i in (*model.inputs, *model.outputs)}
        if ends.isdisjoint(("float32", "uint8")) or len(model.inputs) != 1 or len(model.outputs) != 1:
            raise
        between = "between a QUANTIZE and a DEQUANTIZE at its ends: lower(tflm_int8.Ends.of(model).core)"
        raise UnsupportedModel(model.name, f"{error.why}; {between}") from error


def lower_reference(reference: Reference, *, int16: bool = False) -> p.Program:
    """The integer program of a model that is prepared already; `int16`: also from an int16 to any output."""
    model = reference.model
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise UnsupportedModel(
            model.name, f"{len(model.inputs)} inputs and {len(model.outputs)} outputs; one of each is lowered"
        )
    for tensor in () if int16 and reference.input.dtype == "int16" else (reference.input, reference.output):
        if tensor.dtype != "int8":
            raise UnsupportedModel(model.name, f"tensor {tensor.index} is {tensor.dtype}; int8 is lowered")
    return _program(reference, Builder(model))


def lower_joined(reference: Reference) -> p.Program:
    """The integer program whose input is all of a model's inputs side by side, for questions about its sums.

    The inputs must all be int8 or all be int16; the outputs are any, and the first is the program's.
    """
    model, builder = reference.model, Builder(reference.model)
    tensors = [model.tensors[i] for i in model.inputs]
    types = sorted({tensor.dtype for tensor in tensors})
    if len(types) > 1 or types[0] not in ("int8", "int16"):
        said = f"its inputs are {' and '.join(types)}" if len(tensors) > 1 else f"its input is {types[0]}"
        wanted = "all int8 or all int16" if len(tensors) > 1 else "int8 or int16"
        raise UnsupportedModel(model.name, f"{said}; lowered with any outputs are those that are {wanted}")
    first = 0
    for tensor in tensors if len(tensors) > 1 else ():
        builder.wires[tensor.index] = builder.emit(p.Select(0, np.arange(first, first + tensor.size)))
        first += tensor.size
    return _program(reference, builder)


def _program(reference: Reference, builder: Builder) -> p.Program:
    """All kernels' steps behind those that the builder has."""
    for kernel in reference.kernels:
        builder.operator = kernel.node.op.index
        if builder.settled(kernel):
            continue
        lowering = _LOWERINGS.get(type(kernel), Builder.exact)
        lowering(builder, kernel)
    output = builder.wire(reference.output)
    tensors = {wire: tensor for tensor, wire in builder.wires.items()}
    limits = np.iinfo(reference.input.dtype)
    return p.Program(
        n_input=sum(reference.model.tensors[i].size for i in reference.model.inputs),
        steps=tuple(builder.steps),
        output=output,
        tensors=tensors,
        operators=tuple(builder.operators),
        input_lo=int(limits.min),
        input_hi=int(limits.max),
    )
