"""Rows bounded with parabolas by several processes: the search's own, and helpers that it starts and ends.

A bound is a function of its question alone, and answers are taken in the questions' order: a search finds the
same proof with any number of processes. A helper joins once it has started; what one that dies was asked is
answered here.
"""

from __future__ import annotations

import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from coverify.verify.child import heard, own_output, send
from coverify.verify.deadline import Deadline
from coverify.verify.dual.cases import Bound, Cases
from coverify.verify.dual.descent import Rows
from coverify.verify.dual.relaxation import Boxes
from coverify.verify.dual.tree import Warm
from coverify.verify.query import F64Array
from coverify.verify.solver_process import SolverProcess

LATER_S = 0.5
"""Helpers are started after so long: easy queries end sooner than they are there."""
START_S = 60.0
"""How long a helper may take to start."""
AGAIN_S = 0.2
"""How often who waits for a helper looks at the time."""


@dataclass(frozen=True, eq=False)
class Ask:
    """What Cases.bound is asked of one row; gain: None without parabolas under two layers."""

    rows: Rows
    boxes: Boxes
    multipliers: dict[int, F64Array]
    target: float
    warm: Warm | None = None
    held: tuple[int, int] | None = None
    gain: float | None = None

    def answer(self, cases: Cases, deadline: Deadline) -> Bound | None:
        """Raises what Cases.bound raises, and OutOfTime."""
        deadline.check()
        asked = self.rows, self.boxes, self.multipliers, self.target, self.warm, self.held, self.gain
        return cases.bound(*asked, deadline)


@dataclass(frozen=True, eq=False)
class _Timed:
    """A question that must be answered in so many seconds."""

    ask: Ask
    seconds: float


Answer = Bound | Exception | None
"""A bound or none, or what was raised."""


@dataclass(eq=False)
class _Task:
    ask: Ask
    done: bool = False
    answer: Answer = None


@dataclass(eq=False)
class Team:
    """Answers questions about the rows of `cases`, in `size` processes at most, this one among them.

    For one thread, which closes it: then no helper is left.
    """

    cases: Cases
    deadline: Deadline
    size: int = 1
    _began: float = field(default_factory=time.monotonic, init=False)
    _waiting: deque[_Task] = field(default_factory=deque, init=False)
    _changed: threading.Condition = field(default_factory=threading.Condition, init=False)
    _helpers: list[threading.Thread] = field(default_factory=list, init=False)
    _processes: list[SolverProcess] = field(default_factory=list, init=False)
    _closed: bool = field(default=False, init=False)

    def close(self) -> None:
        """End the helpers."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            for process in self._processes:
                process.process.kill()
        for helper in self._helpers:
            helper.join()

    def answers(self, asks: list[Ask]) -> Iterator[Bound | None]:
        """Hand the questions to the helpers; then the answers, one after the other.

        Raises, when it is their turn, what the first that has no answer raised; OutOfTime.
        """
        tasks = [_Task(ask) for ask in asks]
        with self._changed:
            self._waiting.extend(tasks)
            self._changed.notify_all()
        self._grow(len(tasks))
        return self._taken(tasks)

    def _taken(self, tasks: list[_Task]) -> Iterator[Bound | None]:
        try:
            for task in tasks:
                self._await(task)
                if isinstance(task.answer, Exception):
                    raise task.answer
                yield task.answer
        finally:
            with self._changed:
                self._waiting.clear()

    def _await(self, task: _Task) -> None:
        """Answer what waits, in order, until this one has its answer."""
        while not task.done:
            with self._changed:
                own = self._waiting.popleft() if self._waiting else None
                if own is None and not task.done:
                    self._changed.wait(AGAIN_S)
            if own is None:
                self.deadline.check()
            else:
                self._settle(own, _tried(own.ask, self.cases, self.deadline))

    def _settle(self, task: _Task, answer: Answer) -> None:
        with self._changed:
            task.answer, task.done = answer, True
            self._changed.notify_all()

    def _grow(self, n_asks: int) -> None:
        """Start the helpers once that is worth it."""
        if self._helpers or n_asks < 2 or time.monotonic() < self._began + LATER_S:
            return
        self._helpers = [threading.Thread(target=self._help, daemon=True) for _ in range(self.size - 1)]
        for helper in self._helpers:
            helper.start()

    def _help(self) -> None:
        """A helper's thread: hands on question after question, until its process or the search ends."""
        process = None
        try:
            with self._changed:
                if self._closed:
                    return
                process = SolverProcess.start("coverify.verify.dual.team")
                self._processes.append(process)
            for request in (None, self.cases):
                process.ask(request, START_S)
            while (task := self._next()) is not None:
                self._handed(task, process)
        except Exception:  # it is an aid only: what it had is answered by the others
            pass
        finally:
            if process is not None:
                process.end()

    def _handed(self, task: _Task, process: SolverProcess) -> None:
        """The answer of this process; where it gives none the question waits again."""
        try:
            answer = process.ask(_Timed(task.ask, self.deadline.remaining), self.deadline.remaining + START_S)
            assert answer is None or isinstance(answer, Bound | Exception)
        except Exception:
            with self._changed:
                self._waiting.appendleft(task)
                self._changed.notify_all()
            raise
        self._settle(task, answer)

    def _next(self) -> _Task | None:
        """The next question, when there is one; None when the search is over."""
        with self._changed:
            while not self._waiting and not self._closed:
                self._changed.wait()
            return None if self._closed else self._waiting.popleft()


def _tried(ask: Ask, cases: Cases, deadline: Deadline) -> Answer:
    try:
        return ask.answer(cases, deadline)
    except Exception as err:  # raised again where the search takes the answers, in their order
        return err


def main() -> None:
    """A helper's process: the cases, then questions; it ends when its input does, whatever it is doing."""
    sink, requests = own_output(), heard(sys.stdin.buffer)
    send(sink, None)
    cases: Cases | None = None
    while True:
        match requests.get():
            case Cases() as cases:
                send(sink, None)
            case _Timed() as timed if cases is not None:
                send(sink, _tried(timed.ask, cases, Deadline.in_s(timed.seconds)))
            case unknown:
                raise TypeError(f"not a request: {type(unknown)}")
