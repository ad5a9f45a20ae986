"""Formulas that compare one output with every other: of a softmax's outputs they are said as a label is.

A row's softmax keeps whatever order its inputs have. So "no other output is above output t, and these are
below it" is "the class stays t" once those are put before t and the others behind it, where the class is the
first of the greatest.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace

import numpy as np

from coverify.verify.decision import logits_wire
from coverify.verify.property.formula import FewFalse, Formula, Relation, conjuncts, not_above
from coverify.verify.query import I64Array
from tflm_int8.program.primitives import Program, Select, Softmax


@dataclass(frozen=True)
class Ranking:
    """Of n outputs none is above `top`, and those of `below` are below it."""

    n: int
    top: int
    below: frozenset[int]

    @property
    def order(self) -> I64Array:
        """The outputs so that `top`, behind those below it, is the first of the greatest: int64 [n]."""
        behind = [i for i in range(self.n) if i != self.top and i not in self.below]
        return np.array([*sorted(self.below), self.top, *behind], np.int64)

    @property
    def label(self) -> int:
        """Where `top` stands in that order."""
        return len(self.below)

    @property
    def pairs(self) -> tuple[Relation, ...]:
        """The same said of each other output, in that order."""
        others = (j for j in self.order.tolist() if j != self.top)
        return tuple(not_above(j, self.top, -1 if j in self.below else 0) for j in others)

    def ordered(self, program: Program) -> Program:
        """A program that ends in a softmax of one row, with its outputs in that order."""
        softmax = program.steps[program.output - 1]
        assert isinstance(softmax, Softmax)
        kept = program.steps[: program.output - 1]
        steps = (*kept, Select(softmax.source, self.order), replace(softmax, source=len(kept) + 1))
        tensors = {wire: tensor for wire, tensor in program.tensors.items() if wire < program.output}
        operators = program.operators[: len(kept)]
        if program.operators:
            operators = (*operators, *2 * program.operators[len(kept) : len(kept) + 1])
        return replace(program, steps=steps, output=len(steps), tensors=tensors, operators=operators)


def ranked(formula: Formula, program: Program) -> Ranking | None:
    """The ranking that the formula is, of the outputs of a softmax; None where it is none of these."""
    if logits_wire(program) == program.output:
        return None
    found, rest = rankings(formula, program.sizes()[program.output])
    return found[0] if len(found) == 1 and not rest else None


def implied_by(formula: Formula, program: Program) -> Ranking | None:
    """A ranking that says more than the formula, which compares one output of a softmax with some others, or
    counts how often it is behind one: that it is not below any. None of any other formula.
    """
    if logits_wire(program) == program.output:
        return None
    match formula:
        case FewFalse(limit, parts) if limit >= 0:
            pairs = list(map(compared, parts))
        case _:
            pairs = list(map(compared, conjuncts(formula)))
    found = [pair for pair in pairs if pair is not None]
    tops = {top for _, top, _ in found}
    if len(found) < len(pairs) or len(tops) != 1:
        return None
    below = frozenset(other for other, _, below in found if below)
    return Ranking(program.sizes()[program.output], tops.pop(), below)


def rankings(formula: Formula, n: int) -> tuple[list[Ranking], list[Formula]]:
    """Rankings, and formulas, that together say what this one does, all of them."""
    parts = [part for part in conjuncts(formula) if not (isinstance(part, Relation) and _always(part))]
    pairs = [compared(part) for part in parts]
    others, below = defaultdict[int, set[int]](set), defaultdict[int, set[int]](set)
    for other, top, is_below in filter(None, pairs):
        others[top].add(other)
        if is_below:
            below[top].add(other)
    whole = {top for top, known in others.items() if len(known) == n - 1}
    rest = [part for part, pair in zip(parts, pairs, strict=True) if pair is None or pair[1] not in whole]
    return [Ranking(n, top, frozenset(below[top])) for top in sorted(whole)], rest


def _always(part: Relation) -> bool:
    return not part.terms and part.bound >= 0


def compared(part: Formula) -> tuple[int, int, bool] | None:
    """(a, b, below): output a is not above output b, or below it; None where it says anything else."""
    if not isinstance(part, Relation) or len(part.terms) != 2:
        return None
    (a, c), (b, d) = part.terms
    if c + d or part.bound // abs(c) not in (0, -1):
        return None
    a, b = (a, b) if c > 0 else (b, a)
    return a, b, part.bound < 0
