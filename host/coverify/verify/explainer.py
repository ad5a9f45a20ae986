"""Explanations from a child process: Z3 may crash or hang there, and a Ctrl-C here ends it at once."""

from __future__ import annotations

import queue
import threading
from dataclasses import dataclass, field

from coverify.verify.child import GRACE_S, Explain, Load
from coverify.verify.explanation import Explanation
from coverify.verify.problem import Problem
from coverify.verify.solver_process import SolverProcess, one_thread_each
from coverify.verify.worker import MEMORY_BYTES, START_S


@dataclass(eq=False)
class Explainer:
    """One process for all explanations, one after the other; for several threads. Close it in the end."""

    _turn: threading.Lock = field(default_factory=threading.Lock, init=False)
    _starting: threading.Lock = field(default_factory=threading.Lock, init=False)
    _child: SolverProcess | None = field(default=None, init=False)
    _closed: bool = field(default=False, init=False)

    def explain(self, problem: Problem, timeout_s: float) -> Explanation:
        """What a HOLDS rests on (explanation.explain), in so many seconds once it is this one's turn; why
        there is no explanation where the process dies or is ended.
        """
        with self._turn:
            try:
                reply = self._started(problem).ask(Explain(problem.query, timeout_s), timeout_s + GRACE_S)
            except queue.Empty:
                self._end()
                why = f"Z3's process did not answer in its {timeout_s:.1f} s and was killed"
                return Explanation(None, False, (), why)
            except EOFError:
                return Explanation(None, False, (), f"Z3's process died: {self._end()}")
            assert isinstance(reply, Explanation)
            return reply

    def close(self) -> None:
        """From any thread: end what is under way, and explain no more."""
        with self._starting:
            self._closed, child = True, self._child
            if child is not None:
                child.process.kill()
        with self._turn:
            self._end()

    def _started(self, problem: Problem) -> SolverProcess:
        """The process, with the network loaded.  Raises EOFError, queue.Empty."""
        with self._starting:
            if self._closed:
                raise EOFError
            if self._child is None:
                one_thread_each()
                self._child = SolverProcess.start()
            child = self._child
        if child.loaded is None:
            child.ask(None, START_S)
        if child.loaded is not problem.program:
            child.ask(Load(problem.program, MEMORY_BYTES), START_S)
            child.loaded = problem.program
        return child

    def _end(self) -> str:
        child, self._child = self._child, None
        return child.end() if child is not None else "it was ended"
