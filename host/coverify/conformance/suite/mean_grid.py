"""Cases of MEAN: axes counted from either end, and inputs on which the last bit of the multiplier shows.

TFLM divides the multiplier by the number of elements and cuts; a kernel that rounds there differs in one
output in millions. Searched for: a sum that two neighbouring multipliers scale to either side of a half step.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np

from coverify.conformance.suite.case import Case, case, rng_of
from coverify.conformance.suite.model_file import OneOp, TensorSpec

SHAPE_CLASS = "made against a rounded multiplier"
_COUNTS = (3, 5, 6, 7, 9, 12, 25, 49)
_S_OUT = 2.0**-6
_ONE = 1 << 31


def axes_cases(op: str, seed: int) -> Iterator[Case]:
    """One axis or several, counted from either end, of three and four dimensions; kept as 1 or not."""
    shapes = ((1, 5, 4), (1, 4, 3, 5))
    wanted = ((-1,), (1,), (-2,), (0, -1), (1, 2), (-1, -2), (2, 1, 0), (-1, 2))
    for number, (shape, axes, keep) in enumerate(product(shapes, wanted, (False, True))):
        rng = rng_of(seed, op, "axes", number)
        reduced = {axis % len(shape) for axis in axes}
        kept = [1 if i in reduced else n for i, n in enumerate(shape) if keep or i not in reduced]
        x = TensorSpec(shape, "int8", (0.05,), int(rng.integers(-90, 90)))
        y = TensorSpec(tuple(kept) or (1,), "int8", (0.03,), -7)
        given = TensorSpec((len(axes),), "int32", data=np.array(axes, np.int32))
        if kept:
            yield case(OneOp(op, [x, given], y, 27, {0: ("b", keep)}), "axes", f"axes-{number}", seed)


def rounded_mean_cases(op: str, seed: int) -> Iterator[Case]:
    """A MEAN over `count` pixels for every count; the directed input comes first."""
    for count in _COUNTS:
        significand, total = last_bit(count)
        s_in = significand * 2.0 ** (count.bit_length() - 1 - 24) * _S_OUT
        x = TensorSpec((1, count, 1, 1), "int8", (s_in,), 0)
        y = TensorSpec((1, 1), "int8", (_S_OUT,), 0)
        axes = TensorSpec((2,), "int32", data=np.array([1, 2], np.int32))
        values = np.full(count, total // count, np.int8)
        values[: total % count] += 1
        one = OneOp(op, [x, axes], y, 27, {0: ("b", 0)})
        yield case(one, SHAPE_CLASS, f"last-bit-{count}", seed, values)


def last_bit(count: int) -> tuple[int, int]:
    """(significand, sum): with m = significand · 2⁷, of 24 bits and so of a float32 scale, and
    b = floor(log₂ count), sum · (m·2ᵇ // count) / 2³¹ rounds to another integer than with the quotient
    rounded up, which is nearer.  Of all sums whose result is within int8 the smallest.
    """
    step = 1 << 7 + count.bit_length() - 1
    for total in range(1, 400):
        k = np.arange(min(127, total), dtype=np.int64)
        quotient = (_ONE // 2 + k * _ONE - 1) // total  # the last one that does not round up to k + 1
        significand = -(-quotient * count // step)
        whole, rest = np.divmod(significand * step, count)
        fits = (whole == quotient) & (2 * rest >= count) & (significand >> 23 == 1)
        if fits.any() and total <= 127 * count:
            return int(significand[fits][0]), total
    raise AssertionError(f"no sum of {count} elements shows the last bit of a multiplier")
