"""Who decides boxes of a float network, without harm to whoever asks? A child process with hard limits.

Its counterexamples are run again here, exactly, before they are returned.
"""

from __future__ import annotations

import queue
import time
from dataclasses import dataclass, field

import numpy as np

from coverify.study.reals.child import Ask, Load
from coverify.study.reals.decide import RealBox, RealVerdict
from coverify.study.reals.exact import ExactNetwork
from coverify.verify.child import GRACE_S
from coverify.verify.engines.packages import PACKAGES
from coverify.verify.errors import EngineFault, MissingPackage
from coverify.verify.query import F64Array, Outcome, Verdict
from coverify.verify.solver_process import SolverProcess
from coverify.verify.worker import MEMORY_BYTES, START_S

ENGINE = "reals"


@dataclass(frozen=True, eq=False)
class RealOutcome(Outcome):
    """An answer about a float network. point: float64 [n], codes, exactly when VIOLATED; `witness`, which is
    of integers, stays None.
    """

    point: F64Array | None = None


@dataclass(eq=False)
class Decider:
    """Decides boxes of one network; a context manager, not for several threads at once."""

    network: ExactNetwork
    _child: SolverProcess | None = field(default=None, init=False)
    _stopped: bool = field(default=False, init=False)

    def __enter__(self) -> Decider:
        return self

    def __exit__(self, *exc: object) -> None:
        self._end()

    def stop(self) -> None:
        """From another thread: end the child for good; what is under way becomes UNKNOWN."""
        self._stopped = True
        child = self._child
        if child is not None:
            child.process.kill()

    def _end(self) -> str:
        child, self._child = self._child, None
        return child.end() if child is not None else ""

    def decide(self, box: RealBox, timeout_s: float, seed: int = 0) -> RealOutcome:
        """The answer within timeout_s and a short grace.  Raises MissingPackage, EngineFault."""
        package = PACKAGES["milp"]
        if not package.installed:
            raise MissingPackage(ENGINE, package.distribution, package.hint)
        start = time.monotonic()
        try:
            reply = self._started().ask(Ask(box, timeout_s, seed), timeout_s + GRACE_S)
        except queue.Empty:
            self._end()
            note = f"the process did not answer in its {timeout_s:.1f} s and was killed"
        except EOFError:
            note = f"the process died: {self._end()}"
        except BaseException:
            self._end()
            raise
        else:
            assert isinstance(reply, RealVerdict)
            return self._confirmed(box, reply)
        return RealOutcome(Verdict.UNKNOWN, ENGINE, time.monotonic() - start, note=note)

    def _started(self) -> SolverProcess:
        """The running child, with the network loaded.  Raises EOFError when it is over."""
        if self._child is None:
            if self._stopped:
                raise EOFError
            self._child = SolverProcess.start("coverify.study.reals.child")
            self._child.ask(None, START_S)
            self._child.ask(Load(self.network, MEMORY_BYTES), START_S)
        return self._child

    def _confirmed(self, box: RealBox, said: RealVerdict) -> RealOutcome:
        if said.point is not None and not breaks(self.network, box, said.point):
            raise EngineFault(ENGINE, "its counterexample is none in exact arithmetic")
        evidence: dict[str, int | float | str] = {}
        if said.verdict is Verdict.HOLDS:
            evidence = {"proof": f"{said.cases} cases by multipliers, in exact integers", "cases": said.cases}
        return RealOutcome(said.verdict, ENGINE, said.time_s, None, said.note, evidence, None, said.point)


def breaks(network: ExactNetwork, box: RealBox, point: F64Array) -> bool:
    """Is it a point of the box that gets another class than the label?"""
    inputs = box.inputs
    inside = point.shape == inputs.lo.shape and bool(np.all((inputs.lo <= point) & (point <= inputs.hi)))
    return inside and network.predicted(point) != box.label
