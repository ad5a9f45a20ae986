"""What does the terminal say? Renders a result with rich: a verdict line, tables, what was not covered.

The JSON is the object and the text renders it: nothing is shown that is not in the result, except how many
rows of a long table are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeVar

from rich.console import Console
from rich.table import Table
from rich.text import Text

from coverify.report.campaign_rows import Radius
from coverify.report.evidence import mismatch_text, query_name
from coverify.report.grade import is_weak
from coverify.report.merge import base_name
from coverify.report.plain import digest, grouped, plain, seconds
from coverify.report.repair_text import render_repair
from coverify.report.result import Result
from coverify.report.rows import OperatorRow, OperatorSupport, Part, Query, Replay
from coverify.report.separations import summaries
from coverify.report.study_text import render_study
from coverify.report.summary import counts, cycles_title, told
from coverify.report.table import MAX_LINES, cell, narrowest, show, table
from coverify.report.values import as_given, became, changes
from coverify.report.verdict import MEANINGS, Verdict, exit_code, severity

MAX_REASONS: Final = 40
"""So many of the facts of one kind and operator are shown; the JSON has all."""

MAX_NOTE: Final = 70
"""Longer notes are told below the table, each once."""

MAX_SHOWN: Final = 3
"""Counterexamples of so few rows are written out; the JSON has all that have few values."""

_TYPES: Final = ("int8", "int16", "uint8", "int32", "uint32", "int64", "uint64", "bool", "float32")
"""Types of an operator's data, in the order in which they are named."""

STYLES: Final = {0: "bold green", 1: "bold red", 2: "bold magenta", 3: "bold magenta", 4: "bold yellow"}
"""Exit code → style of the verdict."""

Judged = TypeVar("Judged", Query, Radius, Replay, Part)
"""A row that has a verdict."""


def render(result: Result, console: Console) -> None:
    """Print a result."""
    console.print(_headline(result))
    for line in (result.message or "").splitlines()[1:]:
        console.print(Text(f"  {plain(line)}"))
    for line in _about(result):
        console.print(Text(line, style="dim"))
    _tensors(result, console)
    _mismatches(result, console)
    _kernels(result, console)
    _diagnoses(result, console)
    _queries(result, console)
    _radii(result, console)
    _separations(result, console)
    _replays(result, console)
    if result.repair is not None:
        render_repair(result.repair, console)
    if result.study is not None:
        render_study(result.study, console)
    _parts(result, console)
    _operators(result, console)
    _support(result, console)
    _boards(result, console)
    _checks(result, console)
    if result.not_covered:
        console.print(Text("Not covered", style="bold"))
        for gap in result.not_covered:
            console.print(Text(f"  · {plain(gap)}"))
    if result.verb == "conform" and result.verdict == "MISMATCH":
        console.print(
            "Why: coverify diagnose, with the same model, device and inputs, names the operator, the variant "
            "of its kernel that gives these bytes, and the profile that the device follows."
        )


def _headline(result: Result) -> Text:
    why = (result.message or MEANINGS[result.verdict]).partition("\n")[0]
    file = f"  {plain(result.model.file)}" if result.model else ""
    return Text.assemble(_verdict(result.verdict), f"  {plain(result.verb)}{file}: {plain(why)}")


def _verdict(verdict: Verdict) -> Text:
    return Text(verdict, style=STYLES[exit_code(verdict)])


def _about(result: Result) -> list[str]:
    said = []
    if result.model:
        said.append(f"model    sha256 {digest(result.model.sha256)}…")
    if result.device:
        known = [f"{name} {value}" for name, value in result.device if value is not None and name != "url"]
        said.append(plain(f"device   {result.device.url}" + (f" ({', '.join(known)})" if known else "")))
    if result.profile or result.oracle:
        oracle = f"{result.oracle.name} {result.oracle.version or ''}" if result.oracle else ""
        word = "computed" if result.verb == "run" else "against "
        said.append(plain(f"{word} {', '.join(text for text in (result.profile, oracle.strip()) if text)}"))
    if result.bytes_compared:
        samples = f" of {grouped(result.samples)} samples" if result.samples is not None else ""
        said.append(f"compared {grouped(result.bytes_compared)} bytes{samples}")
    return said


def _tensors(result: Result, console: Console) -> None:
    rows = result.tensors or ()
    if not any(row.compared_samples for row in rows):
        return
    titles = ["op", "operator", "tensor", "name", "samples", "bytes", "differ", "max |Δ|"]
    counted = any(row.cycles is not None for row in rows)
    filled = table("Tensors", *titles, *([cycles_title(result)] if counted else []))
    for row in rows[:MAX_LINES]:
        numbers = (row.compared_samples, grouped(row.bytes), row.mismatching_samples, row.max_abs_diff)
        name = plain(row.name, 13) if row.name else None
        cycles = [None if row.cycles is None else grouped(row.cycles)] if counted else []
        filled.add_row(*map(cell, (row.op_index, row.op, row.tensor, name, *numbers, *cycles)))
    show(filled, len(rows), console)


def _mismatches(result: Result, console: Console) -> None:
    rows = result.mismatches or ()
    if not rows:
        return
    filled = table("Mismatches", "op", "operator", "tensor", "where")
    for row in rows[:MAX_LINES]:
        filled.add_row(*map(cell, (row.op_index, row.op, row.tensor, mismatch_text(row))))
    show(filled, len(rows), console)


def _kernels(result: Result, console: Console) -> None:
    rows = result.kernels or ()
    if not rows:
        return
    filled = table(
        "Kernels", "operator", "where", "samples", "bytes", "differ", "refused", "variants", "note"
    )
    for row in rows:
        shown = (
            f"{sum(v.cases > 0 for v in row.separated)} of {len(row.separated)}" if row.separated else None
        )
        note = ", ".join(row.explained_by) or row.first
        numbers = (row.cases, grouped(row.bytes), row.differing, row.refused, shown)
        filled.add_row(*map(cell, (row.op, row.shape_class, *numbers, note)))
    show(filled, 0, console)


def _diagnoses(result: Result, console: Console) -> None:
    for row in (result.diagnoses or ())[:MAX_LINES]:
        console.print()
        where = f"op {row.op_index} {row.op}, tensor {row.tensor}, element {list(row.element)}"
        where += f", sample {row.sample}"
        console.print(Text(plain(where), style="bold"))
        console.print(Text(f"  expected {row.expected}, the device has {row.got}"))
        if row.steps:
            console.print(Text("  " + ", ".join(f"{step.name} {step.value}" for step in row.steps)))
        share = f"{grouped(row.differing_elements)} of {grouped(row.elements)} elements"
        console.print(Text(f"  {share} differ, in {row.differing_samples} of {row.samples} samples"))
        for pattern in row.patterns:
            console.print(Text(f"  {plain(pattern)}"))
        for variant in row.explained_by:
            said = Text.assemble(
                ("  explained by ", ""), (plain(variant.name), "bold"), f": {plain(variant.says)}"
            )
            console.print(said)
        if not row.explained_by:
            console.print(Text("  no known variant gives exactly these bytes", style="yellow"))
        for variant in row.nearest:
            console.print(
                Text(f"  near: {plain(variant.name)}, {grouped(variant.remaining)} elements left over")
            )


def _worst_first(rows: Sequence[Judged]) -> Sequence[Judged]:
    """The rows of a table; of a longer one than is shown, what fails comes first."""
    return sorted(rows, key=lambda row: -severity(row.verdict)) if len(rows) > MAX_LINES else rows


def _counted(title: str, rows: Sequence[Query] | Sequence[Replay]) -> str:
    """A table's title, with how many of its rows, shown or not, have which verdict."""
    return f"{title}: {told(counts(rows))}" if len(rows) > 1 else title


def _queries(result: Result, console: Console) -> None:
    rows = _worst_first(result.queries or ())
    if not rows:
        return
    what = "Claims" if result.verb == "check" else "Queries"
    title = "; ".join(filter(None, (_counted(what, rows), _as_given(rows))))
    filled = table(
        title,
        "claim" if result.verb == "check" else "query",
        "verdict",
        "engine",
        "time",
        "label",
        "evidence",
    )
    long: dict[str, list[str]] = {}
    for row in rows[:MAX_LINES]:
        note = _note(row, result.message or "")
        if len(note) > MAX_NOTE:
            long.setdefault(note, []).append(query_name(row))
        evidence = _evidence(row, note if len(note) <= MAX_NOTE else "said below")
        filled.add_row(
            cell(_name(row, result.message or "")),
            _verdict(row.verdict),
            *map(cell, (row.engine, seconds(row.time_s), became(row), evidence or None)),
        )
    show(filled, len(rows), console)
    for note, names in long.items():
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        console.print(Text(plain(f"{names[0]}{more}: {note}")))
    broken = [row for row in rows[:MAX_LINES] if row.verdict == "VIOLATED"]
    for row in broken if len(broken) <= MAX_SHOWN else ():
        if said := changes(row):
            console.print(Text(plain(f"{_name(row, result.message or '')}: {said}", 600)))
    for row in rows[:MAX_LINES]:
        if row.detail:
            console.print(Text(plain(f"{query_name(row)}: {row.detail}", 600)))
        if row.reasons:
            _reasons(row, console)


def _as_given(rows: Sequence[Query]) -> str | None:
    """`2 misclassified as given`, of several rows."""
    said = [as_given(row) for row in rows if row.unchanged]
    return f"{len(said)} {said[0]}" if said and len(rows) > 1 else None


def _name(row: Query, message: str) -> str:
    """A query's name; its property only where neither the sample nor the message says what is asked."""
    if row.index is None and row.case is None and row.property and row.property in message:
        return "property"
    return query_name(row, with_property=row.index is None)


def _note(row: Query, message: str) -> str:
    """What is said of a row, without what its files or the result's message say."""
    if row.note is None or row.certificate or row.unchanged:
        return ""
    return "; ".join(part for part in row.note.split("; ") if part not in message)


def _evidence(row: Query, note: str) -> str:
    """The files of a row, or what its proof rests on, and what is said of it."""
    files = ", ".join(filter(None, (row.witness, row.certificate, row.certificate_against)))
    return "; ".join(filter(None, (files or row.proof, as_given(row), note)))


def _became(label: int | None, predicted: int | None) -> str | None:
    """The label, and the class of the counterexample where there is one."""
    if predicted is None:
        return None if label is None else str(label)
    return f"{'–' if label is None else label} → {predicted}"


def _reasons(row: Query, console: Console) -> None:
    """The facts that a proof needs, those of one operator together."""
    filled = table(f"What {query_name(row)} rests on", "where", "what", "elements")
    groups: dict[tuple[str, str], list[str]] = {}
    for r in row.reasons or ():
        where = "input" if r.wire == 0 else "the property" if r.op_index is None else f"operator {r.op_index}"
        limits = "" if r.what == "value" else f" in {r.lo}..{r.hi}"
        groups.setdefault((where, r.what), []).append(f"{r.element}{limits}")
    for (where, what), elements in groups.items():
        more = f", … {len(elements) - MAX_REASONS} more" if len(elements) > MAX_REASONS else ""
        filled.add_row(cell(where), cell(what), cell(f"{', '.join(elements[:MAX_REASONS])}{more}"))
    show(filled, len(groups), console)


def _radii(result: Result, console: Console) -> None:
    rows = _worst_first(result.radii or ())
    if not rows:
        return
    columns = ("sample", "certified", "attacked", "closed", "engines", "time", "label", "evidence")
    filled = table("Largest radius", *columns)
    for row in rows[:MAX_LINES]:
        files = ", ".join(base_name(name) for name in (row.certificate, row.witness) if name)
        evidence = "; ".join(filter(None, (files, row.proof if is_weak(row) else None)))
        closed = Text("yes" if row.closed else "no", style=STYLES[exit_code(row.verdict)])
        radii = (row.index, row.certified, row.attacked)
        more = (row.engines, seconds(row.time_s), _became(row.label, row.predicted), evidence or None)
        filled.add_row(*map(cell, radii), closed, *map(cell, more))
    show(filled, len(rows), console)


def _separations(result: Result, console: Console) -> None:
    rows = summaries(result.separations or ())
    if not rows:
        return
    filled = table("Requantizations", "op", "operator", "channels differ", "accumulators", "example")
    for row in rows[:MAX_LINES]:
        one, example = row.example, None
        if one is not None and one.values is not None:
            example = f"channel {one.channel}: {one.accumulator} → {one.values[0]} / {one.values[1]}"
        share = f"{row.differing} of {row.channels}"
        filled.add_row(*map(cell, (row.op_index, row.op, share, grouped(row.accumulators), example)))
    show(filled, len(rows), console)


def _replays(result: Result, console: Console) -> None:
    rows = _worst_first(result.replays or ())
    if not rows:
        return
    filled = table(_counted("Replays", rows), "witness", "verdict", "device", "note")
    for row in rows[:MAX_LINES]:
        filled.add_row(cell(row.witness), _verdict(row.verdict), cell(row.device), cell(row.note))
    show(filled, len(rows), console)


def _parts(result: Result, console: Console) -> None:
    rows = _worst_first(result.parts or ())
    if not rows:
        return
    filled = table("Parts", "file", "verb", "verdict")
    for row in rows[:MAX_LINES]:
        filled.add_row(cell(row.file), cell(row.verb), _verdict(row.verdict))
    show(filled, len(rows), console)


def _operators(result: Result, console: Console) -> None:
    rows = result.operators or ()
    if not rows:
        return
    shown = [_operator_cells(row) for row in rows[:MAX_LINES]]
    known = [name for name in shown[0] if any(cells[name] is not None for cells in shown)]
    whole = _of_columns("Operators", known, shown)
    if narrowest(whole) <= console.width or "accumulator" not in known:
        show(whole, len(rows), console)
        return
    cut = known.index("accumulator")
    show(_of_columns("Operators", known[:cut], shown), len(rows), console)
    show(_of_columns("Accumulators", known[:2] + known[cut:], shown), len(rows), console)


def _of_columns(title: str, columns: list[str], shown: list[dict[str, object]]) -> Table:
    filled = table(title, *columns)
    for cells in shown:
        filled.add_row(*(cell(cells[name]) for name in columns))
    return filled


def _operator_cells(row: OperatorRow) -> dict[str, object]:
    """What is known of an operator, by column."""
    return {
        "op": row.op_index,
        "operator": row.op,
        "writes": ", ".join(map(str, row.outputs)),
        "shape": "×".join(map(str, row.shape)),
        "scale": None if row.scale is None else f"{row.scale:.4g}",
        "zero": row.zero_point,
        "accumulator": None if row.accumulator is None else f"{row.accumulator[0]}…{row.accumulator[1]}",
        "overflows": _overflow(row),
        "lowered to": _refusal(row) or ", ".join(row.lowered_to) or "the same wire",
    }


def _refusal(row: OperatorRow) -> str | None:
    """Why it is refused, without what its own row says already."""
    if row.refused is None:
        return None
    _, found, why = row.refused.partition(": ")
    return f"refused: {why if found and row.refused.startswith('op ') else row.refused}"


def _overflow(row: OperatorRow) -> str | None:
    if row.overflow != "found":
        return "cannot" if row.overflow == "impossible" else row.overflow
    return f"{row.overflow_value}" + (f" ({row.overflow_input})" if row.overflow_input else "")


def _support(result: Result, console: Console) -> None:
    rows = result.support or ()
    if not rows:
        return
    of_profile = result.profile not in (None, "tflm")
    columns = ("kernel",) if of_profile else ("concrete", "lowered to")
    filled = table("Operators", "operator", "oracle", "firmware", *columns)
    for row in rows:
        n_models = sum(row.checked.values()) or row.graphs or None
        said = (row.variant,) if of_profile else (_concrete(row), _lowered(row))
        filled.add_row(*map(cell, (row.op, n_models, "yes" if row.firmware else "no", *said)))
    show(filled, 0, console)


def _concrete(row: OperatorSupport) -> str:
    types = ", ".join(t for t in _TYPES if t in row.checked)
    return types or ("yes" if row.graphs else "not checked" if row.reference else "no")


def _lowered(row: OperatorSupport) -> str | None:
    lowered = ", ".join(row.lowered_to) or ("the same wire" if row.reference else None)
    return f"{lowered} ({row.exact})" if row.exact else lowered


def _boards(result: Result, console: Console) -> None:
    rows = result.boards or ()
    if not rows:
        return
    scanned = any(row.draft for row in rows)
    filled = table("Boards", "name", "port" if scanned else "--device", "core", "ready", "notes")
    for row in rows[:MAX_LINES]:
        no = "no answer" if row.draft else "no"
        ready = {True: "yes", False: no, None: "–"}[row.ready]
        filled.add_row(*map(cell, (row.name, row.url, row.core, ready, row.notes)))
    show(filled, len(rows), console)


def _checks(result: Result, console: Console) -> None:
    rows = result.checks or ()
    if not rows:
        return
    filled = table("Machine", "here", "what", "for", "found", "to install")
    for row in rows[:MAX_LINES]:
        here = (
            Text("yes", style="green") if row.ok else Text("no", style="bold red" if row.needed else "yellow")
        )
        filled.add_row(here, *map(cell, (row.name, row.purpose, row.found, row.hint)))
    show(filled, len(rows), console)
