"""Which inputs are compared? The user's, then generated ones: corners first, then random ones from a seed.

A generated vector is a pure function of (seed, number, size), the same on the device, which makes it itself:
VECTORS in device_harness/agent/protocol.h specifies it bit for bit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coverify.link.checks import CHECK_FIELDS, Given, InlineInput, SentInput, VectorInput

CORNERS = 4
_MASK = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15


@dataclass(frozen=True)
class Samples:
    """`x`, int8 [N, sample shape]: the user's, then from number `n_given` on vectors 0, 1, … of `seed`."""

    x: NDArray[np.int8]
    n_given: int
    seed: int = 0
    zero_point: int = 0

    def __len__(self) -> int:
        return len(self.x)

    def request(self, i: int, max_payload: int) -> Given:
        """How the device gets sample i with the fewest bytes."""
        if i >= self.n_given:
            return VectorInput(self.seed, i - self.n_given, self.zero_point)
        data = self.x[i].tobytes()
        return InlineInput(data) if CHECK_FIELDS + len(data) <= max_payload else SentInput()


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


def _random(seed: int, number: int, size: int) -> NDArray[np.int8]:
    base = _mix(_mix(_mix(seed) + number & _MASK))  # the model's only input has ordinal 0
    words = (_mix(base + j * _GOLDEN & _MASK) for j in range(1, (size + 7) // 8 + 1))
    return np.fromiter(words, "<u8", (size + 7) // 8).view(np.int8)[:size]


def _mix(x: int) -> int:
    """The output function of SplitMix64."""
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9 & _MASK
    x = (x ^ x >> 27) * 0x94D049BB133111EB & _MASK
    return x ^ x >> 31
