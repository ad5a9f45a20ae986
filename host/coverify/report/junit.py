"""How does a CI server see the results? One suite per result; one case per query, tensor, replay.

A definite finding (mismatch, violated, refuted) is a failure; what could not be carried out or trusted (link
error, device fault, unsupported, flaky) is an error; an open query is skipped, with its reason, and so never
shown as passed. Properties of a suite: digests, device, profile, oracle, seed, versions, command.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from typing import Any

from junitparser import Error, Failure, JUnitXml, Skipped, TestCase, TestSuite

from coverify.report.campaign_rows import Radius
from coverify.report.merge import MEASURED, Source, overall, studied
from coverify.report.plain import plain
from coverify.report.result import Result
from coverify.report.rows import Mismatch, Query, Replay, TensorRow
from coverify.report.values import as_given
from coverify.report.verdict import MEANINGS, Verdict, exit_code, worst


def junit_xml(sources: Sequence[Source]) -> str:
    """The JUnit XML of some results, as text."""
    document = JUnitXml("coverify")
    measured = studied(sources)
    for source in sources:
        document.add_testsuite(_suite(source, source.file in measured))
    return _text(document)


def _text(document: Any) -> str:
    """The document's text; junitparser's methods carry no types."""
    document.update_statistics()
    data: bytes | str = document.tostring()
    return data.decode("utf-8") if isinstance(data, bytes) else data


def _suite(source: Source, measured: bool) -> Any:
    result = source.result
    suite = TestSuite(plain(source.file))
    if result.started is not None:
        suite.timestamp = result.started.isoformat()
    for name, value in properties(source):
        suite.add_property(name, plain(value))
    suite.add_testcases(list(_cases(result, measured)))
    return suite


def _cases(result: Result, measured: bool) -> Iterator[Any]:
    """measured: a study asked the queries, so that a counterexample is a finding and no failure."""
    group = plain(f"coverify.{result.verb}")
    seen: list[Verdict] = ["OK"]
    for row in result.tensors or ():
        verdict = _tensor_verdict(row, result)
        seen.append(verdict)
        yield _case(group, tensor_name(row), verdict, tensor_evidence(row, result.mismatches or ()))
    for number, query in enumerate(result.queries or ()):
        seen.append(query.verdict)
        judged: Verdict = "OK" if measured and query.verdict == "VIOLATED" else query.verdict
        yield _case(group, f"{number}: {query_name(query)}", judged, query_evidence(query), query.time_s)
    for radius in result.radii or ():
        seen.append(radius.verdict)
        yield _case(
            group, f"sample {radius.index}, radius", radius.verdict, radius_evidence(radius), radius.time_s
        )
    for replay in result.replays or ():
        seen.append(replay.verdict)
        yield _case(group, f"replay {replay.witness}", replay.verdict, _replay_evidence(replay))
    whole = overall(result)
    if measured and whole in MEASURED:
        return
    if len(seen) == 1 or exit_code(worst(seen)) != exit_code(whole):
        yield _case(group, "verdict", whole, result.message or MEANINGS[whole])


def _tensor_verdict(row: TensorRow, result: Result) -> Verdict:
    if not row.compared_samples:
        return "UNKNOWN"
    if not row.mismatching_samples:
        return "MATCH"
    return "FLAKY" if result.verdict == "FLAKY" else "MISMATCH"


def _case(group: str, name: str, verdict: Verdict, evidence: str, time_s: float | None = None) -> Any:
    case = TestCase(plain(name, 300), group, time_s)
    message = plain(f"{verdict}: {evidence}" if evidence else verdict)
    if verdict == "UNKNOWN":
        case.result = [Skipped(message, verdict)]
    elif exit_code(verdict) == 1:
        case.result = [Failure(message, verdict)]
    elif exit_code(verdict) != 0:
        case.result = [Error(message, verdict)]
    return case


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


def _replay_evidence(replay: Replay) -> str:
    return "; ".join(
        text for text in (f"on {replay.device}" if replay.device else "", replay.note or "") if text
    )


def properties(source: Source) -> Iterator[tuple[str, str]]:
    """Name and value of everything that identifies a result, in a fixed order."""
    result = source.result
    yield from (("schema", result.schema_), ("verdict", result.verdict), ("file.sha256", source.sha256))
    for group in ("model", "device", "oracle"):
        row = getattr(result, group)
        if row is not None:
            yield from ((f"{group}.{name}", str(value)) for name, value in row if value is not None)
    for name in ("profile", "seed", "samples", "bytes_compared"):
        if getattr(result, name) is not None:
            yield name, str(getattr(result, name))
    if result.command is not None:
        yield "command", shlex.join(result.command)
    yield from ((f"version.{plain(name, 100)}", version) for name, version in sorted(result.versions.items()))
    yield from (("not_covered", line) for line in result.not_covered)
