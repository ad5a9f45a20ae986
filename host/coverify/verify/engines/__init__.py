"""The engines: each decides a `Problem` alone, as a pure function of the problem, a deadline and a seed.

An engine answers UNKNOWN for what it does not cover. `solve` puts around every engine what they share: the
base input is looked at first, counterexamples are run, and time is taken.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable

from coverify.verify.deadline import Deadline, OutOfTime
from coverify.verify.engines import attack, bab, dual, enumerate, interval, z3
from coverify.verify.errors import BadQuery, CannotDecide, EngineFault
from coverify.verify.problem import Problem
from coverify.verify.query import Outcome, Verdict
from tflm_int8.program.concrete import OutsideDomain

Engine = Callable[[Problem, Deadline, int], Outcome]

ENGINES: dict[str, Engine] = {
    "enumerate": enumerate.decide,
    "interval": interval.decide,
    "attack": attack.decide,
    "dual": dual.decide,
    "bab": bab.decide,
    "z3": z3.decide,
}
"""By name, cheap and small first."""


def solve(name: str, problem: Problem, deadline: Deadline, seed: int = 0) -> Outcome:
    """The answer of one engine, in this process.  Raises BadQuery for an unknown name, and EngineFault."""
    if name not in ENGINES:
        raise BadQuery(f"unknown engine {name!r}; there are: auto, {', '.join(ENGINES)}")
    start = time.monotonic()
    try:
        outcome = at_base(name, problem) or ENGINES[name](problem, deadline, seed)
    except CannotDecide as err:
        outcome = Outcome.unknown(name, str(err))
    except OutOfTime:
        outcome = Outcome.unknown(name, "out of time")
    except OutsideDomain as err:
        outcome = Outcome.unknown(name, f"on some input of the box: {err}")
    except MemoryError:
        outcome = Outcome.unknown(name, "out of memory")
    confirm(problem, outcome)
    return dataclasses.replace(outcome, time_s=time.monotonic() - start)


def at_base(name: str, problem: Problem) -> Outcome | None:
    """VIOLATED when the base input itself has another label."""
    base = problem.query.x0
    found = int(problem.labels(base[None])[0])
    if found == problem.query.label:
        return None
    note = f"the network gives the base input itself the label {found}, not {problem.query.label}"
    return Outcome.violated(name, base, note)


def confirm(problem: Problem, outcome: Outcome) -> None:
    """EngineFault unless a VIOLATED brings a point of the box that, run on the whole program, breaks the
    query.
    """
    if outcome.verdict is not Verdict.VIOLATED:
        return
    witness = outcome.witness
    if witness is None or not problem.query.contains(witness.astype("int64")):
        raise EngineFault(outcome.engine, "its counterexample is not a point of the box")
    if int(problem.labels(witness[None])[0]) == problem.query.label:
        raise EngineFault(outcome.engine, "its counterexample keeps the label")
