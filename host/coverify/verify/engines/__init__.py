"""The engines: each decides a `Problem` alone, as a pure function of the problem, a deadline and a seed.

An engine answers UNKNOWN for what it does not cover. `solve` puts around every engine what they share: the
base input is looked at first, counterexamples are run, and time is taken.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from functools import partial

from coverify.verify.cardinality import VARIANTS
from coverify.verify.deadline import Deadline, OutOfTime
from coverify.verify.engines import attack, bab, dual, enumerate, few, interval
from coverify.verify.engines.cardinality import Cardinality
from coverify.verify.engines.eqv import STAGES, Eqv
from coverify.verify.engines.linear import LinearSolver
from coverify.verify.engines.packages import require
from coverify.verify.engines.smt import Smt
from coverify.verify.errors import BadQuery, CannotDecide, EngineFault
from coverify.verify.problem import Problem
from coverify.verify.query import Outcome, Verdict
from coverify.verify.smt import ENCODINGS
from tflm_int8.program.concrete import OutsideDomain

Engine = Callable[[Problem, Deadline, int], Outcome]

ENGINES: dict[str, Engine] = {
    "enumerate": enumerate.decide,
    "interval": interval.decide,
    "attack": attack.decide,
    "dual": dual.decide,
    "bab": bab.decide,
    "z3": Smt("z3"),
    "bitwuzla": Smt("bitwuzla"),
    "boolector": Smt("boolector"),
    "cpsat": LinearSolver("cpsat"),
    "milp": LinearSolver("milp"),
    "marabou": LinearSolver("marabou"),
    "cardinality": Cardinality(),
    "eqv": Eqv(),
}
"""By name, cheap and small first."""

SEVERAL: dict[str, Callable[..., Outcome]] = {"bab": bab.decide}
"""Those that also take `jobs`, how many processes they may use."""

BASE = "the base input itself"
"""How the note of a violation there calls it."""

BY_ROUNDS = "attack:rounds"
"""The attack that ends after its rounds though there is time left; for `auto`, where others wait."""

SMALLEST = "attack:smallest"
"""The attack that goes on to the smallest radius; for those who look for the largest one that holds."""

ATTACKS: dict[str, Engine] = {BY_ROUNDS: attack.decide_by_rounds, SMALLEST: attack.decide_smallest}

PROOFS: dict[str, str] = {
    "enumerate": "every input was run",
    "interval": "integer bounds",
    "dual": "integer bounds",
    "bab": "integer bounds on cases",
    "z3": "exact solver",
    "bitwuzla": "exact solver",
    "boolector": "exact solver",
    "cpsat": "exact solver",
    "milp": "floating point, not proof-grade",
    "marabou": "relaxation, not proof-grade",
    "cardinality": "exact solver",
    "eqv": "floating point, not proof-grade",
}
"""What a HOLDS of an engine rests on, where its outcome does not say so itself (evidence `proof`)."""


def base_of(name: str) -> str:
    """The engine of ENGINES in a name such as z3:balanced."""
    return name.partition(":")[0]


def engine_named(name: str) -> Engine:
    """The engine of a name, also with an encoding (z3:balanced, cardinality:pb) or, of eqv, one stage alone.

    Raises BadQuery.
    """
    engine, _, encoding = name.partition(":")
    if engine not in ENGINES:
        raise BadQuery(f"unknown engine {engine!r}; there are: auto, {', '.join(ENGINES)}")
    if not encoding:
        return ENGINES[engine]
    if name in ATTACKS:
        return ATTACKS[name]
    known: tuple[str, ...]
    made: Engine
    match ENGINES[engine]:
        case Smt():
            known, made = tuple(ENCODINGS), Smt(engine, encoding)
        case Cardinality():
            known, made = VARIANTS, Cardinality(encoding)
        case Eqv():
            known, made = STAGES, Eqv((encoding,))
        case _ if engine in map(base_of, ATTACKS):
            known, made = tuple(one.partition(":")[2] for one in ATTACKS), ENGINES[engine]
        case _:
            having = "attack, z3, bitwuzla, boolector, cardinality and eqv"
            raise BadQuery(f"engine {engine} has no {encoding!r}, nor other parts; {having} have")
    if encoding not in known:
        raise BadQuery(f"engine {engine} has no {encoding!r}; there are: {', '.join(known)}")
    return made


def solve(name: str, problem: Problem, deadline: Deadline, seed: int = 0, jobs: int = 1) -> Outcome:
    """The answer of one engine, in this process and, where it can use them, in jobs − 1 more.

    Raises BadQuery for an unknown name, MissingPackage, EngineFault.
    """
    engine = partial(SEVERAL[name], jobs=jobs) if name in SEVERAL else engine_named(name)
    require(base_of(name))
    start = time.monotonic()
    try:
        outcome = at_base(name, problem) or _asked(name, engine, problem, deadline, seed)
    except (CannotDecide, OutOfTime) as err:
        outcome = Outcome.unknown(name, str(err))
    except OutsideDomain as err:
        outcome = Outcome.unknown(name, f"on some input of the box: {err}")
    except MemoryError:
        outcome = Outcome.unknown(name, "out of memory")
    confirm(problem, outcome)
    return dataclasses.replace(_labelled(name, outcome), time_s=time.monotonic() - start)


def _asked(name: str, engine: Engine, problem: Problem, deadline: Deadline, seed: int) -> Outcome:
    """The engine's answer; where few features may change, that of an engine that counts them."""
    if problem.query.changes is None:
        return engine(problem, deadline, seed)
    if name == "attack":
        return attack.persistent(few.attack, problem, deadline, seed)
    if base_of(name) == "attack":
        return few.attack(problem, deadline, seed)
    if base_of(name) == "marabou":
        raise CannotDecide("marabou does not count changed features")
    return engine(problem, deadline, seed)


def _labelled(name: str, outcome: Outcome) -> Outcome:
    """A HOLDS says what it rests on."""
    proof = PROOFS.get(base_of(name))
    if outcome.verdict is not Verdict.HOLDS or proof is None:
        return outcome
    return dataclasses.replace(outcome, evidence={"proof": proof, **outcome.evidence})


def at_base(name: str, problem: Problem) -> Outcome | None:
    """VIOLATED when the base input itself has another label."""
    base = problem.query.x0
    found = int(problem.labels(base[None])[0])
    if found == problem.query.label:
        return None
    note = f"the network gives {BASE} the label {found}, not {problem.query.label}"
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
