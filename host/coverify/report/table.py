"""How is a table laid out on a terminal? Numbers, verdicts and file names are never cut.

Columns of prose are folded into lines; all others stay whole. A table that is still too wide for the terminal
is printed wider than it: a terminal wraps the line, where cutting would print -128 as -12.
"""

from __future__ import annotations

from typing import Final

from rich.cells import cell_len
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from coverify.report.plain import plain

MAX_LINES: Final = 40
"""Most rows of a table that are printed."""
MIN_FOLDED: Final = 14
"""No folded column becomes narrower, in characters."""
GAP: Final = 2
"""Spaces between two columns."""

FOLDED: Final = {
    "name", "where", "evidence", "note", "notes", "lowered to", "kernel", "concrete", "found", "to install",
    "part", "file", "elements", "example", "query", "engines", "for", "claim",
}  # fmt: skip
"""Columns whose cells may be broken into lines; all others stay whole."""
WORDS: Final = {"evidence"}
"""Folded columns that are broken between words alone: these name files."""
RIGHT: Final = {
    "op",
    "samples",
    "bytes",
    "differ",
    "max |Δ|",
    "cycles",
    "cycles (emulated)",
    "time",
    "zero",
    "certified",
    "attacked",
}
"""Columns of numbers."""


def table(title: str, *columns: str) -> Table:
    """An empty table with these columns."""
    empty = _titled(title)
    for column in columns:
        right = column in RIGHT
        whole = column not in FOLDED
        empty.add_column(column, justify="right" if right else "left", overflow="fold", no_wrap=whole)
    return empty


def aligned(title: str, *columns: str) -> Table:
    """An empty table whose first column names the rows; the others are numbers, at the right."""
    empty = _titled(title)
    for i, column in enumerate(columns):
        empty.add_column(column, justify="left" if i == 0 else "right", overflow="fold")
    return empty


def show_aligned(filled: Table, console: Console, folded: tuple[str, ...] = ()) -> None:
    """Print an aligned table after an empty line; one that is too wide for the terminal is printed wider.

    Columns' titles are broken between words before that, cells only in the columns that `folded` names.
    """
    gaps = GAP * (len(filled.columns) - 1)
    cells = [max((cell_len(str(cell)) for cell in column.cells), default=0) for column in filled.columns]
    whole = [max(width, cell_len(str(c.header))) for width, c in zip(cells, filled.columns, strict=True)]
    if sum(whole) + gaps > console.width:
        headers = [max(map(cell_len, str(column.header).split()), default=0) for column in filled.columns]
        least = [max(pair) for pair in zip(cells, headers, strict=True)]
        broken = [i for i, column in enumerate(filled.columns) if str(column.header) in folded]
        left = console.width - gaps - sum(least[i] for i in range(len(least)) if i not in broken)
        for i in broken:
            least[i] = min(least[i], max(left // len(broken), headers[i], MIN_FOLDED))
        for column, width in zip(filled.columns, least, strict=True):
            column.width = width
        filled.width = sum(least) + gaps
    console.print()
    if filled.title is not None:  # by itself: it may be longer than the table is wide
        console.print(filled.title)
        filled.title = None
    console.print(filled, crop=False)


def _titled(title: str) -> Table:
    return Table(
        title=Text(title, style="bold"), title_justify="left", box=None, pad_edge=False, header_style="dim"
    )


def cell(value: object) -> Text:
    """A value as one line; None as a dash."""
    return Text("–" if value is None else plain(value, 200))


def show(filled: Table, n_rows: int, console: Console) -> None:
    """Print a table, and how many of n_rows rows it leaves out."""
    console.print()
    for column in filled.columns:
        if str(column.header) in WORDS:
            column.min_width = _longest_word(column)
    least = narrowest(filled)
    filled.width = least if least > console.width else None
    console.print(filled, crop=False)
    if n_rows > MAX_LINES:
        console.print(Text(f"… and {n_rows - MAX_LINES} more", style="dim"))


def narrowest(filled: Table) -> int:
    """The fewest characters in a line with which no cell is cut."""
    widths = []
    for column in filled.columns:
        texts = [str(column.header), *(cell.plain for cell in column.cells if isinstance(cell, Text))]
        width = max(cell_len(text) for text in texts)
        least = max(MIN_FOLDED, column.min_width or 0)
        widths.append(width if column.no_wrap else min(width, least))
    return sum(widths) + GAP * (len(widths) - 1)


def _longest_word(column: Column) -> int:
    texts = [str(column.header), *(cell.plain for cell in column.cells if isinstance(cell, Text))]
    return max(cell_len(word) for text in texts for word in text.split() or [""])
