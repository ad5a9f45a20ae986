"""What ends a command from outside: Ctrl-C, and SIGTERM and SIGHUP (a terminal or a line to it that is gone),
which are taken as Ctrl-C is.

Ctrl-C reaches every process of a terminal; who starts children that it ends itself keeps it from them. And
Python looks for modules in the current folder first, where the files of anybody may lie: children do not.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, Final, NoReturn

_ENDING: Final = (signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else []))
INTERRUPTED: Final = 130
TERMINATED: Final = {128 + number: number for number in _ENDING}
"""Exit codes: 128 and the signal's number."""


Handler = Callable[[int, FrameType | None], Any] | signal.Handlers


class Terminated(KeyboardInterrupt):
    """SIGTERM or SIGHUP, whose number it has: whatever ends well on Ctrl-C does on this."""

    def __init__(self, number: int = signal.SIGTERM) -> None:
        super().__init__()
        self.number = number


def hear_endings() -> None:
    """From now on SIGTERM and SIGHUP raise Terminated in the main thread, from which this is called; unless
    they are ignored, as nohup has it.
    """
    for number in _ENDING:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _terminated)


@contextlib.contextmanager
def ending_at_once() -> Iterator[None]:
    """Ctrl-C, SIGTERM and SIGHUP end a process that hears these in here, where nothing is begun: an import
    that a KeyboardInterrupt meets may make another error of it, or nothing at all.
    """
    if not any(signal.getsignal(number) is _terminated for number in _ENDING):
        yield
        return

    def end(number: int, frame: FrameType | None) -> NoReturn:
        os.write(2, b"interrupted\n")
        os._exit(128 + number)

    heard = [n for n in (signal.SIGINT, *_ENDING) if signal.getsignal(n) is not signal.SIG_IGN]
    before = {number: signal.signal(number, end) for number in heard}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _terminated(number: int, frame: FrameType | None) -> NoReturn:
    raise Terminated(number)


def exit_code_of(stop: BaseException) -> int:
    """Of a command that this ends; it may have been raised where a Terminated was caught."""
    cause: BaseException | None = stop
    while cause is not None:
        if isinstance(cause, Terminated):
            return 128 + cause.number
        cause = cause.__cause__ or cause.__context__
    return INTERRUPTED


def python(code: str) -> list[str]:
    """The command of a process of this interpreter that runs `code` and imports no module of the current
    folder; as -P of Python 3.11.
    """
    return [sys.executable, "-c", f"import sys; sys.path[:1] == [''] and sys.path.pop(0); {code}"]


@contextlib.contextmanager
def safe_imports() -> Iterator[None]:
    """Python processes that are started in here import no module of the current folder, from 3.11 on."""
    before = os.environ.get("PYTHONSAFEPATH")
    os.environ["PYTHONSAFEPATH"] = "1"
    try:
        yield
    finally:
        if before is None:
            os.environ.pop("PYTHONSAFEPATH", None)
        else:
            os.environ["PYTHONSAFEPATH"] = before


@contextlib.contextmanager
def deaf_children() -> Iterator[None]:
    """Processes that are started in here do not hear Ctrl-C, as their parent ends them: it hears it later."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    if not hasattr(signal, "pthread_sigmask"):
        with _handled(signal.SIG_IGN):
            yield
        return
    from multiprocessing import resource_tracker  # 15 ms, which not every command needs

    resource_tracker.ensure_running()  # its start would let the signal through
    heard = list[int]()
    with _handled(lambda number, _: heard.append(number)):  # by threads that were there before
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # which children keep
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    if heard:
        signal.raise_signal(signal.SIGINT)


@contextlib.contextmanager
def _handled(handler: Handler) -> Iterator[None]:
    """Ctrl-C goes to another handler."""
    before = signal.signal(signal.SIGINT, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
