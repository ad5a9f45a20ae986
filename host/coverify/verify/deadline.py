"""How much time is left? A time-out is made into a deadline once and passed down; nothing below counts
seconds.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace

OUT_OF_TIME = "out of time"
"""What an UNKNOWN says where nothing else is to be said."""

LATE_S = 0.3
"""How long past a deadline what was begun may be finished."""


class OutOfTime(Exception):
    """The deadline passed while an engine was at work; the engine's caller makes it an UNKNOWN."""

    def __str__(self) -> str:
        return super().__str__() or OUT_OF_TIME


@dataclass(frozen=True)
class Deadline:
    """A moment on the monotonic clock, in seconds; math.inf for never."""

    at_s: float

    @staticmethod
    def in_s(seconds: float) -> Deadline:
        """The moment `seconds` from now."""
        return Deadline(time.monotonic() + seconds)

    @staticmethod
    def never() -> Deadline:
        """No limit."""
        return Deadline(math.inf)

    @property
    def remaining(self) -> float:
        """Seconds left, 0.0 when passed."""
        return max(0.0, self.at_s - time.monotonic())

    def share(self, fraction: float) -> Deadline:
        """An earlier deadline, after `fraction` of the time that is left."""
        return Deadline(time.monotonic() + fraction * self.remaining)

    @property
    def late(self) -> Deadline:
        """The moment up to which what was begun may be finished."""
        return replace(self, at_s=self.at_s + LATE_S)

    def check(self) -> None:
        """OutOfTime when the deadline has passed."""
        if time.monotonic() >= self.at_s:
            raise OutOfTime


NEVER = Deadline.never()
