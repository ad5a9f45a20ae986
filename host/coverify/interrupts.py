"""What ends a command from outside: Ctrl-C, and SIGTERM, which is taken as Ctrl-C is.

Ctrl-C reaches every process of a terminal; who starts children that it ends itself keeps it from them.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Final, NoReturn

INTERRUPTED: Final = 130
TERMINATED: Final = 143
"""Exit codes: 128 and the signal's number."""


class Terminated(KeyboardInterrupt):
    """SIGTERM: whatever ends well on Ctrl-C does on this."""


def hear_sigterm() -> None:
    """From now on SIGTERM raises Terminated in the main thread, from which this is called."""
    signal.signal(signal.SIGTERM, _terminated)


def _terminated(number: int, frame: FrameType | None) -> NoReturn:
    raise Terminated


def exit_code_of(stop: BaseException) -> int:
    """Of a command that this ends; it may have been raised where a Terminated was caught."""
    cause: BaseException | None = stop
    while cause is not None:
        if isinstance(cause, Terminated):
            return TERMINATED
        cause = cause.__context__
    return INTERRUPTED


@contextlib.contextmanager
def deaf_children() -> Iterator[None]:
    """Processes that are started in here do not hear Ctrl-C: their parent ends them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
