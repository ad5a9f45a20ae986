"""The files of one kind in a folder that a verb was given in their place, and what they are called."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path


def within(folder: Path, *patterns: str) -> dict[str, Path]:
    """Regular files of these names in a folder and directly below, by their names there: -9 before -10, the
    folder's own first.
    """
    paths = [p for pattern in patterns for p in (*folder.glob(pattern), *folder.glob(f"*/{pattern}"))]
    names = {p.relative_to(folder).as_posix(): p for p in paths if p.is_file()}
    return {name: names[name] for name in sorted(names, key=_order)}


def called(path: Path, given: Sequence[Path]) -> str:
    """A file or folder that was given, beside others: by its name, by all of it where others have that."""
    same = sum(other.name == path.name for other in given)
    return path.name if same == 1 and path.name else str(path)


def below(path: Path, name: str, given: Sequence[Path]) -> str:
    """A file of this name in a folder that was given: with the folder where there are several."""
    return name if len(given) == 1 else f"{called(path, given)}/{name}"


def _order(name: str) -> tuple[int, list[tuple[int, str]]]:
    parts = re.split(r"(\d{1,18})", name)
    return name.count("/"), [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]
