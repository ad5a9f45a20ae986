"""Look for an input that tells two networks apart: random points, class boundaries, stair edges in turn.

It finds or gives up, and never proves. Whatever it returns was run on both networks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from coverify.verify.deadline import Deadline
from coverify.verify.equivalence.boundary import around, crossings
from coverify.verify.equivalence.claim import Question
from coverify.verify.equivalence.directed import Directed
from coverify.verify.equivalence.sides import Pair
from coverify.verify.equivalence.starts import starts
from coverify.verify.query import I64Array

BATCH = 64
_STARTS = 4
"""Points from which one directed round starts."""
_BLIND = 8
"""Rounds of random points between two directed searches, at most."""


@dataclass(eq=False)
class Search:
    """One region: lo, hi int64 [n]; given: int64 [m, n], inputs of it to start from (at least one).

    tried: inputs that were run on both networks so far.
    """

    pair: Pair
    lo: I64Array
    hi: I64Array
    given: I64Array
    directed: Directed | None = None
    tried: int = field(default=0, init=False)
    _noted: list[I64Array] = field(default_factory=list, init=False)

    def run(self, deadline: Deadline, seed: int, rounds: int | None = None) -> I64Array | None:
        """An input that tells the two apart, or None when the time (or the rounds) are over."""
        rng = np.random.default_rng(seed)
        found = self._first(self.given[:BATCH])
        number = 0
        while found is None and deadline.remaining and (rounds is None or number < rounds):
            found = self._round(rng, number, deadline)
            number += 1
        return found

    def _round(self, rng: np.random.Generator, number: int, deadline: Deadline) -> I64Array | None:
        x = starts(rng, self.lo, self.hi, self.given, BATCH)
        outputs = self.pair.outputs(x)
        self.tried += len(x)
        if outputs is None:
            return self._one_by_one(x)
        apart = _first_of(x, self.pair.told_apart(*outputs))
        if apart:
            return apart[0]
        if self.pair.question is Question.CLASS:
            return self._at_boundaries(rng, x, classes_of(outputs[0]), deadline)
        if self.directed is not None and self.directed.layers and (number < 2 or number % _BLIND == 0):
            return self._at_edges(rng, x, deadline)
        return None

    def _at_boundaries(
        self, rng: np.random.Generator, x: I64Array, classes: I64Array, deadline: Deadline
    ) -> I64Array | None:
        def of(points: I64Array) -> I64Array:
            found = self.pair.outputs(points)
            self.tried += len(points)
            if found is None:
                return np.full(len(points), -1)
            self._noted = self._noted or _first_of(points, self.pair.told_apart(*found))
            return classes_of(found[0])

        self._noted = []
        near = crossings(rng, x, classes, of)
        for _ in range(4):
            if self._noted or near is None or not deadline.remaining:
                break
            of(around(rng, near, self.lo, self.hi, 4 * BATCH))
        return self._noted[0] if self._noted else None

    def _at_edges(self, rng: np.random.Generator, x: I64Array, deadline: Deadline) -> I64Array | None:
        assert self.directed is not None
        for start in x[:_STARTS]:
            if not deadline.remaining:
                return None
            for reached in self.directed.inputs(rng, start, deadline):
                found = self._first(
                    np.concatenate([reached[None], around(rng, reached[None], self.lo, self.hi, 15)])
                )
                if found is not None:
                    return found
        return None

    def _first(self, x: I64Array) -> I64Array | None:
        """The first row that tells the two apart."""
        outputs = self.pair.outputs(x)
        self.tried += len(x)
        if outputs is None:
            return self._one_by_one(x)
        found = _first_of(x, self.pair.told_apart(*outputs))
        return found[0] if found else None

    def _one_by_one(self, x: I64Array) -> I64Array | None:
        """Where a batch holds an input on which TFLM is undefined: the others."""
        found: Iterator[I64Array] = (row for row in x if self.pair.separates(row))
        return next(found, None)


def classes_of(outputs: I64Array) -> I64Array:
    """The index of the first maximum of every row."""
    classes: I64Array = outputs.argmax(axis=1).astype(np.int64)
    return classes


def _first_of(x: I64Array, apart: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> list[I64Array]:
    at = np.flatnonzero(apart)
    return [x[at[0]]] if len(at) else []
