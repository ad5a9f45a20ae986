"""The child process in which solvers of repairs run: a request on its input, an answer on its output.

HiGHS and OR-tools do not bear each other in one process: a child serves one of the two. It speaks pickles of
its parent's own classes over pipes that nobody else holds, and ends when its input does.
"""

from __future__ import annotations

import contextlib
import sys
from dataclasses import dataclass

from coverify.repair import cpsat, highs
from coverify.repair.highs import LinearProgram
from coverify.repair.program import Program
from coverify.verify.child import own_output, receive, send


@dataclass(frozen=True, eq=False)
class Solve:
    """solver: "cpsat" or "highs"; program: a linear one is for HiGHS."""

    solver: str
    program: Program | LinearProgram
    seconds: float


def main() -> None:
    """Serve on this process's own input and output."""
    sink = own_output()
    send(sink, None)
    with contextlib.suppress(EOFError, BrokenPipeError):
        while True:
            request = receive(sys.stdin.buffer)
            assert isinstance(request, Solve)
            send(sink, _answer(request))


def _answer(request: Solve) -> object:
    if isinstance(request.program, LinearProgram):
        return highs.least_change(request.program, request.seconds)
    return (cpsat if request.solver == "cpsat" else highs).solve(request.program, request.seconds)
