"""What does a person look at? One HTML file: the verdict, the loop, the comparison, queries, pictures.

Self-contained: no script, no external resource, and a content security policy that forbids both. Everything
in a result is untrusted text: autoescaped, control characters made visible. The same results give the same
bytes. Long tables are cut with a note that says so and names the file that has the rest.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from jinja2 import Environment
from markupsafe import Markup

from coverify.report import curve_plot, plot, repair_table, study_plot, study_text
from coverify.report.grade import weak
from coverify.report.heat import heat_url
from coverify.report.merge import Replays, Source, asked, base_name, overall
from coverify.report.picture import Panels, panels
from coverify.report.plain import digest, grouped, plain, plural, seconds
from coverify.report.result import Result
from coverify.report.rows import Query
from coverify.report.signal import Signal, signal
from coverify.report.summary import compared, counts, cycles_title, headline, steps
from coverify.report.template import environment
from coverify.report.values import ValueTable, as_given, became, inputs_table, outputs_table
from coverify.report.verdict import MEANINGS, Verdict, exit_code, severity

MAX_QUERIES: Final = 500
MAX_PICTURES: Final = 48
MAX_TITLE: Final = 120
MAX_LINES: Final = 500
MAX_STRING: Final = 1 << 20
WEAK: Final = "over the whole region; whether it is proved is said beside each"
"""What HOLDS means on a page that has some of floating point."""

KINDS: Final = {0: "good", 1: "bad", 2: "trouble", 3: "trouble", 4: "open"}
"""Exit code → CSS class of a verdict."""


@dataclass(frozen=True)
class QueryView:
    """A query, where its result is (empty where all are in one) and what the device said of its witness."""

    query: Query
    place: str
    replay: Verdict | None

    @property
    def name(self) -> str:
        """The query in words."""
        known = [f"sample {self.query.index}" if self.query.index is not None else "query"]
        known += [f"ε = {self.query.eps}"] if self.query.eps is not None else []
        return ", ".join(known + ([f"case {self.query.case}"] if self.query.case is not None else []))

    @property
    def title(self) -> str:
        """The same for a heading: with the label, or the property where it is about no sample."""
        query = self.query
        if query.index is None and query.property:
            case = f" (case {query.case})" if query.case is not None else ""
            return plain(query.property[:1].upper() + query.property[1:], MAX_TITLE) + case
        label = f", label {query.label}" if query.label is not None else ""
        return self.name.capitalize() + label

    @property
    def asks(self) -> str:
        """What the heading leaves out of the property."""
        return self.query.property or "" if self.query.index is not None else ""


@dataclass(frozen=True)
class Counterexample:
    """A violated query with its pictures or lines, or its values where they are few."""

    view: QueryView
    panels: Panels | None
    signal: Signal | None
    inputs: ValueTable | None
    outputs: ValueTable | None

    @staticmethod
    def of(view: QueryView) -> Counterexample:
        """All that the query has of it."""
        query = view.query
        lines = None if query.picture is None else signal(query.picture)
        drawn = None if query.picture is None or lines is not None else panels(query.picture)
        return Counterexample(view, drawn, lines, inputs_table(query), outputs_table(query))


@dataclass(frozen=True)
class Verification:
    """Everything the page shows of the queries."""

    views: tuple[QueryView, ...]
    n_queries: int
    counts: tuple[tuple[Verdict, int], ...]
    bars: plot.Bars
    strips: plot.Strips
    counterexamples: tuple[Counterexample, ...]
    n_shown: int
    weak: str | None
    """How many of those that hold are not proved."""
    several: bool
    """Are they of several results?"""


def html(sources: Sequence[Source], merged: Result, title: str) -> str:
    """The page of some results and what they say together; `title` names the folder."""
    asked_of, meanings = verification(sources), dict(MEANINGS)
    if asked_of is not None and asked_of.weak:
        meanings["HOLDS"] = WEAK
    template = _environment(meanings).get_template("report.html.j2")
    return template.render(
        title=title,
        merged=merged,
        meaning=merged.message or MEANINGS[merged.verdict],
        headline=headline(sources),
        steps=steps(sources, merged),
        compared=compared(sources),
        conformance=[
            source for source in sources if source.result.tensors is not None or source.result.mismatches
        ],
        diagnoses=[(source, row) for source in sources for row in source.result.diagnoses or ()],
        kernels=[(source, row) for source in sources for row in source.result.kernels or ()],
        verification=asked_of,
        campaigns=[s for s in sources if s.result.radii or s.result.curve or s.result.cactus],
        repairs=[
            (source, found, [(table, repair_table.plot(table)) for table in repair_table.tables(found)])
            for source in sources
            if (found := source.result.repair) is not None
        ],
        studies=[(s, of, study_plot.charts(of)) for s in sources if (of := s.result.study)],
        replays=[(source, row) for source in sources for row in source.result.replays or ()],
        sources=sources,
        troubles=[source for source in sources if source.result.message],
        max_lines=MAX_LINES,
    )


def verification(sources: Sequence[Source]) -> Verification | None:
    """The queries of all sources; None when there is none."""
    replays, asking = Replays.of(sources), [source for source in sources if asked(source.result)]
    several = len(asking) > 1
    views = [
        QueryView(query, _place(source) if several else "", replays.of_query(source.result, query))
        for source in asking
        for query in asked(source.result) or ()
    ]
    if not views:
        return None
    queries = [view.query for view in views]
    drawn = [view for view in views if view.query.picture is not None or view.query.outputs is not None]
    drawn.sort(
        key=lambda view: bool(view.query.unchanged)
    )  # an input that is broken as given shows the least
    if len(views) > MAX_QUERIES:
        views.sort(key=lambda view: -severity(view.query.verdict))
    return Verification(
        views=tuple(views[:MAX_QUERIES]),
        n_queries=len(views),
        counts=tuple(sorted(counts(queries).items(), key=lambda item: severity(item[0]))),
        bars=plot.bars(queries),
        strips=plot.strips(queries),
        counterexamples=tuple(map(Counterexample.of, drawn[:MAX_PICTURES])),
        n_shown=len(drawn),
        weak=weak(queries),
        several=several,
    )


def _place(source: Source) -> str:
    """The folder of a result, or its file where that lies in the report's own."""
    return source.file.rpartition("/")[0] or source.file


def _finalize(value: Any) -> Any:
    return plain(value, MAX_STRING) if isinstance(value, str) and not isinstance(value, Markup) else value


def _environment(meanings: Mapping[Verdict, str]) -> Environment:
    found = environment(_finalize)
    found.filters.update(
        kind=lambda verdict: KINDS[exit_code(verdict)],
        meaning=lambda verdict: meanings[verdict],
        overall=overall,
        as_given=as_given,
        became=became,
        accuracy=curve_plot.accuracy,
        cycles_title=cycles_title,
        cactus=lambda lines: curve_plot.cactus(lines or ()),
        digest=digest,
        heat=heat_url,
        grouped=grouped,
        plural=plural,
        seconds=seconds,
        base_name=base_name,
        command=shlex.join,
        gap=study_text.gap_text,
        shares=lambda ends: study_text.percent(*ends),
        spread=study_text.spread,
        short=lambda text, limit=80: plain(text, limit),
    )
    return found
