"""Both ends of a group's largest gap, until they meet: a climb for the one, a proof by cases for the other.

The proof (verify/dual/abreast.py) is asked whether the largest gap that was seen is the largest there is. A
pair that it meets with a larger one starts the climb again; a proof that is not done in time leaves a bound.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from coverify.study.climbing import Climb
from coverify.study.twin_file import claimed, gap_relations
from coverify.study.twins import Twins
from coverify.verify.deadline import Deadline, OutOfTime
from coverify.verify.dual.abreast import Abreast
from coverify.verify.dual.search import Counterexample
from coverify.verify.errors import BadQuery, CannotDecide, MissingPackage
from coverify.verify.problem import Problem
from coverify.verify.query import I64Array, Robustness

FIRST = 0.25
"""Of the time: what the first proof may take, before there was a climb."""
CLIMB = 0.3
"""Of the time that is left: what a climb may take."""
SHARE = 0.8
"""Of the time that is left: what a relation may take where another is there to be tried."""


@dataclass(eq=False)
class Ends:
    """best: the largest gap seen, of the pair `point`; top: none of the group is larger, None if nothing was
    proved; queries: proofs that were begun.
    """

    best: int
    point: I64Array
    top: int | None = None
    queries: int = 0


def closed(
    twins: Twins, query: Robustness, best: int, point: I64Array, seed: int, deadline: Deadline
) -> Ends:
    """The ends of one group, its box as a query; `best`: seen anywhere, by `point`."""
    ends, until, asked = Ends(best, point), deadline.share(FIRST), True
    while deadline.remaining:
        try:
            met = asked and _asked(twins, query, ends, until)
        except (CannotDecide, BadQuery, MissingPackage):  # not a network for such proofs
            met = asked = False
        if ends.top == ends.best or (until is deadline and not met):
            break
        until = deadline
        found, at = Climb(twins, query.lo, query.hi).best(ends.point, seed, deadline.share(CLIMB))
        if found > ends.best:
            ends.best, ends.point = found, at
    return ends


def _asked(twins: Twins, query: Robustness, ends: Ends, deadline: Deadline) -> bool:
    """Ask for a proof; was a pair of a larger gap met instead?  Raises CannotDecide, BadQuery,
    MissingPackage."""
    both = twins.side_by_side()
    if both is None:
        raise CannotDecide("no chain of dense layers")
    relations = gap_relations(twins, ends.best)
    for number, relation in enumerate(relations, 1):
        ends.queries += 1
        until = deadline if number == len(relations) else deadline.share(SHARE)
        try:
            excess = Abreast(Problem(claimed(both, relation), query), until).proved().excess
        except Counterexample as found:
            x = found.x.astype(np.int64)
            gap = twins.gap(x)
            if gap > ends.best:
                ends.best, ends.point = gap, x
                return True
            continue  # one output is above its share, both together are not
        except OutOfTime:
            continue
        top = ends.best + excess * (len(relation.d) // 2)
        ends.top = top if ends.top is None else min(top, ends.top)
        if ends.top <= ends.best:
            break
    return False
