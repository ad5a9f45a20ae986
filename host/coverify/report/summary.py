"""What do the results say in a few sentences? The headline, the five steps of the loop and what was compared.

Only counts what is in the results; a step that no result speaks of is said to be missing, never assumed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from coverify.report.campaign_rows import Radius
from coverify.report.grade import weak
from coverify.report.merge import (
    Replays,
    Source,
    anything_compared,
    asked,
    base_name,
    certificates,
    on_device,
    overall,
    studied,
)
from coverify.report.plain import digest, grouped, plural
from coverify.report.result import Result
from coverify.report.rows import Query, Replay
from coverify.report.study_rows import GapRow
from coverify.report.verdict import MEANINGS, Verdict, severity, worst


@dataclass(frozen=True)
class Step:
    """One station of the loop; no verdict where nothing is known or nothing is judged."""

    title: str
    verdict: Verdict | None
    said: str
    detail: str


def headline(sources: Sequence[Source]) -> list[str]:
    """One sentence per kind of evidence that there is."""
    conforming = _conforming(sources)
    said = [_conformance_sentence(source.result, _named(source, conforming)) for source in conforming]
    queries, replays = _queries(sources), _replays(sources)
    if queries:
        said.append(f"{plural(len(queries), 'query', 'queries')}: {told(counts(queries))}{_weak(queries)}.")
    if certificates(sources):
        said.append(f"{_accepted(certificates(sources))} accepted by the checker.")
    if studied(sources):
        said.append("Counterexamples of a study are what it measures: they do not fail it.")
    radii = _radii(sources)
    if radii:
        said.append(f"Largest radius{_up_to(radii)} known of {_closed(radii)}{_weak(radii)}.")
    if replays:
        said.append(
            f"{plural(len(replays), 'witness', 'witnesses')} replayed on a device: {told(counts(replays))}."
        )
    return said


def _conformance_sentence(result: Result, named: str) -> str:
    verdict, where, of = overall(result), _where(result), f" of {named}" if named else ""
    if verdict == "MATCH":
        return f"{where} computes the reference{of}, byte for byte."
    if verdict == "MISMATCH":
        return f"{where} does not compute the reference{of}."
    why = (result.message or "").partition("\n")[0]
    said = f"{MEANINGS[verdict]}{f': {why}' if why else ''}".removesuffix(".")
    return f"{_attempt(result)} ({verdict}): {said}."


def _attempt(result: Result) -> str:
    """`conform of net.tflite on qemu:mps2-an386`: what ended without a comparison that stands."""
    of = f" of {base_name(result.model.file)}" if result.model else ""
    return f"{result.verb}{of}{f' on {result.device.url}' if result.device else ''}"


def steps(sources: Sequence[Source], merged: Result) -> list[Step]:
    """Model → reference → device → proof or counterexample → replay."""
    return [_model(sources), _reference(merged), _device(sources), _verify(sources), _replay(sources)]


def _model(sources: Sequence[Source]) -> Step:
    models = list(dict.fromkeys(source.result.model for source in sources if source.result.model))
    if not models:
        return Step("Model", None, "not named", "")
    if len({model.sha256 for model in models}) > 1:
        return Step("Model", None, f"{len(models)} networks", "see the files below")
    return Step(
        "Model",
        None,
        base_name(models[0].file),
        f"sha256 {digest(models[0].sha256)}…",
    )


def _reference(merged: Result) -> Step:
    oracle = merged.oracle
    named = f"oracle {oracle.name} {oracle.version or ''}".strip() if oracle else "no single oracle named"
    return Step(
        "Reference", None, f"profile {merged.profile}" if merged.profile else "no single profile", named
    )


def _device(sources: Sequence[Source]) -> Step:
    found = _conforming(sources)
    if not found and (n := on_device(sources)):
        return Step("Device", None, "not compared", f"but run on {plural(n, 'witness', 'witnesses')}")
    if not found:
        return Step("Device", None, "not compared", "no conformance result")
    n_bytes = sum(source.result.bytes_compared or 0 for source in found)
    known = [source for source in found if source.result.device] or found
    where = ", ".join(dict.fromkeys(_where(source.result) for source in known))
    return Step(
        "Device",
        worst(overall(source.result) for source in found),
        where,
        f"{plural(n_bytes, 'byte')} compared",
    )


def _verify(sources: Sequence[Source]) -> Step:
    queries, radii = _queries(sources), _radii(sources)
    if radii and not queries:
        verdict = worst(row.verdict for row in radii)
        return Step(
            "Proof and counterexample", verdict, f"largest radii{_up_to(radii)}", f"known of {_closed(radii)}"
        )
    gaps = _gaps(sources)
    if gaps and not queries:
        verdict = worst("OK" if row.closed else "UNKNOWN" for row in gaps)
        known = sum(row.closed for row in gaps)
        return Step(
            "Proof and counterexample", verdict, "largest gaps", f"known of {known} of {len(gaps)} networks"
        )
    if not queries and (rows := certificates(sources)):
        return Step("Proof or counterexample", worst(row.verdict for row in rows), "proof", _accepted(rows))
    if not queries:
        return Step("Proof or counterexample", None, "not asked", "no verification result")
    verdict = worst(query.verdict for query in queries)
    return Step(
        "Proof or counterexample", verdict, plural(len(queries), "query", "queries"), told(counts(queries))
    )


def _replay(sources: Sequence[Source]) -> Step:
    known = Replays.of(sources)
    rows: list[Verdict] = [replay.verdict for replay in _replays(sources)]
    rows = rows or [
        found
        for source in sources
        for query in source.result.queries or ()
        if (found := known.of_query(source.result, query))
    ]
    rows = rows or [row.on_device for row in _gaps(sources) if row.on_device is not None]
    if not rows and _nothing_to_replay(sources):
        return Step("Replay on the device", None, "nothing to replay", "no counterexample")
    if not rows:
        return Step("Replay on the device", None, "not done", "no replay result")
    told = ", ".join(f"{grouped(n)} {verdict}" for verdict, n in Counter(rows).items())
    return Step("Replay on the device", worst(rows), plural(len(rows), "witness", "witnesses"), told)


def _nothing_to_replay(sources: Sequence[Source]) -> bool:
    """Whether it was asked for, found no counterexample, and none was found since."""
    asked = any(source.result.verb == "replay" and source.result.verdict == "OK" for source in sources)
    found = any(query.verdict == "VIOLATED" for query in _queries(sources))
    return asked and not found and all(row.attacked is None for row in _radii(sources))


def compared(sources: Sequence[Source]) -> list[str]:
    """What was compared with what, one sentence per result or kind of rows that says so."""
    return [
        *_conformance_sentences(sources),
        *_query_sentences(_queries(sources)),
        *_radius_sentences(_radii(sources)),
        *(_repaired_sentence(source.result) for source in sources if source.result.repair is not None),
        *_gap_sentences(_gaps(sources)),
        *_certificate_sentences(certificates(sources)),
        *_replay_sentences(_replays(sources)),
    ]


def _conformance_sentences(sources: Sequence[Source]) -> list[str]:
    said, conforming = list[str](), _conforming(sources)
    for source in conforming:
        named = _named(source, conforming)
        where = f"{_where(source.result)}{f', {named}' if named else ''}"
        if anything_compared(source):
            said.append(_compared_sentence(source.result, where))
        else:
            said.append(f"{_attempt(source.result)}: not a byte was compared.")
    return said


def _query_sentences(queries: Sequence[Query]) -> list[str]:
    if not queries:
        return []
    decided = [query for query in queries if query.verdict in ("HOLDS", "VIOLATED")]
    engines = sorted({query.engine for query in decided})
    by = f" (engine: {', '.join(engines[:12])})" if engines else ""
    real = sum(query.engine == "reals" for query in decided)
    how = "of the reference" if not real else f"of the reference, {grouped(real)} on exact real numbers"
    return [
        f"{grouped(len(decided) - real)} of {plural(len(queries), 'query', 'queries')} decided on the "
        f"exact integers {how}{by}; {_files(queries)}."
    ]


def _radius_sentences(radii: Sequence[Radius]) -> list[str]:
    if not radii:
        return []
    n_queries = sum(row.queries for row in radii)
    return [
        f"The largest radius of {plural(len(radii), 'input')} by "
        f"{plural(n_queries, 'query', 'queries')} on the exact integers of the reference; {_files(radii)}."
    ]


def _files(rows: Sequence[Query] | Sequence[Radius]) -> str:
    """`3 witness files, 1 certificate`."""
    witnesses = sum(row.witness is not None for row in rows)
    proofs = sum(row.certificate is not None for row in rows)
    return f"{plural(witnesses, 'witness file')}, {plural(proofs, 'certificate')}"


def _gap_sentences(gaps: Sequence[GapRow]) -> list[str]:
    if not gaps:
        return []
    n_run = sum(row.on_device is not None for row in gaps)
    return [
        f"The largest gap of {plural(len(gaps), 'network')} by splitting boxes and "
        f"{plural(sum(row.queries for row in gaps), 'query', 'queries')} on the exact integers of the "
        f"reference; the pairs of {n_run} of them run on a device."
    ]


def _certificate_sentences(rows: Sequence[Query]) -> list[str]:
    if not rows:
        return []
    return [
        f"{_accepted(rows)} accepted by exact integer arithmetic that shares no code with what made them."
    ]


def _replay_sentences(replays: Sequence[Replay]) -> list[str]:
    if not replays:
        return []
    n_bytes = sum(row.bytes for replay in replays for row in replay.tensors)
    return [
        f"{plural(len(replays), 'witness', 'witnesses')} executed on a device, "
        f"{plural(n_bytes, 'byte')} compared."
    ]


def cycles_title(result: Result) -> str:
    """What the cycles of a result's tensors are called: an emulator's are no core's."""
    return "cycles (emulated)" if result.device is not None and result.device.emulated else "cycles"


def _repaired_sentence(result: Result) -> str:
    assert result.repair is not None
    parts = " and ".join(
        f"{plural(part.before.samples, 'input')} ({part.name})" for part in result.repair.parts
    )
    said = f"The float network's classes with the int8 network's, before and after, on {parts or 'inputs'}"
    return said + (f"; the repaired network's tensors with {result.oracle.name}'s." if result.oracle else ".")


def _compared_sentence(result: Result, where: str) -> str:
    rows = result.tensors or ()
    what = f"{plural(len(rows), 'tensor')} of " if rows else ""
    samples = plural(result.samples, "sample") if result.samples is not None else "the samples"
    against = (
        result.oracle.name
        if result.oracle
        else f"profile {result.profile}"
        if result.profile
        else "the reference"
    )
    n_bytes = plural(result.bytes_compared or 0, "byte")
    return f"{where} against {against}: {what}{samples}, {n_bytes}, every one required to be equal."


def _where(result: Result) -> str:
    return result.device.url if result.device else "The device"


def _named(source: Source, others: Sequence[Source]) -> str:
    """The network of a comparison, where these are of several."""
    models = {one.result.model.sha256 for one in others if one.result.model is not None}
    model = source.result.model
    return base_name(model.file) if model is not None and len(models) > 1 else ""


def _conforming(sources: Sequence[Source]) -> list[Source]:
    """Results of a comparison with a device, also of one that failed before the first byte."""
    return [
        source for source in sources if source.result.verb in ("conform", "kernels") or source.result.tensors
    ]


def _gaps(sources: Sequence[Source]) -> list[GapRow]:
    """Of studies of fairness."""
    return [row for source in sources if source.result.study for row in source.result.study.gaps]


def _queries(sources: Sequence[Source]) -> list[Query]:
    return [query for source in sources for query in asked(source.result) or ()]


def _weak(rows: Sequence[Query] | Sequence[Radius]) -> str:
    return f"; {said} of them" if (said := weak(rows)) is not None else ""


def _accepted(rows: Sequence[Query]) -> str:
    """`4 of 5 certificates`: of what the checker said."""
    return f"{grouped(sum(row.verdict == 'HOLDS' for row in rows))} of {plural(len(rows), 'certificate')}"


def _replays(sources: Sequence[Source]) -> list[Replay]:
    return [replay for source in sources for replay in source.result.replays or ()]


def _radii(sources: Sequence[Source]) -> list[Radius]:
    return [row for source in sources for row in source.result.radii or ()]


def _up_to(radii: Sequence[Radius]) -> str:
    """What was asked about: beyond it a radius is not known."""
    limits = {row.limit for row in radii}
    return f" up to {max(limits)}" if len(limits) == 1 else " up to what was asked"


def _closed(radii: Sequence[Radius]) -> str:
    return f"{grouped(sum(row.closed for row in radii))} of {plural(len(radii), 'input')}"


def counts(rows: Iterable[Query | Replay]) -> Counter[Verdict]:
    """How many rows there are of each verdict."""
    return Counter(row.verdict for row in rows)


def told(found: Counter[Verdict]) -> str:
    """Counts in words, the best verdict first."""
    return ", ".join(f"{grouped(n)} {verdict}" for verdict, n in sorted(found.items(), key=_severity))


def _severity(item: tuple[Verdict, int]) -> int:
    return severity(item[0])
