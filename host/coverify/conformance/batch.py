"""What is a sample of a network? One array per model input, in the order of the model's inputs.

A network with one input may be given its array alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, overload

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Sample = tuple[Array, ...]
"""One array per model input."""


@dataclass(frozen=True, eq=False)
class Batch:
    """N samples; arrays: [N, sample shape] of each model input, in the input's type."""

    arrays: tuple[Array, ...]

    @staticmethod
    def of(given: Given) -> Batch:
        """The batch itself, that of arrays of all inputs, or that of an array that is the only input's."""
        if isinstance(given, Batch):
            return given
        return Batch((given,)) if isinstance(given, np.ndarray) else Batch(tuple(given))

    @staticmethod
    def joined(parts: Sequence[Batch]) -> Batch:
        """All samples, one part after the other. Needs at least one part."""
        return Batch(tuple(np.concatenate(arrays) for arrays in zip(*(p.arrays for p in parts), strict=True)))

    def __len__(self) -> int:
        return len(self.arrays[0])

    def __iter__(self) -> Iterator[Sample]:
        return (self[i] for i in range(len(self)))

    @overload
    def __getitem__(self, which: int) -> Sample: ...
    @overload
    def __getitem__(self, which: slice | Sequence[int]) -> Batch: ...
    def __getitem__(self, which: int | slice | Sequence[int]) -> Sample | Batch:
        arrays = tuple(array[which] for array in self.arrays)
        return arrays if isinstance(which, int) else Batch(arrays)


Given: TypeAlias = "Batch | Array | Sequence[Array]"
"""Samples; one array [N, …] per input will do, and of a network with one input that array."""


def sample_of(given: Sample | Array) -> Sample:
    """The sample itself, or that of an array that is the only input's."""
    return (given,) if isinstance(given, np.ndarray) else given


def alone(sample: Sample) -> Batch:
    """A batch of one sample."""
    return Batch(tuple(array[None] for array in sample))


def data_of(sample: Sample) -> list[bytes]:
    """The bytes of every input, as they are on the device."""
    return [little_endian(array) for array in sample]


def little_endian(values: Array) -> bytes:
    """A tensor's bytes as they are in a .tflite file and on the device."""
    return values.astype(values.dtype.newbyteorder("<"), copy=False).tobytes()
