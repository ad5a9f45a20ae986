"""A query as one formula: satisfiable exactly when some input of the box loses the label.

For a file that any solver reads, and for encodings of the literature, which take a query as a whole. No bound
but plain intervals goes in, so that the file can be understood without trusting anything else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from coverify.verify.deadline import OUT_OF_TIME, Deadline
from coverify.verify.decision import decision
from coverify.verify.errors import BadQuery, EngineFault
from coverify.verify.few_changes import region_bounds
from coverify.verify.problem import Problem
from coverify.verify.query import I64Array, Outcome
from coverify.verify.smt import ENCODINGS
from coverify.verify.smt.changes import few_changed
from coverify.verify.smt.encoding import Encoding
from coverify.verify.smt.formula import LabelFormula, Terms
from coverify.verify.smt.script import Script
from coverify.verify.smt.signed import SignedEncoding
from coverify.verify.smt.solvers import SOLVERS


@dataclass(frozen=True, eq=False)
class WholeQuery:
    """The formula of a problem, and the encoding that its models are read with."""

    problem: Problem
    encoding: Terms
    script: Script

    @staticmethod
    def of(problem: Problem, encoding: str, deadline: Deadline) -> WholeQuery:
        """The query in one of ENCODINGS.  Raises BadQuery, CannotDecide, OutOfTime."""
        boxes = region_bounds(problem, deadline)
        last = decision(problem.program, boxes, deadline)
        terms: Terms
        if encoding == "threshold":
            terms = Encoding(problem.program, boxes, deadline)
        elif encoding in ENCODINGS:
            terms = SignedEncoding(problem.program, boxes, deadline, encoding == "balanced")
        else:
            raise BadQuery(f"unknown encoding {encoding!r}; there are: {', '.join(ENCODINGS)}")
        label, n = problem.query.label, len(boxes[last.wire].lo)
        falls = LabelFormula(terms, last, label, n).falls([j for j in range(n) if j != label])
        few = few_changed(terms.places, boxes[0], problem.query)
        return WholeQuery(problem, terms, Script.of([falls, *terms.constraints, few]))

    def input_of(self, values: dict[str, int]) -> I64Array:
        """The input of a model, int64 [n]."""
        named = {f"x{i}": 0 for i in self.encoding.places}
        return self.encoding.input_of({**named, **values}, self.problem.query.x0.astype(np.int64))

    def smt2(self, comments: Sequence[str]) -> str:
        """The text of an SMT-LIB 2 file, the comments first."""
        query = self.problem.query
        names = [f"x{i}" for i in sorted(self.encoding.places) if f"x{i}" in self.script.variables]
        base = " ".join(map(str, query.x0.tolist()))
        without = "one without xi " + ("does not matter" if query.changes is None else "keeps its base")
        said = [
            *comments,
            f"sat: some input of the box has another class than {query.label}; unsat: none has.",
            *(
                []
                if query.changes is None
                else [f"At most {query.changes} inputs differ from their base: {base}"]
            ),
            f"Input i is its least value plus the unsigned variable xi; {without}.",
            f"Least values: {' '.join(map(str, query.lo.tolist()))}",
            f"Greatest values: {' '.join(map(str, query.hi.tolist()))}",
        ]
        return self.script.complete(said, names)


def decide(solver: str, encoding: str, problem: Problem, deadline: Deadline, seed: int) -> Outcome:
    """One call of an SMT solver on the whole query; CannotDecide, OutOfTime."""
    name = f"{solver}:{encoding}"
    whole = WholeQuery.of(problem, encoding, deadline)
    deadline.check()
    found = SOLVERS[solver](whole.script, deadline, seed)
    if found == "unsat":
        return Outcome.holds(name, calls=1)
    if isinstance(found, str):
        return Outcome.unknown(name, OUT_OF_TIME, calls=1)
    x = whole.input_of(dict(found))
    if not problem.breaks(x):
        raise EngineFault(name, "a model of the exact formula keeps the label")
    return Outcome.violated(name, x, calls=1)
