"""Is there an assignment? Clauses and at-most constraints as a SAT solver of python-sat takes them.

The solver runs in a forked process where the system has such: it cannot be interrupted, and so it can be
ended. A formula beyond MAX_SIZE is a `CannotDecide`.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import sys
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Final, Literal

from coverify.verify.child import GRACE_S, end_in
from coverify.verify.deadline import Deadline, OutOfTime
from coverify.verify.errors import CannotDecide, GaveUp

MAX_SIZE: Final = 24_000_000
"""Literals of all constraints together, and 4 for each constraint."""
_CHECKED = 4096
"""So many constraints are added between two looks at the clock."""
_DEATH_SIGNAL = 1
"""PR_SET_PDEATHSIG of Linux: the signal that a process gets when its parent ends."""

Model = frozenset[int]
"""The literals that are true."""
Checked = Model | Literal["unsat", "unknown"]


@dataclass(eq=False)
class Formula:
    """A formula under construction; literals are nonzero integers, −l being the opposite of l.

    solver: python-sat's name of the solver; only minicard takes `at_most`.
    """

    solver: str
    deadline: Deadline
    true: int = field(default=0, init=False)
    """The literal that is true."""
    _n: int = field(default=0, init=False)
    _size: int = field(default=0, init=False)
    _added: int = field(default=0, init=False)
    _api: Any = field(default=None, init=False)

    def __post_init__(self) -> None:
        self._api = import_module("pysat.solvers").Solver(name=self.solver)
        self.true = self.new()
        self._api.add_clause([self.true])

    def new(self) -> int:
        """A new variable, as its literal."""
        self._n += 1
        return self._n

    def clause(self, literals: Sequence[int]) -> None:
        """At least one of the literals is true.  Raises CannotDecide, OutOfTime."""
        if self.true in literals:
            return
        self._count(len(literals))
        self._api.add_clause([x for x in literals if x != -self.true] or [-self.true])

    def at_most(self, literals: list[int], most: int) -> None:
        """At most so many of the literals, which may repeat, are true.  Raises CannotDecide, OutOfTime."""
        self._count(len(literals))
        self._api.add_atmost(literals, most)

    def room_for(self, n_literals: int) -> None:
        """CannotDecide where so many literals more are too many."""
        if self._size + n_literals > MAX_SIZE:
            raise CannotDecide(f"its formula needs more than {MAX_SIZE} literals, the most that are written")

    def _count(self, n_literals: int) -> None:
        self.room_for(n_literals)
        self._size += n_literals + 4
        self._added += 1
        if self._added % _CHECKED == 0:
            self.deadline.check()

    def check(self) -> Checked:
        """Solve; "unknown" where the deadline came first.  Raises GaveUp where the solver died."""
        self.deadline.check()
        return _forked(self._api, self.deadline) if hasattr(os, "fork") else _solved(self._api)

    def close(self) -> None:
        """Free the solver's memory."""
        self._api.delete()


def _solved(api: Any) -> Checked:
    return frozenset(api.get_model()) if api.solve() else "unsat"


def _forked(api: Any, deadline: Deadline) -> Checked:
    """Solve in a copy of this process: it sends its number of true literals (0: unsat), then these."""
    source, sink = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            _answer(api, sink, deadline)
        finally:
            os._exit(0)
    os.close(sink)
    try:
        said = _read(source, deadline)
    except OutOfTime:
        return "unknown"
    finally:
        os.close(source)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    if not said or len(said) != said[0] + 1:
        if deadline.remaining:
            raise GaveUp("its process died, as one does that has no memory left")
        return "unknown"
    return frozenset(said[1:]) if said[0] else "unsat"


def _answer(api: Any, sink: int, deadline: Deadline) -> None:
    """In the copy: it outlives neither its time nor, on Linux, its parent."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_DEATH_SIGNAL, signal.SIGKILL)
    end_in(deadline.remaining + GRACE_S)
    model = api.get_model() if api.solve() else []
    with os.fdopen(sink, "wb") as stream:
        stream.write(array("i", [len(model), *model]).tobytes())


def _read(source: int, deadline: Deadline) -> array[int]:
    """All integers up to the end.  Raises OutOfTime."""
    parts = []
    while True:
        ready, _, _ = select.select([source], [], [], min(deadline.remaining, 1e6))
        if not ready:
            raise OutOfTime
        part = os.read(source, 1 << 16)
        if not part:
            break
        parts.append(part)
    data, said = b"".join(parts), array("i")
    said.frombytes(data[: len(data) - len(data) % said.itemsize])
    return said
