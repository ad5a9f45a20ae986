"""Over which inputs does a property speak? A box of integer codes, and how many features may change.

A `Region` is what a file or an option says, in codes; `query` makes it a box around a base input. Features
that the mask leaves out keep the base's value. A range of codes holds for itself: it is met with the ball.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coverify.verify.errors import BadQuery
from coverify.verify.property.errors import BadBase
from coverify.verify.property.words import EVERYWHERE, ball_words
from coverify.verify.query import I16Array, I64Array, IntArray, Robustness
from tflm_int8.program.primitives import Program

MAX_RADIUS = np.int64(1 << 20)
"""In codes: farther than any other code of an input."""


@dataclass(frozen=True, eq=False)
class Region:
    """radius: int64 [n] in codes, or None for no ball; moves: which features may leave the base, [n], or None
    for all; lo, hi: int64 [n], the ranges of codes, or None for the network's; changes: at most so many
    features differ from the base; words: the region in words; notes: what is to be said of it besides.
    reach: in place of a radius, int64 [2, codes], how far down and up each code of the input goes.
    """

    radius: I64Array | None = None
    moves: NDArray[np.bool_] | None = None
    lo: I64Array | None = None
    hi: I64Array | None = None
    changes: int | None = None
    words: str = ""
    notes: tuple[str, ...] = ()
    reach: I64Array | None = None

    def holds_still(self, feature: int) -> bool:
        """Has the feature one value around any input?"""
        moves = (self.moves is None or bool(self.moves[feature])) and self.changes != 0
        at_once = self.radius is None or self.radius[feature] > 0
        wide = self.lo is None or self.hi is None or self.lo[feature] < self.hi[feature]
        return not (moves and at_once and wide)

    @property
    def needs_base(self) -> bool:
        """Does it mean anything only around an input?"""
        ball = self.radius is not None or self.reach is not None
        return ball or self.moves is not None or self.changes is not None

    def within(self, eps: int | None, n: int) -> Region:
        """What of it lies within eps codes of an input of n features (None: of each radius, for its words).

        Raises BadQuery where it says itself how near features are.
        """
        if self.radius is not None or self.reach is not None:
            raise BadQuery(
                "the region says how near features are to the input: no radius goes with that; leave out "
                "--eps and --radius, or in the file eps, eps_real, radius and radius_file"
            )
        words = ball_words(eps) if self.words == EVERYWHERE else f"{ball_words(eps)}, {self.words}"
        radius = None if eps is None else np.full(n, eps, np.int64)
        return dataclasses.replace(self, radius=radius, words=words)

    def query(self, program: Program, base: IntArray | None, label: int) -> Robustness:
        """The box around a base input, int [n] (None: the box's middle).  Raises BadQuery, BadBase."""
        n = program.n_input
        lo = np.full(n, program.input_lo, np.int64) if self.lo is None else self.lo
        hi = np.full(n, program.input_hi, np.int64) if self.hi is None else self.hi
        lo, hi = np.maximum(lo, program.input_lo), np.minimum(hi, program.input_hi)
        self._check(n, lo, hi)
        if base is None:
            if self.needs_base:
                raise BadQuery("the property speaks of inputs around a given one: inputs are needed")
            base = (lo + hi) // 2
        x0 = np.asarray(base, np.int64).reshape(-1)
        if len(x0) != n:
            raise BadQuery(f"the input has {len(x0)} elements, the network wants {n}")
        return self._around(x0, lo, hi, label, program.input_lo)

    def _check(self, n: int, lo: I64Array, hi: I64Array) -> None:
        for name, array in (("radius", self.radius), ("mask", self.moves), ("range", lo), ("range", hi)):
            if array is not None and array.shape != (n,):
                raise BadQuery(f"the {name} has {array.size} elements, the input {n}")
        empty = np.flatnonzero(lo > hi)
        if len(empty):
            raise BadQuery(f"the range of feature {empty[0]} holds no code of the network's input")

    def _around(self, x0: I64Array, lo: I64Array, hi: I64Array, label: int, least: int) -> Robustness:
        radius = MAX_RADIUS if self.radius is None else np.minimum(self.radius, MAX_RADIUS)
        down, up = (radius, radius) if self.reach is None else self.reach[:, x0 - least]
        moves = True if self.moves is None else self.moves
        lo, hi = np.maximum(lo, x0 - np.where(moves, down, 0)), np.minimum(hi, x0 + np.where(moves, up, 0))
        empty = np.flatnonzero(lo > hi)
        if len(empty):
            i = int(empty[0])
            raise BadBase(f"feature {i}: its range does not meet the codes around {int(x0[i])} of the input")
        inside = np.clip(x0, lo, hi)
        if self.changes is not None and np.any(inside != x0):
            raise BadBase("the base input leaves the ranges: which features count as changed is not said")
        eps = int(np.maximum(hi - inside, inside - lo).max(initial=0))
        base: I16Array = inside.astype(np.int16)
        query = Robustness(base, label, eps, lo.astype(np.int64), hi.astype(np.int64))
        return dataclasses.replace(query, changes=self.changes)
