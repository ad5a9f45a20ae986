"""The paper's linear program, and the integer program once more, for HiGHS. Runs in a child.

HiGHS computes in floating point: its answers are judged with integers by whoever asked, and its "optimal" is
not proof-grade.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np

from coverify.repair.program import Demand, Program, Proposal
from coverify.verify.linear.highs import kinds, linear_program
from coverify.verify.linear.sparse import SparseProgram
from coverify.verify.query import F64Array
from tflm_int8.fixedpoint import I64Array


@dataclass(frozen=True, eq=False)
class LinearProgram:
    """Least M with |δᵢ| ≤ M and lower ≤ rows · δ ≤ upper; δ real.

    rows: int64 [n, weights]; lower, upper: float64 [n] (infinite: no bound); most: float64 [weights, 2], the
    range of each δ.
    """

    rows: I64Array
    lower: F64Array
    upper: F64Array
    most: F64Array


@dataclass(eq=False)
class _Minimized(SparseProgram):
    """A program whose costs are minimized."""

    def minimum(self, seconds: float) -> tuple[F64Array | None, bool]:
        """The columns' values, and whether HiGHS calls them optimal."""
        api: Any = import_module("highspy")
        solver = api.Highs()
        for option, setting in (("output_flag", False), ("threads", 1), ("time_limit", seconds)):
            solver.setOptionValue(option, setting)
        solver.setOptionValue("mip_rel_gap", 0.0)
        lp = linear_program(
            api,
            np.array(self.cost),
            (np.array(self.lower), np.array(self.upper)),
            (np.array(self.row_lower), np.array(self.row_upper)),
            (np.array(self.starts), np.array(self.columns), np.array(self.values, float)),
        )
        if any(self.integral):
            lp.integrality_ = kinds(api, self.integral)
        solver.passModel(lp)
        solver.run()
        status = solver.getModelStatus()
        done = status == api.HighsModelStatus.kOptimal
        limit = status == api.HighsModelStatus.kTimeLimit and math.isfinite(solver.getInfo().mip_gap)
        if not done and not (limit and any(self.integral)):
            return None, False
        return np.array(solver.getSolution().col_value), bool(done)


def least_change(program: LinearProgram, seconds: float) -> F64Array | None:
    """δ, float64 [weights], with the least greatest |δᵢ|; None where there is none (or time ended)."""
    n, rows = program.rows.shape[1], _Minimized()
    delta = [rows.column(lo, hi) for lo, hi in program.most]
    greatest = rows.column(0.0, math.inf, cost=1.0)
    for d in delta:
        rows.row({d: 1.0, greatest: -1.0}, -math.inf, 0.0)
        rows.row({d: 1.0, greatest: 1.0}, 0.0, math.inf)
    for row, lower, upper in zip(program.rows, program.lower, program.upper, strict=True):
        rows.row({delta[i]: float(row[i]) for i in np.flatnonzero(row)}, float(lower), float(upper))
    found, _ = rows.minimum(seconds)
    return None if found is None else found[:n]


def solve(program: Program, seconds: float) -> Proposal:
    """The integer program; δ rounded."""
    n, rows = len(program.lo), _Minimized()
    wish, byte, unit = (float(price) for price in program.prices)
    most = np.maximum(program.hi, -program.lo)
    delta = [rows.column(lo, hi, True) for lo, hi in zip(program.lo, program.hi, strict=True)]
    for d, limit, lo, hi in zip(delta, most, program.lo, program.hi, strict=True):
        changed, size = rows.column(0, 1, True, byte), rows.column(0, float(limit), cost=unit)
        rows.row({d: 1.0, changed: -float(hi)}, -math.inf, 0.0)
        rows.row({d: 1.0, changed: -float(lo)}, 0.0, math.inf)
        rows.row({size: 1.0, d: -1.0}, 0.0, math.inf)
        rows.row({size: 1.0, d: 1.0}, 0.0, math.inf)
    for demand in program.required:
        picked = [rows.column(0, 1, True) for _ in demand.lo]
        rows.row(dict.fromkeys(picked, 1.0), 1.0, math.inf)
        _inside(rows, delta, demand, picked, most)
    for demand in program.wished:
        picked = [rows.column(0, 1, True, -wish) for _ in demand.lo]
        rows.row(dict.fromkeys(picked, 1.0), 0.0, 1.0)
        _inside(rows, delta, demand, picked, most)
    found, optimal = rows.minimum(10 * seconds)
    if found is None:
        return Proposal(None, False)
    return Proposal(np.rint(found[:n]).astype(np.int64), optimal)


def _inside(rows: _Minimized, delta: list[int], demand: Demand, picked: list[int], most: I64Array) -> None:
    """Every position within an alternative that is picked."""
    for alternative, pick in enumerate(picked):
        for row, lo, hi in zip(demand.rows, demand.lo[alternative], demand.hi[alternative], strict=True):
            reach = int(np.abs(row) @ most)
            terms = {delta[i]: float(row[i]) for i in np.flatnonzero(row)}
            if lo > -reach:
                rows.row({**terms, pick: -float(lo + reach)}, -float(reach), math.inf)
            if hi < reach:
                rows.row({**terms, pick: float(reach - hi)}, -math.inf, float(reach))
