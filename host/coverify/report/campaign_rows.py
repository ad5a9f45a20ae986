"""What does a campaign add to a result? The largest radius per input, and the numbers of its two plots."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field, model_validator

from coverify.report.rows import MAX_ROWS, Count, Int64, Picture, Row, Seconds, Text
from coverify.report.verdict import Verdict


class Radius(Row):
    """How far one input can be changed, in codes per element: proved up to `certified`, broken from
    `attacked` on.
    """

    index: Count
    limit: Count
    """The largest radius that was asked about."""
    certified: Count | None = None
    """None: not even the input itself keeps its label, or nothing was proved."""
    attacked: Count | None = None
    """None: no counterexample within the limit is known."""
    closed: bool
    """attacked is certified + 1 (or 0 with nothing certified), or the limit itself is certified: by what may
    be known beyond it, too.
    """
    queries: Count
    time_s: Seconds
    """Of all its queries together."""
    label: Int64 | None = None
    predicted: Int64 | None = None
    """The class of the counterexample."""
    certificate: Text | None = None
    """Of the radius `certified`."""
    witness: Text | None = None
    """At the distance `attacked`."""
    proof: Text | None = None
    engines: Text | None = None
    """Who proved it, and who found the counterexample."""
    note: Text | None = None
    picture: Picture | None = None
    part: Text | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Radius:
        certified = -1 if self.certified is None else self.certified
        attacked = self.limit + 1 if self.attacked is None else self.attacked
        if certified >= attacked and self.attacked is not None:
            raise ValueError("a radius is both certified and attacked")
        if self.closed != (min(attacked, self.limit + 1) - certified <= 1):
            raise ValueError("closed contradicts certified and attacked")
        return self

    @property
    def verdict(self) -> Verdict:
        """OK where the radius is known, up to the limit."""
        return "OK" if self.closed else "UNKNOWN"


class CurvePoint(Row):
    """Of all inputs, how many are proved, broken and open at one radius."""

    eps: Count
    certified: Count
    attacked: Count
    open: Count


class CactusLine(Row):
    """The times of the queries that one engine decided, ascending; "all" for all of them together."""

    engine: Text
    times_s: Annotated[tuple[Seconds, ...], Field(max_length=MAX_ROWS)]
    decided: Count | None = None
    """How many there are, where only some of their times are here: of more, evenly thinned out."""

    @staticmethod
    def of(engine: str, times_s: Sequence[float]) -> CactusLine:
        """The line of all these times, of which it keeps the least, the greatest and as many as it holds."""
        times, n = sorted(times_s), len(times_s)
        if n <= MAX_ROWS:
            return CactusLine(engine=engine, times_s=tuple(times))
        kept = (times[k * (n - 1) // (MAX_ROWS - 1)] for k in range(MAX_ROWS))
        return CactusLine(engine=engine, times_s=tuple(kept), decided=n)

    @property
    def n(self) -> int:
        """How many queries were decided."""
        return self.decided or len(self.times_s)

    @model_validator(mode="after")
    def _no_more_than_all(self) -> CactusLine:
        if self.decided is not None and self.decided < len(self.times_s):
            raise ValueError(f"{len(self.times_s)} times of {self.decided} queries")
        return self
