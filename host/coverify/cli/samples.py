"""Which network and which inputs do verbs compare? The reference of a file with one input; its samples, and
which of them; the sequences of a network that keeps state.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray

from coverify.conformance.sequences import default_length, reach_of
from coverify.conformance.vectors import Samples, vectors
from coverify.errors import BadInput
from coverify.inputs import read_inputs
from tflm_int8 import Model, Reference, sample_shape

DEFAULT_VECTORS = 32
SequenceOption = Annotated[
    int | None,
    typer.Option(
        "--sequence",
        min=1,
        max=1_000_000,
        help="Of a network that keeps state: so many successive invocations after each reset. Default: 16, "
        "or two more than its state reaches back.",
    ),
]


def reference_of(net: Model, profile: str) -> Reference:
    """The reference of a network with one input.  Raises BadInput, TflmError."""
    reference = Reference(net, profile)
    if len(net.inputs) != 1:
        raise BadInput(f"{net.name} has {len(net.inputs)} inputs; one is supported")
    return reference


def sequence_of(reference: Reference, asked: int | None) -> int | None:
    """The invocations after each reset of a network that keeps state; None for one that keeps none.

    Raises BadInput where it is asked for and there is no state.
    """
    if not reference.stateful:
        if asked is not None:
            raise BadInput(f"--sequence is for networks that keep state; {reference.model.name} keeps none")
        return None
    return asked or default_length(reference)


def beyond_sequence(reference: Reference, length: int | None) -> tuple[str, ...]:
    """What a comparison by sequences does not show."""
    if length is None:
        return ()
    reach = reach_of(reference)
    said = f"runs of more than {length} invocations without a reset"
    if reach is None:
        return (f"{said} (the state may hold all inputs since a reset)",)
    short = f"; the state holds up to {reach} inputs, which no run has filled" if reach > length else ""
    return (said + short,)


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
        twice = 2 * default_length(reference) if reference.stateful else 0
        n_vectors = 0 if parts else max(DEFAULT_VECTORS, twice)
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
