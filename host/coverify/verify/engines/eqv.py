"""Decide as Huang et al. (2024) do: HOLDS, VIOLATED or UNKNOWN, by the first of three stages that can.

(1) a gradient attack (eqv/signs.py), (2) interval analysis with clip as two ReLUs (eqv/intervals.py), (3) an
integer program for each rival left, on HiGHS, with those intervals and nothing tighter. Side by side with
`milp` and `auto` it shows what the rest brings. A HOLDS of the second stage is exact; one of the third rests
on floating point. The outcome's engine names the stage that decided (eqv:attack, eqv:intervals, eqv:program),
and so is a stage asked for alone; the program's intervals are asked before it then, too.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Final

import numpy as np

from coverify.verify.bounds import Box
from coverify.verify.deadline import Deadline, OutOfTime
from coverify.verify.decision import Decision, decision, logits_wire
from coverify.verify.eqv.intervals import two_relu_bounds
from coverify.verify.eqv.signs import descend
from coverify.verify.errors import CannotDecide, GaveUp
from coverify.verify.few_changes import region_bounds
from coverify.verify.problem import Problem
from coverify.verify.query import I64Array, Outcome, rival_labels
from coverify.verify.rivals import Answer, Question
from tflm_int8.program.concrete import OutsideDomain
from tflm_int8.program.primitives import Softmax

ATTACK, INTERVALS, PROGRAM = "attack", "intervals", "program"
STAGES: Final = (ATTACK, INTERVALS, PROGRAM)
ATTACK_SHARE: Final = 0.2
"""Of the time, what the attack takes at most where others follow it."""


@dataclass(frozen=True)
class Eqv:
    """The stages that are asked, in the order of STAGES."""

    stages: tuple[str, ...] = STAGES

    def __call__(self, problem: Problem, deadline: Deadline, seed: int) -> Outcome:
        """HOLDS, VIOLATED or UNKNOWN; CannotDecide, OutOfTime."""
        query, program = problem.query, problem.program
        boxes, wider = list[Box](), None
        try:
            boxes = two_relu_bounds(program, query.lo, query.hi, deadline)
        except CannotDecide as err:
            wider = err
        if ATTACK in self.stages:
            part = deadline if self.stages == (ATTACK,) else deadline.share(ATTACK_SHARE)
            witness = _attacked(problem, boxes or region_bounds(problem, part), part, seed)
            if witness is not None:
                return Outcome.violated(_of(ATTACK), witness)
            if self.stages == (ATTACK,):
                return Outcome.unknown(_of(ATTACK), "the attack finds nothing")
        if wider is not None:
            raise CannotDecide(f"the intervals of clips as two ReLUs are too wide: {wider}") from wider
        last = decision(program, _int8_logits(problem, boxes), deadline)
        rivals = _open(query.label, boxes[last.wire], last)
        if not rivals:
            return Outcome.holds(_of(INTERVALS), proof="integer bounds")
        if PROGRAM not in self.stages:
            return Outcome.unknown(_of(INTERVALS), f"intervals leave {rival_labels(len(rivals))} open")
        return _by_program(problem, boxes, last, rivals, deadline, seed)


def _of(stage: str) -> str:
    return f"eqv:{stage}"


def _attacked(problem: Problem, boxes: list[Box], deadline: Deadline, seed: int) -> I64Array | None:
    """The first stage; it does not count changed features, and is left out where few may change."""
    if problem.query.changes is not None:
        return None
    try:
        return descend(problem, boxes, logits_wire(problem.program), deadline, seed)
    except (OutOfTime, OutsideDomain):
        return None


def _int8_logits(problem: Problem, boxes: list[Box]) -> list[Box]:
    """The boxes, those of a last softmax's logits cut to int8, which is all that it reads."""
    program = problem.program
    step = program.steps[program.output - 1] if program.output else None
    if not isinstance(step, Softmax):
        return boxes
    box, cut = boxes[step.source], list(boxes)
    cut[step.source] = Box(np.clip(box.lo, -128, 127), np.clip(box.hi, -128, 127))
    return cut


def _open(label: int, logits: Box, last: Decision) -> list[int]:
    """The rivals that the intervals do not exclude, the nearest first."""
    ahead = logits.hi - logits.lo[label]
    takes = ahead >= np.where(np.arange(len(ahead)) > label, last.least_gap, 1 - last.greatest_gap)
    takes[label] = False
    rivals: list[int] = np.flatnonzero(takes).tolist()
    return sorted(rivals, key=lambda j: -int(ahead[j]))


def _by_program(
    problem: Problem, boxes: list[Box], last: Decision, rivals: list[int], deadline: Deadline, seed: int
) -> Outcome:
    """The third stage: one integer program for each rival, an equal share of the time for each."""
    from coverify.verify.linear.milp import ask

    n_open, why = 0, ""
    question = Question(problem, boxes, boxes, last, 0, deadline, seed)
    for k, rival in enumerate(rivals):
        until = deadline.share(1 / (len(rivals) - k))
        try:
            answer = ask(dataclasses.replace(question, rival=rival, deadline=until))
        except OutOfTime:
            answer = Answer.OPEN
        except GaveUp as err:
            answer, why = Answer.OPEN, f": {err}"
        if isinstance(answer, np.ndarray):
            return Outcome.violated(_of(PROGRAM), answer, rival=rival)
        n_open += answer is not Answer.NO
    if n_open:
        return Outcome.unknown(_of(PROGRAM), f"the integer program leaves {rival_labels(n_open)} open{why}")
    return Outcome.holds(_of(PROGRAM), calls=len(rivals))
