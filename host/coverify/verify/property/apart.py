"""Which bounds of the logits' differences show a claim about a softmax's outputs?

Where x_j − x_i <= u_j for all j, output i is not below a value that the u_j say; where x_i − x_j <= u'_j, it
is not above one. So a formula of the outputs follows from linear relations of the logits, which a certificate
can show (coverify/check/softmax.py does the same anew). The u are bounds of the region, if these are enough;
else they are moved from there towards the region's input by as little as is enough, and single ones back.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from coverify.verify.bounds import wire_bounds
from coverify.verify.deadline import Deadline
from coverify.verify.decision import logits_wire
from coverify.verify.errors import CannotDecide
from coverify.verify.lagrangian import FRACTION_BITS, ONE, Lagrangian
from coverify.verify.property.appended import appended, ended
from coverify.verify.property.distances import Distances
from coverify.verify.property.formula import AllOf, Clause, Formula, Relation, clauses, not_above, relation
from coverify.verify.query import I64Array, Robustness
from tflm_int8.program.concrete import run
from tflm_int8.program.primitives import Program, Softmax

FAR = 255
"""No logit is farther above another one."""
STEPS = 64
"""From the bounds of the region to its input."""
ROUNDS = (4, 60)
"""Of a descent on the bounds of the region: a few first."""
MAX_PAIRS = 1 << 11
"""Of how many pairs of logits the differences are bounded at most."""


@dataclass(frozen=True, eq=False)
class Apart:
    """x_j − x_i <= limits[i, j] of the logits, int64 [n, n]: 0 on the diagonal, FAR where nothing is said;
    the program whose label 0 stays where that holds.
    """

    limits: I64Array
    program: Program


def apart(program: Program, formula: Formula, query: Robustness, deadline: Deadline) -> Apart | None:
    """Differences of logits that show the formula of a last softmax's outputs; None where there is no
    softmax, or where it is not shown in this way.

    Raises BadQuery, OutOfTime.
    """
    logits, found = logits_wire(program), clauses(formula, program.sizes()[program.output])
    if logits == program.output or not found or not all(found):
        return None
    softmax = program.steps[program.output - 1]
    assert isinstance(softmax, Softmax)
    before = ended(program, program.steps[: program.output - 1], logits)
    try:
        boxes = wire_bounds(before, query.lo, query.hi, deadline)
        outputs = _Outputs(Distances(softmax.function, boxes[logits], deadline), softmax.depth)
        x = run(before, query.x0[None])[logits].reshape(-1)
        limits = _limits(outputs, found, np.subtract.outer(x, x).T, Lagrangian(before, boxes), deadline)
    except CannotDecide:
        return None
    said = ((i, j, int(limits[i, j])) for i, j in np.argwhere(limits < FAR).tolist())
    rows = (not_above(j, i, limit) if i != j else relation({}, 0) for i, j, limit in said)
    return Apart(limits, appended(before, AllOf(tuple(rows))))


def _limits(
    outputs: _Outputs, found: Sequence[Clause], here: I64Array, lagrangian: Lagrangian, deadline: Deadline
) -> I64Array:
    """The limits, as near to the region's bounds as can be; here: x_j − x_i of its input.

    Raises CannotDecide where not even these show a row of each clause, OutOfTime.
    """
    rows = [[row for row in clause if outputs.show(row, here)] for clause in found]
    if not all(rows):
        raise CannotDecide("the region's input does not show the claim")
    pairs = sorted({pair for some in rows for row in some for pair in outputs.named(row)})
    if len(pairs) > MAX_PAIRS:
        raise CannotDecide("a claim about too many outputs of a softmax")
    nothing = np.where(np.eye(outputs.n, dtype=bool), 0, FAR)
    if not pairs:
        return nothing
    i, j = np.array(pairs).T
    form = np.zeros((len(pairs), outputs.n), np.int64)
    form[np.arange(len(pairs)), j], form[np.arange(len(pairs)), i] = ONE, -ONE
    near = here[i, j]

    def limits(step: int, far: I64Array) -> I64Array:
        said = nothing.copy()
        said[i, j] = np.minimum(far + (near - far) * step // STEPS, FAR)
        return said

    def shown(said: I64Array) -> bool:
        deadline.check()
        return all(any(outputs.show(row, said) for row in some) for some in rows)

    for rounds in ROUNDS:
        bounds = lagrangian.upper({lagrangian.program.output: form}, deadline.share(0.5), rounds)
        far = np.maximum(bounds >> FRACTION_BITS, near)
        if shown(said := limits(0, far)):
            break
    else:
        said = limits(bisect_left(range(STEPS), True, key=lambda step: shown(limits(step, far))), far)
        _widen(said, pairs, np.minimum(far, FAR), shown)
    kept = nothing.copy()
    for some in rows:
        for at in outputs.reasons(next(row for row in some if outputs.show(row, said)), said):
            kept[at] = said[at]
    return kept


def _widen(
    said: I64Array, pairs: Sequence[tuple[int, int]], far: I64Array, shown: Callable[[I64Array], bool]
) -> None:
    """Move the limits of these pairs back towards their bounds `far`, each as far as can be, the one that is
    farthest from it first: then few are left to be proved.
    """

    def tight(place: tuple[int, int], limit: int) -> bool:
        said[place] = limit
        return not shown(said)

    own = said[tuple(np.array(pairs).T)]
    for k in np.argsort(own - far):
        wider = range(int(own[k]) + 1, int(far[k]) + 1)
        if wider and tight(pairs[k], wider[-1]):
            said[pairs[k]] = own[k] + bisect_left(wider, True, key=partial(tight, pairs[k]))


@dataclass(frozen=True, eq=False)
class _Outputs:
    """What the outputs of a softmax of n logits are, where these are so far apart."""

    distances: Distances
    n: int

    def least(self, i: int, above: I64Array) -> int:
        """Output i is not below this where x_j − x_i <= above[j]; above[i] is 0."""
        d = np.arange(max(above) + 1)
        sums = self.distances.exponentials[np.clip(d[:, None] - above, 0, FAR)].sum(axis=1)
        return int(self.distances.function.output(np.clip(sums, *self.distances.sums), d).min())

    def most(self, i: int, below: I64Array) -> int:
        """Output i is not above this where x_i − x_j <= below[j]; below[i] is 0."""
        d = np.arange(min(int(max(-below)), FAR), FAR + 1)
        exponentials = self.distances.exponentials[np.clip(d[:, None] + below, 0, FAR)]
        sums = exponentials.sum(axis=1) + self.distances.exponentials[0] - exponentials.max(axis=1)
        return int(self.distances.function.output(np.clip(sums, *self.distances.sums), d).max())

    def named(self, row: Relation) -> set[tuple[int, int]]:
        """The places of limits that bounds of the relation's outputs need."""
        others = [(i, c, j) for i, c in row.terms for j in range(self.n) if j != i]
        return {(j, i) if c > 0 else (i, j) for i, c, j in others}

    def show(self, row: Relation, limits: I64Array) -> bool:
        """Does the relation follow, from the order of two logits or from bounds of its outputs?"""
        return self._ordered(row, limits) is not None or self._bounded(row, limits)

    def reasons(self, row: Relation, limits: I64Array) -> set[tuple[int, int]]:
        """The places of limits from which it follows."""
        pair = self._ordered(row, limits)
        return self.named(row) if pair is None else {pair}

    def _ordered(self, row: Relation, limits: I64Array) -> tuple[int, int] | None:
        """The place that says that the one of two outputs is not above the other, where that is enough."""
        if len(row.terms) != 2 or sum(c for _, c in row.terms) != 0 or row.bound < 0:
            return None
        (a, c), (b, _) = row.terms
        pair = (b, a) if c > 0 else (a, b)
        return pair if limits[pair] <= 0 else None

    def _bounded(self, row: Relation, limits: I64Array) -> bool:
        total = 0
        for i, c in row.terms:
            total += c * (self.most(i, limits[:, i]) if c > 0 else self.least(i, limits[i]))
        return total <= row.bound
