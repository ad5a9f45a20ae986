"""Which network and which inputs do verbs compare? The reference of a file with one input; its samples, and
which of them.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from coverify.conformance.vectors import Samples, vectors
from coverify.errors import BadInput
from coverify.inputs import read_inputs
from tflm_int8 import Model, Reference, UnsupportedModel, sample_shape

DEFAULT_VECTORS = 32


def reference_of(net: Model, profile: str) -> Reference:
    """The reference of a network with one input.  Raises BadInput, TflmError."""
    reference = Reference(net, profile)
    if reference.stateful:
        raise UnsupportedModel(net.name, "it keeps state between invocations: not run on a device")
    if len(net.inputs) != 1:
        raise BadInput(f"{net.name} has {len(net.inputs)} inputs; one is supported")
    return reference


def samples_of(
    reference: Reference, inputs: Path | None, limit: int | None, n_vectors: int | None, seed: int
) -> Samples:
    """The file's first `limit`, then generated ones (32 where nothing is said).  Raises BadInput."""
    if limit is not None and inputs is None:
        raise BadInput("--limit is about --inputs, which is not given; --vectors N generates N inputs")
    shape = sample_shape(reference.input)
    parts = []
    if inputs is not None:
        parts.append(read_inputs(inputs, shape, None, quantize=False).x[:limit])
    if n_vectors is None:
        n_vectors = 0 if parts else DEFAULT_VECTORS
    quantization = reference.input.quantization
    zero_point = quantization.zero_point if quantization is not None else 0
    parts.append(vectors(shape, n_vectors, seed, zero_point))
    x: NDArray[np.int8] = np.concatenate(parts)
    if not len(x):
        raise BadInput("there is nothing to compare: no --inputs and --vectors 0")
    return Samples(x, len(x) - n_vectors, seed, zero_point)


def parse_indices(text: str | None, n: int, option: str = "--index", least: int = 0) -> list[int]:
    """The numbers in "0,3,10-19", ascending and once each, from `least` on below n; None: all.

    Raises BadInput.
    """
    if text is None:
        return list(range(least, n))
    chosen: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()) or len(part) > 40:
            raise BadInput(f"{option} {text}: {part!r} is neither a number nor a range such as 10-19")
        lo, hi = int(first), int(last or first)
        if hi >= n or lo < least:
            raise BadInput(f"{option} {text}: {part!r} is outside {least}-{n - 1}")
        if lo > hi:
            raise BadInput(f"{option} {text}: {part!r} runs backwards: {last}-{first}?")
        chosen.update(range(lo, hi + 1))
    return sorted(chosen)
