"""The integer program for CP-SAT: exact integers, so that "optimal" is a solver's proof. Runs in a child."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Final

import numpy as np

from coverify.repair.program import Demand, Program, Proposal

SPARE_S: Final = 45.0
"""Wall time beside the deterministic one: it must not end first, or a busy machine finds other repairs."""


def solve(program: Program, seconds: float) -> Proposal:
    """The best δ that is found in the time (deterministic time: the same everywhere, if CP-SAT is)."""
    api: Any = import_module("ortools.sat.python.cp_model")
    model = api.CpModel()
    n = len(program.lo)
    delta = [model.NewIntVar(int(lo), int(hi), "") for lo, hi in zip(program.lo, program.hi, strict=True)]
    changed = [model.NewBoolVar("") for _ in range(n)]
    size = [model.NewIntVar(0, int(max(hi, -lo)), "") for lo, hi in zip(program.lo, program.hi, strict=True)]
    for d, c, s in zip(delta, changed, size, strict=True):
        model.Add(d == 0).OnlyEnforceIf(c.Not())
        model.Add(s >= d)
        model.Add(s >= -d)
    for demand in program.required:
        _require(api, model, delta, demand)
    met = [_wish(api, model, delta, demand) for demand in program.wished]
    wish, byte, unit = program.prices
    terms = [*met, *changed, *size]
    worth = [-wish] * len(met) + [byte] * n + [unit] * n
    model.Minimize(api.LinearExpr.WeightedSum(terms, worth))
    for d in delta:
        model.AddHint(d, 0)
    solver = api.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.random_seed = 0
    solver.parameters.max_deterministic_time = seconds
    solver.parameters.max_time_in_seconds = 10 * seconds + SPARE_S
    status = solver.Solve(model)
    if status not in (api.OPTIMAL, api.FEASIBLE):
        return Proposal(None, False)
    return Proposal(np.array([solver.Value(d) for d in delta], np.int64), bool(status == api.OPTIMAL))


def _inside(api: Any, model: Any, delta: list[Any], demand: Demand, alternative: int) -> list[Any]:
    """One constraint per position."""
    found = []
    for row, lo, hi in zip(demand.rows, demand.lo[alternative], demand.hi[alternative], strict=True):
        used = np.flatnonzero(row)
        total = api.LinearExpr.WeightedSum([delta[i] for i in used], row[used].tolist())
        found.append(model.AddLinearConstraint(total, int(lo), int(hi)))
    return found


def _require(api: Any, model: Any, delta: list[Any], demand: Demand) -> None:
    if len(demand.lo) == 1:
        _inside(api, model, delta, demand, 0)
    else:
        model.AddBoolOr([_picked(api, model, delta, demand, i) for i in range(len(demand.lo))])


def _picked(api: Any, model: Any, delta: list[Any], demand: Demand, alternative: int) -> Any:
    """A literal that is true only where the alternative holds."""
    picked = model.NewBoolVar("")
    for constraint in _inside(api, model, delta, demand, alternative):
        constraint.OnlyEnforceIf(picked)
    return picked


def _wish(api: Any, model: Any, delta: list[Any], demand: Demand) -> Any:
    """A literal that is true only where the demand is met."""
    picked = [_picked(api, model, delta, demand, i) for i in range(len(demand.lo))]
    if len(picked) == 1:
        return picked[0]
    met = model.NewBoolVar("")
    model.AddBoolOr([*picked, met.Not()])
    return met
