"""Is there an input in the box whose label is not the query's? The search that every engine may call.

    search(problem, starts, deadline, seed) -> a witness, or None

`starts` are points from elsewhere, best first, of any radius: where a bound is greatest, a solver's rounded
solution, a witness of a larger radius or of a neighbouring query; they are projected into the box. Rounds
follow one another: many points climb at once (climb.py) towards the rivals that are nearest, the best of them
are polished one feature at a time (coordinates.py), dives choose the levels of the first stairs from there
(dive.py), other levels are tried next to the best point's (levels.py), longer from round to round, and the
next round starts from random points, random corners and shaken best points. After ROUNDS it is over, or
(`again`) begins anew from other points, with more random ones before. The seed fixes everything but the
deadline; None says nothing of the query.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import count

import numpy as np

from coverify.verify.attack.climb import Rows, Stairs, climb
from coverify.verify.attack.coordinates import polish
from coverify.verify.attack.dive import dive
from coverify.verify.attack.levels import LevelSearch
from coverify.verify.attack.moves import Neighbourhood, neighbourhood
from coverify.verify.attack.reachable import Reachable
from coverify.verify.attack.region import Regions
from coverify.verify.attack.runner import Found, Runner
from coverify.verify.attack.score import Score
from coverify.verify.attack.shots import shoot
from coverify.verify.bounds import wire_bounds
from coverify.verify.deadline import Deadline, OutOfTime
from coverify.verify.errors import CannotDecide
from coverify.verify.problem import Problem
from coverify.verify.query import I64Array
from tflm_int8.program.concrete import OutsideDomain

ROUNDS = 16
"""After so many rounds another seldom finds what these did not."""

_STEPS = 60
_ROWS = (4, 32)
"""Rows of a round, at least and at most, as _ELEMENTS allow."""
_ELEMENTS = 1 << 17
"""Elements of all wires that a round's rows should hold."""
_POLISHED = 3
_POLISH_ROUNDS = 40
_DIVES = 3
"""Of a round, at most."""
_LEVEL_RIVALS = 2
"""So many of the nearest rivals have their levels searched, in turns."""
_LEVEL_STEPS = 3
"""Of a search in the second round; as many more in each round after."""
_SPREADS, _FOCI = (0.05, 0.1, 0.3), (0.05, 0.1, 0.2)
"""How the stairs are smoothed (see climb.py): each row draws one of each."""
_SHAKEN = 0.2
"""The share of the features that a shaken point draws anew."""
_KINDS = 3
"""Of so many starts one is a random point and one a random corner; what is left are shaken best points."""


def search(
    problem: Problem, starts: Sequence[I64Array], deadline: Deadline, seed: int, rounds: int = ROUNDS,
    again: bool = False,
) -> I64Array | None:  # fmt: skip
    """A point of the box, int64 [n], that the whole program gives another label; None when none was found.

    starts: int [n] each; again: until the deadline, if there is one.  Raises CannotDecide (a program that is
    not defined on all of the box, or a query that limits how many features change).
    """
    if problem.query.changes is not None:
        raise CannotDecide("this search moves every feature; the query allows few changes")
    try:
        attack = Attack.of(problem, deadline, seed)
        for turn in count() if again and math.isfinite(deadline.at_s) else range(1):
            attack.begin(starts)
            shoot(attack.runner, np.random.default_rng([seed, 2 * turn + 1]), turn + 1)
            for number in range(rounds):
                attack.round(number)
            attack = attack.anew(np.random.default_rng([seed, 2 * turn + 2]))
    except Found as found:
        return found.x
    except (OutOfTime, OutsideDomain):
        return None
    return None


@dataclass(eq=False)
class Attack:
    """One query under attack; `best`: per rival, the best point and its score so far."""

    runner: Runner
    stairs: Stairs
    near: Neighbourhood
    rng: np.random.Generator
    starts: list[I64Array] = field(default_factory=list, init=False)
    best: dict[int, tuple[I64Array, float]] = field(default_factory=dict, init=False)
    _searches: dict[int, LevelSearch] = field(default_factory=dict, init=False)
    _dived: set[tuple[int, bytes]] = field(default_factory=set, init=False)

    @staticmethod
    def of(problem: Problem, deadline: Deadline, seed: int) -> Attack:
        """Raises CannotDecide, OutOfTime."""
        boxes = wire_bounds(problem.program, problem.query.lo, problem.query.hi, deadline)
        runner = Runner(problem, boxes, Score.of(problem, boxes, deadline), deadline)
        stairs = Stairs.of(problem.program, boxes)
        return Attack(runner, stairs, neighbourhood(runner), np.random.default_rng(seed))

    def anew(self, rng: np.random.Generator) -> Attack:
        """The same query, of which nothing is found yet."""
        return Attack(self.runner, self.stairs, self.near, rng)

    def begin(self, starts: Sequence[I64Array]) -> None:
        """Run the given points, then the base input.  Raises Found, OutOfTime, OutsideDomain."""
        base = self.runner.problem.query.x0.astype(np.int64)
        given = [np.clip(np.asarray(x, np.int64), self.runner.lo, self.runner.hi) for x in starts]
        self.starts = [*given, base]
        for x in self.starts:
            wires = self.runner.run(x[None])
            for rival in self.runner.score.rivals.tolist():
                self._note(x, rival, float(self.runner.score.of_rows(wires, np.array([rival]))[0]))

    def round(self, number: int) -> None:
        """Climb, polish, dive and search levels once.  Raises Found, OutOfTime, OutsideDomain."""
        if not self.best:
            return
        rows = self._rows(number)
        points, scores = climb(self.runner, self.stairs, rows, _STEPS)
        for x, rival, score in zip(points, rows.rival.tolist(), scores.tolist(), strict=True):
            self._note(x, rival, score)
        polished = [
            self._polished(points[k], int(rows.rival[k]))
            for k in np.argsort(-scores, kind="stable")[:_POLISHED].tolist()
        ]
        for x, rival, score in polished:
            self._note(x, rival, score)
        lead = max(self.best, key=lambda j: self.best[j][1])
        starts = [(lead, self.best[lead][0]), *((rival, x) for x, rival, _ in polished)]
        self._dive(starts[:_DIVES])
        self._search_levels(number)

    @cached_property
    def _regions(self) -> Regions | None:
        return Regions.of(self.runner)

    def _dive(self, points: list[tuple[int, I64Array]]) -> None:
        """From these points, (rival, int64 [n]), where that was not done before."""
        for rival, x in points:
            if self._regions is None or (rival, x.tobytes()) in self._dived:
                continue
            self._dived.add((rival, x.tobytes()))
            found = dive(self._regions, x, rival, self.rng)
            if found is not None:
                self._note(*self._polished(found, rival))

    @cached_property
    def _reachable(self) -> Reachable | None:
        return Reachable.of(self.runner, self.rng)

    def _search_levels(self, number: int) -> None:
        """Next to one rival's best point, if the linear program around it does not already fall short."""
        if not number or self._regions is None or self._reachable is None:
            return
        ranked = sorted(self.best, key=lambda j: -self.best[j][1])[:_LEVEL_RIVALS]
        within = [j for j in ranked if self._promises(j)]
        if not within:
            return
        rival = within[(number - 1) % len(within)]
        x, score = self.best[rival]
        one = self._searches.get(rival)
        if one is None or score > one.most:
            level = self.runner.problem.wires(x[None])[2][0]
            one = self._searches[rival] = LevelSearch(self._reachable, rival, self.rng, level, score)
        for _ in range(_LEVEL_STEPS * number):
            found = one.step()
            if found is not None:
                self._note(found[0], rival, found[1])

    def _promises(self, rival: int) -> bool:
        """Does the score reach 0 in the region of the rival's best point, levels being real?"""
        assert self._regions is not None
        region = self._regions.around(self.best[rival][0], rival)
        return region.solved() and region.score >= 0

    def _polished(self, x: I64Array, rival: int) -> tuple[I64Array, int, float]:
        x, score = polish(self.near, self.runner, self.stairs, x, rival, _POLISH_ROUNDS)
        return x, rival, score

    def _note(self, x: I64Array, rival: int, score: float) -> None:
        if rival not in self.best or score > self.best[rival][1]:
            self.best[rival] = x, score

    @property
    def _n_rows(self) -> int:
        least, most = _ROWS
        return int(np.clip(_ELEMENTS // sum(self.runner.problem.program.sizes()), least, most))

    def _rows(self, number: int) -> Rows:
        """The rows of round `number`: all rivals from the given starts first, then fewer and fewer."""
        ranked = sorted(self.best, key=lambda j: -self.best[j][1])
        if number == 0:
            pairs = [(x, rival) for x in self.starts for rival in ranked][: max(self._n_rows, len(ranked))]
        else:
            rivals = ranked[: max(2, len(ranked) >> number)]
            pairs = [
                (self._start(rivals[k % len(rivals)]), rivals[k % len(rivals)]) for k in range(self._n_rows)
            ]
        n = len(pairs)
        spread, focus = self.rng.choice(_SPREADS, n), self.rng.choice(_FOCI, n)
        return Rows(np.stack([x for x, _ in pairs]), np.array([j for _, j in pairs]), spread, focus)

    def _start(self, rival: int) -> I64Array:
        """A random point, a random corner, or the rival's best point, shaken."""
        lo, hi = self.runner.lo, self.runner.hi
        kind, anywhere = self.rng.integers(_KINDS), self.rng.integers(lo, hi + 1)
        if kind == 0:
            return anywhere
        if kind == 1:
            return np.where(self.rng.random(len(lo)) < 0.5, lo, hi)
        return np.where(self.rng.random(len(lo)) < _SHAKEN, anywhere, self.best[rival][0])
