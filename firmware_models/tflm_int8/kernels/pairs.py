"""Any function of two int8 elements as a table of all 65,536 pairs, with broadcasting."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tflm_int8.fixedpoint import I64Array

_BLOCK = 1 << 15
"""Pairs at a time: their numbers stay in the cache."""


@dataclass(frozen=True)
class Pairs:
    """values: int8 [65536], the function's value for a and b, as bytes 0…255, at 256 a + b."""

    values: NDArray[np.int8]

    def of(self, a: NDArray[np.int8], b: NDArray[np.int8]) -> NDArray[np.int8]:
        """The function of the elements of two arrays [N, …] that broadcast."""
        out = np.empty(np.broadcast_shapes(a.shape, b.shape), np.int8)
        high, low = (np.broadcast_to(x.view(np.uint8), out.shape) for x in (a, b))
        step = max(1, _BLOCK // max(1, out[:1].size))
        for i in range(0, len(out), step):
            pair = np.left_shift(high[i : i + step], 8, dtype=np.uint16)
            pair |= low[i : i + step]
            self.values.take(pair, out=out[i : i + step], mode="clip")  # pair < 2**16: nothing is clipped
        return out


def tabled(function: Callable[[I64Array, I64Array], NDArray[Any]]) -> Pairs:
    """The table of a function: it gets every pair of codes, int64 [256, 1] and [1, 256]."""
    codes = np.arange(256, dtype=np.uint8).view(np.int8).astype(np.int64)
    values = np.broadcast_to(function(codes[:, None], codes[None, :]), (256, 256))
    return Pairs(np.ascontiguousarray(values, np.int8).reshape(-1))
