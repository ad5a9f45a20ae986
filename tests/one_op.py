"""Random one-operator models for every row of the operator table, from all random tables of the tests.

case = CASES_OF["CONV_2D"][0]
content = case.model(seed)                     # a .tflite file
x = case.inputs(Reference(...), seed, 6)       # [6, sample shape], of the input's type
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

import random_elementwise
import random_graphs
import random_movement
from tflm_int8 import Reference, sample_shape


@dataclass(frozen=True)
class Case:
    """One entry of a random table: `key` in its table, and the function from key and seed to a file."""

    key: str
    make: Callable[[str, int], bytes]

    def model(self, seed: int) -> bytes:
        """The .tflite file of a seed."""
        return self.make(self.key, seed)

    def inputs(self, reference: Reference, seed: int, n: int) -> np.ndarray:
        """Random values and extremes of the input's type; none on which the operator is undefined."""
        x, shape = reference.input, sample_shape(reference.input)
        if x.dtype != "int8":
            return random_movement.values(np.random.default_rng([seed, 41]), (n, *shape), x.dtype)
        least = x.quantization.zero_point if self.key.startswith("RSQRT") else -128
        return random_elementwise.samples(seed, shape, n, least)


def _entries() -> Iterator[tuple[str, Case]]:
    for table in (random_graphs, random_elementwise, random_movement):
        for key in table.ONE_OP:
            name = key.removesuffix("_INT16")
            names = ("AVERAGE_POOL_2D", "MAX_POOL_2D") if name == "POOL_2D" else (name,)
            for operator in names:
                yield operator, Case(key, table.one_op)


CASES_OF: dict[str, list[Case]] = {}
for _operator, _case in _entries():
    CASES_OF.setdefault(_operator, []).append(_case)
