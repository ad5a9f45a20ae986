"""The child process that runs engines: reads requests from its standard input, one at a time, and answers on
its output. Started by solver_process.py.
"""

from __future__ import annotations

import sys
from typing import IO

from coverify.verify.child import GRACE_S, end_in, heard, limit_memory, own_output, send
from coverify.verify.deadline import Deadline
from coverify.verify.engines import solve
from coverify.verify.errors import EngineFault
from coverify.verify.problem import Problem
from coverify.verify.solver_requests import Explain, Load, Reply, Solve


def serve(source: IO[bytes], sink: IO[bytes]) -> None:
    """Answer requests until the source ends: None for Load, an Outcome or an EngineFault for Solve, an
    Explanation for Explain.
    """
    requests = heard(source)
    send(sink, None)
    network: Load | None = None
    while True:
        match requests.get():
            case Load() as network:
                limit_memory(network.memory_bytes)
                send(sink, None)
            case Solve() as request if network is not None:
                problem = Problem(network.program, request.query)
                end_in(request.timeout_s + 2 * GRACE_S)
                send(sink, _answer(problem, request))
                end_in(0)
            case Explain() as wanted if network is not None:
                from coverify.verify.explanation import explain

                end_in(wanted.timeout_s + 2 * GRACE_S)
                deadline = Deadline.in_s(wanted.timeout_s)
                send(sink, explain(Problem(network.program, wanted.query), deadline))
                end_in(0)
            case unknown:
                raise TypeError(f"not a request: {type(unknown)}")


def _answer(problem: Problem, request: Solve) -> Reply:
    try:
        deadline = Deadline.in_s(request.timeout_s)
        return solve(request.engine, problem, deadline, request.seed, request.jobs)
    except EngineFault as fault:
        return fault


def main() -> None:
    """Serve on this process's own input and output."""
    serve(sys.stdin.buffer, own_output())
