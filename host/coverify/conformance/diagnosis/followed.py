"""Whose bytes does a device that is not the profile's give? The profiles of which every traced tensor is.

A device that follows another runtime is no defect: TFLM of another month, or its kernels of another library.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from coverify.conformance.batch import Batch, Given
from coverify.conformance.diagnosis.candidate import Array
from tflm_int8 import PROFILES, Reference, TflmError


def followed(
    reference: Reference, x: Given, traces: Sequence[Mapping[int, Array]], length: int | None = None
) -> tuple[str, ...]:
    """The other profiles that give every byte of `traces` for the N samples x.

    A profile that refuses the network is none of them. length: of the sequences from a reset on, where it
    keeps state.
    """
    step = length or max(1, len(x))
    batch = Batch.of(x)
    sequences = [(batch[i : i + step], traces[i : i + step]) for i in range(0, len(x), step)]
    others = (p for p in PROFILES if p != reference.profile)
    return tuple(p for p in others if all(_gives(p, reference, *part) for part in sequences))


def _gives(profile: str, reference: Reference, x: Batch, traces: Sequence[Mapping[int, Array]]) -> bool:
    try:
        expected = Reference(reference.model, profile).trace(*x.arrays)
    except TflmError:
        return False
    return all(
        np.array_equal(_bits(values[i]), _bits(trace[t].reshape(values[i].shape)))
        for i, trace in enumerate(traces)
        for t, values in expected.items()
    )


def _bits(values: Array) -> Array:
    return np.ascontiguousarray(values).view(np.uint32) if values.dtype == np.float32 else values
