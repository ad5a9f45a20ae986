"""Search for an input that loses the label: each rival's way to make it lose is asked on its own.

For one rival, in this order: bounds (the rival may be impossible); the solver for a short time; the solver on
small parts of the box, all but a few features being held at the end that favours the rival most (`parts`: a
counterexample there is one, their absence says nothing); the solver on the whole box, with the bounds that
follow from the rival's claim (tighten.py).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from itertools import count

import numpy as np

from coverify.verify.bounds import Box, wire_bounds
from coverify.verify.deadline import Deadline, OutOfTime
from coverify.verify.decision import Decision, decision
from coverify.verify.difference import Differences
from coverify.verify.errors import CannotDecide, GaveUp
from coverify.verify.few_changes import region_bounds
from coverify.verify.lagrangian import Lagrangian
from coverify.verify.overtaking import open_rivals, rival_claim
from coverify.verify.problem import Problem
from coverify.verify.query import I64Array, Outcome, rival_labels
from coverify.verify.tighten import Rival, claim_form, impossible, tightened
from tflm_int8.program.primitives import Affine


class Answer(Enum):
    """What a solver said, where it found no counterexample; SPURIOUS: an input that keeps the label."""

    NO = "no"
    OPEN = "open"
    SPURIOUS = "spurious"


@dataclass(frozen=True, eq=False)
class Question:
    """Can `rival` take the label within `boxes` (of all wires)? `natural`: the bounds of the query's box."""

    problem: Problem
    boxes: list[Box]
    natural: list[Box]
    last: Decision
    rival: int
    deadline: Deadline
    seed: int

    def narrowed(self) -> Iterator[tuple[int, int]]:
        """Wire and index of every accumulator whose box is smaller than its natural one: an encoding must
        require of them that they lie in it.  None on a part of the query's box, where boxes are natural.
        """
        if not _same(self.boxes[0], self.natural[0]):
            return
        for wire, step in enumerate(self.problem.program.steps, 1):
            if isinstance(step, Affine):
                box, natural = self.boxes[wire], self.natural[wire]
                for i in np.flatnonzero((box.lo > natural.lo) | (box.hi < natural.hi)).tolist():
                    yield wire, i


def _same(a: Box, b: Box) -> bool:
    return np.array_equal(a.lo, b.lo) and np.array_equal(a.hi, b.hi)


KEEPS = "its solution keeps the label, for less is asked than the query"
"""Why a solver gave up that was asked with the ties' gap at its extremes, or with a relaxation."""

Ask = Callable[[Question], Answer | I64Array]
"""A solver: a counterexample, int64 [n], or why there is none.  May raise CannotDecide (GaveUp: of this
question alone), OutOfTime.
"""

ROUNDS = (0.3, 1.0)
"""Shares of the time left for each round over all open rivals: a hard one must not starve the others."""

MORE = 1.5
"""Another round follows while each open rival would have so many times what one of them had last."""

FREE_FEATURES = (4, 12, 24)
"""How many features vary in the small parts of the box."""


@dataclass(eq=False)
class Search:
    """One query for the engine of this name; `boxes` and `last` as wire_bounds and decision give them.

    parts: ask on small parts of the box first; plain: the first round gives the solver the bounds of the box
    as they are, and no time to tighter ones.
    """

    engine: str
    ask: Ask
    problem: Problem
    boxes: list[Box]
    last: Decision
    deadline: Deadline
    seed: int
    parts: bool = True
    plain: bool = False
    calls: int = field(default=0, init=False)
    why: str = field(default="", init=False)
    """Why the solver gave up last, where it did."""

    def run(self) -> Outcome:
        """HOLDS, VIOLATED or UNKNOWN; CannotDecide, OutOfTime."""
        label, n = self.problem.query.label, len(self.boxes[self.last.wire].lo)
        differences = Differences(self.problem.program, self.boxes, self.last.wire)
        rivals = open_rivals(label, n, self.last, differences)
        by_intervals = n - 1 - len(rivals)
        if not self.plain:
            rivals = [j for j in rivals if not self._impossible(j)]
        rivals.sort(key=lambda j: -differences.upper(j, label))
        for number in count():
            until = self.deadline.share(ROUNDS[min(number, len(ROUNDS) - 1)])
            still_open, least = list[int](), math.inf
            for k, rival in enumerate(rivals):
                own = until.share(1.0 / (len(rivals) - k))
                had, answer = own.remaining, self._rival(rival, number, own)
                if isinstance(answer, np.ndarray):
                    return Outcome.violated(self.engine, answer, calls=self.calls, rival=rival)
                if answer is not Answer.NO:
                    still_open.append(rival)
                    least = min(least, had)
            rivals = still_open
            again = number + 1 < len(ROUNDS) or self.deadline.remaining > MORE * least * len(rivals)
            if not rivals or not again:
                break
        if not rivals:
            proof = {} if self.calls else {"proof": "integer bounds"}
            return Outcome.holds(self.engine, calls=self.calls, by_intervals=by_intervals, **proof)
        left = self.deadline.remaining
        what = "the solver leaves" if self.why and left else "out of time with" if left < 0.1 else "ends with"
        why = self.why or ("" if left < 0.1 else f"another round takes more than the {left:.1f} s left")
        note = f"{what} {rival_labels(len(rivals))} open" + (f": {why}" if why else "")
        return Outcome.unknown(self.engine, note, calls=self.calls)

    def _impossible(self, rival: int) -> bool:
        self.deadline.check()
        claim = rival_claim(rival, self.problem.query.label, self.last)
        try:
            return impossible(self.problem.program, self.boxes, claim, self.deadline.share(0.05))
        except CannotDecide:
            return False

    def _rival(self, rival: int, number: int, deadline: Deadline) -> Answer | I64Array:
        """One rival in round `number`."""
        self.deadline.check()
        claim = rival_claim(rival, self.problem.query.label, self.last)
        if number == 0 and self.plain:
            return self._solve(rival, self.boxes, deadline)
        if number == 0 and self.parts:
            quick = self._solve(rival, self.boxes, deadline.share(0.05))
            if quick is not Answer.OPEN:
                return quick
            for part in self._parts(claim, deadline):
                boxes = wire_bounds(self.problem.program, part.lo, part.hi, self.deadline)
                found = self._solve(rival, boxes, deadline.share(0.1))
                if isinstance(found, np.ndarray):
                    return found
        return self._whole(rival, claim, deadline)

    def _whole(self, rival: int, claim: Rival, deadline: Deadline) -> Answer | I64Array:
        boxes: list[Box] | None = self.boxes
        try:
            boxes = tightened(self.problem.program, self.boxes, claim, deadline.share(0.6))
        except CannotDecide:
            boxes = self.boxes
        return Answer.NO if boxes is None else self._solve(rival, boxes, deadline)

    def _solve(self, rival: int, boxes: list[Box], deadline: Deadline) -> Answer | I64Array:
        self.calls += 1
        try:
            question = Question(self.problem, boxes, self.boxes, self.last, rival, deadline, self.seed)
            return self.ask(question)
        except OutOfTime:  # of this call's share; the next call notices if all time is gone
            self.deadline.check()
            return Answer.OPEN
        except GaveUp as err:
            self.why = str(err)
            return Answer.OPEN

    def _parts(self, claim: Rival, deadline: Deadline) -> Iterator[Box]:
        """Parts of the box in which only the features that matter least to the rival's bound still vary."""
        lo, hi = self.problem.query.lo, self.problem.query.hi
        form = claim_form(self.boxes, claim, 1)
        try:
            slope = Lagrangian(self.problem.program, self.boxes).direction(form, deadline.share(0.2))
        except CannotDecide:
            return
        best = np.where(slope > 0, hi, lo)
        order = np.argsort(np.abs(slope) * (hi - lo), kind="stable")
        order = order[(hi > lo)[order]]
        for n_free in FREE_FEATURES:
            if n_free >= len(order):
                return
            free = np.zeros(len(lo), bool)
            free[order[:n_free]] = True
            yield Box(np.where(free, lo, best), np.where(free, hi, best))


def search(
    engine: str,
    ask: Ask,
    problem: Problem,
    deadline: Deadline,
    seed: int,
    parts: bool = True,
    plain: bool = False,
) -> Outcome:
    """HOLDS, VIOLATED or UNKNOWN; CannotDecide, OutOfTime."""
    boxes = region_bounds(problem, deadline)
    last = decision(problem.program, boxes, deadline)
    return Search(engine, ask, problem, boxes, last, deadline, seed, parts, plain).run()
