"""Integers that do not fit: saturated or cut to a number of bits."""

from __future__ import annotations

import numpy as np

from coverify.conformance.diagnosis.candidate import I64Array


def saturated(bits: int, values: I64Array) -> I64Array:
    """The nearest number of so many bits."""
    return np.clip(values, -(1 << (bits - 1)), (1 << (bits - 1)) - 1)


def cut(bits: int, values: I64Array) -> I64Array:
    """The low bits, as a signed number."""
    half = 1 << (bits - 1)
    return ((values + half) & ((1 << bits) - 1)) - half
