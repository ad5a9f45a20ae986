"""Local search among the levels of the first stairs: what they lead to is exact, what they need is a program.

Once the first stairs' levels are chosen, all that follows is fixed, and thousands of choices can be run in
milliseconds. The neighbours of a choice differ from it by one level at one, two or three stairs. They are
tried from the highest score on; cuts (reachable.py) refuse most of those that no input reaches, and of equal
scores the one that is least near to a cut comes first. The first one that an input reaches is next, be it
lower, and no choice is tried twice. Where stairs are few and wide, this finds what dives miss.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from coverify.verify.attack.reachable import Reachable
from coverify.verify.query import F64Array, I64Array

_PAIRS, _TRIPLES = 4000, 1000
"""Of a step, at most, drawn at random."""
_PROGRAMS = 12
"""Of a step, at most."""


@dataclass(eq=False)
class LevelSearch:
    """Towards one rival; `level`: where it is, int64 [m]; `most`: the greatest score of levels so far."""

    reachable: Reachable
    rival: int
    rng: np.random.Generator
    level: I64Array
    most: float
    _tried: set[bytes] = field(default_factory=set, init=False)

    def step(self) -> tuple[I64Array, float] | None:
        """To a neighbour that is reached: where that is as good as any before, an input, int64 [n], and its
        score.  Raises Found, OutOfTime, OutsideDomain.
        """
        levels, score = self._neighbours()
        left = _PROGRAMS
        for level, one in zip(levels, score.tolist(), strict=True):
            if level.tobytes() in self._tried:
                continue
            if not left:
                break
            left -= 1
            self._tried.add(level.tobytes())
            x = self.reachable.input(level)
            if x is not None:
                return self._moved(level, one, x)
        return None

    def _moved(self, level: I64Array, score: float, x: F64Array) -> tuple[I64Array, float] | None:
        self.level = level
        if score < self.most:
            return None
        self.most = score
        runner, found = self.reachable.runner, self.reachable.rounded(x, level)
        wires = runner.run(found[None])
        return found, float(runner.score.of_rows(wires, np.array([self.rival]))[0])

    def _neighbours(self) -> tuple[I64Array, F64Array]:
        """Those which no cut refuses, best first: int64 [g, m], and their scores [g]."""
        level, reach = self.level, self.reachable
        stair = np.tile(np.arange(len(level)), 2)
        change = np.repeat(np.array([-1, 1]), len(level))
        after = level[stair] + change
        inside = (after >= reach.least[stair]) & (after <= reach.most[stair])
        stair, change = stair[inside], change[inside]
        groups = self._groups(stair)
        excess = reach.excess(level, stair, change, groups)
        groups, excess = groups[excess <= 0], excess[excess <= 0]
        levels = np.repeat(level[None], len(groups), axis=0)
        stair, change = np.append(stair, 0), np.append(change, 0)
        for column in groups.T:
            levels[np.arange(len(groups)), stair[column]] += change[column]
        runner = reach.runner
        score = runner.score.of_rows(runner.run_from(levels, 2), np.full(len(levels), self.rival))
        order = np.lexsort([excess, -score])
        return levels[order], score[order]

    def _groups(self, stair: I64Array) -> I64Array:
        """Single changes, pairs and triples of different stairs: int64 [g, 3], len(stair) for none."""
        n = len(stair)
        if not n:
            return np.zeros((0, 3), np.int64)
        none = np.full(n, n)
        pairs = np.stack(np.triu_indices(n, 1), axis=1)
        pairs = pairs[stair[pairs[:, 0]] != stair[pairs[:, 1]]]
        if len(pairs) > _PAIRS:
            pairs = pairs[self.rng.choice(len(pairs), _PAIRS, replace=False)]
        triples = self.rng.integers(0, n, (_TRIPLES, 3))
        ends = np.sort(stair[triples], axis=1)
        triples = triples[(ends[:, 0] < ends[:, 1]) & (ends[:, 1] < ends[:, 2])]
        pairs = np.concatenate([pairs, np.full((len(pairs), 1), n)], axis=1)
        return np.concatenate([np.stack([np.arange(n), none, none], axis=1), pairs, triples])
