"""Run engines where they can do no harm: in child processes with hard limits on time and memory.

Engines with a solver of their own have a process of their own (two solvers' libraries need not bear each
other), the others share one; each serves many queries. `auto` lets several solvers race, and ends the rest
as soon as one has a sound answer. A process is killed when it overstays its time by more than a grace, when
it is interrupted, and when the worker is closed; a killed or crashed one is an UNKNOWN with a note, never a
verdict, and the next query starts a new one. Counterexamples are run again here before they are returned.
"""

from __future__ import annotations

import contextlib
import dataclasses
import queue
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from coverify.verify import portfolio
from coverify.verify.child import GRACE_S
from coverify.verify.cone import elements
from coverify.verify.deadline import OUT_OF_TIME, Deadline
from coverify.verify.engines import base_of, confirm, engine_named
from coverify.verify.engines.enumerate import MAX_POINTS
from coverify.verify.engines.packages import require
from coverify.verify.errors import BadQuery, EngineFault
from coverify.verify.explanation import Explanation
from coverify.verify.problem import Problem
from coverify.verify.query import Outcome, Robustness
from coverify.verify.solver_process import SolverProcess, one_thread_each
from coverify.verify.solver_requests import Explain, Load, Solve
from tflm_int8.program.primitives import Program

AUTO = "auto"
MEMORY_BYTES = 4 << 30
"""Address space that a child may use, where the system can limit it."""
START_S = 60.0
"""How long a child may take to start (it imports numpy)."""
_WITHOUT_SOLVER = ("attack", "dual", "enumerate", "interval")
"""The engines that share a process; any other has one of its own."""
_SHARED = "without a solver"
"""The place of those that share one."""
_EXPLAINS = "explanation"
"""The place of Z3 where it explains."""

Ended = tuple[str, Outcome | BaseException]
"""A contender's engine, and how it ended."""


@dataclass(frozen=True, eq=False)
class _Race:
    """What the threads of a race share; end: of the query's time; over: set when no one may start."""

    problem: Problem
    end: Deadline
    seed: int
    over: threading.Event = field(default_factory=threading.Event)
    ended: queue.Queue[Ended] = field(default_factory=queue.Queue)


@dataclass(eq=False)
class Worker:
    """Decides queries on one network in child processes; a context manager, not for several threads at
    once.

    program: may be set to another network between two queries; jobs: how many processes may solve, those of
    one engine that can use several, or of the solvers that race in `auto`.
    """

    program: Program
    memory_bytes: int = MEMORY_BYTES
    jobs: int = 1
    at_work: list[str] = field(default_factory=list, init=False)
    """The engines that are solving now, for those who look on."""
    _children: dict[str, SolverProcess] = field(default_factory=dict, init=False)
    _starting: threading.Lock = field(default_factory=threading.Lock, init=False)
    _stopped: bool = field(default=False, init=False)

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """End all children."""
        for place in list(self._children):
            self._end(place)

    @property
    def stopped(self) -> bool:
        """Was it told to stop?"""
        return self._stopped

    def stop(self) -> None:
        """From another thread: end all children, now and for good; what is under way becomes UNKNOWN."""
        with self._starting:
            self._stopped = True
            for child in list(self._children.values()):
                child.process.kill()

    def _end(self, place: str) -> str:
        """End one child, if it is there; what it said last."""
        child = self._children.pop(place, None)
        return child.end() if child is not None else ""

    def decide(
        self, query: Robustness, engine: str = AUTO, timeout_s: float = 60.0, seed: int = 0
    ) -> Outcome:
        """The answer to a query within timeout_s (and a short grace).

        Raises BadQuery (sizes, label, engine name), MissingPackage, EngineFault (a counterexample that is
        none).
        """
        if engine != AUTO:
            engine_named(engine)
        require(base_of(engine))
        if not timeout_s > 0:
            raise BadQuery(f"the time-out must be more than 0 s, not {timeout_s}")
        problem = Problem(self.program, query)
        try:
            if engine != AUTO:
                return self._solve(problem, engine, timeout_s, seed, self.jobs)
            try:
                self._started(_SHARED, None)
            except (EOFError, queue.Empty):  # the engine that asks it starts another one
                self._end(_SHARED)
            deadline = Deadline.in_s(timeout_s)
            return portfolio.decide(
                query,
                self._elements(query),
                lambda name, until: self._solve(
                    problem, portfolio.asked_as(name), until.remaining, seed, end=deadline
                ),
                lambda names, until: self._race(problem, names, until, seed),
                deadline,
            )
        except BaseException:
            self.close()
            raise

    def explain(self, query: Robustness, timeout_s: float) -> Explanation:
        """What a HOLDS of the query rests on (explanation.py), or why that is not known: the process may die,
        or overstay its time.
        """
        try:
            child = self._started(_EXPLAINS, None)
            reply = child.ask(Explain(query, timeout_s), timeout_s + GRACE_S)
        except queue.Empty:
            self._end(_EXPLAINS)
            why = f"Z3's process did not answer in its {timeout_s:.1f} s and was killed"
        except EOFError:
            why = f"Z3's process died: {self._end(_EXPLAINS)}"
        else:
            assert isinstance(reply, Explanation)
            return reply
        return Explanation(None, False, (), why)

    def _elements(self, query: Robustness) -> int:
        """How many are computed for one input, where all may be run."""
        if query.changes is None and portfolio.SMALL < query.n_points <= MAX_POINTS:
            return elements(self.program, query.lo, query.hi)
        return sum(self.program.sizes())

    def _solve(
        self, problem: Problem, engine: str, timeout_s: float, seed: int, jobs: int = 1,
        over: threading.Event | None = None, end: Deadline | None = None,
    ) -> Outcome:  # fmt: skip
        """Ask one engine, which may use `jobs` processes.

        end: of the whole query's time; over: of a race, which may end before this engine has started.
        """
        start, place = time.monotonic(), place_of(engine)
        try:
            child = self._started(place, over)
            start, timeout_s = time.monotonic(), min(timeout_s, end.remaining if end else timeout_s)
            if not timeout_s:
                return Outcome.unknown(engine, OUT_OF_TIME)
            with self._working(engine):
                reply = child.ask(Solve(engine, problem.query, timeout_s, seed, jobs), timeout_s + GRACE_S)
        except queue.Empty:
            self._end(place)
            note = f"the engine's process did not answer in its {timeout_s:.1f} s and was killed"
            outcome = Outcome.unknown(engine, note)
        except EOFError:
            outcome = Outcome.unknown(engine, f"the engine's process died: {self._end(place)}")
        else:
            if isinstance(reply, EngineFault):
                raise reply
            assert isinstance(reply, Outcome)
            confirm(problem, reply)
            return reply
        return dataclasses.replace(outcome, time_s=time.monotonic() - start)

    @contextlib.contextmanager
    def _working(self, engine: str) -> Iterator[None]:
        self.at_work.append(engine)
        try:
            yield
        finally:
            self.at_work.remove(engine)

    def _started(self, place: str, over: threading.Event | None) -> SolverProcess:
        """The running child of that place, with the network loaded.  Raises EOFError when it is over."""
        with self._starting:
            if self._stopped or (over is not None and over.is_set()):
                raise EOFError
            child = self._children.get(place)
            if child is None:
                one_thread_each()
                child = self._children[place] = SolverProcess.start()
        if child.loaded is None:
            child.ask(None, START_S)
        if child.loaded is not self.program:
            child.ask(Load(self.program, self.memory_bytes), START_S)
            child.loaded = self.program
        return child

    def _race(self, problem: Problem, engines: tuple[str, ...], deadline: Deadline, seed: int) -> Outcome:
        """The first sound answer of the engines, up to `jobs` at a time and one in each place; else UNKNOWN
        with their reasons.  EngineFault of any of them ends the race.
        """
        race, waiting, reasons = _Race(problem, deadline, seed), list(engines), []
        seats = {name: portfolio.seats(name, self.jobs, len(engines)) for name in engines}
        running: dict[str, threading.Thread] = {}
        try:
            while waiting or running:
                if not deadline.remaining:
                    reasons += [f"{name}: {OUT_OF_TIME}" for name in waiting]
                    waiting.clear()
                while (free := self.jobs - sum(seats[name] for name in running)) > 0 and (
                    name := _ready(waiting, running)
                ):
                    waiting.remove(name)
                    until = portfolio.turn(name, deadline, len(waiting), free - seats[name])
                    arguments = (race, name, until, seats[name])
                    running[name] = threading.Thread(target=self._contend, args=arguments, daemon=True)
                    running[name].start()
                if not running:
                    break
                name, said = race.ended.get()
                running.pop(name).join()
                if isinstance(said, BaseException):
                    raise said
                if said.sound:
                    return said
                reasons.append(f"{name}: {said.note or said.proof}")
            return Outcome.unknown(AUTO, "; ".join(reasons))
        finally:
            with self._starting:
                race.over.set()
            for name in running:
                self._end(place_of(name))
            for thread in running.values():
                thread.join()

    def _contend(self, race: _Race, engine: str, until: Deadline, jobs: int) -> None:
        """One contender's thread: whatever happens to it is told in the race's `ended`."""
        said: Outcome | BaseException
        try:
            asked = portfolio.asked_as(engine)
            said = self._solve(
                race.problem, asked, until.remaining, race.seed, jobs, over=race.over, end=race.end
            )
        except BaseException as err:  # raised again by the race, in the caller's thread
            said = err
        race.ended.put((engine, said))


def _ready(waiting: list[str], running: Iterable[str]) -> str | None:
    """The first of `waiting` whose place none of `running` has."""
    taken = {place_of(name) for name in running}
    return next((name for name in waiting if place_of(name) not in taken), None)


def place_of(engine: str) -> str:
    """Which child an engine runs in."""
    base = base_of(engine)
    return _SHARED if base in _WITHOUT_SOLVER else base


def decide(
    program: Program,
    query: Robustness,
    engine: str = AUTO,
    timeout_s: float = 60.0,
    seed: int = 0,
    jobs: int = 1,
) -> Outcome:
    """Decide one query in child processes of its own; for many queries keep a `Worker`."""
    with Worker(program, jobs=jobs) as worker:
        return worker.decide(query, engine, timeout_s, seed)
