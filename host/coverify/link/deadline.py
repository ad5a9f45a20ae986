"""How much time is left? A timeout that is passed down as a point on the monotonic clock.

Whoever starts an action makes one Deadline; everything below asks it for `remaining`, so that nested waits
never add up. It does not sleep, cancel or raise by itself.
"""

from __future__ import annotations

import time
from dataclasses import dataclass


@dataclass(frozen=True)
class Deadline:
    """A point in time, in seconds of `time.monotonic()`."""

    at_s: float

    @classmethod
    def in_s(cls, seconds: float) -> Deadline:
        """The deadline `seconds` from now."""
        return cls(time.monotonic() + seconds)

    @property
    def remaining(self) -> float:
        """Seconds left, 0.0 when it has passed."""
        return max(0.0, self.at_s - time.monotonic())

    @property
    def passed(self) -> bool:
        """True when no time is left."""
        return time.monotonic() >= self.at_s

    def sooner(self, seconds: float) -> Deadline:
        """This deadline or the one `seconds` from now, whichever comes first."""
        return Deadline(min(self.at_s, time.monotonic() + seconds))
