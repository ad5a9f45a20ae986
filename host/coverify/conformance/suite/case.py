"""One case of the kernel suite: a model of one operator and the inputs that it is run on."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coverify.conformance.ranges import elements_of, shapes_of
from coverify.conformance.suite.model_file import OneOp
from coverify.conformance.vectors import generated
from tflm_int8 import Model, sample_shape

N_VECTORS = 7
"""Generated inputs of a case: the four corners, then random ones."""


@dataclass(frozen=True, eq=False)
class Case:
    """`shape_class` is the row of the matrix that it belongs to; x: [N, sample shape] of the only input.

    Where the model keeps state, x are successive invocations, the first one after a reset.
    """

    op: str
    shape_class: str
    name: str
    model: Model
    x: NDArray[Any]


def rng_of(*words: object) -> np.random.Generator:
    """A generator that is a function of the words alone."""
    return np.random.default_rng([zlib.crc32(repr(word).encode()) for word in words])


def case(
    one: OneOp,
    shape_class: str,
    name: str,
    seed: int,
    directed: NDArray[np.int8] | None = None,
    n_vectors: int = N_VECTORS,
) -> Case:
    """The case of a model; `directed`: int8 [N, input shape], inputs made for it, put before the others."""
    model = Model.from_bytes(one.content(), f"{one.name.removeprefix('CUSTOM:').lower()}-{name}.tflite")
    shape = sample_shape(model.tensors[model.inputs[0]])
    (x,) = generated(elements_of(model), shapes_of(model), n_vectors, seed).arrays
    if directed is not None:
        x = np.concatenate([directed.reshape(-1, *shape), x])
    return Case(one.name, shape_class, name, model, x)
