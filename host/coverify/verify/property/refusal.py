"""What is wrong with a property file, in a sentence: its key, and the line where that is found."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, get_args

from pydantic import BaseModel, ValidationError

from coverify.verify.property.document import Joinable, Monotone, PropertyDocument, Range, RegionDocument
from coverify.verify.property.errors import BadProperty

_CLAIMS: Final[Mapping[int | str, type[BaseModel]]] = {
    kind: claim
    for claim in (*get_args(Joinable), Monotone)
    for kind in get_args(claim.model_fields["kind"].annotation)
}
"""The table of each kind of claim."""
_SAID: Final[Mapping[str, Callable[[Mapping[str, Any]], str]]] = {
    "missing": lambda of: "is missing",
    "union_tag_not_found": lambda of: "is missing",
    "union_tag_invalid": lambda of: f"must be one of {of['expected_tags'].replace(chr(39), '')}",
    "model_type": lambda of: "must be a table",
    "model_attributes_type": lambda of: "must be a table",
    "tuple_type": lambda of: "must be a list",
    "too_short": lambda of: f"{of['actual_length']} values are too few: at least {of['min_length']}",
    "too_long": lambda of: f"{of['actual_length']} values are too many: at most {of['max_length']}",
    "int_type": lambda of: "must be an integer",
    "string_type": lambda of: "must be a text in quotes",
    "string_too_long": lambda of: f"must have {of['max_length']} characters at most",
    "greater_than_equal": lambda of: f"must be {of['ge']} or more",
    "less_than": lambda of: f"must be less than {of['lt']}",
    "literal_error": lambda of: f"must be {of['expected']}",
    "value_error": lambda of: str(of["error"]),
}
"""What is said of an error of pydantic's, by its type and context."""


def refusal(path: Path, text: str, err: ValidationError) -> BadProperty:
    """The first thing that is wrong with the document in `text`."""
    first = err.errors(include_url=False, include_input=False)[0]
    steps, kind = _without_tags(first["loc"]), first["type"]
    said = _SAID[kind](first.get("ctx", {})) if kind in _SAID else first["msg"]
    if kind == "extra_forbidden":
        said = f"unknown key; known are {', '.join(_keys_at(first['loc'][:-1]))} (docs/properties.md)"
    if kind in ("union_tag_not_found", "union_tag_invalid"):
        steps.append("kind")
    elif kind == "string_pattern_mismatch":
        said = "must be one line of text" if steps[-1] == "name" else "must name an .npz file beside this one"
    elif kind == "missing" and isinstance(steps[-1], int):
        steps, said = steps[:-1], "has too few values"
    present = steps[:-1] if said == "is missing" else steps
    place = ".".join(str(step) for step in steps)[:200]
    return BadProperty(path, line_of(text, present), f"{place}: {said[:500]}" if place else said[:500])


def _keys_at(steps: tuple[int | str, ...]) -> list[str]:
    """The keys of the table at a path, in which a claim's kind stands behind it."""
    parts: dict[int | str, type[BaseModel]] = {"region": RegionDocument, "range": Range, **_CLAIMS}
    found: type[BaseModel] = PropertyDocument
    for step in steps:
        found = parts.get(step, found)
    return list(found.model_fields)


def _without_tags(steps: tuple[int | str, ...]) -> list[int | str]:
    """The path without the kinds that pydantic puts behind a claim."""
    before = zip((None, None, *steps), (None, *steps), steps, strict=False)
    return [
        step
        for last, previous, step in before
        if not (step in _CLAIMS and (previous == "claim" or (last == "claims" and isinstance(previous, int))))
    ]


def line_of(text: str, steps: list[int | str]) -> int | None:
    """The line of the last key of a path, or of the last one before it that is found without doubt."""
    lines, at, within = text.splitlines(), None, False
    for k, step in enumerate(steps):
        if isinstance(step, int):
            continue
        found = _lines_of(lines, step, at or 1)
        number = next(iter(steps[k + 1 : k + 2]), None)
        if found and isinstance(number, int) and lines[found[0] - 1].lstrip().startswith("[["):
            tables = [n for n in found if lines[n - 1].lstrip().startswith("[[")]
            at = tables[min(number, len(tables) - 1)]
            continue
        if not found or (within and len(found) > 1):
            break
        at, within = found[0], within or isinstance(number, int)
    return at


def _lines_of(lines: list[str], key: str, first: int) -> list[int]:
    """The numbers of the lines, from `first` on, that hold the key; once for each time."""
    pattern = re.compile(rf"""(?:^|[\s.\[{{,])["']?{re.escape(key[:200])}["']?\s*[\]=.]""")
    return [
        number
        for number, line in enumerate(lines, 1)
        if number >= first
        for _ in pattern.findall(line.partition("#")[0])
    ]
