"""Which operators has the suite a grid for, and where does it stand?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from coverify.conformance.suite.arithmetic_grid import arithmetic_cases
from coverify.conformance.suite.case import Case
from coverify.conformance.suite.layer_grid import layer_cases
from coverify.conformance.suite.movement_grid import MOVEMENTS, movement_cases
from coverify.conformance.suite.other_grid import (
    FUNCTIONS,
    function_cases,
    moving_cases,
    pool_cases,
    softmax_cases,
)

GRIDS: Final[dict[str, Callable[[str, int], Iterator[Case]]]] = {
    **dict.fromkeys(("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"), layer_cases),
    **dict.fromkeys(("AVERAGE_POOL_2D", "MAX_POOL_2D"), pool_cases),
    **dict.fromkeys(("ADD", "MUL", "SUB"), arithmetic_cases),
    "SOFTMAX": softmax_cases,
    **dict.fromkeys(FUNCTIONS, function_cases),
    **dict.fromkeys(("CONCATENATION", "MEAN", "PAD", "RESHAPE", "TRANSPOSE"), moving_cases),
    **dict.fromkeys(MOVEMENTS, movement_cases),
}
"""Operator → its cases, a function of the operator and the seed."""
