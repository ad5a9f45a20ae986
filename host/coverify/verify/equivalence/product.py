"""Two programs on one input as a single program: steps that are equal are there once.

A step of the second program that is the same function of the same wire as one of the first is that one. With
`bounds`, elements that are proved equal on the region (drift.py) are read from the first program as well. So
profiles that do not differ on a network end in one output wire, and what an engine has to look at is what
differs.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field

import numpy as np

from coverify.verify.bounds import Box, meet, step_bounds
from coverify.verify.deadline import Deadline
from coverify.verify.equivalence.drift import Sides, apart, step_drift, zero
from coverify.verify.equivalence.sameness import same
from coverify.verify.errors import BadQuery
from coverify.verify.query import I64Array
from tflm_int8.program.primitives import Affine, Exact, Product, Program, Step, Term, sources
from tflm_int8.program.sparse import Sparse


@dataclass(frozen=True, eq=False)
class Joint:
    """Both programs: `program` holds the steps of both, `first` and `second` are their output wires.

    boxes: bounds of every wire on the region, None where none were asked for; drifts: (wire of the first,
    wire of the second) → bounds of the difference; by_bounds: does the sharing rest on the region?
    """

    program: Program
    first: int
    second: int
    boxes: list[Box] | None
    drifts: dict[tuple[int, int], Box]
    by_bounds: bool

    @property
    def is_one(self) -> bool:
        """Is the output of both one wire?"""
        return self.first == self.second

    def drift(self, first: int, second: int) -> Box:
        """Bounds of (second − first) for two wires of one size; needs boxes."""
        assert self.boxes is not None
        known = zero(len(self.boxes[first].lo)) if first == second else self.drifts.get((first, second))
        plain = apart(self.boxes[first], self.boxes[second])
        return plain if known is None else meet(known, plain)


def check_pair(a: Program, b: Program) -> None:
    """BadQuery unless both take the same inputs and give outputs of one size."""
    if (a.n_input, a.input_lo, a.input_hi) != (b.n_input, b.input_lo, b.input_hi):
        raise BadQuery(
            f"the first network takes {a.n_input} values of {a.input_lo}..{a.input_hi}, "
            f"the second {b.n_input} of {b.input_lo}..{b.input_hi}"
        )
    n, m = a.sizes()[a.output], b.sizes()[b.output]
    if n != m:
        raise BadQuery(f"the first network has {n} outputs, the second {m}")


def joined(a: Program, b: Program, deadline: Deadline) -> Joint:
    """The product without a look at any region."""
    check_pair(a, b)
    return _Walk(list(a.steps), None, deadline).over(a, b)


def joined_on(a: Program, b: Program, lo: I64Array, hi: I64Array, deadline: Deadline) -> Joint:
    """The product on the inputs lo..hi, int64 [n_input].  Raises CannotDecide, OutOfTime."""
    check_pair(a, b)
    boxes = [Box(lo, hi)]
    for index, step in enumerate(a.steps):
        deadline.check()
        boxes.append(step_bounds(step, boxes, index))
    return _Walk(list(a.steps), boxes, deadline).over(a, b)


@dataclass(eq=False)
class _Walk:
    """`steps` begins with those of the first program, so that its wires keep their numbers."""

    steps: list[Step]
    boxes: list[Box] | None
    deadline: Deadline
    drifts: dict[tuple[int, int], Box] = field(default_factory=dict)
    by_bounds: bool = False
    _by_sources: dict[tuple[type, tuple[int, ...]], list[int]] = field(default_factory=dict)

    def over(self, a: Program, b: Program) -> Joint:
        for wire, step in enumerate(self.steps, 1):
            self._note(step, wire)
        aligned = [type(s) for s in a.steps] == [type(s) for s in b.steps]
        wires = [0]
        for k, step in enumerate(b.steps):
            self.deadline.check()
            moved = moved_to(step, wires)
            wires.append(self._equal(moved) or self._emitted(moved, k + 1 if aligned else None))
        program = dataclasses.replace(a, steps=tuple(self.steps), operators=(), tensors={})
        return Joint(program, a.output, wires[b.output], self.boxes, self.drifts, self.by_bounds)

    def _note(self, step: Step, wire: int) -> None:
        self._by_sources.setdefault((type(step), sources(step)), []).append(wire)

    def _equal(self, step: Step) -> int | None:
        """The wire of a step that is there already."""
        known = self._by_sources.get((type(step), sources(step)), [])
        return next((wire for wire in known if same(self.steps[wire - 1], step)), None)

    def _emitted(self, step: Step, partner: int | None) -> int:
        """The wire of a new step, of its partner where both are equal, of a mix of the two."""
        if self.boxes is None:
            return self._append(step)
        box = step_bounds(step, self.boxes, len(self.steps))
        if partner is None or len(self.boxes[partner].lo) != len(box.lo):
            return self._append(step, box)
        drift = self._drift(partner, step, box)
        equal = (drift.lo == 0) & (drift.hi == 0)
        self.by_bounds |= bool(equal.any())
        if equal.all():
            return partner
        wire = self._append(step, box)
        if equal.any() and not isinstance(step, Affine):
            wire = self._mixed(partner, wire, equal)
        self.drifts[partner, wire] = drift
        return wire

    def _append(self, step: Step, box: Box | None = None) -> int:
        self.steps.append(step)
        self._note(step, len(self.steps))
        if self.boxes is not None:
            self.boxes.append(step_bounds(step, self.boxes, len(self.steps) - 1) if box is None else box)
        return len(self.steps)

    def _drift(self, partner: int, step: Step, box: Box) -> Box:
        assert self.boxes is not None
        plain = apart(self.boxes[partner], box)
        one = self.steps[partner - 1]
        ours, theirs = sources(one), sources(step)
        sizes = [[len(self.boxes[source].lo) for source in both] for both in (ours, theirs)]
        if sizes[0] != sizes[1]:
            return plain
        known = step_drift(one, step, [self._sides(*pair) for pair in zip(ours, theirs, strict=True)])
        return plain if known is None else meet(known, plain)

    def _sides(self, first: int, second: int) -> Sides:
        assert self.boxes is not None
        a, b = self.boxes[first], self.boxes[second]
        known = zero(len(a.lo)) if first == second else self.drifts.get((first, second))
        return Sides(a, b, apart(a, b) if known is None else meet(known, apart(a, b)))

    def _mixed(self, first: int, second: int, equal: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> int:
        """The elements that are equal from the first wire, the others from the second."""
        n = len(equal)
        places = np.arange(n)
        terms = (
            Term(first, Sparse.moving(n, np.where(equal, places, n)), 0),
            Term(second, Sparse.moving(n, np.where(equal, n, places)), 0),
        )
        return self._append(Affine(terms, np.zeros(n, np.int64)))


def moved_to(step: Step, wires: list[int]) -> Step:
    """The step with wires[k] as its source for every source k."""
    match step:
        case Affine():
            terms = tuple(dataclasses.replace(t, source=wires[t.source]) for t in step.terms)
            return dataclasses.replace(step, terms=terms)
        case Product():
            return dataclasses.replace(step, left=wires[step.left], right=wires[step.right])
        case Exact():
            return dataclasses.replace(step, sources=tuple(wires[s] for s in step.sources))
        case _:
            return dataclasses.replace(step, source=wires[step.source])
