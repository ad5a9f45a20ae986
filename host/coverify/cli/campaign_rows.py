"""What of its answers does a campaign show? The row of a largest radius; fewer pictures than rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final, TypeVar

from coverify.campaign.entry import Entry
from coverify.campaign.radius import RadiusSearch
from coverify.report import Query, Radius
from coverify.report.plain import grouped
from coverify.report.rows import MAX_ROWS
from coverify.report.summary import told
from coverify.report.verdict import severity

MAX_PICTURES: Final = 500
"""So many counterexamples keep their picture or values in the result; the witness files have them all."""
R = TypeVar("R", Query, Radius)


def held(rows: list[R]) -> list[R]:
    """As many rows as a result holds: of more, those that do not hold first; the order stays."""
    if len(rows) <= MAX_ROWS:
        return rows
    first = sorted(range(len(rows)), key=lambda number: -severity(rows[number].verdict))[:MAX_ROWS]
    return [rows[number] for number in sorted(first)]


def left_out(rows: Sequence[Query] | Sequence[Radius], what: str) -> list[str]:
    """What is said where a result does not hold all rows."""
    if (n := len(rows)) <= MAX_ROWS:
        return []
    verdicts = told(Counter(row.verdict for row in rows))
    return [
        f"rows of {grouped(n - MAX_ROWS)} of {grouped(n)} {what}, which count in the verdict: a result holds "
        f"{grouped(MAX_ROWS)}; all of them: {verdicts}"
    ]


def with_fewer_pictures(rows: list[R]) -> list[R]:
    """The rows, of which the first MAX_PICTURES keep their picture and values."""
    drawn = [number for number, row in enumerate(rows) if _drawn(row)]
    for number in drawn[MAX_PICTURES:]:
        rows[number] = rows[number].model_copy(update=dict.fromkeys(_drawn(rows[number])))
    return rows


def _drawn(row: Query | Radius) -> list[str]:
    """What shows a row's counterexample."""
    return [name for name in ("picture", "inputs", "outputs") if getattr(row, name, None) is not None]


def radius_row(search: RadiusSearch, limit: int, entries: Sequence[Entry]) -> Radius:
    """The row of an input that is asked about up to `limit`; where that is certified, what breaks the input
    beyond it is shown only if nothing is open in between.
    """
    proof = search.proof.row if search.proof is not None else None
    shown = search.closed or search.certified < limit
    broken = search.broken.row if search.broken is not None and shown else None
    row = proof or broken
    return Radius(
        index=search.index,
        limit=limit,
        certified=search.certified if proof else None,
        attacked=search.attacked if broken else None,
        closed=min(search.attacked, limit + 1) - search.certified <= 1,
        queries=len(entries),
        time_s=sum(entry.row.time_s for entry in entries),
        label=row.label if row else None,
        predicted=broken.predicted if broken else None,
        certificate=proof.certificate if proof else None,
        witness=broken.witness if broken else None,
        proof=proof.proof if proof else None,
        engines=", ".join(dict.fromkeys(r.engine for r in (proof, broken) if r)) or None,
        note=broken.note if broken else None,
        picture=broken.picture if broken else None,
    )
