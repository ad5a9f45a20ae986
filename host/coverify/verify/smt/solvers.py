"""SMT solvers: each reads the text of a script and says sat (with the variables' values), unsat, or neither.

A solver's package is imported on first use, in the process that solves. Deadlines are passed on to the
solvers; one that overstays is ended from outside (worker.py).
"""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

from coverify.verify.deadline import Deadline
from coverify.verify.errors import EngineFault, GaveUp
from coverify.verify.smt.script import Script

Found = Mapping[str, int]
"""A model: variable → value, unsigned."""
Checked = Found | Literal["unsat", "unknown"]
Solver = Callable[[Script, Deadline, int], Checked]

_SEED_MASK = 0x7FFFFFFF
_OUT_OF_TIME = ("timeout", "canceled")
"""Z3's words for it; its clock is its own."""
_INTERRUPTED = "interrupted from keyboard"
"""And for Ctrl-C, which it takes for itself where it runs in the main thread."""


def z3(script: Script, deadline: Deadline, seed: int) -> Checked:
    """Z3's QF_BV solver."""
    import z3 as api

    solver = api.SolverFor("QF_BV")
    solver.set("random_seed", seed & _SEED_MASK)
    solver.from_string(script.text)
    if not math.isinf(deadline.remaining):
        solver.set("timeout", _milliseconds(deadline))
    result = solver.check()
    if result != api.sat:
        why = solver.reason_unknown()
        if why == _INTERRUPTED:
            raise KeyboardInterrupt
        return "unsat" if result == api.unsat else _unknown("Z3", deadline, why)
    model = solver.model()
    # a model may define a variable by a term over others: it is evaluated to a number
    values = {d.name(): model.eval(d(), model_completion=True) for d in model.decls() if d.arity() == 0}
    return {name: values[name].as_long() if name in values else 0 for name in script.variables}


def bitwuzla(script: Script, deadline: Deadline, seed: int) -> Checked:
    """Bitwuzla."""
    import bitwuzla as api

    options = api.Options()
    options.set(api.Option.PRODUCE_MODELS, True)
    options.set(api.Option.SEED, seed & _SEED_MASK)
    parser = api.Parser(api.TermManager(), options)
    parser.parse(script.text, True, False)
    solver = parser.bitwuzla()
    solver.configure_terminator(lambda: not deadline.remaining)
    result = solver.check_sat()
    if result != api.Result.SAT:
        return "unsat" if result == api.Result.UNSAT else _unknown("Bitwuzla", deadline)
    return {n: int(solver.get_value(parser.parse_term(n)).value(10)) for n in script.variables}


def boolector(script: Script, deadline: Deadline, seed: int) -> Checked:
    """Boolector."""
    import pyboolector as api

    solver = api.Boolector()
    solver.Set_opt(api.BtorOption.BTOR_OPT_MODEL_GEN, 1)
    solver.Set_opt(api.BtorOption.BTOR_OPT_AUTO_CLEANUP, 1)
    solver.Set_opt(api.BtorOption.BTOR_OPT_SEED, seed & _SEED_MASK)
    solver.Set_term(lambda until: time.monotonic() >= until, (deadline.at_s,))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "query.smt2"
        file.write_text(script.text, "ascii")
        failed, _, said = solver.Parse(str(file))
    if failed == solver.PARSE_ERROR:
        raise EngineFault("boolector", f"it cannot read the formula: {said}")
    result = solver.Sat()
    if result != solver.SAT:
        return "unsat" if result == solver.UNSAT else _unknown("Boolector", deadline)
    return {name: _boolector_value(solver, name) for name in script.variables}


def _boolector_value(solver: Any, name: str) -> int:
    assignment: str = solver.Match_by_symbol(name).assignment
    return int(assignment.replace("x", "0"), 2)  # x: either bit will do


def _unknown(solver: str, deadline: Deadline, why: str = "") -> Literal["unknown"]:
    """The time was over.  Raises GaveUp where it was not."""
    if deadline.remaining and why not in _OUT_OF_TIME:
        raise GaveUp(f"{solver} gave up" + (f": {why}" if why else ""))
    return "unknown"


def _milliseconds(deadline: Deadline) -> int:
    return max(1, int(1000 * deadline.remaining))


SOLVERS: dict[str, Solver] = {"z3": z3, "bitwuzla": bitwuzla, "boolector": boolector}
