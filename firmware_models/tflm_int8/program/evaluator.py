"""Run very many inputs through a program: the concrete meaning again, in types as narrow as is exact.

It promises the integers of `concrete.run`, and its refusals. Every wire has a range that no input of the
program's leaves. So sums of products run in float32 while they stay below 2**24 (else in float64, below
2**53), with the kernels' own windows, and a staircase that is defined on all of its range needs no check.
What is not known to be exact, and every input outside the program's range, runs as `concrete` runs it.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tflm_int8.fixedpoint import I64Array
from tflm_int8.kernels.blas import check_products
from tflm_int8.program.primitives import Program, sources
from tflm_int8.program.quick_steps import Array, Exactly, Quick, Range, quick, range_of

CELLS: Final = 1 << 18
"""Elements of the widest wire that are run at a time: they stay in a processor's cache."""
FEW: Final = 16
"""So many inputs are run as `concrete` runs them, before anything is learnt of the program."""


class Evaluator:
    """A program, and what is known of its steps."""

    def __init__(self, program: Program) -> None:
        self.program, self._sizes, self._left = program, program.sizes(), FEW
        self._rows = max(1, CELLS // max(self._sizes))

    @cached_property
    def _ranges(self) -> list[Range]:
        """Of every wire."""
        ranges: list[Range] = [(self.program.input_lo, self.program.input_hi)]
        for step in self.program.steps:
            ranges.append(range_of(step, ranges))
        return ranges

    @cached_property
    def _steps(self) -> list[Quick]:
        check_products()
        return [quick(step, self._ranges[: i + 2]) for i, step in enumerate(self.program.steps)]

    @cached_property
    def _as_they_are(self) -> list[Quick]:
        return [Exactly(step, np.int64) for step in self.program.steps]

    @cached_property
    def _spent(self) -> list[list[int]]:
        """Of every step, the wires that are not read after it; the output always is."""
        last = {wire: i for i, step in enumerate(self.program.steps) for wire in sources(step)}
        spent: list[list[int]] = [[] for _ in self.program.steps]
        for wire, i in last.items():
            if wire != self.program.output:
                spent[i].append(wire)
        return spent

    def __reduce__(self) -> tuple[type[Evaluator], tuple[Program]]:
        """A copy in another process learns anew."""
        return Evaluator, (self.program,)

    def outputs(self, x: NDArray[np.signedinteger[Any]]) -> Array:
        """x: int [N, n_input] → the output, integers [N, n].  Raises OutsideDomain."""
        end = self.program.output
        parts = [value for _, wire, value in self._written(x, 0) if wire == end]
        return np.concatenate(parts) if parts else np.zeros((0, self._sizes[end]), np.int64)

    def wires(self, values: NDArray[np.signedinteger[Any]], first: int = 0) -> list[I64Array]:
        """All wires from `first` on, whose values are int [N, n]: int64 [N, size] each.

        No step after `first` may read a wire before it.  Raises OutsideDomain.
        """
        whole = [np.empty((len(values), size), np.int64) for size in self._sizes[first:]]
        for rows, wire, value in self._written(values, first):
            whole[wire - first][rows] = value
        return whole

    def _written(
        self, values: NDArray[np.signedinteger[Any]], first: int
    ) -> Iterator[tuple[slice, int, Array]]:
        """Some rows of one wire after another, from `first` on; those of sums are good until the next."""
        steps = self._steps if self._quickly(values, first) else self._as_they_are
        for at in range(0, len(values), self._rows):
            rows = slice(at, at + self._rows)
            gone = np.broadcast_to(np.int8(0), (len(values[rows]), 1))
            wires: list[Array] = [*[gone] * first, values[rows]]
            yield rows, first, wires[first]
            for i in range(first, len(steps)):
                wires.append(steps[i].run(wires, bool(self._spent[i])))
                for wire in self._spent[i]:
                    wires[wire] = gone
                yield rows, i + 1, wires[i + 1]

    def _quickly(self, values: NDArray[np.signedinteger[Any]], wire: int) -> bool:
        """Whether all steps may rely on their ranges, and enough is asked to learn these."""
        self._left -= len(values)
        if self._left >= 0 or values.size == 0:
            return False
        lo, hi = self._ranges[wire]
        return lo <= int(values.min()) and int(values.max()) <= hi
