"""Projected gradient descent with sign steps and straight-through rounding: the first stage.

From the base input and random points of the box; a step moves every feature by so many codes as the
gradient's sign says, the steps shrink from half the box to one code. The rival is the nearest one at each
point.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from coverify.verify.bounds import Box
from coverify.verify.deadline import Deadline
from coverify.verify.gradient import Gradient
from coverify.verify.problem import Problem
from coverify.verify.query import F64Array, I64Array

STARTS: Final = 8
STEPS: Final = 40


def descend(problem: Problem, boxes: list[Box], wire: int, deadline: Deadline, seed: int) -> I64Array | None:
    """A counterexample, int64 [n], or None.  boxes: the wires' bounds; wire: the logits.

    Raises OutOfTime, and OutsideDomain where a point of the box leaves the program's domain.
    """
    query, gradient = problem.query, Gradient(problem.program, boxes)
    random = np.random.default_rng(seed).integers(query.lo, query.hi + 1, (STARTS - 1, len(query.lo)))
    x = np.concatenate([query.x0.astype(np.int64)[None], random])
    half = int((query.hi - query.lo).max()) / 2.0
    for k in range(STEPS):
        deadline.check()
        wires = problem.wires(x)
        broken = np.flatnonzero(wires[problem.program.output].argmax(axis=1) != query.label)
        if len(broken):
            found: I64Array = x[broken[0]]
            return found
        slope = gradient.input_gradient(wires, wire, _towards_nearest(wires[wire], query.label))
        step = max(1, round(half * (1 - k / STEPS)))
        x = np.clip(x + step * np.sign(slope).astype(np.int64), query.lo, query.hi)
    return None


def _towards_nearest(logits: I64Array, label: int) -> F64Array:
    """The direction that raises the greatest other logit over the label's: [N, n]."""
    others = logits.copy()
    others[:, label] = np.iinfo(np.int64).min
    direction = np.zeros(logits.shape)
    direction[np.arange(len(logits)), others.argmax(axis=1)] = 1.0
    direction[:, label] -= 1.0
    return direction
