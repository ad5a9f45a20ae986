"""Which pair of copies has a large gap? Simulated annealing, many pairs at once.

A pair is an input [x, p] of a group's box. What is climbed is half the gap, and half what it would be if the
last layer did not round: so that a pair moves on where the gap stays, and at last all roundings are to its
favour. Proves nothing; the gap that is returned was run.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coverify.study.twins import Twins
from coverify.verify.deadline import Deadline
from coverify.verify.query import F64Array, I64Array
from coverify.verify.stairs import edges_of
from tflm_int8.program.concrete import run
from tflm_int8.program.primitives import Staircase

PAIRS = 128
ROUNDS = 1200
HOT, COLD = 0.06, 0.004
"""The temperature, relative to the greatest height: at first and at last."""
STEP = 8
"""Most codes of a small move."""
EVERY = 100
"""So often the lowest pairs start anew from the highest."""


@dataclass(frozen=True, eq=False)
class Climb:
    """The pairs lo..hi, int64 [n + protected]."""

    twins: Twins
    lo: I64Array
    hi: I64Array

    def best(
        self, start: I64Array, seed: int, deadline: Deadline, rounds: int = ROUNDS
    ) -> tuple[int, I64Array]:
        """The largest gap that was met, and its pair; `start`: a pair that is among the first ones."""
        rng = np.random.default_rng(seed)
        free = np.flatnonzero(self.hi > self.lo)
        x = rng.integers(self.lo, self.hi + 1, (PAIRS, len(self.lo)))
        x[:2] = np.clip(start, self.lo, self.hi)
        sign = np.where(np.arange(PAIRS) % 2, 1, -1)
        gap, height = self._heights(x, sign)
        found, at = int(gap.max()), x[gap.argmax()].copy()
        whole = deadline.remaining
        for k in range(rounds if len(free) else 0):
            left = deadline.remaining
            if not left:
                break
            moved = self._moved(x, free, rng)
            gap, now = self._heights(moved, sign)
            if gap.max() > found:
                found, at = int(gap.max()), moved[gap.argmax()].copy()
            cooled = max(k / rounds, 0.0 if whole == np.inf else 1 - left / whole)
            heat = max(1.0, float(height.max())) * HOT * (COLD / HOT) ** cooled
            taken = rng.random(PAIRS) < np.exp(np.minimum(0.0, (now - height) / heat))
            x[taken], height[taken] = moved[taken], now[taken]
            if k % EVERY == EVERY - 1:
                self._again(x, height, sign)
        return found, at

    @cached_property
    def _unrounded(self) -> tuple[int, F64Array] | None:
        """The wire of the last sums, and the score's weights of them, where the last step is stairs."""
        program, last = self.twins.program, self.twins.program.steps[-1]
        if not isinstance(last, Staircase) or program.output != len(program.steps):
            return None
        inner = edges_of(last.rule)[last.channel]
        slope = (inner.shape[1] - 1) / np.maximum(inner[:, -1] - inner[:, 0], 1)
        return last.source, slope * self.twins.score

    def _moved(self, x: I64Array, free: I64Array, rng: np.random.Generator) -> I64Array:
        """One feature by a small step or to anywhere; in half of the pairs another one by a small step."""
        n, moved = np.arange(len(x)), x.copy()
        for anywhere, share in ((0.3, 1.0), (0.0, 0.5)):
            k = free[rng.integers(0, len(free), len(x))]
            small = moved[n, k] + rng.integers(-STEP, STEP + 1, len(x))
            far = rng.integers(self.lo[k], self.hi[k] + 1)
            to = np.where(rng.random(len(x)) < anywhere, far, np.clip(small, self.lo[k], self.hi[k]))
            moved[n, k] = np.where(rng.random(len(x)) < share, to, moved[n, k])
        return moved

    def _heights(self, x: I64Array, sign: I64Array) -> tuple[I64Array, F64Array]:
        """The gaps of pairs, and how high they are in the direction `sign`."""
        n, program = self.twins.program.n_input, self.twins.program
        second = x[:, :n].copy()
        second[:, list(self.twins.protected)] = x[:, n:]
        wires = run(program, np.concatenate([x[:, :n], second]))
        rise = _between(wires[program.output] @ self.twins.score).astype(np.int64)
        height = rise.astype(np.float64)
        if self._unrounded is not None:
            source, weights = self._unrounded
            height = (height + _between(wires[source] @ weights)) / 2
        return np.abs(rise), sign * height

    @staticmethod
    def _again(x: I64Array, height: F64Array, sign: I64Array) -> None:
        """In each direction the lowest quarter takes the place of the highest one."""
        for one in (1, -1):
            order = np.flatnonzero(sign == one)
            order = order[np.argsort(-height[order], kind="stable")]
            quarter = len(order) // 4
            x[order[-quarter:]], height[order[-quarter:]] = x[order[:quarter]], height[order[:quarter]]


def _between(scores: NDArray[Any]) -> NDArray[Any]:
    """Those of the second half less those of the first."""
    first, second = np.split(scores, 2)
    rise: NDArray[Any] = second - first
    return rise
