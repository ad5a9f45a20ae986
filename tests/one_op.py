"""Random one-operator models for every row of the operator table, from all random tables of the tests.

case = CASES_OF["CONV_2D"][0]
content = case.model(seed)                     # a .tflite file
x = case.inputs(Reference(...), seed, 6)       # [6, sample shape], of the input's type
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType

import numpy as np

import random_elementwise
import random_graphs
import random_movement
import random_operands
import random_signal
import random_state
from tflm_int8 import Model, Reference, UnsupportedModel, UnsupportedOp, lower, sample_shape
from tflm_int8.operators import OPERATORS
from tflm_int8.program.primitives import Program


@dataclass(frozen=True)
class Case:
    """One entry of a random table: `key` in its table."""

    key: str
    table: ModuleType

    def model(self, seed: int) -> bytes:
        """The .tflite file of a seed."""
        return self.table.one_op(self.key, seed)

    def inputs(self, reference: Reference, seed: int, n: int) -> np.ndarray:
        """Random values and extremes of the input's type, [n, sample shape]; none that is undefined."""
        x, shape = reference.input, sample_shape(reference.input)
        if self.table in (random_operands, random_signal, random_state):
            return self.table.samples(seed, reference, n).reshape(n, *shape)
        if x.dtype != "int8":
            return random_movement.values(np.random.default_rng([seed, 41]), (n, *shape), x.dtype)
        least = x.quantization.zero_point if self.key.startswith("RSQRT") else -128
        return random_elementwise.samples(seed, shape, n, least)


def lowered(operator: str, n_seeds: int) -> Iterator[tuple[Case, int, Model, Program]]:
    """The models of an operator's cases that have a program: case, seed, model, program."""
    for case in CASES_OF[operator]:
        for seed in range(n_seeds):
            try:
                model = Model.from_bytes(case.model(seed), f"{case.key}-{seed}")
                program = lower(model)
            except (UnsupportedOp, UnsupportedModel):
                continue
            yield case, seed, model, program


def _operators(case: Case) -> set[str]:
    """The operators that the entry is about: by its name, or all that its models hold."""
    name = case.key.split()[0].removesuffix("_INT16")
    for known in (name, f"CUSTOM:{name}"):
        if known in OPERATORS:
            return {known}
    models = (Model.from_bytes(case.model(seed)) for seed in range(40))
    return {op.name for model in models for op in model.operators}


def _entries() -> Iterator[tuple[str, Case]]:
    tables = (
        random_graphs,
        random_elementwise,
        random_movement,
        random_operands,
        random_signal,
        random_state,
    )
    for table in tables:
        for key in table.ONE_OP:
            for operator in sorted(_operators(Case(key, table))):
                yield operator, Case(key, table)


CASES_OF: dict[str, list[Case]] = {}
for _operator, _case in _entries():
    CASES_OF.setdefault(_operator, []).append(_case)
