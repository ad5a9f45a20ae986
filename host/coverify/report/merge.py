"""What do several results say together? The worst verdict wins, every row keeps its file's name.

`gaps` states in words what the parts leave open between them: no device was asked, a counterexample was not
replayed, two parts speak of different networks. A merged result says them in `not_covered`; silence would
read as coverage. Pictures stay in the parts. What the checker said of certificates are no further queries:
their rows stay in its part, and how many it accepted is told. Queries that a study asked are its
measurements: the study's own verdict stands for them, and a counterexample is a finding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from coverify.report.campaign_rows import Radius
from coverify.report.grade import told_weak
from coverify.report.plain import plural
from coverify.report.result import Result
from coverify.report.rows import MAX_ROWS, ModelRef, Part, Query, Row
from coverify.report.study_rows import GapRow
from coverify.report.verdict import Verdict, worst

T = TypeVar("T")
R = TypeVar("R", bound=Row)


@dataclass(frozen=True)
class Source:
    """One result, the file it was read from (relative to the report's folder) and that file's SHA-256."""

    file: str
    sha256: str
    result: Result

    @property
    def part(self) -> Part:
        """The row that stands for this file in a merged result."""
        found = self.result
        return Part(
            file=self.file,
            sha256=self.sha256,
            verb=found.verb,
            verdict=found.verdict,
            model=found.model,
            device=found.device,
        )


def merge(sources: Sequence[Source]) -> Result:
    """One result of verb "report" from at least one source; ValueError when there is none."""
    results = [source.result for source in sources]
    verdict = worst(counted(sources))
    compared = [result.bytes_compared for result in results if result.bytes_compared is not None]
    samples = [result.samples for result in results if result.samples is not None]
    return Result(
        verb="report",
        verdict=verdict,
        message=told_weak(_all(sources, asked)) if verdict == "HOLDS" else None,
        model=_agreed(result.model for result in results),
        device=_agreed(result.device for result in results),
        profile=_agreed(result.profile for result in results),
        oracle=_agreed(result.oracle for result in results),
        samples=sum(samples) if samples else None,
        bytes_compared=sum(compared) if compared else None,
        tensors=_only([result.tensors for result in results]),
        mismatches=_rows(sources, lambda result: result.mismatches),
        kernels=_only([result.kernels for result in results]),
        diagnoses=_rows(sources, lambda result: result.diagnoses),
        queries=_rows(sources, asked, picture=None, inputs=None, outputs=None),
        radii=_rows(sources, lambda result: result.radii, picture=None),
        curve=_only([result.curve for result in results]),
        cactus=_only([result.cactus for result in results]),
        replays=_rows(sources, lambda result: result.replays),
        parts=tuple(source.part for source in sources),
        not_covered=tuple(
            _unique([line for result in results for line in result.not_covered] + gaps(sources))[:1000]
        ),
        versions=_versions(results),
        started=min((result.started for result in results if result.started), default=None),
        finished=max((result.finished for result in results if result.finished), default=None),
        seed=_agreed(result.seed for result in results),
    )


def asked(result: Result) -> tuple[Query, ...] | None:
    """The queries of a result; the checker asks none, its rows are of certificates."""
    return None if result.verb == "check" else result.queries


def certificates(sources: Sequence[Source]) -> list[Query]:
    """What the checker said of certificates."""
    return _all(sources, lambda result: result.queries if result.verb == "check" else None)


def studied(sources: Sequence[Source]) -> frozenset[str]:
    """The files of the parts that a study among them asked: those in its folders of queries."""
    folders = set()
    for source in sources:
        study, base = source.result.study, source.file.rpartition("/")[0]
        rows = () if study is None else (*study.widths, *((study.real,) if study.real else ()))
        folders |= {f"{base}/{row.folder}".lstrip("/") for row in rows if row.folder}
    return frozenset(
        source.file
        for source in sources
        if source.result.verb == "verify" and source.file.rpartition("/")[0] in folders
    )


DISTINCTION: Final = "distinction"
"""How the names of files begin that `distinguish` writes: replayed, they tell which one a device follows."""
MAX_NAMED: Final = 3
MEASURED: Final = ("HOLDS", "VIOLATED", "UNKNOWN")
"""What a query that a study asked may say without being more than a measurement."""


def counted(sources: Sequence[Source]) -> list[Verdict]:
    """The verdict of every part that counts by itself."""
    own = studied(sources)
    found = [(source.file in own, overall(source.result)) for source in sources]
    verdicts = [verdict for measured, verdict in found if not (measured and verdict in MEASURED)]
    if "HOLDS" in verdicts and confirmed_alone(sources):
        verdicts.append("VIOLATED")
    return verdicts


def confirmed_alone(sources: Sequence[Source]) -> list[str]:
    """Witnesses that a device confirmed, and that no result here names: what they broke is not asked here."""
    named = Replays.of(sources).networks
    replays = _all(sources, lambda result: result.replays)
    found = (base_name(row.witness) for row in replays if row.verdict == "CONFIRMED")
    return sorted({name for name in found if name not in named and not name.startswith(DISTINCTION)})


def overall(result: Result) -> Verdict:
    """The worst of a result's verdict and its rows: a head that says less than its rows is not believed."""
    rows: list[Verdict] = [query.verdict for query in result.queries or ()]
    rows += [query.replay for query in result.queries or () if query.replay]
    rows += [replay.verdict for replay in result.replays or ()]
    rows += [radius.verdict for radius in result.radii or ()]
    differs = bool(result.mismatches) or any(row.mismatching_samples for row in result.tensors or ())
    differs = differs or bool(result.diagnoses)
    # FLAKY is what differing bytes mean when they did not repeat
    if differs and result.verdict != "FLAKY":
        rows.append("MISMATCH")
    return worst([result.verdict, *rows])


@dataclass(frozen=True)
class Replays:
    """The worst verdict of a witness's replays, by its network's SHA-256 and its file name without folders.

    Networks of one study have witnesses of the same names; a replay that does not name its network (of an
    older version) is one of a file whose name only one network has.
    """

    verdicts: Mapping[tuple[str | None, str], Verdict]
    networks: Mapping[str, frozenset[str | None]]
    """File name → the networks that have a witness of that name."""

    @staticmethod
    def of(sources: Sequence[Source]) -> Replays:
        """Those of all sources."""
        found: dict[tuple[str | None, str], Verdict] = {}
        for replay in _all(sources, lambda result: result.replays):
            key = replay.model_sha256, base_name(replay.witness)
            found[key] = worst([replay.verdict, found.get(key, replay.verdict)])
        networks: dict[str, set[str | None]] = {}
        for source in sources:
            queries, radii = source.result.queries or (), source.result.radii or ()
            for file in (*(row.witness for row in queries), *(row.witness for row in radii)):
                if file:
                    networks.setdefault(base_name(file), set()).add(network_of(source.result))
        return Replays(found, {name: frozenset(owners) for name, owners in networks.items()})

    def said(self, network: str | None, witness: str | None) -> Verdict | None:
        """Of the network's witness in this file."""
        if not witness:
            return None
        name = base_name(witness)
        known = self.verdicts.get((network, name)) if network else None
        alone = len(self.networks.get(name, ())) <= 1
        if known is None and network is None and alone:
            return (
                worst(found) if (found := [v for (_, n), v in self.verdicts.items() if n == name]) else None
            )
        return known or (self.verdicts.get((None, name)) if alone else None)

    def of_query(self, result: Result, query: Query) -> Verdict | None:
        """What the device said of a query's witness: in the query's own row, or in a replay of that file."""
        return query.replay or self.said(network_of(result), query.witness)


def _nobody_named(witnesses: Sequence[str]) -> str:
    more = len(witnesses) - MAX_NAMED
    names = ", ".join(witnesses[:MAX_NAMED]) + (f" and {more} more" if more > 0 else "")
    return f"which property {names} broke: a device confirmed it, and no result here has that counterexample"


def network_of(result: Result) -> str | None:
    """The SHA-256 of the network that a result is about, where it names one."""
    return result.model.sha256 if result.model else None


def base_name(path: str) -> str:
    """The last component of a POSIX or Windows path."""
    return path.replace("\\", "/").rsplit("/", 1)[-1]


def gaps(sources: Sequence[Source]) -> list[str]:
    """What these results together do not show, as sentences."""
    queries = _all(sources, asked)
    compared = any(map(anything_compared, sources))
    alone = confirmed_alone(sources)
    return [
        *([_nobody_named(alone)] if alone else []),
        *_agreement_gaps(sources),
        *([] if compared else [_nothing_compared(on_device(sources))]),
        *_query_gaps(sources, queries),
        *_radius_gaps(sources),
        *_certificate_gaps(sources),
    ]


def anything_compared(source: Source) -> bool:
    """Is there a byte of a device that was held against the reference?"""
    rows = source.result.tensors or ()
    return bool(source.result.bytes_compared) or any(row.compared_samples for row in rows)


def on_device(sources: Sequence[Source]) -> int:
    """How many counterexamples and pairs a device was run on."""
    replayed = sum(query.replay is not None for query in _all(sources, lambda result: result.queries))
    pairs = [gap for source in sources if (study := source.result.study) for gap in study.gaps]
    return len(_all(sources, lambda result: result.replays)) + replayed + sum(map(_run_there, pairs))


def _run_there(gap: GapRow) -> bool:
    return gap.on_device is not None


def _nothing_compared(n: int) -> str:
    if n:
        return (
            f"A device was run on {plural(n, 'witness', 'witnesses')} alone: of other inputs it says nothing."
        )
    return "No device was compared with the reference: nothing shows that a device computes these bytes."


def _agreement_gaps(sources: Sequence[Source]) -> list[str]:
    models: list[ModelRef] = _unique(source.result.model for source in sources if source.result.model)
    digests = _unique(model.sha256 for model in models)
    profiles = _unique(source.result.profile for source in sources if source.result.profile)
    said = []
    if len(digests) > 1:
        said.append(
            f"The parts speak of {len(digests)} different networks: a verdict on one says nothing of another."
        )
    if len(profiles) > 1:
        said.append(f"The parts follow different kernel profiles: {', '.join(profiles[:10])}.")
    return [line[:4000] for line in said]


def _query_gaps(sources: Sequence[Source], queries: Sequence[Query]) -> list[str]:
    replays = Replays.of(sources)
    silent = sum(
        query.verdict == "VIOLATED" and replays.of_query(source.result, query) is None
        for source in sources
        for query in source.result.queries or ()
    )
    bare = sum(query.verdict == "HOLDS" and query.certificate is None for query in queries)
    still_open = sum(query.verdict == "UNKNOWN" for query in queries)
    said = []
    if silent:
        said.append(f"{plural(silent, 'counterexample')} not replayed on a device.")
    if bare:
        said.append(
            f"{plural(bare, 'proof')} without a certificate: believing HOLDS means believing the engine."
        )
    if still_open:
        said.append(
            f"{plural(still_open, 'query', 'queries')} left open (UNKNOWN): neither proved nor broken."
        )
    return said


def _radius_gaps(sources: Sequence[Source]) -> list[str]:
    radii: list[Radius] = _all(sources, lambda result: result.radii)
    replays = Replays.of(sources)
    silent = sum(
        row.witness is not None and replays.said(network_of(source.result), row.witness) is None
        for source in sources
        for row in source.result.radii or ()
    )
    still_open = sum(not row.closed for row in radii)
    said = []
    if silent:
        said.append(f"{plural(silent, 'counterexample')} of a largest radius not replayed on a device.")
    if still_open:
        said.append(f"{plural(still_open, 'input')} whose largest radius is not known exactly.")
    return said


def _certificate_gaps(sources: Sequence[Source]) -> list[str]:
    refused = sum(row.verdict != "HOLDS" for row in certificates(sources))
    return [f"{plural(refused, 'certificate')} not accepted: nothing follows from them."] if refused else []


def _all(sources: Sequence[Source], rows: Callable[[Result], tuple[T, ...] | None]) -> list[T]:
    return [row for source in sources for row in rows(source.result) or ()]


def _rows(
    sources: Sequence[Source], rows: Callable[[Result], tuple[R, ...] | None], **changed: None
) -> tuple[R, ...] | None:
    """Rows of all sources, each with its file; None when there is no such list, or too many rows for one."""
    if all(rows(source.result) is None for source in sources):
        return None
    if sum(len(rows(source.result) or ()) for source in sources) > MAX_ROWS:
        return None
    return tuple(
        row.model_copy(update={**changed, "part": source.file})
        for source in sources
        for row in rows(source.result) or ()
    )


def _only(found: Sequence[tuple[T, ...] | None]) -> tuple[T, ...] | None:
    present = [rows for rows in found if rows is not None]
    return present[0] if len(present) == 1 else None


def _agreed(values: Iterable[T | None]) -> T | None:
    """The one value that all sources which have one agree on."""
    distinct = _unique(value for value in values if value is not None)
    return distinct[0] if len(distinct) == 1 else None


def _unique(values: Iterable[T]) -> list[T]:
    return list(dict.fromkeys(values))


def _versions(results: Sequence[Result]) -> dict[str, str]:
    found: dict[str, list[str]] = {}
    for result in results:
        for name, version in result.versions.items():
            found.setdefault(name, []).append(version)
    return {name: ", ".join(_unique(said))[:4000] for name, said in list(found.items())[:100]}
