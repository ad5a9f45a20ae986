"""The child process that decides float networks: a request on its input, an answer on its output.

HiGHS gets a process of its own, as other solvers do. It speaks pickles of its parent's own classes over pipes
that nobody else holds, and ends when its input does, and in any case soon after its time.
"""

from __future__ import annotations

import contextlib
import sys
from dataclasses import dataclass

from coverify.study.reals.decide import RealBox, decide
from coverify.study.reals.exact import ExactNetwork
from coverify.verify.child import GRACE_S, end_in, limit_memory, own_output, receive, send


@dataclass(frozen=True, eq=False)
class Load:
    """Keep this network for the requests that follow."""

    network: ExactNetwork
    memory_bytes: int


@dataclass(frozen=True, eq=False)
class Ask:
    """Decide a box of the network that was loaded."""

    box: RealBox
    timeout_s: float
    seed: int


def main() -> None:
    """Serve on this process's own input and output."""
    sink = own_output()
    send(sink, None)
    network: ExactNetwork | None = None
    with contextlib.suppress(EOFError, BrokenPipeError):
        while True:
            match receive(sys.stdin.buffer):
                case Load() as load:
                    network = load.network
                    limit_memory(load.memory_bytes)
                    send(sink, None)
                case Ask() as ask if network is not None:
                    end_in(ask.timeout_s + 2 * GRACE_S)
                    send(sink, decide(network, ask.box, ask.timeout_s, ask.seed))
                    end_in(0)
                case unknown:
                    raise TypeError(f"not a request: {type(unknown)}")
