"""Which inputs are compared? The user's, then generated ones: corners first, then random ones from a seed.

A generated vector is a pure function of (seed, number, the elements and sizes of the inputs), the same on the
device, which makes it itself: VECTORS in device_harness/agent/protocol.h specifies it bit for bit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from coverify.conformance.batch import Batch, data_of
from coverify.conformance.batch import Given as GivenSamples
from coverify.link.checks import CHECK_FIELDS, Element, Given, InlineInput, SentInput, VectorInput

CORNERS = 4
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_UNSIGNED: Final[dict[int, type[np.unsignedinteger[Any]]]] = {1: np.uint8, 2: np.uint16, 4: np.uint32}


@dataclass(frozen=True)
class Samples:
    """`x`: the user's, then from number `n_given` on vectors 0, 1, … of `seed`, of one element per input."""

    x: GivenSamples
    n_given: int
    seed: int = 0
    elements: tuple[Element, ...] = ()

    @property
    def batch(self) -> Batch:
        """All of them."""
        return Batch.of(self.x)

    def __len__(self) -> int:
        return len(self.batch)

    def request(self, i: int, max_payload: int) -> Given:
        """How the device gets sample i with the fewest bytes."""
        if i >= self.n_given:
            return VectorInput(self.seed, i - self.n_given, self.elements)
        data = b"".join(data_of(self.batch[i]))
        return InlineInput(data) if CHECK_FIELDS + len(data) <= max_payload else SentInput()


def int8_element(zero_point: int) -> Element:
    """All of int8."""
    return Element(1, 8, -128, zero_point)


def vectors(shape: tuple[int, ...], n: int, seed: int, zero_point: int) -> NDArray[np.int8]:
    """Of an only input, int8 [n, *shape]: all −128, all 127, all zero point, both extremes, then random."""
    return generated([int8_element(zero_point)], [("int8", shape)], n, seed).arrays[0]


def generated(
    elements: Sequence[Element], inputs: Sequence[tuple[str, tuple[int, ...]]], n: int, seed: int
) -> Batch:
    """Vectors 0 … n − 1; inputs: the type and the sample shape of every model input."""
    arrays = []
    for ordinal, (element, (dtype, shape)) in enumerate(zip(elements, inputs, strict=True)):
        size = math.prod(shape)
        values = np.empty((n, size), np.int64)
        for number in range(min(n, CORNERS)):
            values[number] = _corner(element, number, size)
        if n > CORNERS:
            values[CORNERS:] = _random(element, _bases(seed, range(CORNERS, n), ordinal), size)
        arrays.append(_typed(element, values, dtype).reshape(n, *shape))
    return Batch(tuple(arrays))


def _corner(element: Element, number: int, size: int) -> NDArray[np.int64]:
    if number == CORNERS - 1:
        return np.where(np.arange(size) % 2, element.greatest, element.least)
    return np.full(size, (element.least, element.greatest, element.zero)[number], np.int64)


def _random(element: Element, bases: NDArray[np.uint64], size: int) -> NDArray[np.int64]:
    """One row of the element's integers for each stream."""
    n_words = (size * element.width + 7) // 8
    counted = np.arange(1, n_words + 1, dtype=np.uint64) * _GOLDEN
    words = _mixed(bases[:, None] + counted).astype("<u8")
    unsigned = np.dtype(_UNSIGNED[element.width]).newbyteorder("<")
    raw = words.view(unsigned)[:, :size].astype(np.int64)
    values: NDArray[np.int64] = element.least + ((raw - element.least) & ((1 << element.bits) - 1))
    return values


def _typed(element: Element, values: NDArray[np.int64], dtype: str) -> NDArray[Any]:
    if element.exponent is None:
        return values.astype(dtype)
    return np.ldexp(values.astype(np.float32), element.exponent).astype(np.float32)


def _bases(seed: int, numbers: range, ordinal: int) -> NDArray[np.uint64]:
    """Where the streams of these vectors begin."""
    of_seed = _mixed(np.array([seed], np.uint64))
    return _mixed(_mixed(of_seed + np.array(numbers, np.uint64)) + np.uint64(ordinal))


def _mixed(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The output function of SplitMix64, of each."""
    x = (x ^ x >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ x >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
    return x ^ x >> np.uint64(31)
