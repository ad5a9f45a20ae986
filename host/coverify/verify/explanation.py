"""Why does a query hold? The neurons, bounds and features without which Z3 finds no proof: an unsat core.

Every staircase, table and maximum before the last operator's is cut from its argument: its output is free in
the operator's range, and what ties it down has a name: its `value` (the output is that of its argument), its
`bounds` (the output lies within the interval that the region allows), and for each input the `range` of the
region. Z3 names a set of these that suffices; each is then left out in turn while time lasts, values first,
and kept only where the proof needs it. What is not in the core may be anything. Other cores may exist.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Literal

import numpy as np

from coverify.verify.bounds import Box, step_bounds
from coverify.verify.deadline import Deadline, OutOfTime
from coverify.verify.decision import decision
from coverify.verify.errors import CannotDecide
from coverify.verify.few_changes import region_bounds
from coverify.verify.problem import Problem
from coverify.verify.smt import expressions as ex
from coverify.verify.smt.bitvectors import Term, at_least, constant, plus, rises_by, variable
from coverify.verify.smt.changes import few_changed
from coverify.verify.smt.encoding import Encoding
from coverify.verify.smt.expressions import Condition, all_of, any_of, compared, negated
from coverify.verify.smt.formula import LabelFormula
from coverify.verify.smt.script import Script
from tflm_int8.program.primitives import Max, Program, Staircase, Step, Table

What = Literal["value", "bounds", "range"]
Undecided = Literal["sat", "unknown"]
"""What Z3 says where it proves nothing."""

_NAMES: tuple[tuple[What, str], ...] = (
    ("value", "neurons' values"),
    ("bounds", "neurons' bounds"),
    ("range", "features' ranges"),
)

_ORDER: tuple[What, ...] = ("value", "range", "bounds")
"""In this order it is tried to do without them."""


@dataclass(frozen=True)
class Reason:
    """A named fact: of element `element` of wire `wire` (0: the input), which `operator` of the graph writes
    (None: the input, or what was appended for the property); lo, hi: the bounds or range that are meant.
    """

    what: What
    wire: int
    operator: int | None
    element: int
    lo: int
    hi: int


@dataclass(frozen=True)
class Explanation:
    """reasons: those that matter, or None where Z3 did not decide; minimal: does the proof against some rival
    need each of them? named: how many there were of each kind.
    """

    reasons: tuple[Reason, ...] | None
    minimal: bool
    named: tuple[tuple[What, int], ...]
    why: str = ""
    open: bool = False
    """Without reasons: did Z3 run out of time?"""

    def summary(self) -> str:
        """For people, in one line."""
        if self.reasons is None:
            return f"not explained: {self.why}"
        total = dict(self.named)
        counts = Counter(reason.what for reason in self.reasons)
        said = ", ".join(f"{counts[what]} of {total.get(what, 0)} {name}" for what, name in _NAMES)
        least = "minimal against each rival" if self.minimal else "perhaps not minimal"
        return f"what the proof needs ({least}): {said}"


@dataclass(eq=False)
class _Cut(Encoding):
    """An encoding whose neurons are variables; `named` says what ties each to the rest."""

    natural: list[Box] = field(default_factory=list)
    last: int | None = None
    named: list[tuple[Reason, Condition]] = field(default_factory=list)

    def _element(self, step: Step, i: int, wire: int) -> Term:
        if not isinstance(step, Staircase | Table | Max):
            return super()._element(step, i, wire)
        lo, hi = int(self.boxes[wire].lo[i]), int(self.boxes[wire].hi[i])
        place, constraints = variable(f"y{wire}_{i}", hi - lo)
        self.constraints += constraints
        free = plus(constant(lo), place)
        defined = super()._element(step, i, wire)
        operator = operator_of(self.program, wire)
        if operator is None or operator == self.last:
            self.constraints.append(_equal(free, defined))
        else:
            self._name("value", wire, i, _equal(free, defined))
            self._name("bounds", wire, i, _between(free, self.natural[wire], i))
        return free

    def tie_inputs(self) -> None:
        """Name the range of every input that occurs."""
        for i, place in self.places.items():
            height = plus(constant(int(self.boxes[0].lo[i])), place)
            self._name("range", 0, i, _between(height, self.natural[0], i))

    def _name(self, what: What, wire: int, i: int, condition: Condition) -> None:
        if condition is not True:
            box, operator = self.natural[wire], operator_of(self.program, wire)
            self.named.append((Reason(what, wire, operator, i, int(box.lo[i]), int(box.hi[i])), condition))


def operator_of(program: Program, wire: int) -> int | None:
    """The operator that writes a wire, where the program says so."""
    known = [o for w, o in enumerate(program.operators, 1) if w in program.tensors]
    if wire == 0 or wire > len(program.operators):
        return None
    operator = program.operators[wire - 1]
    return operator if operator <= max(known, default=-1) else None


def _last_operator(program: Program, wire: int) -> int | None:
    """The operator whose neurons decide: the last one up to the wire."""
    steps = enumerate(program.steps[:wire], 1)
    found = [operator_of(program, w) for w, s in steps if isinstance(s, Staircase | Table | Max)]
    return max((o for o in found if o is not None), default=None)


def _equal(a: Term, b: Term) -> Condition:
    return all_of([rises_by(a, b, 0), rises_by(b, a, 0)])


def _between(term: Term, box: Box, i: int) -> Condition:
    return all_of([at_least(term, int(box.lo[i])), negated(at_least(term, int(box.hi[i]) + 1))])


def loose_bounds(program: Program) -> list[Box]:
    """Bounds of every wire where every neuron may be anything in its operator's range.  CannotDecide."""
    n = program.n_input
    boxes = [Box(np.full(n, program.input_lo, np.int64), np.full(n, program.input_hi, np.int64))]
    for index, step in enumerate(program.steps):
        box = step_bounds(step, boxes, index)
        if isinstance(step, Staircase):
            box = Box(np.full_like(box.lo, step.rule.lo), np.full_like(box.hi, step.rule.hi))
        boxes.append(box)
    return boxes


def explain(problem: Problem, deadline: Deadline) -> Explanation:
    """What a HOLDS of the problem rests on; without reasons where that is not found in time.

    Where Z3 does not get from the last hidden neurons to the outputs in half of the time, the outputs' own
    values and bounds are named as well.
    """
    try:
        found = _explained(problem, deadline.share(0.5), False)
        return _explained(problem, deadline, True) if found.reasons is None and found.open else found
    except (CannotDecide, OutOfTime) as err:
        return Explanation(None, False, (), str(err))


def _explained(problem: Problem, deadline: Deadline, outputs_too: bool) -> Explanation:
    """One core for each rival, and all of them together.  Raises CannotDecide, OutOfTime."""
    natural = region_bounds(problem, deadline)
    last = decision(problem.program, natural, deadline)
    loose = loose_bounds(problem.program)
    outputs = None if outputs_too else _last_operator(problem.program, last.wire)
    label, n = problem.query.label, len(natural[last.wire].lo)
    reasons, named, minimal = set[Reason](), set[Reason](), True
    for k, rival in enumerate(j for j in range(n) if j != label):
        cut = _Cut(problem.program, loose, deadline, natural=natural, last=outputs)
        falls = LabelFormula(cut, last, label, n).falls([rival])
        cut.tie_inputs()
        few = few_changed(cut.places, cut.boxes[0], problem.query)
        cut.named.sort(key=lambda one: _ORDER.index(one[0].what))
        named |= {reason for reason, _ in cut.named}
        until = deadline.share(1.0 / (n - 1 - k))
        core = _core([falls, few, *cut.constraints], cut.named, until)
        if not isinstance(core, _Core):
            why = "Z3 did not prove it in the time given" if core == "unknown" else "it does not hold"
            return Explanation(None, False, _counted(named), why, core == "unknown")
        reasons |= {cut.named[i][0] for i in core.numbers}
        minimal &= core.minimal
    ordered = sorted(reasons, key=lambda r: (r.wire, r.element, r.what))
    return Explanation(tuple(ordered), minimal, _counted(named))


def _counted(named: set[Reason]) -> tuple[tuple[What, int], ...]:
    return tuple(Counter(reason.what for reason in named).items())


@dataclass(frozen=True)
class _Core:
    """Numbers of named conditions that contradict what always holds; minimal: is each of them needed?"""

    numbers: Sequence[int]
    minimal: bool


def _core(
    always: Sequence[Condition], named: Sequence[tuple[Reason, Condition]], deadline: Deadline
) -> _Core | Undecided:
    """The named conditions that contradict `always`, as few as are found in time."""
    if False in always:
        return _Core((), True)
    switches = [compared("=", ex.variable(f"s{k}", 1), ex.value(1, 1)) for k in range(len(named))]
    guarded = [any_of([negated(s), c]) for s, (_, c) in zip(switches, named, strict=True)]
    bounds = [k for k, (reason, _) in enumerate(named) if reason.what == "bounds"]
    script = Script.of([*always, *(guarded[k] for k in bounds)])
    first = _check(script, bounds, deadline.share(0.4))
    if isinstance(first, str):  # bounds alone do not suffice, as far as one sees
        script = Script.of([*always, *guarded])
        first = _check(script, list(range(len(named))), deadline)
    if isinstance(first, str):
        return first
    core, minimal = first, True
    for k in list(first):
        if k not in core:
            continue
        if not deadline.remaining:
            return _Core(core, False)
        rest = [other for other in core if other != k]
        found = _check(script, rest, deadline.share(0.2))
        if isinstance(found, list):
            core = found
        elif found == "unknown":
            minimal = False
    return _Core(core, minimal)


def _check(script: Script, chosen: Sequence[int], deadline: Deadline) -> list[int] | Undecided:
    """The core among the chosen switches."""
    api: Any = import_module("z3")
    solver = api.SolverFor("QF_BV")
    solver.set("unsat_core", True)
    solver.set("timeout", max(1, int(1000 * min(deadline.remaining, 1e6))))
    solver.from_string(script.text)
    for k in chosen:
        solver.assert_and_track(api.BitVec(f"s{k}", 1) == 1, f"n{k}")
    result = solver.check()
    if result == api.unsat:
        return sorted(int(str(name)[1:]) for name in solver.unsat_core())
    return "sat" if result == api.sat else "unknown"
