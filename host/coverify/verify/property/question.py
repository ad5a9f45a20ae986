"""A property of one input, ready to be decided: a program, a query on it, and how its answer is read.

The verdict about the program's label is the property's; a counterexample is judged once more on the network's
own outputs, by the formula and not by the program that was made of it.
"""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from coverify.verify.certificate import Relation as CertifiedRelation
from coverify.verify.deadline import Deadline, OutOfTime
from coverify.verify.decision import logits_wire
from coverify.verify.engines import BASE, base_of
from coverify.verify.errors import CannotDecide, EngineFault
from coverify.verify.portfolio import SMALL
from coverify.verify.problem import Problem
from coverify.verify.property.apart import Apart, apart
from coverify.verify.property.appended import appended, refuse_large
from coverify.verify.property.copies import raised, raising
from coverify.verify.property.formula import ClassIs, Formula, clauses, holds, numbered, spelled
from coverify.verify.property.ranking import Ranking, implied_by, ranked
from coverify.verify.property.softmax import reduced, surer
from coverify.verify.query import Argument, I64Array, Outcome, Robustness, Verdict, without_labels
from coverify.verify.worker import AUTO, Worker
from tflm_int8.program.concrete import run
from tflm_int8.program.primitives import Program

PROVES = (AUTO, "enumerate", "interval", "dual", "bab")
"""Engines that are asked in the form of a certificate's claim; others may count what is false."""
LIMITED = (AUTO, "interval", "dual", "bab")
"""Engines that are asked about limits of a softmax's logits first: what they prove has a certificate then."""
LIMITS = 0.2
"""Of the time, at most, to find such limits."""
MOVED = "the input, moved into its range,"
MIDDLE = "the middle of the region"
"""What the point may be that a region is asked about from, where it is not the input as given (BASE)."""
ALONE, ONE_INPUT = "the region holds this input alone", "the region holds one input"


@dataclass(frozen=True, eq=False)
class Question:
    """Does `formula` hold of the outputs of `network` on every input of region?

    raised: None, or a feature: then the formula is about the outputs of an input and, after them, those of
    the same input with that feature raised, and the region has one element more, the height it is raised to.
    words: the property in words; centre: what region.x0 is: BASE, MOVED or MIDDLE.
    """

    network: Program
    region: Robustness
    formula: Formula
    words: str = ""
    raised: int | None = None
    centre: str = BASE

    @property
    def stays(self) -> bool:
        """Is it what engines are asked anyway, that the class stays?"""
        return isinstance(self.formula, ClassIs) and self.formula.wanted

    @property
    def query(self) -> Robustness:
        """The region, with the label that the program of `plain` has while the formula holds."""
        label = self.formula.index if isinstance(self.formula, ClassIs) and self.stays else 0
        return dataclasses.replace(self.region, label=label)

    @cached_property
    def ranking(self) -> Ranking | None:
        """The formula as a label of a softmax's outputs in another order, where it is one."""
        return ranked(self.formula, self.network) if self.raised is None and not self.stays else None

    @property
    def _unordered(self) -> bool:
        """Is the formula about one run, and no label, also not in another order?"""
        return self.raised is None and not self.stays and self.ranking is None

    @cached_property
    def more(self) -> Ranking | None:
        """A ranking of a softmax's outputs that says more than the formula, where that is none itself."""
        return implied_by(self.formula, self.network) if self._unordered else None

    def ordered(self, ranking: Ranking) -> Problem:
        """That a ranking holds, as engines are asked it."""
        query = dataclasses.replace(self.region, label=ranking.label)
        return Problem(ranking.ordered(self.network), query)

    def problem(self, deadline: Deadline) -> Problem:
        """What engines are asked.  Raises BadQuery, CannotDecide, OutOfTime."""
        if self.stays:
            return self.plain()
        if self.ranking is not None:
            return self.ordered(self.ranking)
        return Problem(reduced(self._both, self.formula, self.query, deadline), self.query)

    def apart(self, deadline: Deadline) -> Apart | None:
        """Limits of a softmax's logits that show the formula, where it is neither a label nor a ranking.

        Raises BadQuery, OutOfTime.
        """
        return apart(self.network, self.formula, self.query, deadline) if self._unordered else None

    def surer(self, deadline: Deadline) -> Problem | None:
        """What says more than the formula, of a softmax's logits, where engines cannot be asked that itself.

        Raises BadQuery, OutOfTime.
        """
        if not self._unordered:
            return None
        program = surer(self.network, self.formula, self.query, deadline)
        return None if program is None else Problem(program, self.query)

    def plain(self) -> Problem:
        """The same where a softmax stays as it is: made at once, for those who run it.  Raises BadQuery."""
        network = self._both if self.stays else appended(self._both, self.formula)
        return Problem(network, self.query)

    def refuse_large(self) -> None:
        """Raises BadQuery where coefficients are too large (appended.py)."""
        refuse_large(self._both, self.formula)

    @property
    def _both(self) -> Program:
        """The network, or two runs of it."""
        return self.network if self.raised is None else raising(self.network, self.raised)

    def relation(self, argument: Argument | None = None) -> CertifiedRelation | None:
        """The claim of a certificate, of this argument: the formula where it is not of too many clauses, or
        what is more.
        """
        limits, ranking = None if argument is None else argument.apart, self.ranking
        if argument is not None and argument.more:
            ranking = self.more
        elif limits is not None:
            ranking = None
        n = self.network.sizes()[self.network.output] * (1 if self.raised is None else 2)
        found = clauses(spelled(self.formula), n) if ranking is None else [(row,) for row in ranking.pairs]
        if not found or not all(found):
            return None
        rows, some = numbered(found)
        c = np.zeros((len(rows), n), np.int64)
        for k, row in enumerate(rows):
            for element, coefficient in row.terms:
                c[k, element] = coefficient
        d, top = np.array([row.bound for row in rows], np.int64), None if ranking is None else ranking.label
        return CertifiedRelation(c, d, some, top, limits)

    def checkable(self, argument: Argument | None) -> bool:
        """May the checker follow this argument? Of a softmax's outputs it knows labels, rankings, limits."""
        if argument is None or argument.kind == "enumeration" or self.stays:
            return True
        if argument.more or argument.apart is not None:
            return True
        return self.ranking is not None or logits_wire(self.network) == self.network.output

    def inputs(self, x: I64Array) -> tuple[I64Array, I64Array]:
        """The base input and the one that breaks the property, int64 [n] each, of a point of the region."""
        if self.raised is None:
            return self.region.x0.astype(np.int64), x
        return x[:-1], raised(x, self.raised)

    def breaks(self, x: I64Array) -> bool:
        """Is the formula false of the network's own outputs there?"""
        base, changed = self.inputs(x)
        rows = [changed] if self.raised is None else [base, changed]
        outputs = run(self.network, np.stack(rows))[self.network.output].reshape(1, -1)
        return not bool(holds(self.formula, outputs)[0])


def decide(
    worker: Worker, question: Question, engine: str = AUTO, timeout_s: float = 60.0, seed: int = 0
) -> Outcome:
    """The answer to a question; what cannot be made a program in time is UNKNOWN.

    Raises what Worker.decide does, and BadQuery.
    """
    start, deadline = time.monotonic(), Deadline.in_s(timeout_s)
    outcome = _by_more(worker, question, engine, deadline.share(0.8), seed)
    if outcome is None or outcome.verdict is Verdict.UNKNOWN:
        itself = _itself(worker, question, engine, deadline, seed)
        if outcome is not None and itself.verdict is Verdict.UNKNOWN:
            itself = dataclasses.replace(itself, note=f"{outcome.note}; then, of the outputs: {itself.note}")
        outcome = dataclasses.replace(itself, time_s=time.monotonic() - start)
    confirm(question, outcome)
    outcome = outcome if outcome.witness is None else _said(outcome, question)
    if not question.stays:
        outcome = dataclasses.replace(outcome, note=without_labels(outcome.note))
    if question.region.n_points == 1:
        alone = ALONE if question.centre == BASE else ONE_INPUT
        note = "; ".join(filter(None, (outcome.note, alone)))
        outcome = dataclasses.replace(outcome, note=note)
    return outcome


def _itself(worker: Worker, question: Question, engine: str, deadline: Deadline, seed: int) -> Outcome:
    """The answer to the formula; what cannot be made a program in time is UNKNOWN."""
    try:
        problem = _problem(question, engine, deadline)
    except (CannotDecide, OutOfTime) as err:
        return Outcome.unknown(engine, str(err))
    worker.program = problem.program
    return worker.decide(problem.query, engine, max(0.1, deadline.remaining), seed)


def _by_more(
    worker: Worker, question: Question, engine: str, deadline: Deadline, seed: int
) -> Outcome | None:
    """What is known from asking more than the formula: that it holds, a counterexample of it, or UNKNOWN;
    None where nothing more is asked.
    """
    if base_of(engine) in ("enumerate", "attack") or (engine == AUTO and question.region.n_points <= SMALL):
        return None
    if question.more is not None:
        problem = question.ordered(question.more)
        outcome = _asked(worker, question, problem, engine, deadline.share(0.5), seed)
        if outcome.verdict is Verdict.HOLDS and outcome.argument is not None:
            return outcome.with_argument(dataclasses.replace(outcome.argument, more=True))
        if outcome.verdict is not Verdict.UNKNOWN:
            return outcome
    limited = _by_limits(worker, question, engine, deadline, seed)
    if limited is not None and limited.verdict is not Verdict.UNKNOWN:
        return limited
    try:
        implied = _in_form(question, engine).surer(deadline)
    except OutOfTime:
        return None
    return limited if implied is None else _asked(worker, question, implied, engine, deadline, seed)


def _by_limits(
    worker: Worker, question: Question, engine: str, deadline: Deadline, seed: int
) -> Outcome | None:
    """The same from limits of a softmax's logits."""
    try:
        known = _in_form(question, engine) if engine in LIMITED else None
        limits = None if known is None else known.apart(deadline.share(LIMITS))
    except OutOfTime:
        return None
    if limits is None:
        return None
    problem = Problem(limits.program, question.query)
    outcome = _asked(worker, question, problem, engine, deadline.share(0.5), seed)
    if outcome.argument is None or outcome.argument.kind != "bounds":
        return outcome
    return outcome.with_argument(dataclasses.replace(outcome.argument, apart=limits.limits))


def _asked(
    worker: Worker, question: Question, problem: Problem, engine: str, deadline: Deadline, seed: int
) -> Outcome:
    """What the answer to a problem that says more than a question says of that."""
    worker.program = problem.program
    outcome = worker.decide(problem.query, engine, max(0.1, deadline.remaining), seed)
    if outcome.witness is None or question.breaks(outcome.witness.astype(np.int64)):
        return outcome
    return Outcome.unknown(engine, "the logits break more than was asked")


def _problem(question: Question, engine: str, deadline: Deadline) -> Problem:
    """What this engine is asked: every sum of a softmax may take longer to look at than all inputs to run."""
    question = _in_form(question, engine)
    small = question.region.n_points <= SMALL
    if question.ranking is not None:
        return question.problem(deadline)
    if engine == "enumerate" or (engine == AUTO and small):
        return question.plain()
    if base_of(engine) not in (AUTO, "attack"):
        return question.problem(deadline)
    try:
        return question.problem(deadline.share(0.5))
    except OutOfTime:
        return question.plain()


def _in_form(question: Question, engine: str) -> Question:
    """The question in the form of a certificate's claim, where its engine is asked in that."""
    if engine not in PROVES:
        return question
    return dataclasses.replace(question, formula=spelled(question.formula))


def confirm(question: Question, outcome: Outcome) -> None:
    """EngineFault unless a VIOLATED brings a point of the region on which the network's own outputs break
    the formula.
    """
    if outcome.verdict is not Verdict.VIOLATED:
        return
    witness = outcome.witness
    if witness is None or not question.region.contains(witness.astype(np.int64)):
        raise EngineFault(outcome.engine, "its counterexample is not a point of the region")
    if not question.breaks(witness.astype(np.int64)):
        raise EngineFault(outcome.engine, "its counterexample does not break the property")


def _said(outcome: Outcome, question: Question) -> Outcome:
    """A violation at the base input says so in the property's terms, and what that point is."""
    assert outcome.witness is not None and outcome.verdict is Verdict.VIOLATED
    if not np.array_equal(outcome.witness, question.region.x0):
        return outcome
    if question.stays:
        return dataclasses.replace(outcome, note=outcome.note.replace(BASE, question.centre))
    return dataclasses.replace(outcome, note=f"{question.centre} breaks the property")
