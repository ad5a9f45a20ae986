"""Solvers as the search asks them: in child processes, limited in time, judged before they are believed."""

from __future__ import annotations

import queue
from dataclasses import dataclass, field

import numpy as np

from coverify.repair.errors import SolverFault
from coverify.repair.highs import LinearProgram
from coverify.repair.program import Program, Proposal, Solution, solve
from coverify.repair.solver_child import Solve
from coverify.verify.engines.packages import require
from coverify.verify.query import F64Array
from coverify.verify.solver_process import SolverProcess

SOLVERS = ("cpsat", "highs")
_START_S = 60.0
_OF_ENGINE = {"cpsat": "cpsat", "highs": "milp"}


@dataclass(eq=False)
class Solvers:
    """A context manager. solver: who solves integer programs; seconds: for one of them.

    CP-SAT counts its own deterministic seconds, so that the same program ends the same way on a busy machine.
    """

    solver: str = "cpsat"
    seconds: float = 10.0
    _children: dict[str, SolverProcess] = field(default_factory=dict, init=False)

    def __enter__(self) -> Solvers:
        return self

    def __exit__(self, *exc: object) -> None:
        for name in list(self._children):
            self._children.pop(name).end()

    def integers(self, program: Program) -> Solution:
        """The best change that is found in the time.  Raises SolverFault, MissingPackage."""
        return solve(program, self._proposal)

    def least_change(self, program: LinearProgram) -> F64Array | None:
        """The paper's linear program.  Raises SolverFault, MissingPackage."""
        found = self._ask("highs", Solve("highs", program, self.seconds))
        assert found is None or isinstance(found, np.ndarray)
        return found

    def _proposal(self, program: Program) -> Proposal:
        found = self._ask(self.solver, Solve(self.solver, program, self.seconds))
        assert isinstance(found, Proposal)
        return found

    def _ask(self, solver: str, request: Solve) -> object:
        require(_OF_ENGINE[solver])
        try:
            child = self._started(solver)
            return child.ask(request, 12 * self.seconds + _START_S)
        except queue.Empty:
            self._children.pop(solver).end()
            raise SolverFault(f"{solver} did not end in its time and was killed") from None
        except EOFError:
            said = self._children.pop(solver).end()
            raise SolverFault(f"{solver} died: {said}") from None

    def _started(self, solver: str) -> SolverProcess:
        if solver not in self._children:
            self._children[solver] = child = SolverProcess.start("coverify.repair.solver_child")
            child.ask(None, _START_S)
        return self._children[solver]
