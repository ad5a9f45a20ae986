"""What may be wrong in SOFTMAX: floats, beta, the maximum, how the sum and the quotient are rounded, rows."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from coverify.conformance.diagnosis.candidate import Array, Candidate, I64Array
from coverify.conformance.diagnosis.function_variants import F64Array, half_away
from tflm_int8.fixedpoint import rounding_divide_by_pot, srdhm
from tflm_int8.kernels.softmax import SUM_INTEGER_BITS, Softmax, reciprocal

_SOFTMAX_OPTIONS = 9
_Shift = Callable[[I64Array, int | I64Array], I64Array]


def _floored(x: I64Array, by: int | I64Array) -> I64Array:
    return x >> by


@dataclass(frozen=True)
class OpenSoftmax:
    """TFLM's integer softmax by its steps. top: int64 [..., depth] → the rows' maxima [..., 1];
    summed: the first element of a row that counts in its sum, and the one behind the last.
    """

    kernel: Softmax
    top: Callable[[I64Array], I64Array]
    summed: tuple[int, int | None] = (0, None)
    sum_shift: _Shift = rounding_divide_by_pot
    output_shift: _Shift = rounding_divide_by_pot

    def run(self, inputs: Sequence[Array]) -> I64Array:
        """int8 [N, shape] → int64 [N, shape]."""
        x = inputs[0].astype(np.int64)
        d = self.top(x) - x
        function = self.kernel.function
        within = (d >= 0) & (d <= function.radius)
        raw = np.where(within, function.raw_exponentials[np.clip(d, 0, 255)], 0)
        total = self.sum_shift(raw, SUM_INTEGER_BITS)[..., slice(*self.summed)].sum(axis=-1, keepdims=True)
        scale, exponent = reciprocal(np.maximum(total, 1))
        value = self.output_shift(srdhm(scale, raw), np.clip(exponent + 23, 0, 31))
        return np.where(within, np.clip(value - 128, -128, 127), -128)


def _maximum(x: I64Array) -> I64Array:
    top: I64Array = x.max(axis=-1, keepdims=True)
    return top


def _integer_variants(kernel: Softmax) -> Iterator[tuple[str, str, OpenSoftmax]]:
    plain = OpenSoftmax(kernel, _maximum)
    yield (
        "maximum-not-searched",
        "the distance is that to 127, not to the row's maximum",
        replace(plain, top=lambda x: np.full((*x.shape[:-1], 1), 127, np.int64)),
    )
    yield (
        "maximum-starts-at-zero",
        "the search for the maximum starts at the code 0",
        replace(plain, top=lambda x: np.maximum(_maximum(x), 0)),
    )
    yield (
        "sum-floored",
        "what an element adds to the sum is rounded down",
        replace(plain, sum_shift=_floored),
    )
    yield "output-floored", "the quotient is rounded down", replace(plain, output_shift=_floored)
    if kernel.depth > 1:
        yield (
            "last-element-not-summed",
            "the last element of a row is not in its sum",
            replace(plain, summed=(0, -1)),
        )
        yield (
            "first-element-not-summed",
            "the first element of a row is not in its sum",
            replace(plain, summed=(1, None)),
        )
    for width in (2, 4, 8, 16):
        rest = kernel.depth % width
        if rest and kernel.depth > width:
            yield (
                f"sum-remainder-{width}",
                f"the last {rest} elements, left over by a loop over {width}, are not in the sum",
                replace(plain, summed=(0, kernel.depth - rest)),
            )


def softmax_variants(kernel: Softmax) -> Iterator[Candidate]:
    """Every variant of an int8 softmax."""
    node = kernel.node
    scale = float(node.int8(node.input(0)).scale)
    beta = node.options(_SOFTMAX_OPTIONS).float32(0)

    def softmax(x: Array, factor: float, axes: tuple[int, ...] = (-1,)) -> F64Array:
        real = x.astype(np.float64) * factor
        power = np.exp(real - real.max(axis=axes, keepdims=True))
        shares: F64Array = power / power.sum(axis=axes, keepdims=True)
        return shares

    def rounded(shares: F64Array) -> I64Array:
        return np.clip(half_away(shares * 256) - 128, -128, 127)

    yield Candidate(
        "float-function",
        "computed in floating point and rounded to the nearest",
        lambda inputs: rounded(softmax(inputs[0], scale * beta)),
    )
    yield Candidate(
        "float-function-truncated",
        "computed in floating point and rounded down",
        lambda inputs: np.clip(
            np.floor(softmax(inputs[0], scale * beta) * 256).astype(np.int64) - 128, -128, 127
        ),
    )
    if beta != 1.0 and math.isfinite(beta):
        yield Candidate(
            "beta-ignored",
            "computed in floating point with a beta of 1",
            lambda inputs: rounded(softmax(inputs[0], scale)),
        )
    yield Candidate(
        "output-zero-point-missing",
        "128 is not subtracted from the output",
        lambda inputs: np.clip(kernel.function.apply(inputs[0]).astype(np.int64) + 128, -128, 127),
    )
    for name, says, wrong in _integer_variants(kernel):
        yield Candidate(name, says, wrong.run)
    if node.output.size != kernel.depth:
        yield Candidate(
            "rows-ignored", "all rows are taken for one", lambda inputs: _one_row(kernel, inputs[0])
        )


def _one_row(kernel: Softmax, x: Array) -> I64Array:
    flat = kernel.function.apply(x.reshape(len(x), -1))
    return flat.reshape(x.shape).astype(np.int64)
