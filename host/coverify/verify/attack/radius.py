"""What is the smallest radius at which the search still finds a counterexample? An upper bound of the radius.

    smallest(problem, deadline, seed, ...) -> a witness of the smallest radius found, or None

A witness in hand is first drawn towards the base input for as long as it stays one; then radii are tried by
bisection, each search starting from the last witness drawn into the smaller box, and in the end one radius at
a time with all rounds. No step proves anything: a radius that was passed over is not certified.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from coverify.verify.attack.search import ROUNDS, search
from coverify.verify.deadline import Deadline
from coverify.verify.problem import Problem
from coverify.verify.query import I64Array

_QUICK_ROUNDS = 2
"""Rounds of a search in the bisection."""


def smallest(
    problem: Problem,
    deadline: Deadline,
    seed: int,
    starts: Sequence[I64Array] = (),
    least: int = 1,
) -> I64Array | None:
    """A witness of the smallest radius found from `least` up to the problem's own, int64 [n], or None.

    starts: as for search; one may be a witness.  Raises CannotDecide.
    """
    witness = search(problem, starts, deadline, seed, _QUICK_ROUNDS)
    if witness is None:
        witness = search(problem, starts, deadline, seed, ROUNDS)
    return None if witness is None else shrink(problem, witness, deadline, seed, least)


def shrink(problem: Problem, witness: I64Array, deadline: Deadline, seed: int, least: int = 1) -> I64Array:
    """A witness of the smallest radius found, from `least` to that of `witness` (a counterexample of the
    problem, int64 [n]), which is returned where there is no better one.  Raises CannotDecide.
    """
    witness, passed = drawn(problem, witness), least - 1
    while deadline.remaining and radius(problem, witness) > passed + 1:
        middle = (passed + radius(problem, witness)) // 2
        found = search(within(problem, middle), [witness], deadline, seed, _QUICK_ROUNDS)
        if found is None:
            passed = middle
        else:
            witness = drawn(problem, found)
    while deadline.remaining and radius(problem, witness) > least:
        smaller = within(problem, radius(problem, witness) - 1)
        found = search(smaller, [witness], deadline, seed, ROUNDS)
        if found is None:
            break
        witness = drawn(problem, found)
    return witness


def radius(problem: Problem, x: I64Array) -> int:
    """The greatest distance of a feature from the base input, in codes."""
    return int(np.abs(x - problem.query.x0).max(initial=0))


def within(problem: Problem, radius: int) -> Problem:
    """The same question on the part of the box that lies within this radius, in codes."""
    query, x0 = problem.query, problem.query.x0.astype(np.int64)
    lo, hi = np.maximum(query.lo, x0 - radius), np.minimum(query.hi, x0 + radius)
    smaller = dataclasses.replace(query, eps=min(query.eps, radius), lo=lo, hi=hi)
    return Problem(problem.program, smaller)


def drawn(problem: Problem, witness: I64Array) -> I64Array:
    """The witness clipped to the smallest radius at which it still is one."""
    x0 = problem.query.x0.astype(np.int64)
    radii = np.arange(1, radius(problem, witness) + 1)[:, None]
    first = problem.first_violation(np.clip(witness, x0 - radii, x0 + radii))
    return witness if first is None else first
