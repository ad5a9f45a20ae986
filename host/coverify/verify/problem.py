"""One query on one network: what every engine gets, with the network's concrete meaning at hand.

The concrete run of the whole program has the final word on every counterexample.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from coverify.verify.cone import Cone
from coverify.verify.errors import BadQuery
from coverify.verify.query import I64Array, IntArray, Robustness
from tflm_int8.program.evaluator import Evaluator
from tflm_int8.program.primitives import Program

_BATCH_ELEMENTS = 1 << 22
"""Elements over all wires that one batch may hold (32 MB of int64)."""


@dataclass(frozen=True, eq=False)
class Problem:
    """A program and a query on it."""

    program: Program
    query: Robustness

    def __post_init__(self) -> None:
        """BadQuery when the query's sizes, range or label do not fit the program."""
        program, query = self.program, self.query
        if len(query.lo) != program.n_input:
            raise BadQuery(f"the input has {len(query.lo)} elements, the network wants {program.n_input}")
        n_out = program.sizes()[program.output]
        if not 0 <= query.label < n_out:
            raise BadQuery(f"label {query.label} is not an output of the network (0..{n_out - 1})")
        if np.any(query.lo < program.input_lo) or np.any(query.hi > program.input_hi):
            raise BadQuery(f"the box leaves the input range {program.input_lo}..{program.input_hi}")
        if not query.contains(query.x0.astype(np.int64)):
            raise BadQuery("the base input is not in the box")

    @property
    def batch(self) -> int:
        """How many inputs to run at a time, at least 1."""
        return max(1, min(1 << 15, _BATCH_ELEMENTS // sum(self.program.sizes())))

    @cached_property
    def evaluator(self) -> Evaluator:
        """Runs the program on many inputs."""
        return Evaluator(self.program)

    def wires(self, x: IntArray) -> list[I64Array]:
        """All wires for x int [N, n_input]; raises tflm_int8's OutsideDomain."""
        return self.evaluator.wires(x)

    def labels(self, x: IntArray) -> I64Array:
        """The index of the first maximum of the output for every row of x: int64 [N]."""
        found: I64Array = self.evaluator.outputs(x).argmax(axis=1)
        return found

    def batches(self, x: IntArray) -> Iterator[IntArray]:
        """The rows of x in pieces of at most `batch`."""
        for start in range(0, len(x), self.batch):
            yield x[start : start + self.batch]

    def breaks(self, x: IntArray) -> bool:
        """Is x, int [n], a point of the region whose label is not the query's?"""
        return self.query.contains(x) and int(self.labels(x[None])[0]) != self.query.label

    def first_violation(self, x: IntArray) -> I64Array | None:
        """The first row of x within the changes allowed whose label is not the query's, or None."""
        if self.query.changes is not None:
            x = x[(x != self.query.x0).sum(axis=1) <= self.query.changes]
        return self.first_other(x)

    def first_other(self, x: IntArray, cone: Cone | None = None) -> I64Array | None:
        """The first row of x whose label is not the query's, or None.  cone: of a box that holds all rows;
        then that is run.
        """
        labels = self.labels(x) if cone is None else cone.outputs(x).argmax(axis=1)
        broken = np.flatnonzero(labels != self.query.label)
        return x[broken[0]].astype(np.int64) if len(broken) else None
