"""The operator table: one row per TFLM operator that this package models, one function per meaning.

An operator that is absent is refused by name; there is no fallback.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol

from numpy.typing import NDArray

from tflm_int8.errors import UnsupportedOp
from tflm_int8.kernels import (
    accumulating,
    add,
    batch_matmul,
    bilinear,
    cast,
    choice,
    circular_buffer,
    comparison,
    convolution,
    divide,
    elu,
    embedding,
    fully_connected,
    hard_swish,
    inverse_sqrt,
    joining,
    log_softmax,
    logistic,
    lstm,
    multiply,
    padding,
    permuting,
    pooling,
    prelu,
    quantize,
    reducing,
    relu,
    reshape,
    resource_variables,
    shape,
    slicing,
    softmax,
    spreading,
    svdf,
    transpose_convolution,
)
from tflm_int8.kernels.signal import filter_bank, streams, transform, window
from tflm_int8.node import Node


class Kernel(Protocol):
    """An operator whose integers are computed: ready to run."""

    @property
    def node(self) -> Node: ...
    def run(self, inputs: list[NDArray[Any]]) -> list[NDArray[Any]]:
        """One array [N, tensor shape] per input that is not left out, constants too → one per output."""


@dataclass(frozen=True)
class Row:
    """One operator: `prepare` checks it and computes its integers; `lowered_to` names the primitives.

    A `Select` that only broadcasts or moves an operand is not listed beside others. exact: what of it stays
    `Exact` (only run, bounded by its type), and why; "" where nothing does.
    """

    prepare: Callable[[Node], Kernel]
    lowered_to: tuple[str, ...]
    exact: str = ""


_PATTERNS: Final = "float32: bit patterns, with which no primitive computes"
_COMPARED: Final = "int32, int64, float32: a difference of such operands can leave int32"
_POSITIONS: Final = "computed positions: the values say which elements are read"
_SHAPES: Final = "all: it computes shapes, which are constants in practice"
_UNROLLED: Final = "all: it is not unrolled over the time steps"
_SIGNAL: Final = "all: signal processing before a network, which is run and bounded by its types"
_SIZE: Final = "large ones: more index entries than solvers could use"


OPERATORS: Final[dict[str, Row]] = {
    "ABS": Row(inverse_sqrt.prepare_abs, ("Table", "Affine", "Staircase")),
    "ADD": Row(
        add.prepare_add,
        (
            "Table",
            "Affine",
            "Staircase",
        ),
    ),
    "ADD_N": Row(accumulating.prepare_add_n, ("Affine", "Staircase")),
    "ARG_MAX": Row(reducing.prepare_arg_max, ("Max", "Affine", "Staircase", "Exact"), exact=_SIZE),
    "ARG_MIN": Row(reducing.prepare_arg_min, ("Table", "Max", "Affine", "Staircase", "Exact"), exact=_SIZE),
    "ASSIGN_VARIABLE": Row(resource_variables.prepare_assign, ()),
    "AVERAGE_POOL_2D": Row(pooling.prepare_average, ("Affine", "Staircase")),
    "BATCH_MATMUL": Row(batch_matmul.prepare, ("Affine", "Product", "Staircase", "Exact"), exact=_SIZE),
    "BATCH_TO_SPACE_ND": Row(permuting.prepare_batch_to_space, ("Select",)),
    "BROADCAST_ARGS": Row(
        shape.prepare_broadcast_args,
        ("Exact",),
        exact=_SHAPES,
    ),
    "BROADCAST_TO": Row(spreading.prepare_broadcast, ("Select",)),
    "CALL_ONCE": Row(resource_variables.prepare_call_once, ()),
    "CAST": Row(cast.prepare, ("Table", "Affine", "Staircase", "Exact"), exact=f"int16, int32 → {_PATTERNS}"),
    "CONCATENATION": Row(joining.prepare_concatenation, ("Affine",)),
    "CONV_2D": Row(convolution.prepare_conv, ("Affine", "Staircase")),
    "CUMSUM": Row(accumulating.prepare_cumsum, ("Affine", "Staircase", "Exact"), exact=_SIZE),
    "CUSTOM:CIRCULAR_BUFFER": Row(circular_buffer.prepare, ("Affine",)),
    "CUSTOM:SignalDelay": Row(streams.prepare_delay, ("Exact",), exact=_SIGNAL),
    "CUSTOM:SignalEnergy": Row(transform.prepare_energy, ("Exact",), exact=_SIGNAL),
    "CUSTOM:SignalFftAutoScale": Row(transform.prepare_auto_scale, ("Exact",), exact=_SIGNAL),
    "CUSTOM:SignalFilterBank": Row(filter_bank.prepare_bank, ("Exact",), exact=_SIGNAL),
    "CUSTOM:SignalFilterBankLog": Row(filter_bank.prepare_log, ("Exact",), exact=_SIGNAL),
    "CUSTOM:SignalFilterBankSpectralSubtraction": Row(
        filter_bank.prepare_subtraction, ("Exact",), exact=_SIGNAL
    ),
    "CUSTOM:SignalFilterBankSquareRoot": Row(filter_bank.prepare_square_root, ("Exact",), exact=_SIGNAL),
    "CUSTOM:SignalFramer": Row(streams.prepare_framer, ("Exact",), exact=_SIGNAL),
    "CUSTOM:SignalIrfft": Row(transform.prepare_irfft, ("Exact",), exact=_SIGNAL),
    "CUSTOM:SignalOverlapAdd": Row(streams.prepare_overlap_add, ("Exact",), exact=_SIGNAL),
    "CUSTOM:SignalPCAN": Row(filter_bank.prepare_gain, ("Exact",), exact=_SIGNAL),
    "CUSTOM:SignalRfft": Row(transform.prepare_rfft, ("Exact",), exact=_SIGNAL),
    "CUSTOM:SignalStacker": Row(streams.prepare_stacker, ("Exact",), exact=_SIGNAL),
    "CUSTOM:SignalWindow": Row(window.prepare, ("Exact",), exact=_SIGNAL),
    "DEPTHWISE_CONV_2D": Row(convolution.prepare_depthwise, ("Affine", "Staircase")),
    "DEPTH_TO_SPACE": Row(permuting.prepare_depth_to_space, ("Select",)),
    "DEQUANTIZE": Row(quantize.prepare_dequantize, ("Table", "Exact"), exact=f"int16 → {_PATTERNS}"),
    "DIV": Row(divide.prepare, ("Exact",), exact="all: the divisor picks the multiplier"),
    "DYNAMIC_UPDATE_SLICE": Row(slicing.prepare_update, ("Affine",)),
    "ELU": Row(elu.prepare, ("Table",)),
    "EMBEDDING_LOOKUP": Row(embedding.prepare_lookup, ("Exact",), exact=_POSITIONS),
    "EQUAL": Row(comparison.prepare_comparison, ("Table", "Affine", "Staircase", "Exact"), exact=_COMPARED),
    "EXPAND_DIMS": Row(reshape.prepare_expand_dims, ()),
    "FILL": Row(spreading.prepare_fill, ("Select",)),
    "FULLY_CONNECTED": Row(
        fully_connected.prepare,
        (
            "Affine",
            "Product",
            "Staircase",
            "Exact",
        ),
        exact=_SIZE,
    ),
    "GATHER": Row(
        slicing.prepare_gather,
        (
            "Select",
            "Exact",
        ),
        exact=_POSITIONS,
    ),
    "GATHER_ND": Row(slicing.prepare_gather_nd, ("Select",)),
    "GREATER": Row(comparison.prepare_comparison, ("Table", "Affine", "Staircase", "Exact"), exact=_COMPARED),
    "GREATER_EQUAL": Row(
        comparison.prepare_comparison, ("Table", "Affine", "Staircase", "Exact"), exact=_COMPARED
    ),
    "HARD_SWISH": Row(hard_swish.prepare, ("Table",)),
    "L2_NORMALIZATION": Row(
        inverse_sqrt.prepare_l2, ("Exact",), exact="all: the multiplier of a row depends on the row"
    ),
    "LEAKY_RELU": Row(relu.prepare_leaky_relu, ("Table", "Affine", "Staircase")),
    "LESS": Row(comparison.prepare_comparison, ("Table", "Affine", "Staircase", "Exact"), exact=_COMPARED),
    "LESS_EQUAL": Row(
        comparison.prepare_comparison, ("Table", "Affine", "Staircase", "Exact"), exact=_COMPARED
    ),
    "LOGICAL_AND": Row(comparison.prepare_logical, ("Product",)),
    "LOGICAL_NOT": Row(comparison.prepare_logical, ("Affine",)),
    "LOGICAL_OR": Row(comparison.prepare_logical, ("Affine", "Staircase")),
    "LOGISTIC": Row(logistic.prepare_logistic, ("Table", "Staircase")),
    "LOG_SOFTMAX": Row(log_softmax.prepare, ("Softmax",)),
    "MAXIMUM": Row(choice.prepare_maximum, ("Affine", "Max", "Staircase")),
    "MAX_POOL_2D": Row(pooling.prepare_max, ("Max",)),
    "MEAN": Row(reducing.prepare_mean, ("Affine", "Staircase")),
    "MINIMUM": Row(choice.prepare_minimum, ("Affine", "Max", "Staircase")),
    "MIRROR_PAD": Row(padding.prepare_mirror, ("Select",)),
    "MUL": Row(multiply.prepare_multiply, ("Affine", "Product", "Staircase")),
    "NOT_EQUAL": Row(
        comparison.prepare_comparison, ("Table", "Affine", "Staircase", "Exact"), exact=_COMPARED
    ),
    "PACK": Row(joining.prepare_pack, ("Affine",)),
    "PAD": Row(padding.prepare_pad, ("Affine",)),
    "PADV2": Row(padding.prepare_pad, ("Affine",)),
    "PRELU": Row(prelu.prepare, ("Table", "Affine", "Product", "Staircase")),
    "QUANTIZE": Row(
        quantize.prepare_quantize,
        ("Table", "Affine", "Staircase", "Exact"),
        exact="float32 that is no function of one int8: no primitive reads bit patterns",
    ),
    "READ_VARIABLE": Row(resource_variables.prepare_read, ("Affine",)),
    "REDUCE_ALL": Row(
        reducing.prepare_all,
        (
            "Affine",
            "Max",
        ),
    ),
    "REDUCE_MAX": Row(reducing.prepare_max, ("Max",)),
    "REDUCE_MIN": Row(reducing.prepare_min, ("Table", "Max")),
    "RELU": Row(relu.prepare_relu, ("Table", "Staircase")),
    "RELU6": Row(relu.prepare_relu6, ("Table", "Staircase")),
    "RESHAPE": Row(reshape.prepare, ()),
    "RESIZE_BILINEAR": Row(bilinear.prepare, ("Affine", "Staircase")),
    "RESIZE_NEAREST_NEIGHBOR": Row(spreading.prepare_nearest, ("Select",)),
    "REVERSE_V2": Row(permuting.prepare_reverse, ("Select",)),
    "RSQRT": Row(inverse_sqrt.prepare_rsqrt, ("Table", "Affine", "Staircase")),
    "SELECT_V2": Row(choice.prepare_select, ("Affine", "Product", "Staircase", "Exact"), exact=_PATTERNS),
    "SHAPE": Row(shape.prepare_shape, ("Affine",)),
    "SLICE": Row(slicing.prepare_slice, ("Select",)),
    "SOFTMAX": Row(
        softmax.prepare, ("Softmax", "Exact"), exact="int16: its exponentials are of 65536 differences"
    ),
    "SPACE_TO_BATCH_ND": Row(permuting.prepare_space_to_batch, ("Select",)),
    "SPACE_TO_DEPTH": Row(permuting.prepare_space_to_depth, ("Select",)),
    "SPLIT": Row(joining.prepare_split, ("Select",)),
    "SPLIT_V": Row(joining.prepare_split_v, ("Select",)),
    "SQUARED_DIFFERENCE": Row(
        multiply.prepare_squared_difference, ("Table", "Affine", "Product", "Staircase")
    ),
    "SQUEEZE": Row(reshape.prepare_squeeze, ()),
    "STRIDED_SLICE": Row(slicing.prepare_strided, ("Select",)),
    "SUB": Row(add.prepare_sub, ("Table", "Affine", "Staircase")),
    "SUM": Row(reducing.prepare_sum, ("Affine", "Staircase")),
    "SVDF": Row(svdf.prepare, ("Affine", "Staircase", "Table")),
    "TANH": Row(logistic.prepare_tanh, ("Table", "Staircase")),
    "TRANSPOSE": Row(permuting.prepare_transpose, ("Select",)),
    "TRANSPOSE_CONV": Row(transpose_convolution.prepare, ("Affine", "Staircase")),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": Row(lstm.prepare, ("Exact",), exact=_UNROLLED),
    "UNPACK": Row(joining.prepare_unpack, ("Select",)),
    "VAR_HANDLE": Row(resource_variables.prepare_handle, ()),
    "ZEROS_LIKE": Row(shape.prepare_zeros_like, ("Affine",)),
}


def prepare(node: Node) -> Kernel:
    """The kernel of a node.  Raises UnsupportedOp, MalformedModel."""
    row = OPERATORS.get(node.op.name)
    if row is None:
        raise UnsupportedOp(node.op.name, node.op.index, node.model.name, "this operator is not supported")
    return row.prepare(node)
