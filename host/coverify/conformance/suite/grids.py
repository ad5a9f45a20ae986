"""Which operators has the suite a grid for, and where does it stand?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from coverify.conformance.suite.arithmetic_grid import arithmetic_cases
from coverify.conformance.suite.case import Case
from coverify.conformance.suite.choosing_grid import PAIRED, REDUCED, paired_cases, reduced_cases
from coverify.conformance.suite.image_grid import BLOCKS, block_cases, resized_cases, transposed_cases
from coverify.conformance.suite.layer_grid import layer_cases
from coverify.conformance.suite.lstm_grid import lstm_cases
from coverify.conformance.suite.movement_grid import MOVEMENTS, movement_cases
from coverify.conformance.suite.other_grid import (
    FUNCTIONS,
    ROWS,
    function_cases,
    moving_cases,
    pool_cases,
    row_cases,
    softmax_cases,
)
from coverify.conformance.suite.signal_grid import SIGNAL, signal_cases
from coverify.conformance.suite.state_grid import buffer_cases, svdf_cases
from coverify.conformance.suite.wide_grid import (
    quantize_cases,
    wide_arithmetic_cases,
    wide_function_cases,
    wide_window_cases,
)

Grid = Callable[[str, int], Iterator[Case]]


def _both(first: Grid, second: Grid) -> Grid:
    """The cases of the one and then those of the other."""

    def cases(op: str, seed: int) -> Iterator[Case]:
        yield from first(op, seed)
        yield from second(op, seed)

    return cases


GRIDS: Final[dict[str, Grid]] = {
    **dict.fromkeys(("CONV_2D", "DEPTHWISE_CONV_2D"), _both(layer_cases, wide_window_cases)),
    "FULLY_CONNECTED": layer_cases,
    **dict.fromkeys(("AVERAGE_POOL_2D", "MAX_POOL_2D"), pool_cases),
    **dict.fromkeys(("ADD", "SUB"), _both(arithmetic_cases, wide_arithmetic_cases)),
    "MUL": arithmetic_cases,
    "SOFTMAX": softmax_cases,
    "TRANSPOSE_CONV": transposed_cases,
    **dict.fromkeys(("RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR"), resized_cases),
    **dict.fromkeys(BLOCKS, block_cases),
    **dict.fromkeys(PAIRED, paired_cases),
    **dict.fromkeys(REDUCED, reduced_cases),
    **dict.fromkeys(ROWS, row_cases),
    **dict.fromkeys(FUNCTIONS, function_cases),
    "LEAKY_RELU": _both(function_cases, wide_function_cases),
    "QUANTIZE": _both(function_cases, quantize_cases),
    **dict.fromkeys(("CONCATENATION", "MEAN", "PAD", "RESHAPE", "TRANSPOSE"), moving_cases),
    **dict.fromkeys(MOVEMENTS, movement_cases),
    "CUSTOM:CIRCULAR_BUFFER": buffer_cases,
    **dict.fromkeys(SIGNAL, signal_cases),
    "SVDF": svdf_cases,
    "UNIDIRECTIONAL_SEQUENCE_LSTM": lstm_cases,
}
"""Operator → its cases, a function of the operator and the seed."""
