"""Who decides? A pool takes questions and hands back settled answers, in whatever order they come.

`LocalPool` keeps a worker per thread, each with child processes of its own. While at least `jobs` queries are
under way each has one solver at a time; when fewer are left, the solvers of each may race on what is free.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from coverify.campaign.entry import Entry
from coverify.campaign.inquiry import Question
from coverify.verify.property.question import Question as Asked
from coverify.verify.property.question import decide
from coverify.verify.query import Outcome
from coverify.verify.solver_process import one_thread_each
from coverify.verify.worker import Worker


@dataclass(frozen=True, eq=False)
class Task:
    """A question, what it asks of which network, and how it is to be decided."""

    question: Question
    asked: Asked
    engine: str
    timeout_s: float
    seed: int


Settle = Callable[[Task, Outcome], Entry]
"""Writes the evidence of an outcome and makes its entry; called from several threads."""


@dataclass(frozen=True, eq=False)
class Answer:
    """What became of a task: its entry, or what was raised."""

    task: Task
    entry: Entry | BaseException


class Pool(Protocol):
    """A context manager that decides tasks."""

    @property
    def capacity(self) -> int:
        """How many tasks it wants at once."""

    @property
    def at_work(self) -> Sequence[str]:
        """The engines that are solving now, as far as it knows them."""

    def __enter__(self) -> Pool: ...
    def __exit__(self, *exc: object) -> None:
        """Drop what is under way and end what was started."""

    def submit(self, task: Task) -> None: ...
    def wait(self) -> Answer:
        """The next answer, as soon as there is one; may be interrupted (Ctrl-C)."""

    def left(self) -> Sequence[Answer]:
        """Once it is closed: the answers that nobody has waited for."""


class Solver(Protocol):
    """A context manager that decides one task after the other. jobs: how many of its solvers may race."""

    jobs: int

    @property
    def at_work(self) -> Sequence[str]:
        """The engines that are solving now."""

    def __enter__(self) -> object: ...
    def __exit__(self, *exc: object) -> None: ...
    def answer(self, task: Task) -> Outcome:
        """Decide it."""

    def stop(self) -> None:
        """From another thread: end what is under way, and take no more."""


class ProgramSolver(Worker):
    """Decides by the engines of coverify.verify."""

    def answer(self, task: Task) -> Outcome:
        return decide(self, task.asked, task.engine, task.timeout_s, task.seed)


def _of_network(task: Task) -> Solver:
    return ProgramSolver(task.asked.network)


def all_of(answers: queue.SimpleQueue[Answer]) -> Sequence[Answer]:
    """All that are there, when nobody else takes any."""
    return [answers.get() for _ in range(answers.qsize())]


class LocalPool:
    """`jobs` threads of this process, each with a solver, made for the first task that it gets."""

    def __init__(self, jobs: int, settle: Settle, solver: Callable[[Task], Solver] = _of_network) -> None:
        self._jobs, self._settle, self._solver = jobs, settle, solver
        self._tasks: queue.SimpleQueue[Task | None] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[Answer] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._workers: list[Solver] = []
        self._busy: set[Solver] = set()
        self._changing = threading.Lock()
        self._stopped = threading.Event()

    @property
    def capacity(self) -> int:
        return self._jobs

    @property
    def at_work(self) -> Sequence[str]:
        return [name for worker in self._workers for name in worker.at_work]

    def __enter__(self) -> LocalPool:
        if self._jobs > 1:
            one_thread_each()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stopped.set()
        for worker in self._workers:
            worker.stop()
        for _ in self._threads:
            self._tasks.put(None)
        for thread in self._threads:
            thread.join()

    def submit(self, task: Task) -> None:
        if len(self._threads) < self._jobs and len(self._busy) == len(self._threads):
            worker = self._solver(task)
            self._workers.append(worker)
            self._threads.append(threading.Thread(target=self._work, args=(worker,), daemon=True))
            self._mark(worker, True)
            self._threads[-1].start()
        self._tasks.put(task)

    def wait(self) -> Answer:
        return self._answers.get()

    def left(self) -> Sequence[Answer]:
        return all_of(self._answers)

    def _mark(self, worker: Solver, busy: bool) -> None:
        """Share the solvers among those that are at work."""
        with self._changing:
            (self._busy.add if busy else self._busy.discard)(worker)
            for other in self._busy:
                other.jobs = max(1, self._jobs // len(self._busy))

    def _work(self, worker: Solver) -> None:
        with worker:
            while (task := self._tasks.get()) is not None and not self._stopped.is_set():
                self._mark(worker, True)
                answer = Answer(task, self._decided(worker, task))
                self._mark(worker, False)
                self._answers.put(answer)

    def _decided(self, worker: Solver, task: Task) -> Entry | BaseException:
        try:
            outcome = worker.answer(task)
            if self._stopped.is_set():
                return InterruptedError("the pool was closed")
            return self._settle(task, outcome)
        except BaseException as err:  # raised again by the campaign, in its own thread
            return err
