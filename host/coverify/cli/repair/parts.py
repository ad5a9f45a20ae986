"""Which inputs is a network repaired with, and which is it judged on? Two files, or one that is split."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from coverify.cli.network import labels_within
from coverify.errors import BadInput
from coverify.inputs import Conversion, Inputs, read_inputs
from tflm_int8 import Reference, sample_shape
from tflm_int8.fixedpoint import I64Array


def read_parts(
    reference: Reference,
    data: Path,
    validation: Path | None,
    split: float,
    limit: int | None,
    quantize: bool,
    labels: bool,
    seed: int,
    convert: Conversion | None,
) -> tuple[Inputs, Inputs]:
    """The repair part and the validation part; labels: are those of the files taken? convert: of what the
    network makes codes.  Raises BadInput.
    """
    quantization = reference.input.quantization
    scale = None if quantization is None else (float(quantization.scale), quantization.zero_point)

    def read(path: Path, n: int | None = None) -> Inputs:
        found = read_inputs(path, sample_shape(reference.input), scale, quantize, convert).first(n)
        if not labels:
            return Inputs(found.x, None, found.clamped)
        if found.y is not None:
            classes = math.prod(sample_shape(reference.output))
            labels_within(path, found.y.tolist(), range(len(found)), classes)
        return found

    whole = read(data, limit)
    if validation is not None:
        judged = read(validation)
        if (whole.y is None) != (judged.y is None):
            raise BadInput(f"{data} and {validation}: labels y are needed in both, or in neither")
        return whole, judged
    order = np.random.default_rng(seed).permutation(len(whole))
    n = min(max(1, round(split * len(whole))), len(whole) - 1)
    if n < 1:
        raise BadInput(f"{data}: at least two samples are needed to split")
    return _chosen(whole, np.sort(order[:n])), _chosen(whole, np.sort(order[n:]))


def n_shared(repair: Inputs, judged: Inputs) -> int:
    """How many inputs of the validation part are, byte by byte, in the repair part as well."""
    known, asked = np.sort(_rows(repair)), _rows(judged)
    places = np.minimum(np.searchsorted(known, asked), len(known) - 1)
    return int(np.count_nonzero(known[places] == asked))


def _rows(data: Inputs) -> NDArray[np.void]:
    """Each input as one item, void [N]."""
    flat = np.ascontiguousarray(data.x).reshape(len(data), -1)
    return flat.view(np.dtype((np.void, flat.shape[1]))).reshape(-1)


def _chosen(data: Inputs, which: I64Array) -> Inputs:
    """Some of them; what was clamped is said of all, of which each is in one part."""
    return Inputs(data.x[which], None if data.y is None else data.y[which], data.clamped)
