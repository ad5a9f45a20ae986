"""What do the few values of a tensor become in a counterexample? The rows of a table, changed ones marked.

Of a long table those that changed come first; the others are kept apart. Where nothing is known to be changed
from, as in a property that speaks of no input, there is one code per row.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from coverify.report.rows import Query, Values

WHOLE: Final = 16
"""A table of no more rows is shown as one."""
MAX_DECIMALS: Final = 6
MAX_CHANGES: Final = 8
"""Most features, and most outputs, that one line names."""


@dataclass(frozen=True)
class Line:
    """One element: its number, what it is called besides, and (before, now) as codes and as real values."""

    number: int
    said: str
    codes: tuple[str, ...]
    change: str
    reals: tuple[str, ...]
    changed: bool


@dataclass(frozen=True)
class ValueTable:
    """noun: what its rows are; lines: those shown at once; rest: those that did not change, of a long one.

    part: are these not all of the tensor's, but all that changed?
    """

    noun: str
    lines: tuple[Line, ...]
    rest: tuple[Line, ...]
    based: bool
    real: bool
    part: bool = False


def inputs_table(query: Query) -> ValueTable | None:
    """The features of a query's counterexample, where they are few."""
    return None if query.inputs is None else _table("feature", _told(query, query.inputs), {})


def outputs_table(query: Query) -> ValueTable | None:
    """Its outputs, with the class that should stay and the one that is given."""
    if query.outputs is None:
        return None
    said: dict[int, str] = {}
    if query.predicted is not None:
        said[query.predicted] = "class now"
        if query.label is not None and query.label != query.predicted:
            said[query.label] = "label"
    return _table("output", _told(query, query.outputs), said)


def _told(query: Query, values: Values) -> Values:
    """The values; of an input as it was given, once."""
    return values.model_copy(update={"base": None}) if query.unchanged else values


def became(query: Query) -> str | None:
    """The label, and the class of the counterexample; of a single output, its code before and now."""
    if query.predicted is not None:
        return f"{'–' if query.label is None else query.label} → {query.predicted}"
    if query.outputs is not None and len(query.outputs.counterexample) == 1:
        codes = (*(query.outputs.base or ()), *query.outputs.counterexample)
        return f"y {' → '.join(map(minus, codes))}"
    return None if query.label is None else str(query.label)


def as_given(query: Query) -> str | None:
    """What is said of a query that the given input breaks by itself."""
    if not query.unchanged:
        return None
    return "misclassified as given" if query.property is None else "broken by the input as given"


def changes(query: Query) -> str | None:
    """`feature 0: 90 → 87 (45.0 → 43.5), 2 more; output 1: …`: what a counterexample of few values changes;
    all of it, where it is not known to be changed from anything.
    """
    tables = [table for table in (inputs_table(query), outputs_table(query)) if table is not None]
    return "; ".join(said for table in tables if (said := _in_a_line(table))) or None


def _in_a_line(table: ValueTable) -> str:
    told = [line for line in table.lines if line.changed or not table.based]
    more = [f"{len(told) - MAX_CHANGES} more"] if len(told) > MAX_CHANGES else []
    return ", ".join([*(_one(table.noun, line) for line in told[:MAX_CHANGES]), *more])


def _one(noun: str, line: Line) -> str:
    reals = f" ({' → '.join(line.reals)})" if line.reals else ""
    said = f" [{line.said}]" if line.said else ""
    return f"{noun} {line.number}: {' → '.join(line.codes)}{reals}{said}"


def minus(number: int | str) -> str:
    """A number with a minus sign as wide as a digit."""
    return str(number).replace("-", "−")


def _table(noun: str, values: Values, said: dict[int, str]) -> ValueTable:
    lines = [_line(i, values, said.get(i, "")) for i in range(len(values.counterexample))]
    whole = len(lines) <= WHOLE or values.base is None
    return ValueTable(
        noun,
        tuple(line for line in lines if whole or line.changed or line.said),
        () if whole else tuple(line for line in lines if not line.changed and not line.said),
        values.base is not None,
        values.scale is not None,
        values.at is not None,
    )


def _line(i: int, values: Values, said: str) -> Line:
    now = values.counterexample[i]
    before = now if values.base is None else values.base[i]
    codes = (now,) if values.base is None else (before, now)
    reals = [_real(values.scale, code - values.zero_point) for code in codes if values.scale is not None]
    change = "" if now == before else f"{'+' if now > before else ''}{minus(now - before)}"
    number = i if values.at is None else values.at[i]
    return Line(number, said, tuple(map(minus, codes)), change, tuple(reals), now != before)


def _real(scale: float, steps: int) -> str:
    """scale * steps, with one digit more than tells two steps apart: as many decimals in all of a scale."""
    decimals = max(0, 1 - math.floor(math.log10(scale)))
    return minus(f"{scale * steps:.{decimals}f}" if decimals <= MAX_DECIMALS else f"{scale * steps:.3e}")
