"""In which order does `auto` ask the engines? The cheap ones first; the first verdict that is not UNKNOWN
ends it.

Enumeration where the box is small, bounds, a short attack, Z3, and enumeration of what is still countable.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from dataclasses import dataclass

from coverify.verify.deadline import Deadline
from coverify.verify.engines.enumerate import MAX_POINTS
from coverify.verify.query import Outcome, Robustness, Verdict

SMALL = 20_000
"""A box of so many points is enumerated before anything else."""

Ask = Callable[[str, Deadline], Outcome]


@dataclass(frozen=True)
class Stage:
    """One engine, and the share of the time left that it may take."""

    engine: str
    share: float = 1.0


def stages(query: Robustness) -> tuple[Stage, ...]:
    """The engines for a query, in order."""
    if query.n_points <= SMALL:
        return (Stage("enumerate"), Stage("z3"))
    always = (Stage("interval", 0.5), Stage("attack", 0.25))
    if query.n_points <= MAX_POINTS:
        return (*always, Stage("z3", 0.5), Stage("enumerate"))
    return (*always, Stage("z3"))


def decide(query: Robustness, ask: Ask, deadline: Deadline) -> Outcome:
    """The first decided outcome of the stages, else UNKNOWN with each engine's reason."""
    start = time.monotonic()
    reasons: list[str] = []
    for stage in stages(query):
        if reasons and not deadline.remaining:
            break
        outcome = ask(stage.engine, deadline.share(stage.share))
        if outcome.verdict is not Verdict.UNKNOWN:
            return dataclasses.replace(outcome, time_s=time.monotonic() - start)
        reasons.append(f"{stage.engine}: {outcome.note}")
    return Outcome(Verdict.UNKNOWN, "auto", time.monotonic() - start, note="; ".join(reasons))
