"""Drive an accumulator to a value at which the two requantizations differ.

Where two networks differ at one accumulator in a million, random inputs never meet it. The targets are all
known (separation.py): an element near one of them is chosen, and features move so that its accumulator comes
nearer, by the straight-through gradient and by trial. What is reached at last is an input on which an inner
byte differs; whether the outputs do is for the caller to see.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from coverify.verify.bounds import Box
from coverify.verify.deadline import Deadline
from coverify.verify.equivalence.separation import Apart, separated
from coverify.verify.gradient import Gradient
from coverify.verify.query import I64Array
from tflm_int8.program.concrete import OutsideDomain, run_step
from tflm_int8.program.primitives import MAX_STAIRS, Program, Staircase

ROUNDS = 40
MOVES = 48
"""Inputs that are tried in one round."""
_BATCH_ELEMENTS = 1 << 22


@dataclass(frozen=True, eq=False)
class Layer:
    """A requantization whose two rules differ: its accumulators' wire and, per element, where they do."""

    wire: int
    elements: I64Array
    targets: tuple[Apart, ...]
    """One per element of `elements`."""


def layers(first: Program, second: Program, boxes: list[Box]) -> list[Layer]:
    """The layers of two programs of the same steps at which they differ within reach, in order."""
    found: list[Layer] = []
    if [type(s) for s in first.steps] != [type(s) for s in second.steps]:
        return found
    for one, other in zip(first.steps, second.steps, strict=True):
        if isinstance(one, Staircase) and isinstance(other, Staircase):
            layer = _layer(one, other, boxes[one.source])
            if layer is not None:
                found.append(layer)
    return found


def _layer(one: Staircase, other: Staircase, box: Box) -> Layer | None:
    known: dict[tuple[int, int], Apart] = {}
    elements, targets = [], []
    wide = max(r.hi - r.lo for r in (one.rule, other.rule)) > MAX_STAIRS
    if wide or len(one.channel) != len(other.channel):
        return None
    for i, pair in enumerate(zip(one.channel.tolist(), other.channel.tolist(), strict=True)):
        if pair not in known:
            known[pair] = separated(one.rule, other.rule, pair)
        reached = known[pair].within(int(box.lo[i]), int(box.hi[i]))
        if len(reached.start):
            elements.append(i)
            targets.append(reached)
    return Layer(one.source, np.array(elements, np.int64), tuple(targets)) if elements else None


@dataclass(frozen=True, eq=False)
class Directed:
    """The search in the first program; boxes: its wires' bounds on the region."""

    program: Program
    boxes: list[Box]
    layers: list[Layer]

    def inputs(self, rng: np.random.Generator, x: I64Array, deadline: Deadline) -> Iterator[I64Array]:
        """From x, int64 [n]: inputs on which some accumulator of one layer is where the two differ."""
        layer = self.layers[int(rng.integers(len(self.layers)))]
        gradient = Gradient(self.program, self.boxes)
        acc = self._acc(x[None], layer.wire)
        if acc is None:
            return
        distance = np.array([int(t.distance(acc[0, e : e + 1])[0]) for e, t in layer_items(layer)])
        near = np.argsort(distance, kind="stable")[: max(4, len(distance) // 8)]
        place = int(near[int(rng.integers(len(near)))])
        element, target = int(layer.elements[place]), layer.targets[place]
        best = int(distance[place])
        for _ in range(ROUNDS):
            if best == 0:
                yield x
                return
            if not deadline.remaining:
                return
            moves = self._moves(rng, x, layer.wire, element, target, gradient)
            found = None if moves is None else self._acc(moves, layer.wire)
            if moves is None or found is None:
                return
            reached = target.distance(found[:, element])
            k = int(reached.argmin())
            if reached[k] < best or rng.random() < 0.3:
                x, best = moves[k], int(reached[k])

    def _acc(self, x: I64Array, wire: int) -> I64Array | None:
        wires = self._wires(x, wire)
        return None if wires is None else wires[wire]

    def _wires(self, x: I64Array, wire: int) -> list[I64Array] | None:
        """The wires up to this one; None where TFLM's arithmetic is undefined."""
        wires = [x]
        try:
            for step in self.program.steps[:wire]:
                wires.append(run_step(step, wires))
        except OutsideDomain:
            return None
        return wires

    def _moves(
        self,
        rng: np.random.Generator,
        x: I64Array,
        wire: int,
        element: int,
        target: Apart,
        gradient: Gradient,
    ) -> I64Array | None:
        """Inputs near x, most of them with one or two features moved by what the gradient asks for."""
        lo, hi = self.boxes[0].lo, self.boxes[0].hi
        wires = self._wires(x[None], wire)
        free = np.flatnonzero(hi > lo)
        if wires is None or not len(free):
            return None
        acc = int(wires[wire][0, element])
        seed = np.zeros((1, wires[wire].shape[1]))
        seed[0, element] = 1.0
        slope = gradient.input_gradient(wires, wire, seed)[0]
        missing = target.nearest(acc) - acc
        n = min(MOVES, max(4, _BATCH_ELEMENTS // sum(len(b.lo) for b in self.boxes)))
        moves = np.repeat(x[None], n, axis=0)
        useful = free[np.abs(slope[free]) > 1e-9]
        for row in moves:
            pool = useful if len(useful) and rng.random() < 0.8 else free
            for i in rng.choice(pool, int(rng.integers(1, 4))):
                ideal = missing / slope[i] if abs(slope[i]) > 1e-9 else 0.0
                step = int(np.clip(np.rint(ideal * rng.choice([1.0, 0.5, 1.0])), -255, 255))
                row[i] += step or int(rng.integers(-3, 4))
        return np.clip(moves, lo, hi)


def layer_items(layer: Layer) -> Iterator[tuple[int, Apart]]:
    """Element and targets, one after the other."""
    return zip(layer.elements.tolist(), layer.targets, strict=True)
