"""Decide with a solver of linear rows and integers: engines milp (HiGHS), cpsat (OR-tools), marabou.

CP-SAT's HOLDS is the word of an exact solver. HiGHS computes in floating point and Marabou on a relaxation in
floating point: their HOLDS is not proof-grade, and says so. Counterexamples are run on the integers, whoever
finds them. Each solver is imported on first use, by the process that solves.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module

from coverify.verify.deadline import Deadline
from coverify.verify.problem import Problem
from coverify.verify.query import Outcome
from coverify.verify.rivals import Ask, search


@dataclass(frozen=True)
class LinearSolver:
    """The engine `name`: the function `ask` of coverify.verify.linear.<name>."""

    name: str

    def __call__(self, problem: Problem, deadline: Deadline, seed: int) -> Outcome:
        """HOLDS, VIOLATED or UNKNOWN; CannotDecide, OutOfTime."""
        ask: Ask = import_module(f"coverify.verify.linear.{self.name}").ask
        return search(self.name, ask, problem, deadline, seed, parts=False)
