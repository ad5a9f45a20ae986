"""From a query to its rivals' claims, and from closed trees to a proof: what the engines of this kind
share.
"""

from __future__ import annotations

from dataclasses import dataclass

from coverify.verify.bounds import Box, wire_bounds
from coverify.verify.deadline import Deadline
from coverify.verify.decision import Decision, decision
from coverify.verify.dual.claim import Claims, Rival
from coverify.verify.dual.places import places, unread
from coverify.verify.dual.relaxation import Relaxation
from coverify.verify.dual.search import Search
from coverify.verify.dual.tree import Node, Script
from coverify.verify.few_changes import FewChanges, region_bounds
from coverify.verify.problem import Problem
from coverify.verify.query import Argument
from tflm_int8.program.primitives import Program, Softmax


@dataclass(frozen=True, eq=False)
class Prover:
    """A query's search, the trees of the rivals that intervals leave open, and how many rivals there are."""

    search: Search
    roots: list[Node]
    n_rivals: int

    @staticmethod
    def of(problem: Problem, deadline: Deadline, seed: int = 0, jobs: int = 1) -> Prover:
        """Raises CannotDecide (a primitive without a dual bound, a softmax out of reach), OutOfTime."""
        program, query = problem.program, problem.query
        boxes = whole = region_bounds(problem, deadline, direct=True)
        tied = program.output > 0 and isinstance(program.steps[program.output - 1], Softmax)
        if query.changes is not None and tied:
            whole = wire_bounds(program, query.lo, query.hi, deadline)  # as the checker
        last = decision(program, whole, deadline)
        relaxation = _relaxation(problem.program, last.wire)
        relaxation.few = FewChanges.of(problem.query)
        claims = Claims(relaxation, problem.query.label)
        upto = [(box.lo, box.hi) for box in boxes[: last.wire + 1]]
        search = Search(problem, relaxation, claims, upto, deadline, seed, jobs)
        rivals = rivals_left(problem.query.label, boxes[last.wire], last)
        return Prover(search, [search.root(rival) for rival in rivals], len(boxes[last.wire].lo) - 1)

    def argument(self) -> Argument:
        """The proof, once every tree is closed."""
        script = Script()
        for root in self.roots:
            script.add(root)
        program, relaxation = self.search.problem.program, self.search.relaxation
        last = relaxation.logits if relaxation.logits < program.output else len(program.steps)
        sizes = {w: relaxation.width(w) for w in relaxation.scalars} | unread(program, relaxation.logits)
        return Argument("bounds", script.arrays(sizes), places(program, last))


def rivals_left(label: int, logits: Box, last: Decision) -> list[Rival]:
    """The rivals that the logits' boxes alone leave open, with what must hold where they win.

    A later index must push the label out of the ties; an earlier one need only tie with the maximum.
    """
    rivals = []
    for j in range(len(logits.lo)):
        overtakes = logits.hi[j] - logits.lo[label] >= last.least_gap
        ties = j < label and int(logits.lo[label] - logits.hi[j]) < last.greatest_gap
        if j != label and (overtakes or ties):
            rise = last.least_gap if j > label else min(last.least_gap, 1 - last.greatest_gap)
            rivals.append(Rival(j, rise))
    return rivals


_LAST: list[tuple[Program, int, Relaxation]] = []
"""The relaxation of the program that was asked about last: its stair edges take a while to find."""


def _relaxation(program: Program, logits: int) -> Relaxation:
    if not (_LAST and _LAST[0][0] is program and _LAST[0][1] == logits):
        _LAST[:] = [(program, logits, Relaxation(program, logits))]
    return _LAST[0][2]
