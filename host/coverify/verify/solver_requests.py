"""What a child process that runs engines is asked, and what it answers (solver_child.py)."""

from __future__ import annotations

from dataclasses import dataclass

from coverify.verify.errors import EngineFault
from coverify.verify.query import Outcome, Robustness
from tflm_int8.program.primitives import Program


@dataclass(frozen=True, eq=False)
class Load:
    """Keep this network for the requests that follow."""

    program: Program
    memory_bytes: int


@dataclass(frozen=True, eq=False)
class Solve:
    """Answer a query on the network that was loaded last; jobs: processes that the engine may use."""

    engine: str
    query: Robustness
    timeout_s: float
    seed: int
    jobs: int = 1


@dataclass(frozen=True, eq=False)
class Explain:
    """Say what a HOLDS of a query on that network rests on."""

    query: Robustness
    timeout_s: float


Request = Load | Solve | Explain
Reply = Outcome | EngineFault | None
