"""Can this rival take the label within these bounds? One formula for an SMT solver, exact.

Where the gap D at which outputs tie varies, its extremes are tried first: what cannot happen even so cannot
happen, and a model that breaks the query when it is run is a counterexample. Only what is left is asked with
the row's sum encoded in full.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from coverify.verify.errors import EngineFault, GaveUp
from coverify.verify.query import I64Array
from coverify.verify.rivals import Answer, Question
from coverify.verify.smt.changes import few_changed
from coverify.verify.smt.encoding import Encoding
from coverify.verify.smt.expressions import Condition
from coverify.verify.smt.formula import LabelFormula
from coverify.verify.smt.script import Script
from coverify.verify.smt.solvers import SOLVERS


@dataclass(frozen=True)
class Claim:
    """Asks the SMT solver of this name."""

    solver: str

    def __call__(self, question: Question) -> Answer | I64Array:
        """A counterexample, int64 [n], or why there is none: first with the gap's extremes, then exactly."""
        encoding = encoded(question)
        last, n = question.last, len(question.boxes[question.last.wire].lo)
        formula = LabelFormula(encoding, last, question.problem.query.label, n)
        answer = self._check(question, encoding, formula.bounded(question.rival), exact=last.constant)
        if answer is not Answer.SPURIOUS:
            return answer
        if last.pieces is None:
            raise GaveUp("the gap at which outputs tie has too many values to be encoded")
        return self._check(question, encoding, formula.exact(question.rival), exact=True)

    def _check(
        self, question: Question, encoding: Encoding, condition: Condition, exact: bool
    ) -> Answer | I64Array:
        question.deadline.check()
        few = few_changed(encoding.places, question.boxes[0], question.problem.query)
        conditions = [condition, *encoding.constraints, few]
        if False in conditions:
            return Answer.NO
        found = SOLVERS[self.solver](Script.of(conditions), question.deadline, question.seed)
        if isinstance(found, str):
            return Answer.NO if found == "unsat" else Answer.OPEN
        named = {f"x{i}": 0 for i in encoding.places}
        x = encoding.input_of({**named, **found}, question.problem.query.x0.astype(np.int64))
        if question.problem.breaks(x):
            return x
        if exact:
            raise EngineFault(self.solver, "a model of the exact formula keeps the label")
        return Answer.SPURIOUS


def encoded(question: Question) -> Encoding:
    """The encoding at the question's boxes."""
    encoding = Encoding(question.problem.program, question.boxes, question.deadline)
    for wire, i in question.narrowed():
        encoding.require(wire, i)
    return encoding
