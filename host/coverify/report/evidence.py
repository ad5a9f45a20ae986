"""What is a row called, and what stands behind its verdict? In words, for the terminal and for JUnit."""

from __future__ import annotations

from collections.abc import Sequence

from coverify.report.campaign_rows import Radius
from coverify.report.rows import Mismatch, Query, Replay, TensorRow
from coverify.report.values import as_given


def tensor_name(row: TensorRow) -> str:
    """`op 2 CONV_2D → tensor 7 (name)`, as far as it is known."""
    op = f"op {row.op_index} {row.op or ''} → " if row.op_index is not None else ""
    return op + f"tensor {row.tensor}" + (f" ({row.name})" if row.name else "")


def tensor_evidence(row: TensorRow, mismatches: Sequence[Mismatch]) -> str:
    """How much was compared and, if it differs, the first differing element that is on record."""
    said = f"{row.bytes} bytes of {row.compared_samples} samples compared"
    if not row.mismatching_samples:
        return said
    said += f", {row.mismatching_samples} samples differ"
    first = next((found for found in mismatches if found.tensor == row.tensor), None)
    return said + (f"; first: {mismatch_text(first)}" if first else "")


def mismatch_text(found: Mismatch) -> str:
    """`sample 3, element [0, 4]: expected -3, got -2`."""
    return f"sample {found.sample}, element {list(found.element)}: expected {found.expected}, got {found.got}"


def query_name(query: Query, with_property: bool = True) -> str:
    """`sample 3, eps 2`, or `sample 3, case 1` and the property's text."""
    known = [
        f"sample {query.index}" if query.index is not None else "",
        f"eps {query.eps}" if query.eps is not None else "",
        f"case {query.case}" if query.case is not None else "",
        query.property or "" if with_property else "",
    ]
    return ", ".join(text for text in known if text) or "query"


def query_evidence(query: Query) -> str:
    """What stands behind a query's verdict: engine, classes, files, note."""
    known = [
        f"engine {query.engine}",
        _becomes(query),
        as_given(query) or "",
        f"witness {query.witness}" if query.witness else "",
        f"certificate {query.certificate}" if query.certificate else "",
        f"certificate {query.certificate_against}" if query.certificate_against else "",
        f"replay {query.replay}" if query.replay else "",
        query.proof or "",
        query.note or "",
        query.detail or "",
    ]
    return "; ".join(text for text in known if text)


def _becomes(query: Query) -> str:
    """What a counterexample makes of the class, or of a single output."""
    if query.predicted is not None:
        return f"class {query.label} becomes {query.predicted}"
    found = query.outputs
    if found is None or found.base is None or len(found.base) > 1:
        return ""
    return f"output {found.base[0]} becomes {found.counterexample[0]}"


def radius_evidence(radius: Radius) -> str:
    """How far an input is certified and from where on attacked, and the files that show it."""
    known = [
        f"certified {radius.certified}" if radius.certified is not None else "nothing certified",
        f"attacked {radius.attacked}" if radius.attacked is not None else f"no attack up to {radius.limit}",
        f"certificate {radius.certificate}" if radius.certificate else "",
        f"witness {radius.witness}" if radius.witness else "",
        radius.proof or "",
        radius.note or "",
    ]
    return "; ".join(text for text in known if text)


def replay_evidence(replay: Replay) -> str:
    """On which device, and what is said of it."""
    return "; ".join(
        text for text in (f"on {replay.device}" if replay.device else "", replay.note or "") if text
    )
