"""Where do two kernel profiles differ inside a network? A row per requantization and channel."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from coverify.report.rows import Count, Int64, Row, Text


class Separation(Row):
    """One channel of one operator's requantization under two profiles, on the region that was asked about."""

    op_index: Count | None = None
    op: Text | None = None
    channel: Count
    first: Text
    second: Text
    """What each multiplies accumulators by, and how it rounds."""
    reach: tuple[Int64, Int64]
    """Least and greatest accumulator, proved by intervals."""
    accumulators: Count
    """How many of those within reach the two bring to different outputs."""
    everywhere: Count
    """How many there are in all."""
    accumulator: Int64 | None = None
    """The first one within reach, and what each makes of it."""
    values: tuple[Int64, Int64] | None = None


@dataclass(frozen=True)
class Summary:
    """All channels of one operator; an example of the first channel that differs within reach."""

    op_index: int | None
    op: str | None
    channels: int
    differing: int
    accumulators: int
    example: Separation | None


def summaries(rows: Iterable[Separation]) -> list[Summary]:
    """One per operator, in order."""
    groups: dict[tuple[int | None, str | None], list[Separation]] = {}
    for row in rows:
        groups.setdefault((row.op_index, row.op), []).append(row)
    return [_summary(key, group) for key, group in groups.items()]


def _summary(key: tuple[int | None, str | None], rows: list[Separation]) -> Summary:
    differing = [row for row in rows if row.accumulators]
    total = sum(row.accumulators for row in rows)
    return Summary(*key, len(rows), len(differing), total, differing[0] if differing else None)
