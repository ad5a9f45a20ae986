"""Run very many inputs of one box: only what the box moves is computed, as differences from its least input.

Differences are integers in floats that hold every sum of theirs (single precision below 2^24, double below
2^53); staircases are the rule's own, or its proved float form. So the outputs are those of
`tflm_int8.program.concrete`, integer for integer, where no accumulator may overflow.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from coverify.verify.bounds import Box, wire_bounds
from coverify.verify.errors import CannotDecide
from coverify.verify.query import I64Array, IntArray
from tflm_int8.kernels.staircase import exact_gemm_dtype
from tflm_int8.kernels.window_sums import FloatArray, FloatType
from tflm_int8.program.concrete import OutsideDomain, run, run_step
from tflm_int8.program.linear import Convolution, Dense
from tflm_int8.program.primitives import (
    Affine,
    Max,
    Program,
    Select,
    Staircase,
    Step,
    Table,
    Term,
    sources,
)
from tflm_int8.program.requantizer import Requantizer

Array = NDArray[Any]
Found = list[FloatArray]
"""Of the wires so far, [N, those that move]: how far they have moved."""
Moved = Callable[[Found], FloatArray]
"""The same of one more wire, in its type."""

WORTH = 0.55
"""Where more of all elements than this move, nothing is gained: each costs more than in a whole run."""
CELLS = 1 << 17
"""Elements of the widest wire that are run at a time: they stay in a processor's cache."""
_I64: Final = np.dtype(np.int64)


@dataclass(frozen=True, eq=False)
class Wire:
    """One wire on the box. base: its values for the box's least input; moves: elements that may have others,
    ascending; reach: how far they are from these at most, [n].
    """

    base: I64Array
    moves: I64Array
    reach: I64Array

    @staticmethod
    def of(base: I64Array, box: Box, group: int) -> Wire:
        """Where one of a group of elements moves, all are said to."""
        moves = np.zeros(len(base), bool)
        moves.reshape(-1, group)[(box.lo < box.hi).reshape(-1, group).any(axis=1)] = True
        return Wire(base, np.flatnonzero(moves), np.maximum(box.hi - base, base - box.lo))

    @property
    def dtype(self) -> FloatType:
        """Of values, and of how far they move."""
        return exact_gemm_dtype(int((np.abs(self.base) + self.reach).max(initial=0)))

    @property
    def places(self) -> I64Array:
        """Of every element, its place among those that move; −1 where it does not."""
        places = np.full(len(self.base), -1, np.int64)
        places[self.moves] = np.arange(len(self.moves))
        return places


class Cone:
    """A program on a box lo..hi, int64 [n_input] each.

    Raises CannotDecide where an accumulator may overflow, or a sum be too large.
    """

    def __init__(self, program: Program, lo: I64Array, hi: I64Array) -> None:
        self.program, boxes = program, wire_bounds(program, lo, hi)
        values = [wire[0] for wire in run(program, lo[None])]
        parts = zip(values, boxes, _groups(program), strict=True)
        self.wires = [Wire.of(base, box, group) for base, box, group in parts]
        self._moved = [self._step(step, self.wires[i + 1]) for i, step in enumerate(program.steps)]
        self._rows = max(1, CELLS // max(1, *(len(wire.moves) for wire in self.wires)))

    def outputs(self, x: IntArray) -> I64Array:
        """Of inputs in the box, int [N, n_input]: int64 [N, outputs]."""
        parts = [self._run(x[at : at + self._rows]) for at in range(0, len(x), self._rows)]
        return np.concatenate(parts) if parts else np.zeros((0, len(self._out.base)), np.int64)

    @property
    def elements(self) -> int:
        """Those that move, of all wires."""
        return sum(len(wire.moves) for wire in self.wires)

    @property
    def _out(self) -> Wire:
        return self.wires[self.program.output]

    def _run(self, x: IntArray) -> I64Array:
        first = self.wires[0].moves
        found: Found = [(x[:, first] - self.wires[0].base[first]).astype(self.wires[0].dtype)]
        for moved in self._moved[: self.program.output]:
            found.append(moved(found))
        return self._whole(self.program.output, found)

    def _whole(self, wire: int, found: Found) -> I64Array:
        """All values of a wire: int64 [N, n]."""
        whole = np.repeat(self.wires[wire].base[None], len(found[wire]), axis=0)
        whole[:, self.wires[wire].moves] += found[wire].astype(np.int64)
        return whole

    def _step(self, step: Step, out: Wire) -> Moved:
        match step:
            case Affine():
                return self._affine(step, out)
            case Staircase():
                return self._staircase(step, out)
            case Table():
                return self._mapped(step.source, out.moves, out, lambda code: step.values[code + 128])
            case Select():
                return self._mapped(step.source, step.index[out.moves], out, lambda value: value)
            case Max():
                return self._mapped(
                    step.source, step.windows[out.moves], out,
                    lambda values: np.clip(values.max(axis=2), step.lo, step.hi),
                )  # fmt: skip
            case _:
                return self._any(step, out)

    def _staircase(self, step: Staircase, out: Wire) -> Moved:
        source = self.wires[step.source]
        reach = int((np.abs(source.base) + source.reach)[out.moves].max(initial=0))
        stairs, dtype = Requantizer(step.rule, step.channel[out.moves], reach), exact_gemm_dtype(reach)
        return self._mapped(step.source, out.moves, out, lambda acc: stairs.apply(acc, spent=True), dtype)

    def _mapped(
        self,
        source: int,
        read: I64Array,
        out: Wire,
        function: Callable[[Array], Array],
        dtype: np.dtype[Any] = _I64,
    ) -> Moved:
        """function(the values of elements `read` of the source, in dtype)."""
        wire = self.wires[source]
        at, start, base = wire.places[read], wire.base[read].astype(dtype), out.base[out.moves]
        as_they_are, all_move = np.array_equal(read, wire.moves), bool(np.all(at >= 0))

        def moved(found: Found) -> FloatArray:
            taken = found[source]
            if not as_they_are:
                taken = np.take(taken if all_move else _framed(taken), at, axis=1)
            values = taken.astype(dtype)
            values += start
            return np.subtract(function(values), base, dtype=out.dtype, casting="unsafe")

        return moved

    def _any(self, step: Step, out: Wire) -> Moved:
        """A step as it is run anywhere, on whole wires."""
        read, nothing = sources(step), np.zeros((0, 0), np.int64)

        def moved(found: Found) -> FloatArray:
            wires = [self._whole(i, found) if i in read else nothing for i in range(len(found))]
            return (run_step(step, wires)[:, out.moves] - out.base[out.moves]).astype(out.dtype)

        return moved

    def _affine(self, step: Affine, out: Wire) -> Moved:
        reaches = [(term.map, self.wires[term.source].reach) for term in step.terms]
        reach = sum(int(map_.interval(-reach, reach)[1].max(initial=0)) for map_, reach in reaches)
        if reach >= 2**53:
            raise CannotDecide("sums that are not exact in double precision")
        dtype = exact_gemm_dtype(reach)
        terms = [self._term(term, out, dtype) for term in step.terms]

        def moved(found: Found) -> FloatArray:
            total = terms[0](found) if terms else np.zeros((len(found[0]), len(out.moves)), dtype)
            for term in terms[1:]:
                total = total + term(found)
            return total

        return moved

    def _term(self, term: Term, out: Wire, dtype: FloatType) -> Moved:
        source, wire, map_ = term.source, self.wires[term.source], term.map
        if isinstance(map_, Dense):
            matrix = np.ascontiguousarray(map_.weights[np.ix_(out.moves, wire.moves)].T, dtype)
            return lambda found: found[source].astype(dtype, copy=False) @ matrix
        if isinstance(map_, Convolution) and len(out.moves):
            return self._convolution(map_, source, out, dtype)

        def moved(found: Found) -> FloatArray:
            whole = np.zeros((len(found[source]), len(wire.base)), np.int64)
            whole[:, wire.moves] = found[source]
            return map_.apply(whole)[:, out.moves].astype(dtype)

        return moved

    def _convolution(self, map_: Convolution, source: int, out: Wire, dtype: FloatType) -> Moved:
        """At the positions that move alone; a tap on a pixel that does not reads 0."""
        wire, channels, n_filters = self.wires[source], map_.in_channels, len(map_.filters)
        positions, pixels = np.unique(out.moves // n_filters), np.unique(wire.moves // channels)
        places = np.full(map_.window.n_pixels + 1, len(pixels))
        places[pixels] = np.arange(len(pixels))
        under = places[map_.window.taps[positions]]
        inside = np.searchsorted(pixels, wire.moves // channels) * channels + wire.moves % channels
        asked = np.searchsorted(positions, out.moves // n_filters) * n_filters + out.moves % n_filters
        whole_pixels = len(inside) == len(pixels) * channels
        whole_positions = len(asked) == len(positions) * n_filters

        def moved(found: Found) -> FloatArray:
            image = np.zeros((len(found[source]), len(pixels) + 1, channels), dtype)
            if whole_pixels:
                image[:, :-1] = found[source].reshape(len(image), -1, channels)
            else:
                image.reshape(len(image), -1)[:, inside] = found[source]
            sums = map_.at_taps(image, under)
            return sums if whole_positions else sums[:, asked]

        return moved


def worth_it(program: Program, lo: I64Array, hi: I64Array) -> Cone | None:
    """The cone of a box; None where it is as good as the whole program, or there is none."""
    try:
        cone = Cone(program, lo, hi)
    except (CannotDecide, OutsideDomain):
        return None
    return cone if cone.elements <= WORTH * sum(program.sizes()) else None


def elements(program: Program, lo: I64Array, hi: I64Array) -> int:
    """How many elements of all wires are computed for each input of a box that is enumerated."""
    cone = worth_it(program, lo, hi)
    return sum(program.sizes()) if cone is None else cone.elements


def _framed(found: FloatArray) -> FloatArray:
    """And a 0 behind them, which place −1 is."""
    return np.concatenate([found, np.zeros((len(found), 1), found.dtype)], axis=1)


def _groups(program: Program) -> list[int]:
    """Of every wire, the channels of a pixel, where it comes from a convolution; else 1."""
    groups = [1]
    for step in program.steps:
        match step:
            case Affine(terms=(Term(map=Convolution() as map_), *_)):
                groups.append(len(map_.filters))
            case Staircase() | Table():
                groups.append(groups[step.source])
            case _:
                groups.append(1)
    return groups
