"""Which way do a convolution's weights move a test's class? A linear guide: one row per test and rival class.

A neuron with many outputs per sample has no set of codes to try. Its part in the margin between the wanted
class and a rival is taken as linear around the network as it is: the straight-through gradient of the
integer program, times the inputs of every position. What the guide proposes is nothing that is believed: the
search runs the network, asks for more where the guide was too bold, and keeps what is so in exact integers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from coverify.repair.bench import Bench
from coverify.repair.program import Demand
from coverify.verify.gradient import Gradient
from coverify.verify.query import F64Array
from tflm_int8.fixedpoint import I64Array
from tflm_int8.program import primitives as p
from tflm_int8.program.concrete import run
from tflm_int8.program.lowering import lower_reference

RIVALS: Final = 3
"""Classes that a test is held against: those with the highest scores but for the wanted one."""
UNIT: Final = 1 << 8
"""The rows of a guide are multiples of 1/UNIT code."""
NEAR: Final = 64
"""Passing tests, those nearest to another class, that the guide looks at from the start."""
_FAR: Final = 1 << 50
_LEAK: Final = 0.02
"""The share of its slope that a saturated stair keeps."""


@dataclass(frozen=True, eq=False)
class _Local(Gradient):
    """The gradient with every stair's own slope at its accumulator."""

    def _stair_slope(self, step: p.Staircase, wires: list[I64Array], wire: int) -> F64Array:
        slope, out = _slope(step.rule)[step.channel], wires[wire]
        saturated = (out <= step.rule.lo) | (out >= step.rule.hi)
        leaking: F64Array = np.where(saturated, _LEAK, 1.0) * slope
        return leaking


def _slope(rule: p.Rule) -> F64Array:
    """Codes per unit of the accumulator, float64 [channels]."""
    match rule:
        case p.Requantize():
            return rule.multiplier.astype(np.float64) * 2.0 ** (rule.shift - 31.0)
        case p.RequantizeReal():
            return rule.scale
        case p.DivideRounding():
            return 1.0 / rule.count.astype(np.float64)
        case _:
            first, last = rule.domain()
            return (rule.hi - rule.lo) / (last - first).astype(np.float64)


class Guide:
    """Slopes of the tests' margins with respect to one layer's accumulators."""

    def __init__(self, bench: Bench, x: NDArray[np.int8], wanted: I64Array) -> None:
        """x: int8 [N, …], the samples of the bench; wanted: int64 [N]."""
        layer = bench.layer
        self._bench, self._wanted = bench, wanted
        self._x = x.reshape(len(x), -1)
        self._program = lower_reference(layer.reference)
        steps = zip(self._program.steps, self._program.operators, strict=True)
        own = [i + 1 for i, (s, op) in enumerate(steps) if op == layer.op_index and isinstance(s, p.Affine)]
        self._accumulators = own[-1]
        self._scores = _score_wire(self._program)
        self._slopes: dict[int, tuple[I64Array, F64Array]] = {}

    def demand(self, neuron: int, sample: int, margins: I64Array, aim: float) -> Demand:
        """Raise every margin of the sample to `aim` codes; margins: int64 [RIVALS], those of now."""
        rivals, slopes = self._of(sample)
        rows = self._bench.rows(neuron, np.array([sample]))[0]
        linear = np.rint(slopes[:, :, neuron] @ rows * UNIT).astype(np.int64)
        lacking = np.ceil((aim - margins[: len(rivals)]) * UNIT).astype(np.int64)
        return Demand(linear, lacking[None], np.full((1, len(rivals)), _FAR))

    def margins(self, scores: I64Array, sample: int) -> I64Array:
        """How many codes the wanted class is above the sample's rivals, int64 [rivals]; ties by index.

        scores: int64 [classes], of now.
        """
        rivals, _ = self._of(sample)
        wanted = int(self._wanted[sample])
        margins: I64Array = scores[wanted] - scores[rivals] - (rivals < wanted)
        return margins

    def _of(self, sample: int) -> tuple[I64Array, F64Array]:
        """(rivals, slopes [rivals, positions, neurons])."""
        if sample not in self._slopes:
            self._slopes[sample] = self._measured(sample)
        return self._slopes[sample]

    def _measured(self, sample: int) -> tuple[I64Array, F64Array]:
        wires = run(self._program, self._x[sample : sample + 1])
        scores, wanted = wires[self._scores][0], int(self._wanted[sample])
        order = np.argsort(-scores, kind="stable")
        rivals = order[order != wanted][:RIVALS]
        seeds = np.zeros((len(rivals), len(scores)))
        seeds[:, wanted] = 1.0
        seeds[np.arange(len(rivals)), rivals] = -1.0
        repeated = [np.repeat(wire, len(rivals), axis=0) for wire in wires]
        slopes = _Local(self._program, []).gradient(repeated, self._scores, seeds, self._accumulators)
        layer = self._bench.layer
        return rivals, slopes.reshape(len(rivals), layer.n_positions, layer.n_neurons)


def _score_wire(program: p.Program) -> int:
    """The wire whose maximum is the class: what a final softmax reads, else the output."""
    last = program.steps[program.output - 1] if program.output else None
    return last.source if isinstance(last, p.Softmax) else program.output


@dataclass(eq=False)
class Aims:
    """What margins the guide is asked for, in codes, of one neuron; raised where it was too bold.

    aim: failing test → the margin that it wishes for; floor: passing test → the least that it must keep.
    """

    guide: Guide
    neuron: int
    margins: dict[int, I64Array]
    aim: dict[int, float]
    floor: dict[int, float]

    @staticmethod
    def of(guide: Guide, neuron: int, scores: I64Array, failing: I64Array, passing: I64Array) -> Aims:
        """scores: int64 [N, classes], of now; failing, passing: numbers of samples."""
        margins = {int(s): guide.margins(scores[s], int(s)) for s in (*failing, *passing)}
        near = sorted((int(s) for s in passing), key=lambda s: int(margins[s].min()))[:NEAR]
        return Aims(guide, neuron, margins, dict.fromkeys(map(int, failing), 1.0), dict.fromkeys(near, 0.0))

    def wished(self) -> tuple[Demand, ...]:
        """One for each failing test, in order."""
        return tuple(self.guide.demand(self.neuron, s, self.margins[s], a) for s, a in self.aim.items())

    def required(self) -> tuple[Demand, ...]:
        """No margin need grow: no change meets them all."""
        return tuple(
            self.guide.demand(self.neuron, s, self.margins[s], min(f, int(self.margins[s].min())))
            for s, f in self.floor.items()
        )

    def learn(self, broken: I64Array, missed: list[int]) -> None:
        """Passing tests that broke are to keep more, failing tests that were not fixed to gain more."""
        for s in broken:
            self.floor[int(s)] = self.floor.get(int(s), 0.0) + 2.0
        for s in missed:
            self.aim[s] = self.aim[s] * 1.5 + 1.0
