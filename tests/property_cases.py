"""Random formulas of a network's outputs, and their meaning written down independently of the code."""

from __future__ import annotations

import numpy as np

from coverify.verify.property.formula import AllOf, AnyOf, ClassIs, FewFalse, Formula, Relation


def random_formula(rng: np.random.Generator, outputs: np.ndarray, depth: int = 2) -> Formula:
    """A formula that is near its limit on `outputs`, int [N, n]: relations touch one of the rows."""
    n = outputs.shape[1]
    kind = rng.integers(0, 5 if depth else 2)
    if kind == 0:
        return ClassIs(int(rng.integers(0, n)), bool(rng.integers(0, 2)))
    if kind == 1:
        named = rng.choice(n, int(rng.integers(1, n + 1)), replace=False)
        terms = tuple((int(i), int(c)) for i in sorted(named) if (c := rng.integers(-3, 4)))
        row = outputs[rng.integers(0, len(outputs))]
        return Relation(terms, sum(c * int(row[i]) for i, c in terms) + int(rng.integers(-2, 2)))
    parts = tuple(random_formula(rng, outputs, depth - 1) for _ in range(rng.integers(1, 4)))
    if kind == 2:
        return AllOf(parts)
    if kind == 3:
        return AnyOf(parts)
    return FewFalse(int(rng.integers(0, len(parts))), parts)


def meaning(formula: Formula, y: list[int]) -> bool:
    """Does it hold of one output vector? In plain Python."""
    if isinstance(formula, Relation):
        return sum(c * y[i] for i, c in formula.terms) <= formula.bound
    if isinstance(formula, ClassIs):
        return (y.index(max(y)) == formula.index) is formula.wanted
    said = [meaning(part, y) for part in formula.parts]
    if isinstance(formula, AllOf):
        return all(said)
    if isinstance(formula, AnyOf):
        return any(said)
    return said.count(False) <= formula.limit
