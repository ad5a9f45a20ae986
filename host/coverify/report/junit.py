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

from coverify.report.evidence import (
    query_evidence,
    query_name,
    radius_evidence,
    replay_evidence,
    tensor_evidence,
    tensor_name,
)
from coverify.report.merge import MEASURED, Source, overall, studied
from coverify.report.plain import plain
from coverify.report.result import Result
from coverify.report.rows import TensorRow
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
    for name, value in _properties(source):
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
        yield _case(group, f"replay {replay.witness}", replay.verdict, replay_evidence(replay))
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


def _properties(source: Source) -> Iterator[tuple[str, str]]:
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
