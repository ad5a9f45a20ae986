"""In which order does `auto` ask the engines? The cheap ones first, one by one; then the solvers race.

Enumeration where the box is small; bounds, a glance of branch and bound, a short attack, and enumeration
where that surely ends in time; then branch and bound for longer, a longer attack, enumeration of what is
still countable and every exact solver that is installed, several at once. The first sound verdict ends it.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from coverify.verify.deadline import Deadline
from coverify.verify.engines import BY_ROUNDS, ENGINES
from coverify.verify.engines.enumerate import MAX_POINTS
from coverify.verify.engines.packages import usable
from coverify.verify.query import Outcome, Robustness, Verdict

SMALL = 20_000
"""A box of so many points is enumerated before anything else."""

RATE = 1e8
"""So many elements of a network's wires are run in a second, at the least: one busy core did 2.8e8 to 1e9."""

SURE = 0.6
"""What should be run in this share of the time is run; it may take a third more."""

QUICK_S = 2.0
"""The first attack takes no longer: most counterexamples are found in its first rounds, or not so soon. The
first bounds take no longer than twice that: on large networks they seldom prove anything."""

GLANCE_S = 1.0
"""The first branch and bound takes no longer: most of what it proves is proved by then."""

RACERS = ("bab", "attack", "bitwuzla", "cpsat", "z3", "boolector", "milp")
"""The engines that race, the strongest first; of milp only counterexamples count."""

LONG = 0.7
"""The strongest racer's share of the time, where no other has a place beside it."""

Ask = Callable[[str, Deadline], Outcome]
Race = Callable[[tuple[str, ...], Deadline], Outcome]


@dataclass(frozen=True)
class Stage:
    """One engine, the share of the time left that it may take, and the most seconds of it."""

    engine: str
    share: float = 1.0
    most_s: float = math.inf

    def until(self, deadline: Deadline) -> Deadline:
        """Until when it may run that starts now."""
        return Deadline(min(deadline.share(self.share).at_s, time.monotonic() + self.most_s))


def stages(query: Robustness, elements: int, time_s: float) -> tuple[Stage, ...]:
    """The engines that are asked one by one, in order; elements: of all wires of the network."""
    if query.n_points <= SMALL:
        return (Stage("enumerate"),)
    first = Stage("interval", 0.3, 2 * QUICK_S), Stage("bab", 0.1, GLANCE_S)
    attack, n = Stage("attack", 0.15, QUICK_S), query.n_points
    # points first: there may be more than a float can count
    if n > MAX_POINTS or (all_run_s := n * elements / RATE) > SURE * time_s:
        return (*first, attack)
    enumeration = Stage("enumerate", 4 / 3 * SURE)
    return (*first, enumeration) if all_run_s <= QUICK_S else (*first, attack, enumeration)


def racers(query: Robustness) -> tuple[str, ...]:
    """The engines that race for what is left."""
    countable = ("enumerate",) if SMALL < query.n_points <= MAX_POINTS else ()
    names = (*RACERS[:3], *countable, *RACERS[3:])
    return (*(name for name in names if name in ENGINES and usable(name)),)


def asked_as(name: str) -> str:
    """The attack, which alone goes on until its time is over, leaves it to others here."""
    return BY_ROUNDS if name == "attack" else name


def seats(name: str, jobs: int, n_racers: int) -> int:
    """How many of `jobs` processes a racer may use: the strongest half of them, and what is left of the
    others' places; each of the others one.
    """
    return max(1, jobs // 2, jobs - n_racers + 1) if name == RACERS[0] else 1


def turn(name: str, deadline: Deadline, n_waiting: int, n_free: int) -> Deadline:
    """Until when a racer may run that starts now: half of the time left, all where the n_waiting others have
    n_free places. The strongest has all of it where the others have one, else LONG: what it had begun would
    be lost.
    """
    if n_waiting <= n_free or (name == RACERS[0] and n_free):
        return deadline
    return deadline.share(LONG if name == RACERS[0] else 0.5)


def decide(query: Robustness, elements: int, ask: Ask, race: Race, deadline: Deadline) -> Outcome:
    """The first sound outcome, else UNKNOWN with each engine's reason; elements: of all wires."""
    start = time.monotonic()
    reasons: list[str] = []
    for stage in stages(query, elements, deadline.remaining):
        if reasons and not deadline.remaining:
            break
        outcome = ask(stage.engine, stage.until(deadline))
        if outcome.sound:
            return dataclasses.replace(outcome, time_s=time.monotonic() - start)
        reasons.append(f"{stage.engine}: {outcome.note}")
    if deadline.remaining:
        outcome = race(racers(query), deadline)
        if outcome.sound:
            return dataclasses.replace(outcome, time_s=time.monotonic() - start)
        again = f"; {outcome.note}; "  # an engine that was asked twice may say the same of both
        reasons = [*(reason for reason in reasons if f"; {reason}; " not in again), outcome.note]
    return Outcome(Verdict.UNKNOWN, "auto", time.monotonic() - start, note="; ".join(reasons))
