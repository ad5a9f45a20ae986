"""Exact coordinate search: from one point, small changes are made for as long as they raise the exact score.

In each round every feature is tried alone at either end of its range and one code to either side. The moves
that raise the score are then tried together, the best 1, 2, 4, ... of them at once, and the best block is
made. Where no single move helps, pairs of the best are tried.
"""

from __future__ import annotations

import numpy as np

from coverify.verify.attack.climb import Stairs
from coverify.verify.attack.moves import Moves, Neighbourhood
from coverify.verify.attack.runner import Runner
from coverify.verify.query import I64Array

_BLOCKS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)
_PAIRED = 48
"""So many of the best moves are paired."""


def polish(
    near: Neighbourhood, runner: Runner, stairs: Stairs, x: I64Array, rival: int, rounds: int
) -> tuple[I64Array, float]:
    """The last point, int64 [n], and its score.  Raises Found, OutOfTime, OutsideDomain."""
    score = float(runner.score.of_rows(runner.run(x[None]), np.array([rival]))[0])
    for _ in range(rounds):
        moves = _ranked(near, runner, stairs, x, rival)
        if not len(moves.feature):
            break
        scores = near.scores(x, moves, np.arange(len(moves.feature))[:, None], rival)
        order = np.argsort(-scores, kind="stable")
        helpful = order[scores[order] > score]
        groups = _blocks(moves, helpful) if len(helpful) else _pairs(moves, order)
        if not len(groups):
            break
        together = near.scores(x, moves, groups, rival)
        best = int(together.argmax())
        if together[best] <= score:
            break
        chosen = groups[best]
        x, score = moves.take(chosen[chosen >= 0]).on(x), float(together[best])
    return x, score


def _ranked(near: Neighbourhood, runner: Runner, stairs: Stairs, x: I64Array, rival: int) -> Moves:
    """The single moves of x, those of the steepest features where there are too many."""
    free = np.flatnonzero(runner.hi > runner.lo)
    if 4 * len(free) > near.limit:
        one = np.ones((1, 1))
        slope = runner.slope(runner.run(x[None]), np.array([rival]), stairs.reach(0 * one, one))[0]
        gain = np.abs(slope[free]) * (runner.hi - runner.lo)[free]
        free = free[np.argsort(-gain, kind="stable")[: near.limit // 4]]
    lo, hi, here = runner.lo[free], runner.hi[free], x[free]
    value = np.concatenate([lo, hi, np.maximum(here - 1, lo), np.minimum(here + 1, hi)])
    every = Moves(np.tile(free, 4), value)
    return every.take(np.flatnonzero(value != x[every.feature]))


def _blocks(moves: Moves, helpful: I64Array) -> I64Array:
    """The best 1, 2, 3, ... moves of different features: [g, k], -1 for none."""
    _, first = np.unique(moves.feature[helpful], return_index=True)
    chosen = helpful[np.sort(first)]
    sizes = [k for k in _BLOCKS if k <= len(chosen)]
    groups = np.full((len(sizes), sizes[-1]), -1)
    for row, k in enumerate(sizes):
        groups[row, :k] = chosen[:k]
    return groups


def _pairs(moves: Moves, order: I64Array) -> I64Array:
    """All pairs of the best moves that are of different features: [g, 2]."""
    best = order[:_PAIRED]
    left, right = np.triu_indices(len(best), 1)
    pairs = np.stack([best[left], best[right]], axis=1)
    distinct: I64Array = pairs[moves.feature[pairs[:, 0]] != moves.feature[pairs[:, 1]]]
    return distinct
