"""How long is waited for a device before it is asked again, and before it is given up?"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Pace:
    """How long to wait, in seconds, on a device of ordinary speed; a board's timeout_scale stretches all.

    `resend_s` and `growth`: a request is sent again after resend_s plus the time its bytes take at
    `bytes_per_s`, then after growth times that, …, at most `most_sends` times. `answer_s` and `compute_s`:
    when to give up on requests that only use the line, and on those that run the network.
    """

    resend_s: float = 0.5
    growth: float = 2.0
    most_sends: int = 8
    bytes_per_s: float = 4000.0
    answer_s: float = 10.0
    compute_s: float = 30.0

    def scaled(self, factor: float) -> Pace:
        """The pace of a device that is `factor` times slower."""
        return Pace(
            self.resend_s * factor,
            self.growth,
            self.most_sends,
            self.bytes_per_s / factor,
            self.answer_s * factor,
            self.compute_s * factor,
        )
