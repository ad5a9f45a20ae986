"""Which inputs are compared when the user names none: corners first, then random ones from a seed.

A vector is a pure function of (seed, number, shape), the same on every machine and numpy version: PCG64's raw
64-bit outputs, taken byte by byte.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

CORNERS = 4


def vectors(shape: tuple[int, ...], n: int, seed: int, zero_point: int) -> NDArray[np.int8]:
    """int8 [n, *shape]: all −128, all 127, all zero point, both extremes, then random bytes."""
    size = int(np.prod(shape))
    x = np.empty((n, size), np.int8)
    for i in range(n):
        x[i] = _corner(i, size, zero_point) if i < CORNERS else _random(seed, i, size)
    return x.reshape(n, *shape)


def _corner(i: int, size: int, zero_point: int) -> NDArray[np.int8]:
    if i == 3:
        return np.where(np.arange(size) % 2, 127, -128).astype(np.int8)
    return np.full(size, (-128, 127, zero_point)[i], np.int8)


def _random(seed: int, i: int, size: int) -> NDArray[np.int8]:
    words = np.random.PCG64(np.random.SeedSequence([seed, i])).random_raw((size + 7) // 8)
    return np.asarray(words, np.uint64).astype("<u8").view(np.int8)[:size]
