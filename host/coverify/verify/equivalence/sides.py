"""The two that are compared, and when an input tells them apart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coverify.verify.equivalence.claim import Question
from coverify.verify.equivalence.product import check_pair
from coverify.verify.errors import BadQuery
from coverify.verify.query import I64Array, IntArray
from tflm_int8.errors import AccumulatorOverflow
from tflm_int8.program.concrete import OutsideDomain
from tflm_int8.program.primitives import Program

Run = Callable[[IntArray], I64Array]
"""int [N, n_input] → the flat output, int64 [N, n_out]."""


@dataclass(frozen=True, eq=False)
class Side:
    """One network: its program, and the quickest way to its output."""

    name: str
    program: Program
    run: Run


@dataclass(frozen=True, eq=False)
class Pair:
    """What is asked of two networks.  tolerance: differences of an output that count as none, in codes."""

    first: Side
    second: Side
    question: Question
    tolerance: int = 0

    def __post_init__(self) -> None:
        """BadQuery: a tolerance that makes no sense, networks of other sizes, no classes."""
        if self.tolerance < 0 or (self.tolerance and self.question is Question.CLASS):
            raise BadQuery("a tolerance is 0 or more codes of an output; a class is equal or not")
        check_pair(self.first.program, self.second.program)
        program = self.first.program
        if self.question is Question.CLASS and program.sizes()[program.output] < 2:
            raise BadQuery("a network of a single output has no class that could differ")

    def told_apart(self, first: I64Array, second: I64Array) -> NDArray[np.bool_]:
        """Which rows of the outputs [N, n_out] answer the question: bool [N]."""
        if self.question is Question.CLASS:
            apart: NDArray[np.bool_] = first.argmax(axis=1) != second.argmax(axis=1)
        else:
            apart = np.any(np.abs(first - second) > self.tolerance, axis=1)
        return apart

    def outputs(self, x: IntArray) -> tuple[I64Array, I64Array] | None:
        """Both outputs; None where TFLM's arithmetic is undefined for some of the inputs."""
        try:
            return self.first.run(x), self.second.run(x)
        except (OutsideDomain, AccumulatorOverflow):
            return None

    def separates(self, x: IntArray) -> bool:
        """Does this input, int [n], tell the two apart?"""
        found = self.outputs(x[None])
        return found is not None and bool(self.told_apart(*found)[0])
