"""Two copies of one network that differ in protected features alone, as one program with one score.

The program's input is [x, p]: the first copy runs on x, the second on x with its protected features replaced
by p. A claim "the score of the second exceeds that of the first by no more than d, nor the other way round"
is the program whose output is [0, s − d, −s − d], s = score(second) − score(first), and whose label is 0: it
holds exactly where 0 stays the index of the first maximum. Every engine works on it unchanged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coverify.verify.equivalence.product import moved_to
from coverify.verify.query import I64Array
from tflm_int8.program.concrete import run
from tflm_int8.program.linear import Dense
from tflm_int8.program.primitives import Affine, Program, Select, Staircase, Step, Term


@dataclass(frozen=True, eq=False)
class Twins:
    """program: one network; protected: feature numbers, ascending; score: int64 [n_out], its weights."""

    program: Program
    protected: tuple[int, ...]
    score: I64Array

    def claim(self, most: int) -> Program:
        """The program whose label 0 stays exactly where |gap| <= most."""
        joint, outputs = self._both()
        rows = np.stack([np.zeros_like(self.score), self.score, -self.score])
        terms = (Term(outputs[1], Dense(rows), 0), Term(outputs[0], Dense(-rows), 0))
        end = Affine(terms, np.array([0, -most, -most], np.int64))
        return replace(joint, steps=(*joint.steps, end), output=len(joint.steps) + 1)

    def side_by_side(self) -> Program | None:
        """Both copies as one chain of layers, as in the file of both (twin_file.py): input [x, p], output
        that of the first copy, then that of the second.

        None unless it is a chain of dense layers and stairs.
        """
        steps = list[Step]()
        for number, step in enumerate(self.program.steps):
            match step:
                case Affine((Term(source, Dense(weights), offset),), bias) if source == number:
                    both = doubled(weights, None if number else self.protected)
                    steps.append(Affine((Term(source, Dense(both), offset),), np.tile(bias, 2)))
                case Staircase(source, _, channel) if source == number:
                    steps.append(replace(step, channel=np.tile(channel, 2)))
                case _:
                    return None
        if self.program.output != len(steps) or not isinstance(self.program.steps[0], Affine):
            return None
        n_input = self.program.n_input + len(self.protected)
        return replace(self.program, n_input=n_input, steps=tuple(steps), tensors={}, operators=())

    def _both(self) -> tuple[Program, tuple[int, int]]:
        """Both copies, and the wires of their outputs."""
        n = self.program.n_input
        index = np.arange(n)
        index[list(self.protected)] = n + np.arange(len(self.protected))
        steps: list[Step] = [Select(0, np.arange(n)), Select(0, index)]
        ends = []
        for source in (1, 2):
            wires = [source]
            for step in self.program.steps:
                steps.append(moved_to(step, wires))
                wires.append(len(steps))
            ends.append(wires[self.program.output])
        joint = replace(
            self.program,
            n_input=n + len(self.protected),
            steps=tuple(steps),
            output=len(steps),
            tensors={},
            operators=(),
        )
        return joint, (ends[0], ends[1])

    def gap(self, point: I64Array) -> int:
        """|score(second) − score(first)| of [x, p]."""
        outputs = run(self.program, np.stack(self.split(point)))[self.program.output]
        return abs(int((outputs[1] - outputs[0]) @ self.score))

    def split(self, point: I64Array) -> tuple[I64Array, I64Array]:
        """The inputs of both copies in [x, p], int64 [n] each."""
        n = self.program.n_input
        first, second = point[:n].copy(), point[:n].copy()
        second[list(self.protected)] = point[n:]
        return first, second


def doubled(weights: NDArray[Any], protected: Sequence[int] | None) -> NDArray[Any]:
    """Both copies' weights as one matrix; protected: the features that the second copy reads from the end."""
    n_out, n_in = weights.shape
    if protected is None:
        return np.kron(np.eye(2, dtype=weights.dtype), weights)
    places = list(protected)
    both = np.zeros((2 * n_out, n_in + len(places)), weights.dtype)
    both[:n_out, :n_in] = both[n_out:, :n_in] = weights
    both[n_out:, places] = 0
    both[n_out:, n_in:] = weights[:, places]
    return both


@dataclass(frozen=True, eq=False)
class Group:
    """Inputs of both copies: x in lo..hi, p in other_lo..other_hi; int64 [n] and [protected]."""

    lo: I64Array
    hi: I64Array
    other_lo: I64Array
    other_hi: I64Array


def groups(
    lo: I64Array, hi: I64Array, protected: Sequence[int], values: Sequence[Sequence[int] | None]
) -> list[Group]:
    """The boxes that hold every pair of copies within lo..hi, once.

    values: per protected feature its codes where it has few, None where it may take all of lo..hi. Pairs of
    equal codes have no gap and are left out; a pair and its reverse have the same gap, and are one.
    """
    places = list(protected)
    combos = _assignments([v if v is not None else (None,) for v in values])
    ranged = any(v is None for v in values)
    found = []
    for i, a in enumerate(combos):
        for b in combos[i:] if ranged else combos[i + 1 :]:
            first_lo, first_hi = lo.copy(), hi.copy()
            other_lo, other_hi = lo[places].copy(), hi[places].copy()
            for k, (mine, theirs) in enumerate(zip(a, b, strict=True)):
                if mine is not None and theirs is not None:
                    first_lo[places[k]] = first_hi[places[k]] = mine
                    other_lo[k] = other_hi[k] = theirs
            found.append(Group(first_lo, first_hi, other_lo, other_hi))
    return found


def _assignments(values: Sequence[Sequence[int | None]]) -> list[tuple[int | None, ...]]:
    found: list[tuple[int | None, ...]] = [()]
    for choices in values:
        found = [(*head, choice) for head in found for choice in choices]
    return found
