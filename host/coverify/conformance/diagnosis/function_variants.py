"""What may be wrong in functions of one element: floats, zero points, the index."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from coverify.conformance.diagnosis.candidate import Array, Candidate, I64Array, Run
from coverify.conformance.diagnosis.curve_variants import curve_tables
from coverify.conformance.diagnosis.rescaling import CODES, LEAKY_OPTIONS, rescaling_tables
from tflm_int8.kernels.lookup import Lookup
from tflm_int8.node import Node

F64Array = np.ndarray[tuple[int, ...], np.dtype[np.float64]]

FUNCTIONS: dict[str, Callable[[F64Array], F64Array]] = {
    "HARD_SWISH": lambda r: r * np.clip(r + 3, 0, 6) / 6,
    "LOGISTIC": lambda r: 1 / (1 + np.exp(-np.clip(r, -700, 700))),  # exp(710) overflows
    "QUANTIZE": lambda r: r,
    "RELU": lambda r: np.maximum(r, 0),
    "RELU6": lambda r: np.clip(r, 0, 6),
    "TANH": np.tanh,
}


def half_away(real: F64Array) -> I64Array:
    """To the nearest integer, halves away from zero."""
    rounded: I64Array = (np.sign(real) * np.floor(np.abs(real) + 0.5)).astype(np.int64)
    return rounded


def lookup_variants(kernel: Lookup) -> Iterator[Candidate]:
    """Every variant of a function of one int8; only for an int8 output."""
    node = kernel.node
    if node.output.dtype != "int8":
        return
    for name, says, values in (*_tables(kernel), *_real(node), *rescaling_tables(node), *curve_tables(node)):
        yield Candidate(name, says, _by_table(node, values))


def _by_table(node: Node, values: I64Array) -> Run:
    def run(inputs: Sequence[Array]) -> I64Array:
        x = inputs[0].astype(np.int64)
        found: I64Array = values[x + 128].reshape(len(x), *node.output.shape)
        return found

    return run


def _tables(kernel: Lookup) -> Iterator[tuple[str, str, I64Array]]:
    values, node = kernel.values, kernel.node
    yield (
        "index-unsigned",
        "the table is read by the byte as unsigned, without the offset of 128",
        np.roll(values, 128),
    )
    for by in (1, -1):
        yield (
            f"index-off-by-{'plus' if by > 0 else 'minus'}-1",
            "the table is read one entry beside",
            values[np.clip(CODES + by, -128, 127) + 128],
        )
    x, out = node.int8(node.input(0)), node.int8(node.output)
    if x.zero_point:
        yield (
            "input-zero-point-missing",
            "x instead of x − zero point",
            values[np.clip(CODES + x.zero_point, -128, 127) + 128],
        )
    if out.zero_point and node.op.name not in ("RELU6", "TANH"):
        yield (
            "output-zero-point-missing",
            "the output's zero point is not added",
            np.clip(values - out.zero_point, -128, 127),
        )
    yield "identity", "the input's codes, unchanged", CODES


def _real(node: Node) -> Iterator[tuple[str, str, I64Array]]:
    function = FUNCTIONS.get(node.op.name)
    x, out = node.int8(node.input(0)), node.int8(node.output)
    if node.op.name == "LEAKY_RELU":
        alpha = node.options(LEAKY_OPTIONS).float32(0)

        def function(r: F64Array) -> F64Array:
            return np.where(r < 0, r * alpha, r)

    if function is None:
        return
    real = function((CODES - x.zero_point).astype(np.float64) * float(x.scale)) / float(out.scale)
    yield (
        "float-function",
        "computed in floating point and rounded to the nearest",
        np.clip(half_away(real) + out.zero_point, -128, 127),
    )
    yield (
        "float-function-truncated",
        "computed in floating point and cut towards zero",
        np.clip(np.trunc(real).astype(np.int64) + out.zero_point, -128, 127),
    )
    yield (
        "float-function-floored",
        "computed in floating point and rounded down",
        np.clip(np.floor(real).astype(np.int64) + out.zero_point, -128, 127),
    )
