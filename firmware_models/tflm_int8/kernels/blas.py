"""Does numpy's matrix product keep integers on this machine?  Tried once per process, before it is relied on.

In any order, sums of integer products whose magnitudes add up to less than 2^24 (2^53) are exact in float32
(float64). A BLAS that takes products in a shorter type, or one built wrongly for this processor, breaks that.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tflm_int8.errors import WrongArithmetic

Product = Callable[[NDArray[Any], NDArray[Any]], NDArray[Any]]

_SHAPES: Final = ((37, 1032, 33), (1, 1032, 10), (64, 1032, 1), (200, 27, 16), (5, 3, 4))
"""Rows, depth and columns: BLAS libraries have kernels of their own for narrow and for small products."""


@cache
def check_products() -> None:
    """Raises WrongArithmetic where a product of integers is not exact."""
    if not keeps_integers(np.matmul):
        raise WrongArithmetic("numpy's matrix product of small integers is not exact")


def keeps_integers(product: Product) -> bool:
    """Whether sums of up to 1032 · 128 · 127 = 2^24 − 1024 come out right, and below 2^53 in float64."""
    random = np.random.default_rng(1)
    for rows, depth, columns in _SHAPES:
        a = random.integers(-128, 128, (rows, depth))
        b = random.choice([-127, 127, 126, -1], (depth, columns))
        a[0], b[:, 0] = -128, 127
        wide = tuple(random.integers(-(1 << 21), 1 << 21, shape) for shape in (a.shape, b.shape))
        for dtype, (left, right) in ((np.float32, (a, b)), (np.float64, wide)):
            got = product(left.astype(dtype), right.astype(dtype))
            if not np.array_equal(got, (left @ right).astype(np.float64)):
                return False
    return True
