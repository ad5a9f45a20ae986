"""Which multipliers make the bounds small? A normalised subgradient descent (Adam), many rows at once.

Any result is valid; better ones only prove more. A row is `scale · sign · (one source value) + m · claim`,
with m >= 0 and claim >= 0 wherever the rival wins, so that a bound of the row is a bound of the value there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from coverify.verify.deadline import NEVER, Deadline
from coverify.verify.dual.maxima import Guide
from coverify.verify.dual.relaxation import NO_GUIDES, Boxes, Form, Pass, Pieces, Relaxation
from coverify.verify.query import F64Array

_FIRST, _SECOND = 0.8, 0.95


@dataclass(eq=False)
class Rows:
    """What is bounded. base: the forms without their claims; claim: coefficients on the logits, [rows, n];
    rise: the claim's constant, [rows]; m: the claims' multipliers, [rows].
    """

    base: Form
    claim: F64Array
    rise: F64Array
    m: F64Array

    def form(self, logits: int) -> dict[int, F64Array]:
        """The forms, claims included."""
        part = self.claim * self.m[:, None]
        return {**self.base, logits: self.base[logits] + part if logits in self.base else part}

    def target(self, logits: int, unit: int) -> tuple[int, int, int, int]:
        """Of a single row, whose base is one element's at most: (wire, element, sign, scale)."""
        for wire, values in self.base.items():
            element = int(np.abs(values[0]).argmax())
            return wire, element, int(np.sign(values[0, element])), unit
        return logits, 0, 1, 0


@dataclass(eq=False)
class Found:
    """The best of a descent: bound [rows], multipliers and maximising values by wire."""

    bound: F64Array
    multipliers: dict[int, F64Array]
    values: dict[int, F64Array]


def evaluate(
    relaxation: Relaxation, rows: Rows, boxes: Boxes, pieces: dict[int, Pieces],
    multipliers: dict[int, F64Array], exact: bool = False, end: Deadline = NEVER,
    guides: Mapping[int, Guide] = NO_GUIDES,
) -> Pass:  # fmt: skip
    """The rows' bounds for these multipliers.  Raises OutOfTime at `end`."""
    done = relaxation.evaluate(rows.form(relaxation.logits), boxes, pieces, multipliers, exact, end, guides)
    done.bound = done.bound - rows.m * rows.rise
    done.constant = done.constant - rows.m * rows.rise
    return done


def exact(
    relaxation: Relaxation, rows: Rows, boxes: Boxes, natural: Boxes, guess: dict[int, Pieces],
    multipliers: dict[int, F64Array], end: Deadline = NEVER,
) -> Pass:  # fmt: skip
    """The rows' bounds for the rounded multipliers, in exact integers.  Raises OutOfTime at `end`."""
    whole = {w: np.rint(v) for w, v in multipliers.items()}
    pieces = guess if all(relaxation.uniform.values()) else relaxation.pieces(boxes, natural, True, end)
    return evaluate(relaxation, rows, boxes, pieces, whole, True, end)


def descend(
    relaxation: Relaxation, rows: Rows, boxes: Boxes, pieces: dict[int, Pieces],
    start: dict[int, F64Array], deadline: Deadline, rounds: int, size: float = 0.3, target: float | None =
    None,
) -> Found:  # fmt: skip
    """The least bounds found in at most `rounds` evaluations; ends early when all rows are below the
    target.  Raises OutOfTime late after the deadline.
    """
    now = evaluate(relaxation, rows, boxes, pieces, start, end=deadline.late)
    best = Found(now.bound.copy(), {k: v.copy() for k, v in now.multipliers.items()},
                 {k: v.copy() for k, v in now.value.items()})  # fmt: skip
    scale = {w: np.abs(now.asked[w]) * pieces[w].scale for w in now.multipliers if w in pieces}
    scale = {w: s + 0.02 * s.max(axis=1, keepdims=True) * (pieces[w].scale > 0) for w, s in scale.items()}
    xi = {w: v.copy() for w, v in now.multipliers.items() if w in pieces}
    first = {w: np.zeros_like(v) for w, v in xi.items()}
    second = {w: np.zeros_like(v) for w, v in xi.items()}
    for k in range(1, rounds):
        if not deadline.remaining or (target is not None and np.all(best.bound < target)):
            break
        rate = size * 0.93**k
        for wire, slope in relaxation.slopes(now).items():
            if wire not in xi:
                continue
            g = slope * scale[wire]
            first[wire] = _FIRST * first[wire] + (1 - _FIRST) * g
            second[wire] = _SECOND * second[wire] + (1 - _SECOND) * g * g
            corrected = np.sqrt(second[wire] / (1 - _SECOND**k)) + 1e-12
            xi[wire] = xi[wire] - rate * scale[wire] * (first[wire] / (1 - _FIRST**k)) / corrected
        guides = relaxation.guided(now, rate)
        now = evaluate(relaxation, rows, boxes, pieces, xi, end=deadline.late, guides=guides)
        better = now.bound < best.bound
        if np.any(better):
            best.bound = np.where(better, now.bound, best.bound)
            for w, v in now.multipliers.items():
                best.multipliers[w][better] = v[better]
            for w, v in now.value.items():
                best.values[w][better] = v[better]
    return best
