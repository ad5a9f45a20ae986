"""Two networks as one query that every engine answers: the output is [0, v1, v2, …] and label 0 stays.

Some v is above 0 exactly where the two are told apart: where an output differs by more than the tolerance, or
where the index of the first maximum differs. Behind a softmax the claim is made on the logits: equal logits
give equal outputs; for the index, with the gap at which the softmax's outputs tie (decision.py) where that is
one number on the region.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from enum import Enum
from typing import Final

import numpy as np

from coverify.verify.deadline import Deadline
from coverify.verify.decision import decision, logits_wire
from coverify.verify.equivalence.product import Joint
from coverify.verify.equivalence.sameness import same
from coverify.verify.errors import CannotDecide
from coverify.verify.query import I64Array
from tflm_int8.program.linear import Dense
from tflm_int8.program.primitives import Affine, Max, Program, Softmax, Step, Term
from tflm_int8.program.sparse import Sparse

_FAR: Final = 1 << 24
"""Beyond every difference of two outputs."""
MAX_CLASSES: Final = 512
"""More classes than this have too many pairs."""


class Question(Enum):
    """What must be equal."""

    OUTPUT = "output"
    CLASS = "class"


@dataclass(frozen=True, eq=False)
class Claim:
    """`program` keeps label 0 where the two cannot be told apart; None: nowhere can they be.

    exact: does every input that loses the label tell the two apart? If not, only a HOLDS counts as it is.
    """

    program: Program | None
    exact: bool = True


def output_claim(joint: Joint, tolerance: int) -> Claim:
    """Some output differs by more than `tolerance` codes."""
    first, second, exact = joint.first, joint.second, True
    pair = _softmax_sources(joint)
    if pair is not None and tolerance == 0:
        (first, second), exact = pair, False
    drift = joint.drift(first, second)
    above, below = np.flatnonzero(drift.hi > tolerance), np.flatnonzero(drift.lo < -tolerance)
    if not len(above) + len(below):
        return Claim(None)
    return Claim(_ended(joint, [_rows(first, second, len(drift.lo), above, below, tolerance)]), exact)


def plain_output_claim(joint: Joint, tolerance: int) -> Claim:
    """The same on the outputs as they are, with nothing known of them: for engines that run the program."""
    n = joint.program.sizes()[joint.first]
    every = np.arange(n)
    return Claim(_ended(joint, [_rows(joint.first, joint.second, n, every, every, tolerance)]))


def _rows(first: int, second: int, n: int, above: I64Array, below: I64Array, tolerance: int) -> Affine:
    """0, then second − first − tolerance of the elements `above`, first − second − tolerance of `below`."""
    columns = np.concatenate([[n], above, below])[:, None].astype(np.int64)
    sign = np.concatenate([[0], np.ones(len(above)), -np.ones(len(below))])[:, None].astype(np.int64)
    bias = np.concatenate([[0], np.full(len(columns) - 1, -tolerance)]).astype(np.int64)
    terms = (Term(second, Sparse(n, columns, sign), 0), Term(first, Sparse(n, columns, -sign), 0))
    return Affine(terms, bias)


def class_claim(joint: Joint, deadline: Deadline) -> Claim:
    """The index of the first maximum differs.  Raises CannotDecide, OutOfTime."""
    assert joint.boxes is not None
    ends = []
    for output in (joint.first, joint.second):
        one = dataclasses.replace(joint.program, output=output)
        last = decision(one, joint.boxes, deadline)
        if not last.constant:
            raise CannotDecide("the gap at which the softmax's outputs tie varies on this region")
        ends.append((logits_wire(one), last.least_gap))
    return Claim(None) if ends[0] == ends[1] else class_claim_on(joint, *ends)


def plain_class_claim(joint: Joint) -> Claim:
    """The same on the outputs as they are, a softmax included: for engines that run the whole program."""
    return class_claim_on(joint, (joint.first, 1), (joint.second, 1))


def class_claim_on(joint: Joint, first: tuple[int, int], second: tuple[int, int]) -> Claim:
    """(wire, gap) each: the label is the first index less than `gap` below the wire's maximum.

    v_k = min(1 − lost_k, lost'_k) > 0 where the first network chooses k and the second does not.
    """
    n = joint.program.sizes()[first[0]]
    if not 2 <= n <= MAX_CLASSES:
        raise CannotDecide(f"{n} classes: their pairs are not compared")
    steps: list[Step] = []
    lost = [_lost(steps, len(joint.program.steps), n, *end) for end in (first, second)]
    eye, at = np.eye(n, dtype=np.int64), len(joint.program.steps)
    both = (
        np.concatenate([eye, np.zeros((n, n), np.int64)]),
        np.concatenate([np.zeros((n, n), np.int64), -eye]),
    )
    bias = np.concatenate([np.full(n, -1), np.zeros(n)]).astype(np.int64)
    steps.append(Affine((Term(lost[0], Dense(both[0]), 0), Term(lost[1], Dense(both[1]), 0)), bias))
    steps.append(Max(at + len(steps), np.stack([np.arange(n), n + np.arange(n)], axis=1), -_FAR, _FAR))
    ends = -np.concatenate([np.zeros((1, n), np.int64), eye])
    steps.append(Affine((Term(at + len(steps), Dense(ends), 0),), np.zeros(n + 1, np.int64)))
    return Claim(_ended(joint, steps))


def _lost(steps: list[Step], n_before: int, n: int, wire: int, gap: int) -> int:
    """Append lost_k = max(below_k − gap + 1, gap − below_j for j < k): <= 0 exactly where k is the label.

    below_k = the greatest element less element k.  Returns the wire.
    """
    i, k = (part.reshape(-1) for part in np.meshgrid(np.arange(n), np.arange(n)))
    pairs = Sparse(n, np.stack([i, k], axis=1), np.tile([1, -1], (n * n, 1)))
    steps.append(Affine((Term(wire, pairs, 0),), np.zeros(n * n, np.int64)))
    steps.append(Max(n_before + len(steps), np.arange(n * n).reshape(n, n), -_FAR, _FAR))
    eye = np.eye(n, dtype=np.int64)
    bias = np.concatenate([np.full(n, 1 - gap), np.full(n, gap)]).astype(np.int64)
    steps.append(Affine((Term(n_before + len(steps), Dense(np.concatenate([eye, -eye])), 0),), bias))
    windows = _windows(n)
    steps.append(Max(n_before + len(steps), windows, -_FAR, _FAR))
    return n_before + len(steps)


def _windows(n: int) -> I64Array:
    """Row k: its own condition, and those of every j < k; padded by its own."""
    own = np.arange(n)
    before = np.where(own[None] < own[:, None], n + own[None], own[:, None])
    rows: I64Array = np.concatenate([own[:, None], before], axis=1).astype(np.int64)
    return rows


def _softmax_sources(joint: Joint) -> tuple[int, int] | None:
    """The wires below both outputs where these are the same softmax of them."""
    a, b = (joint.program.steps[w - 1] if w else None for w in (joint.first, joint.second))
    if not (isinstance(a, Softmax) and isinstance(b, Softmax)):
        return None
    shared = a.depth == b.depth and same(a.function, b.function)
    return (a.source, b.source) if shared else None


def _ended(joint: Joint, steps: list[Step]) -> Program:
    """The product with more steps, the last of which is its output."""
    every = (*joint.program.steps, *steps)
    return dataclasses.replace(joint.program, steps=every, output=len(every))
