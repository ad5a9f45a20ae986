"""Where does a table stand in a page? Between two marks, each alone on its line.

`<!-- figure: NAME -->` and `<!-- end -->`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = tuple(ROOT / "docs" / name for name in ("studies.md", "repair.md", "verifier-notes.md"))


def blocks(text: str) -> dict[str, str]:
    """Name → what stands between its marks."""
    found = re.findall(r"^<!-- figure: ([\w-]+) -->\n(.*?)^<!-- end -->$", text, re.MULTILINE | re.DOTALL)
    return dict(found)


def replaced(text: str, name: str, table: str) -> str:
    """The page with another table of this name."""
    mark = re.compile(
        rf"^(<!-- figure: {re.escape(name)} -->\n).*?(^<!-- end -->)$", re.MULTILINE | re.DOTALL
    )
    return mark.sub(lambda found: found[1] + table + found[2], text)


def markdown(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table, one line each."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(map(str, line)) + " |\n" for line in lines)


def percent(share: float) -> str:
    """`77.6`: in percent, one digit."""
    return f"{100 * share:.1f}"


def ends(low: str, high: str) -> str:
    """`70`, or `70–75` where they differ."""
    return low if low == high else f"{low}–{high}"
