"""Is what holds also proved? A HOLDS of floating point is not proof-grade, and is never told without that."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

from coverify.report.campaign_rows import Radius
from coverify.report.plain import grouped, plural
from coverify.report.rows import Query

NOT_PROOF_GRADE: Final = "not proof-grade"
"""How the `proof` of such a row ends."""


def is_weak(row: Query | Radius) -> bool:
    """Does a row say that something holds, and not prove it?"""
    holds = row.verdict == "HOLDS" if isinstance(row, Query) else row.certified is not None
    return holds and (row.proof or "").endswith(NOT_PROOF_GRADE)


def weak(rows: Iterable[Query | Radius]) -> str | None:
    """`not proof-grade (floating point): 2`, how many; None where there are none."""
    proofs = [row.proof or "" for row in rows if is_weak(row)]
    kinds = Counter(proof.removesuffix(NOT_PROOF_GRADE).strip(" ,") for proof in proofs)
    why = ", ".join(sorted(filter(None, kinds)))
    return f"{NOT_PROOF_GRADE}{f' ({why})' if why else ''}: {grouped(len(proofs))}" if proofs else None


def told_weak(rows: Sequence[Query]) -> str | None:
    """What is said of answers that all hold instead of that they are proved; None where they are."""
    said = weak(rows)
    return None if said is None else f"holds over the whole region; {said} of {plural(len(rows), 'answer')}"
