"""Which weights, changed how, make a neuron do what is demanded? The integer program and its exact judge.

Variables: δ, one integer for each weight of a neuron. A *demand* is about one test: its accumulators move by
rows · δ, and the moves must lie, all of them, within one of its alternatives. Required demands are kept;
of the others as many as possible are met, with the fewest changed weights and then the least Σ|δ|, or the
other way round (`prefer`: fewest bytes of a patch, or the gentlest change).
δ = 0 meets every required demand (they say what must stay), so that there is always a solution.
Solvers only propose: `met` judges with int64.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from coverify.repair.errors import SolverFault
from tflm_int8.fixedpoint import I64Array

Preference = Literal["bytes", "size"]
PREFERENCES: tuple[Preference, ...] = get_args(Preference)
MAX_ADDED = 100
"""Required demands that a round adds at most: those most violated."""


@dataclass(frozen=True, eq=False)
class Demand:
    """rows: int64 [positions, weights]; lo, hi: int64 [alternatives, positions], bounds of rows · δ."""

    rows: I64Array
    lo: I64Array
    hi: I64Array

    def short(self, delta: I64Array) -> int:
        """By how much δ misses the nearest alternative; 0: the demand is met."""
        moved = self.rows @ delta
        misses = np.maximum(np.maximum(self.lo - moved, moved - self.hi), 0)
        return int(misses.max(axis=1).min()) if misses.size else 0


@dataclass(frozen=True, eq=False)
class Program:
    """lo, hi: int64 [weights], bounds of δ, which include 0."""

    lo: I64Array
    hi: I64Array
    wished: tuple[Demand, ...]
    required: tuple[Demand, ...] = ()
    prefer: Preference = "bytes"

    @property
    def prices(self) -> tuple[int, int, int]:
        """Of a missed wish, a changed weight, and one of Σ|δ|: what counts later never outweighs the rest."""
        n, reach = len(self.lo), int(np.maximum(self.hi, -self.lo).sum())
        byte, unit = (reach + 1, 1) if self.prefer == "bytes" else (1, n + 1)
        return byte * n + unit * reach + 1, byte, unit

    def cost(self, delta: I64Array) -> int:
        """What is minimized, of a δ that meets the required demands."""
        wish, byte, unit = self.prices
        missed = sum(demand.short(delta) > 0 for demand in self.wished)
        return wish * missed + byte * int(np.count_nonzero(delta)) + unit * int(np.abs(delta).sum())


@dataclass(frozen=True, eq=False)
class Proposal:
    """δ: int64 [weights], or None where the solver found none in its time; optimal: it says, by proof."""

    delta: I64Array | None
    optimal: bool


class Ask(Protocol):
    """A solver."""

    def __call__(self, program: Program) -> Proposal: ...


@dataclass(frozen=True, eq=False)
class Solution:
    """δ that meets every required demand; optimal: no δ costs less, if the solver is right."""

    delta: I64Array
    optimal: bool
    met: NDArray[np.bool_]
    """Which wishes."""


def solve(program: Program, ask: Ask) -> Solution:
    """Solve with few required demands, and add those that the solution breaks until it breaks none.

    A subset of the demands costs no more than all of them, so that the last solution is optimal for all if it
    is for its own. Raises SolverFault where a solver says what is not so.
    """
    nothing = np.zeros(len(program.lo), np.int64)
    active: list[int] = []
    while True:
        proposal = ask(replace(program, required=tuple(program.required[i] for i in active)))
        if proposal.delta is None:
            return _judged(program, nothing, False)
        _check(program, proposal.delta, active)
        short = np.array([demand.short(proposal.delta) for demand in program.required], np.int64)
        broken = np.flatnonzero(short)
        if not len(broken):
            return _judged(program, proposal.delta, proposal.optimal)
        worst = broken[np.argsort(-short[broken], kind="stable")][:MAX_ADDED]
        active += [int(i) for i in worst]


def _judged(program: Program, delta: I64Array, optimal: bool) -> Solution:
    met = np.array([demand.short(delta) == 0 for demand in program.wished], bool)
    return Solution(delta, optimal, met)


def _check(program: Program, delta: I64Array, active: Sequence[int]) -> None:
    if delta.shape != program.lo.shape or np.any(delta < program.lo) or np.any(delta > program.hi):
        raise SolverFault("a solver's answer leaves the weights' range")
    if any(program.required[i].short(delta) for i in active):
        raise SolverFault("a solver's answer breaks a row that it was given")
